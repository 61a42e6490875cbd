"""What the apps of one server work with: its store and those who know how to use it."""

from __future__ import annotations

from dub_middleware.errors import ConflictError
from dub_middleware.server.access import Access
from dub_middleware.server.currencies import Converter
from dub_middleware.server.links import LinkEditor
from dub_middleware.server.objects import Objects
from dub_middleware.server.options import Options
from dub_middleware.server.queries import Queries
from dub_middleware.server.store import Store, random_text
from dub_middleware.server.store.workspace import KeyKind
from dub_middleware.server.visitor import Visitors
from dub_middleware.server.webhooks import Webhooks


class Services:
    """One workspace, ready to be used: ``links`` is the editor of its links, ``objects`` makes Dub's JSON.

    ``api_key`` and ``publishable_key`` are the keys given or just made; None when an earlier run made them.
    """

    def __init__(self, options: Options, store: Store | None = None) -> None:
        self.options = options
        self.store = store or Store(options.database_url, anonymize_ip=options.anonymize_ip)
        self.queries = Queries(self.store)
        self.visitors = Visitors(
            self.store.workspace.value("visitor_secret", lambda: random_text(32)),
            trusted_proxies=options.trusted_proxies,
            geoip_path=None if options.geoip_path is None else str(options.geoip_path),
        )
        self.converter = Converter(options.rates_file)
        self.objects = Objects(self.store.workspace.settings().workspace_id, options.base_url)
        self.webhooks = Webhooks(self.store, self.objects, allow_private=options.private_receivers)
        self.links = LinkEditor(self.store, self.webhooks)
        self.access = Access(self.store, options.password, options.base_url, self.visitors.address)
        self.api_key = self._key("secret", options.api_key)
        self.publishable_key = self._key("publishable", options.publishable_key)
        self._add_domains()

    def _key(self, kind: KeyKind, given: str | None) -> str | None:
        if given is None and any(key.kind == kind for key in self.store.keys.all()):
            return None
        return self.store.keys.create(kind, key=given)[0]

    def _add_domains(self) -> None:
        has_some = bool(self.store.workspace.domains())
        for number, slug in enumerate(self.options.domains):
            try:
                self.store.workspace.add_domain(slug, primary=number == 0 and not has_some)
            except ConflictError:
                continue  # from an earlier run, or another process

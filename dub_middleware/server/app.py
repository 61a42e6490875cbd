"""The server as one WSGI app: who answers which host and path."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from flask import Flask

from dub_middleware.server.api import create_api
from dub_middleware.server.dashboard import create_dashboard
from dub_middleware.server.options import Options
from dub_middleware.server.redirect import Redirect
from dub_middleware.server.segment import create_segment
from dub_middleware.server.services import Services
from dub_middleware.server.store import Store
from dub_middleware.server.upkeep import Upkeep


def create_app(
    database_url: str = "sqlite:///dub.db",
    api_key: str | None = None,
    publishable_key: str | None = None,
    domains: Iterable[str] = ("go.localhost",),
    **options: Any,
) -> Server:
    """Return the server, a WSGI app; the other keywords are the fields of `Options`.

    Creates or migrates the database. Raises `ConfigError` for a wrong option, `StoreError` when the database
    cannot be opened.
    """
    given = {
        "database_url": database_url,
        "api_key": api_key,
        "publishable_key": publishable_key,
        "domains": domains if isinstance(domains, str) else tuple(domains),
    }
    return Server(Options.of(given | options))


class Server(Services):
    """One workspace, served.

    A Host that is a short domain answers redirects. On any other Host ``/api/…`` is Dub's API, ``/l/<key>`` a
    redirect of the primary domain and ``/l/<domain>/<key>`` of any, ``/openapi.json`` describes the API,
    ``/v1/…`` is Segment's tracking API if there is a write key, and the rest is the dashboard.

    May be built before a server forks its workers (``gunicorn --preload``).
    """

    def __init__(self, options: Options, store: Store | None = None) -> None:
        super().__init__(options, store)
        self._upkeep = Upkeep(self.store)
        self.api = create_api(self)
        key = options.segment_write_key
        self.segment = None if key is None else create_segment(self, self.api, key)
        self.redirect = Redirect(self)

    @functools.cached_property
    def dashboard(self) -> Flask:
        """The pages, built when somebody first looks: it takes as long as all the rest of a server."""
        return create_dashboard(self, self.api.gate)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.start()
        path: str = environ.get("PATH_INFO", "")
        domains = [domain.slug for domain in self.store.workspace.recent_domains()]
        if (host := host_name(environ)) in domains:
            return self.redirect(environ, start_response, domain=host)
        if path.startswith("/api/") or path == "/api":
            return self.api(_below(environ, "/api"), start_response)
        if path.startswith("/v1/") and self.segment is not None:
            return self.segment(environ, start_response)
        if path.startswith("/l/") and domains:
            named = path.split("/", 3)[2]
            if named in domains:
                return self.redirect(_below(environ, f"/l/{named}"), start_response, domain=named)
            return self.redirect(_below(environ, "/l"), start_response, domain=domains[0])
        if path == "/openapi.json":
            return self.api(environ, start_response)
        return self.dashboard(environ, start_response)

    def start(self) -> None:
        """Start the background work of this process, as the first request does; cheap when it runs."""
        self._upkeep.ensure()
        self.webhooks.start()
        if self.segment is not None:
            self.segment.start()

    def close(self) -> None:
        """Stop the background work and close the database."""
        self._upkeep.close()
        self.webhooks.close()
        if self.segment is not None:
            self.segment.close()
        self.redirect.close()
        self.visitors.close()
        self.store.close()


def host_name(environ: dict[str, Any]) -> str:
    """The host that was asked for, in lower case and without its port."""
    host: str = environ.get("HTTP_HOST") or environ.get("SERVER_NAME", "")
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0].rstrip(".").lower()


def _below(environ: dict[str, Any], prefix: str) -> dict[str, Any]:
    """The environ as an app mounted at ``prefix`` sees it."""
    return environ | {
        "SCRIPT_NAME": environ.get("SCRIPT_NAME", "") + prefix,
        "PATH_INFO": environ["PATH_INFO"][len(prefix) :],
    }

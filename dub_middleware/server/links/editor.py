"""Create, change and delete links by Dub's rules, whoever asks: the API, the dashboard, the demo data."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dub_middleware.errors import ConflictError, LinkError
from dub_middleware.server.links.keys import RANDOM_LENGTH, RESERVED, ROOT_KEY, clean_key, random_key
from dub_middleware.server.links.urls import UTM, clean_url, parameters, with_parameters
from dub_middleware.server.moments import parse_moment
from dub_middleware.server.objects import iso
from dub_middleware.server.store import Link, Store
from dub_middleware.server.store.models import from_ms

if TYPE_CHECKING:
    from dub_middleware.server.webhooks import Webhooks

ATTEMPTS = 10  # random keys tried before giving up

#: values that become something else before they are stored
_INDIRECT = ("key_length", "prefix", "ref", "tag_id", "tag_names", *UTM)
_TEST_DATES = {"test_started_at": "testStartedAt", "test_completed_at": "testCompletedAt"}


class LinkEditor:
    """Write links. Values are the fields of Dub's API in snake_case; what is not given keeps its default.

    Every method raises `LinkError` with Dub's message when a value breaks a rule, and tells the webhooks
    unless ``quiet``.
    """

    def __init__(self, store: Store, webhooks: Webhooks) -> None:
        self._store = store
        self._webhooks = webhooks

    def create(self, values: Mapping[str, Any], *, quiet: bool = False) -> Link:
        """Add a link; without a ``key`` it gets a random one, without a ``domain`` the primary one."""
        row = self._stored(values) | {"domain": self._domain(values.get("domain"))}
        key = values.get("key")
        row["key"] = ROOT_KEY if key == ROOT_KEY else None if not key else _checked_key(key)
        row["url"] = self._url(values, values.get("url") or "", is_root=key == ROOT_KEY)
        row |= _utm(row["url"])
        link = self._insert(row, values)
        if not quiet:
            self._webhooks.link("link.created", link)
        return link

    def update(self, link: Link, changes: Mapping[str, Any], *, quiet: bool = False) -> Link:
        """Change the fields given."""
        row = self._stored(changes)
        if changes.get("domain") is not None:
            row["domain"] = self._domain(changes["domain"])
        else:
            row.pop("domain", None)
        if changes.get("key"):
            row["key"] = _checked_key(changes["key"])
        else:
            row.pop("key", None)
        if changes.keys() & {"url", "ref", *UTM}:
            is_root = row.get("key", link.key) == ROOT_KEY
            row["url"] = self._url(changes, changes.get("url", link.url) or "", is_root=is_root)
            row |= _utm(row["url"])
        try:
            updated = self._store.links.update(link.id, row)
        except ConflictError as conflict:
            raise _taken(conflict) from None
        if updated is None:
            raise LinkError("not_found", "Link not found.")
        if not quiet:
            self._webhooks.link("link.updated", updated)
        return updated

    def upsert(self, values: Mapping[str, Any]) -> Link:
        """Update the link to the same URL, with the same domain and key where these are given, or add one."""
        url = self._url(values, values.get("url") or "", is_root=values.get("key") == ROOT_KEY)
        domain = values.get("domain") and self._domain(values["domain"])
        if values.get("key"):
            key = _checked_key(values["key"])
            link = self._store.links.get_by_key(domain or self._domain(None), key)
            found = link if link is not None and link.url == url else None
        else:
            found = self._store.links.get_by_url(url, domain)
        return self.create(values) if found is None else self.update(found, values)

    def delete(self, link: Link, *, quiet: bool = False) -> None:
        """Remove a link; what was clicked stays counted."""
        self._webhooks.catch_up()
        if not self._store.links.delete(link.id):
            raise LinkError("not_found", "Link not found.")
        if not quiet:
            self._webhooks.link("link.deleted", link)

    def _insert(self, row: dict[str, Any], values: Mapping[str, Any]) -> Link:
        if row["key"] is not None:
            try:
                return self._store.links.create(row)
            except ConflictError as conflict:
                raise _taken(conflict) from None
        prefix, length = values.get("prefix") or "", int(values.get("key_length") or RANDOM_LENGTH)
        for _ in range(ATTEMPTS):
            row["key"] = _checked_key(random_key(prefix, length))
            try:
                return self._store.links.create(row)
            except ConflictError as conflict:
                if conflict.field != "key":
                    raise _taken(conflict) from None
        raise LinkError("conflict", f"No free key of {length} characters was found. Try a longer keyLength.")

    def _stored(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values as the store takes them, except domain, key and URL."""
        row = {name: value for name, value in values.items() if name not in _INDIRECT}
        if (external_id := row.get("external_id")) is not None:
            row["external_id"] = external_id.removeprefix("ext_") or None
        if row.get("expires_at") is not None:
            row["expires_at"] = self._moment(row["expires_at"], "Invalid expiration date.")
        for name, told in _TEST_DATES.items():
            if row.get(name) is not None:  # `tomorrow` is that of today, not of each click
                row[name] = iso(self._moment(row[name], f"custom: {told}: Invalid date"))
        for name in ("expired_url", "ios", "android"):
            if row.get(name) is not None:
                row[name] = _checked_url(name, row[name])
        if row.get("geo"):
            row["geo"] = {country: _checked_url("geo", url) for country, url in row["geo"].items()}
        if row.get("webhook_ids", ()) is None:
            row["webhook_ids"] = []
        if (folder_id := row.get("folder_id")) is not None:
            known = {folder.id for folder in self._store.workspace.folders()}
            if folder_id not in known:
                raise LinkError("not_found", "Folder not found.")
        tag_ids = self._tag_ids(values)
        row.pop("tag_ids", None)
        return row if tag_ids is None else row | {"tag_ids": tag_ids}

    def _moment(self, text: str, problem: str) -> datetime:
        moment = parse_moment(text, from_ms(self._store.now()))
        if moment is None:
            raise LinkError("unprocessable_entity", problem)
        return moment

    def _tag_ids(self, values: Mapping[str, Any]) -> list[str] | None:
        """The tags asked for by id or name; None when nobody asked."""
        ids, names = values.get("tag_ids"), values.get("tag_names")
        if ids is None and values.get("tag_id"):
            ids = [values["tag_id"]]
        if ids is None and names is None:
            return [] if values.keys() & {"tag_ids", "tag_names", "tag_id"} else None
        tags = self._store.workspace.tags()
        by_name = {tag.name.lower(): tag.id for tag in tags}
        _check_known("tagIds", ids or (), {tag.id for tag in tags}.__contains__)
        _check_known("tagNames", names or (), lambda name: name.lower() in by_name)
        return list(dict.fromkeys([*(ids or ()), *(by_name[name.lower()] for name in names or ())]))

    def _domain(self, slug: str | None) -> str:
        domains = self._store.workspace.recent_domains()
        if slug is None:
            if not domains:
                raise LinkError("forbidden", "This workspace has no domain yet.")
            return domains[0].slug
        if slug.lower() not in {domain.slug for domain in domains}:
            raise LinkError("forbidden", "Domain does not belong to workspace.")
        return slug.lower()

    def _url(self, values: Mapping[str, Any], text: str, *, is_root: bool) -> str:
        if not text.strip():
            if is_root:
                return ""
            raise LinkError("bad_request", "Missing destination URL")
        url = clean_url(text)
        if url is None:
            raise LinkError("unprocessable_entity", "Invalid destination URL")
        named = {name: values[name] or None for name in (*UTM, "ref") if name in values}
        if values.get("url") is not None:
            named = {name: value for name, value in named.items() if value is not None}
        return with_parameters(url, named)


def _utm(url: str) -> dict[str, str | None]:
    found = parameters(url)
    return {name: found.get(name) or None for name in UTM}


def _checked_key(text: str) -> str:
    key = clean_key(text)
    if key is None:
        raise LinkError("unprocessable_entity", "Invalid key.")
    if key.lower() in RESERVED:
        raise LinkError("forbidden", f"{key} is a reserved path and cannot be used as a short link.")
    return key


def _checked_url(name: str, text: str) -> str:
    url = clean_url(text)
    if url is None:
        raise LinkError("unprocessable_entity", f"{text[:100]!r} is no URL that {name} may lead to.")
    return url


def _check_known(what: str, given: Collection[str], is_known: Callable[[str], bool]) -> None:
    if unknown := [item for item in given if not is_known(item)]:
        raise LinkError("unprocessable_entity", f"Invalid {what} detected: {', '.join(unknown)}")


def _taken(conflict: ConflictError) -> LinkError:
    if conflict.field == "external_id":
        return LinkError("conflict", "A link with this externalId already exists in this workspace.")
    return LinkError("conflict", "Duplicate key: This short link already exists.")

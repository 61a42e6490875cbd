"""The links that are in use, remembered for a second: redirects and tracking ask for the same few again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from dub_middleware.server.store.engine import Database, Driver, driver_of
from dub_middleware.server.store.link_rows import link_of
from dub_middleware.server.store.models import Link
from dub_middleware.server.store.prepared import Prepared
from dub_middleware.server.store.schema import links

RECENT = 1.0  # seconds; until then a change made by another process may go unnoticed
MAX_RECENT = 10_000  # links

_BY_PK = sa.select(links).where(links.c.pk == sa.bindparam("number"))
_BY_KEY = sa.select(links).where(
    links.c.domain == sa.bindparam("wanted_domain"), links.c.folded_key == sa.bindparam("wanted_key")
)

_Key = int | tuple[str, str]


class RecentLinks:
    """Look links up, without their tags. A change made by this process shows at once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._by_pk = Prepared(database, _BY_PK)
        self._by_key = Prepared(database, _BY_KEY)
        self._kept: dict[_Key, tuple[float, Link]] = {}

    def by_key(self, domain: str, key: str) -> Link | None:
        """The link behind a short URL, keys compared without case."""
        place = domain.lower(), key.lower()
        kept, now = self._kept, time.monotonic()
        until, link = kept.get(place, (0.0, None))
        if until > now:
            return link
        with self._database.read() as connection:
            wanted = {"wanted_domain": place[0], "wanted_key": place[1]}
            row = self._by_key.first(driver_of(connection), wanted)
        return _keep(kept, now, place, row)

    def by_pk(self, raw: Driver, pk: int) -> Link | None:
        """The link that events refer to by this number, read inside a transaction."""
        kept, now = self._kept, time.monotonic()
        until, link = kept.get(pk, (0.0, None))
        if until > now:
            return link
        return _keep(kept, now, pk, self._by_pk.first(raw, {"number": pk}))

    def forget(self) -> None:
        """Ask the database again from now on."""
        # a new one, not an empty one: who is reading at this moment keeps what they find in the old one
        self._kept = {}


def _keep(
    kept: dict[_Key, tuple[float, Link]], now: float, key: _Key, row: Mapping[str, Any] | None
) -> Link | None:
    if row is None:
        return None
    link = link_of(row)
    if len(kept) >= MAX_RECENT:
        kept.clear()
    kept[key] = (now + RECENT, link)
    return link

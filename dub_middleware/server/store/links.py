"""Short links: create, find, change, list."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from dub_middleware.errors import ConflictError
from dub_middleware.server.store.engine import Database, Driver, driver_of
from dub_middleware.server.store.ids import new_id
from dub_middleware.server.store.models import LINK_DETAILS, Link, Tag, from_ms, to_ms
from dub_middleware.server.store.prepared import Prepared
from dub_middleware.server.store.schema import link_tags, links, tags

RECENT = 1.0  # seconds that `Links.lookup` goes on with what it has read
MAX_RECENT = 10_000  # links

SortBy = Literal["created_at", "clicks", "sale_amount", "last_clicked"]

_TIMES = ("expires_at", "disabled_at", "last_clicked", "last_lead_at", "last_conversion_at")
_COLUMNS = frozenset(
    [
        "domain",
        "key",
        "url",
        "external_id",
        "tenant_id",
        "program_id",
        "partner_id",
        "folder_id",
        "user_id",
        "track_conversion",
        "archived",
        "expires_at",
        "disabled_at",
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkQuery:
    """Which links; every condition given must hold. ``tag_ids`` and ``tag_names`` ask for any of them."""

    domain: str | None = None
    search: str | None = None
    tag_ids: Collection[str] = ()
    tag_names: Collection[str] = ()
    folder_id: str | None = None
    tenant_id: str | None = None
    user_id: str | None = None
    show_archived: bool = False


class Links:
    """The links table. Reads fold the counters first, except `find`, which the redirect calls."""

    def __init__(self, database: Database, now: Callable[[], int], fold: Callable[[], object]) -> None:
        self._database = database
        self._now = now
        self._fold = fold
        self._by_key = Prepared(database, _BY_KEY)
        self._recent: dict[tuple[str, str], tuple[float, Link]] = {}

    def create(self, values: Mapping[str, Any]) -> Link:
        """Add a link; ``values`` are `Link` fields (``domain``, ``key`` and ``url`` at least) and
        ``tag_ids``.

        Raises `ConflictError` with field ``key`` or ``external_id``.
        """
        return self.create_many([values])[0]

    def create_many(self, rows: Sequence[Mapping[str, Any]]) -> list[Link]:
        """Add all links or none; see `create`."""
        now = self._now()
        with self._database.write() as connection:
            ids = []
            for values in rows:
                row: dict[str, Any] = {"track_conversion": False, "archived": False, "id": new_id("link")}
                row |= _row(values, {}) | {"created_at": now, "updated_at": now}
                if "created_at" in values:
                    row["created_at"] = to_ms(values["created_at"])
                pk = self._insert(connection, row)
                _set_tags(connection, pk, values.get("tag_ids", ()))
                ids.append(row["id"])
            found = {link.id: link for link in _load(connection, links.c.id.in_(ids))}
        return [found[link_id] for link_id in ids]

    def update(self, link_id: str, changes: Mapping[str, Any]) -> Link | None:
        """Change the fields given and nothing else; None when there is no such link.

        Raises `ConflictError` as `create` does.
        """
        with self._database.write() as connection:
            current = _one(connection, links.c.id == link_id)
            if current is None:
                return None
            row = _row(changes, {name: getattr(current, name) for name in LINK_DETAILS})
            row["updated_at"] = self._now()
            _check_free(connection, {"domain": current.domain, "key": current.key, **changes}, current.pk)
            connection.execute(sa.update(links).where(links.c.pk == current.pk).values(row))
            if "tag_ids" in changes:
                connection.execute(sa.delete(link_tags).where(link_tags.c.link == current.pk))
                _set_tags(connection, current.pk, changes["tag_ids"])
        self._recent.clear()
        return self.get(link_id)

    def delete(self, link_id: str) -> bool:
        """Remove a link; its events stay and count in totals. Say whether there was one."""
        with self._database.write() as connection:
            gone = sa.delete(links).where(links.c.id == link_id).returning(links.c.pk)
            pk = connection.execute(gone).scalar()
            if pk is not None:
                connection.execute(sa.delete(link_tags).where(link_tags.c.link == pk))
        self._recent.clear()
        return pk is not None

    def lookup(self, domain: str, key: str) -> Link | None:
        """`find`, not asked again within a second; a change made by this process shows at once.

        Links come without their tags.
        """
        place = domain.lower(), key.lower()
        until, link = self._recent.get(place, (0.0, None))
        now = time.monotonic()
        if until > now:
            return link
        with self._database.read() as connection:
            raw = driver_of(connection)
            row = self._by_key.first(raw, {"wanted_domain": place[0], "wanted_key": place[1]})
        if row is None:
            return None
        link = _link(row, ())
        if len(self._recent) >= MAX_RECENT:
            self._recent.clear()
        self._recent[place] = (now + RECENT, link)
        return link

    def find(self, domain: str, key: str) -> Link | None:
        """The link behind a short URL, keys compared without case; its counters may lag behind."""
        with self._database.read() as connection:
            return _one(connection, _is_short_link(domain, key))

    def get(self, link_id: str) -> Link | None:
        self._fold()
        with self._database.read() as connection:
            return _one(connection, links.c.id == link_id)

    def get_by_key(self, domain: str, key: str) -> Link | None:
        self._fold()
        return self.find(domain, key)

    def get_by_external_id(self, external_id: str) -> Link | None:
        self._fold()
        with self._database.read() as connection:
            return _one(connection, links.c.external_id == external_id)

    def get_by_url(self, url: str, domain: str | None = None) -> Link | None:
        """The oldest link to exactly this URL."""
        self._fold()
        where = [links.c.url == url] + ([links.c.domain == domain] if domain else [])
        with self._database.read() as connection:
            found = _load(connection, *where, order=[links.c.pk], limit=1)
        return found[0] if found else None

    def get_many(self, ids: Collection[str]) -> dict[str, Link]:
        self._fold()
        with self._database.read() as connection:
            return {link.id: link for link in _load(connection, links.c.id.in_(ids))}

    def page(
        self,
        query: LinkQuery | None = None,
        *,
        sort_by: SortBy = "created_at",
        descending: bool = True,
        limit: int = 100,
        offset: int = 0,
        starting_after: str | None = None,
        ending_before: str | None = None,
    ) -> list[Link]:
        """One page of links in the order asked for, ties by age.

        ``starting_after`` and ``ending_before`` are link ids: the page begins behind, or ends before, that
        link. Raises `LookupError` when it does not exist.
        """
        self._fold()
        where = _conditions(query or LinkQuery())
        value: sa.ColumnElement[Any] = sa.func.coalesce(links.c[sort_by], 0)
        with self._database.read() as connection:
            backwards = ending_before is not None
            if (anchor := ending_before or starting_after) is not None:
                place = connection.execute(sa.select(value, links.c.pk).where(links.c.id == anchor)).first()
                if place is None:
                    raise LookupError(f"There is no link {anchor!r}.")
                here, there = sa.tuple_(value, links.c.pk), sa.tuple_(*map(sa.literal, place))
                where.append(here < there if descending != backwards else here > there)
            columns = (value, links.c.pk)
            order = [column.desc() if descending != backwards else column.asc() for column in columns]
            found = _load(connection, *where, order=order, limit=limit, offset=offset)
        return found[::-1] if backwards else found

    def count(self, query: LinkQuery | None = None) -> int:
        statement = sa.select(sa.func.count()).select_from(links).where(*_conditions(query or LinkQuery()))
        with self._database.read() as connection:
            return connection.execute(statement).scalar_one()

    def count_by(
        self, group_by: Literal["domain", "folder_id", "user_id", "tag_id"], query: LinkQuery | None = None
    ) -> list[tuple[str | None, int]]:
        """How many links each value has, most first."""
        column = tags.c.id if group_by == "tag_id" else links.c[group_by]
        number = sa.func.count()
        statement = sa.select(column, number).select_from(
            links.join(link_tags, link_tags.c.link == links.c.pk).join(tags, tags.c.pk == link_tags.c.tag)
            if group_by == "tag_id"
            else links
        )
        statement = (
            statement.where(*_conditions(query or LinkQuery())).group_by(column).order_by(number.desc())
        )
        with self._database.read() as connection:
            return [(value, count) for value, count in connection.execute(statement)]

    def _insert(self, connection: sa.Connection, row: Mapping[str, Any]) -> int:
        _check_free(connection, row, None)
        insert = self._database.insert(links).values(row).on_conflict_do_nothing().returning(links.c.pk)
        pk = connection.execute(insert).scalar()
        if pk is None:  # another process was faster
            _check_free(connection, row, None)
            raise ConflictError("key", str(row["key"]))
        return int(pk)


_BY_PK = sa.select(links).where(links.c.pk == sa.bindparam("number"))
_BY_KEY = sa.select(links).where(
    links.c.domain == sa.bindparam("wanted_domain"), links.c.folded_key == sa.bindparam("wanted_key")
)


class LinkByPk:
    """The link with a number, without its tags; None when there is none."""

    def __init__(self, database: Database) -> None:
        self._statement = Prepared(database, _BY_PK)

    def __call__(self, raw: Driver, pk: int) -> Link | None:
        row = self._statement.first(raw, {"number": pk})
        return None if row is None else _link(row, ())


def load_links(connection: sa.Connection, pks: Iterable[int | None]) -> dict[int, Link]:
    """The links with these numbers, counters as they are."""
    wanted = sorted({pk for pk in pks if pk is not None})
    return {link.pk: link for link in _load(connection, links.c.pk.in_(wanted))} if wanted else {}


def _is_short_link(domain: str, key: str) -> sa.ColumnElement[bool]:
    return sa.and_(links.c.domain == domain.lower(), links.c.folded_key == key.lower())


def _check_free(connection: sa.Connection, row: Mapping[str, Any], own: int | None) -> None:
    others = links.c.pk != (own if own is not None else -1)
    if connection.execute(
        sa.select(links.c.pk).where(_is_short_link(row["domain"], row["key"]), others)
    ).first():
        raise ConflictError("key", row["key"])
    external_id = row.get("external_id")
    if external_id is not None and (
        connection.execute(sa.select(links.c.pk).where(links.c.external_id == external_id, others)).first()
    ):
        raise ConflictError("external_id", external_id)


def _row(values: Mapping[str, Any], details: Mapping[str, Any]) -> dict[str, Any]:
    known = _COLUMNS.union(LINK_DETAILS, ("tag_ids", "id", "created_at"))
    if unknown := sorted(values.keys() - known):
        raise TypeError(f"A link has no field {unknown[0]!r}.")
    row = {name: values[name] for name in values if name in _COLUMNS or name == "id"}
    row |= {name: to_ms(row[name]) for name in _TIMES if isinstance(row.get(name), datetime)}
    if "domain" in row:
        row["domain"] = row["domain"].lower()
    if "key" in row:
        row["folded_key"] = row["key"].lower()
    row["details"] = dict(details) | {name: values[name] for name in values if name in LINK_DETAILS}
    return row


def _set_tags(connection: sa.Connection, pk: int, tag_ids: Collection[str]) -> None:
    if tag_ids:
        chosen = sa.select(sa.literal(pk), tags.c.pk).where(tags.c.id.in_(tag_ids))
        connection.execute(sa.insert(link_tags).from_select(["link", "tag"], chosen))


def _conditions(query: LinkQuery) -> list[sa.ColumnElement[bool]]:
    where = [
        links.c[name] == value
        for name in ("domain", "folder_id", "tenant_id", "user_id")
        if (value := getattr(query, name)) is not None
    ]
    if not query.show_archived:
        where.append(sa.not_(links.c.archived))
    if query.search:
        short_link = links.c.domain + sa.literal("/") + links.c.key
        where.append(
            sa.or_(*(text.icontains(query.search, autoescape=True) for text in (short_link, links.c.url)))
        )
    for column, wanted in ((tags.c.id, query.tag_ids), (tags.c.name, query.tag_names)):
        if wanted:
            tagged = sa.select(link_tags.c.link).join(tags, tags.c.pk == link_tags.c.tag)
            where.append(links.c.pk.in_(tagged.where(column.in_(wanted))))
    return where


def _one(connection: sa.Connection, *where: sa.ColumnElement[bool]) -> Link | None:
    found = _load(connection, *where)
    return found[0] if found else None


def _load(
    connection: sa.Connection,
    *where: sa.ColumnElement[bool],
    order: Sequence[sa.ColumnElement[Any]] = (),
    limit: int | None = None,
    offset: int = 0,
) -> list[Link]:
    statement = sa.select(links).where(*where).order_by(*order)
    if limit is not None:
        statement = statement.limit(limit).offset(offset)
    rows = connection.execute(statement).mappings().all()
    tagged = _tags_of(connection, [row["pk"] for row in rows])
    return [_link(row, tagged.get(row["pk"], ())) for row in rows]


def _tags_of(connection: sa.Connection, pks: Collection[int]) -> dict[int, tuple[Tag, ...]]:
    if not pks:
        return {}
    statement = (
        sa.select(link_tags.c.link, tags.c.id, tags.c.name, tags.c.color)
        .join(tags, tags.c.pk == link_tags.c.tag)
        .where(link_tags.c.link.in_(pks))
        .order_by(tags.c.pk)
    )
    found: dict[int, tuple[Tag, ...]] = {}
    for pk, tag_id, name, color in connection.execute(statement):
        found[pk] = (*found.get(pk, ()), Tag(id=tag_id, name=name, color=color))
    return found


_FIELDS = [item.name for item in dataclasses.fields(Link) if item.name in links.c]


def _link(row: Mapping[Any, Any], tagged: tuple[Tag, ...]) -> Link:
    values = {name: row[name] for name in _FIELDS}
    for name in (*_TIMES, "created_at", "updated_at"):
        if values[name] is not None:
            values[name] = from_ms(values[name])
    return Link(**values, **row["details"], tags=tagged)

"""Short links: create, find, change, list."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from dub_middleware.errors import ConflictError
from dub_middleware.server.store.engine import Database
from dub_middleware.server.store.ids import new_id
from dub_middleware.server.store.link_rows import LINK_DETAILS, find_link, find_links, link_columns
from dub_middleware.server.store.models import Link, to_ms
from dub_middleware.server.store.recent_links import RecentLinks
from dub_middleware.server.store.schema import link_tags, links, tags

SortBy = Literal["created_at", "clicks", "sale_amount", "last_clicked"]


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
    """The links table. Reads fold the counters first, except `find` and ``lookup`` (`RecentLinks.by_key`)."""

    def __init__(
        self,
        database: Database,
        now: Callable[[], int],
        fold: Callable[[], object],
        recent: RecentLinks,
    ) -> None:
        self._database = database
        self._now = now
        self._fold = fold
        self._recent = recent
        self.lookup = recent.by_key

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
                row |= link_columns(values, {}) | {"created_at": now, "updated_at": now}
                if "created_at" in values:
                    row["created_at"] = to_ms(values["created_at"])
                pk = self._insert(connection, row)
                _set_tags(connection, pk, values.get("tag_ids", ()))
                ids.append(row["id"])
            found = {link.id: link for link in find_links(connection, links.c.id.in_(ids))}
        return [found[link_id] for link_id in ids]

    def update(self, link_id: str, changes: Mapping[str, Any]) -> Link | None:
        """Change the fields given and nothing else; None when there is no such link.

        Raises `ConflictError` as `create` does.
        """
        with self._database.write() as connection:
            current = find_link(connection, links.c.id == link_id)
            if current is None:
                return None
            row = link_columns(changes, {name: getattr(current, name) for name in LINK_DETAILS})
            row["updated_at"] = self._now()
            _check_free(connection, {"domain": current.domain, "key": current.key, **changes}, current.pk)
            connection.execute(sa.update(links).where(links.c.pk == current.pk).values(row))
            if "tag_ids" in changes:
                connection.execute(sa.delete(link_tags).where(link_tags.c.link == current.pk))
                _set_tags(connection, current.pk, changes["tag_ids"])
        self._recent.forget()
        return self.get(link_id)

    def delete(self, link_id: str) -> bool:
        """Remove a link; its events stay and count in totals. Say whether there was one."""
        with self._database.write() as connection:
            gone = sa.delete(links).where(links.c.id == link_id).returning(links.c.pk)
            pk = connection.execute(gone).scalar()
            if pk is not None:
                connection.execute(sa.delete(link_tags).where(link_tags.c.link == pk))
        self._recent.forget()
        return pk is not None

    def find(self, domain: str, key: str) -> Link | None:
        """The link behind a short URL, keys compared without case; its counters may lag behind."""
        with self._database.read() as connection:
            return find_link(connection, _is_short_link(domain, key))

    def get(self, link_id: str) -> Link | None:
        self._fold()
        with self._database.read() as connection:
            return find_link(connection, links.c.id == link_id)

    def get_by_key(self, domain: str, key: str) -> Link | None:
        self._fold()
        return self.find(domain, key)

    def get_by_external_id(self, external_id: str) -> Link | None:
        self._fold()
        with self._database.read() as connection:
            return find_link(connection, links.c.external_id == external_id)

    def get_by_url(self, url: str, domain: str | None = None) -> Link | None:
        """The oldest link to exactly this URL."""
        self._fold()
        where = [links.c.url == url] + ([links.c.domain == domain] if domain else [])
        with self._database.read() as connection:
            found = find_links(connection, *where, order=[links.c.pk], limit=1)
        return found[0] if found else None

    def get_many(self, ids: Collection[str]) -> dict[str, Link]:
        self._fold()
        with self._database.read() as connection:
            return {link.id: link for link in find_links(connection, links.c.id.in_(ids))}

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
            found = find_links(connection, *where, order=order, limit=limit, offset=offset)
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

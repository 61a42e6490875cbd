"""Links as rows: what columns a change makes, and records out of what was read."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from dub_middleware.server.store.models import Link, Tag, from_ms, to_ms
from dub_middleware.server.store.schema import link_tags, links, tags

#: link fields kept in one JSON column: nothing is looked up or sorted by them
LINK_DETAILS = (
    "expired_url",
    "password",
    "proxy",
    "title",
    "description",
    "image",
    "video",
    "rewrite",
    "do_index",
    "ios",
    "android",
    "geo",
    "public_stats",
    "comments",
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_term",
    "utm_content",
    "test_variants",
    "test_started_at",
    "test_completed_at",
    "webhook_ids",
)

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
_FIELDS = [item.name for item in dataclasses.fields(Link) if item.name in links.c]


def link_columns(values: Mapping[str, Any], details: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that these `Link` fields change; ``details`` are those in `LINK_DETAILS` so far.

    Raises `TypeError` for a field that there is not.
    """
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


def load_links(connection: sa.Connection, pks: Iterable[int | None]) -> dict[int, Link]:
    """The links with these numbers, counters as they are."""
    wanted = sorted({pk for pk in pks if pk is not None})
    return {link.pk: link for link in find_links(connection, links.c.pk.in_(wanted))} if wanted else {}


def find_link(connection: sa.Connection, *where: sa.ColumnElement[bool]) -> Link | None:
    """The first link for which all conditions hold."""
    found = find_links(connection, *where)
    return found[0] if found else None


def find_links(
    connection: sa.Connection,
    *where: sa.ColumnElement[bool],
    order: Sequence[sa.ColumnElement[Any]] = (),
    limit: int | None = None,
    offset: int = 0,
) -> list[Link]:
    """The links for which all conditions hold, with their tags, counters as they are."""
    statement = sa.select(links).where(*where).order_by(*order)
    if limit is not None:
        statement = statement.limit(limit).offset(offset)
    rows = connection.execute(statement).mappings().all()
    tagged = _tags_of(connection, [row["pk"] for row in rows])
    return [link_of(row, tagged.get(row["pk"], ())) for row in rows]


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


def link_of(row: Mapping[Any, Any], tagged: tuple[Tag, ...] = ()) -> Link:
    """The record of a row of the table."""
    values = {name: row[name] for name in _FIELDS}
    for name in (*_TIMES, "created_at", "updated_at"):
        if values[name] is not None:
            values[name] = from_ms(values[name])
    return Link(**values, **row["details"], tags=tagged)

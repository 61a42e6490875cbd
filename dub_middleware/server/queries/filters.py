"""Filters: which events a question is about.

A filter is a field and the values it may have, or with ``exclude`` must not have; all filters must hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from dub_middleware.server.queries.search import mentions
from dub_middleware.server.store import EventType, Store
from dub_middleware.server.store.events import TYPES, is_type
from dub_middleware.server.store.metadata import text_at
from dub_middleware.server.store.rollups import BY_QUARTER, Dim
from dub_middleware.server.store.schema import (
    CLICK,
    customers,
    deleted_customers,
    events,
    link_tags,
    links,
    tags,
    url_parts,
)
from dub_middleware.server.store.words import UTM, short_url

Operator = Literal["=", "!=", ">", ">=", "<", "<="]
Clause = sa.ColumnElement[bool]


@dataclass(frozen=True, slots=True)
class Filter:
    """Any of ``values``, or with ``exclude`` none of them."""

    values: tuple[str, ...]
    exclude: bool = False


@dataclass(frozen=True, slots=True)
class MetadataFilter:
    """A comparison with a value inside an event's metadata; ``path`` are the keys that lead to it."""

    path: tuple[str, ...]
    operator: Operator
    value: str


Filters = Mapping[str, Filter]
#: any of the groups, of which all must hold
MetadataQuery = Sequence[Sequence[MetadataFilter]]

#: fields that are a column of words in the events table
WORD_FIELDS = (
    *("continent", "country", "region", "city", "device", "browser", "os", "trigger"),
    *("referer", "referer_url", "url", "event_name"),
)
#: fields that are a column of the links table
LINK_FIELDS = {
    "domain": links.c.domain,
    "key": links.c.key,
    "link_id": links.c.id,
    "external_id": links.c.external_id,
    "tenant_id": links.c.tenant_id,
    "folder_id": links.c.folder_id,
    "partner_id": links.c.partner_id,
    "program_id": links.c.program_id,
}
#: what every database takes for a double; PostgreSQL refuses 1e999
_NUMBER = r"^-?[0-9]{1,100}(\.[0-9]{1,120})?([eE][-+]?[0-9]{1,2})?$"
FIELDS = (
    *WORD_FIELDS,
    *LINK_FIELDS,
    *UTM,
    "base_url",
    "tag_id",
    "root",
    "customer_id",
    "sale_type",
    "reached",
    "search",
)


def _led_to(kind: EventType | None = None) -> Clause:
    """There is a lead or a sale with the same click id, or one of the two."""
    later = events.alias("later")
    # written as in the partial index, or SQLite does not see that it will do
    is_conversion = later.c.type != sa.literal_column(str(CLICK))
    same_click = later.c.click_id == events.c.click_id
    wanted = () if kind is None else (later.c.type == TYPES[kind],)
    return sa.exists().where(same_click, is_conversion, *wanted)


#: how far a click came, which is told of all events with its id
_REACHED = {
    "click": sa.not_(_led_to()),
    "lead": _led_to("lead") & sa.not_(_led_to("sale")),
    "sale": _led_to("sale"),
}


@dataclass(frozen=True, slots=True)
class Selection:
    """Filters made ready for one question: conditions for event rows and, where one will do, a roll-up."""

    where: tuple[Clause, ...]
    dim: Dim | None = None  # the roll-up that answers as well; None when only the events know
    values: tuple[int, ...] = ()
    exclude: bool = False

    @property
    def is_everything(self) -> bool:
        return not self.where


def select(
    store: Store, connection: sa.Connection, filters: Filters, metadata: MetadataQuery = ()
) -> Selection:
    """Turn filters into conditions, words looked up. Raises `ValueError` for an unknown field."""
    where: list[Clause] = []
    for field, chosen in filters.items():
        if field not in FIELDS:
            raise ValueError(f"{field!r} is no filter; known are {', '.join(FIELDS)}")
        where.append(_clause(store, connection, field, chosen))
    if metadata:
        is_sqlite = store.database.is_sqlite
        where.append(sa.or_(*(sa.and_(*(_compare(test, is_sqlite) for test in group)) for group in metadata)))
    if not where:
        return Selection((), Dim.TOTAL, (0,))
    field, chosen = next(iter(filters.items()), ("", Filter(())))
    dim = Dim.__members__.get(field.upper())
    if len(where) == 1 and not metadata and dim in BY_QUARTER:
        ids = _words(store, connection, field, chosen.values)
        return Selection(tuple(where), dim, tuple(ids), chosen.exclude)
    return Selection(tuple(where))


def _clause(store: Store, connection: sa.Connection, field: str, chosen: Filter) -> Clause:
    if field in WORD_FIELDS:
        matches: Clause = events.c[field].in_(_words(store, connection, field, chosen.values))
        # a click has no event name: it is not one of those either
        return sa.or_(events.c[field].is_(None), sa.not_(matches)) if chosen.exclude else matches
    if field == "sale_type":
        first = {"new": True, "recurring": False}
        wanted = [first[value] for value in chosen.values if value in first]
        matches = sa.or_(*(events.c.first.is_(value) for value in wanted)) if wanted else sa.false()
        return sa.or_(sa.not_(is_type("sale")), sa.not_(matches) if chosen.exclude else matches)
    matches = _member(store, field, chosen.values)
    return sa.not_(matches) if chosen.exclude else matches


def _member(store: Store, field: str, values: Sequence[str]) -> Clause:
    if field == "search":
        return sa.or_(*map(mentions, values))
    if field == "reached":
        return sa.or_(sa.false(), *(_REACHED[value] for value in values if value in _REACHED))
    if field == "customer_id":
        return events.c.id.in_(_events_of_customers(values))
    if field in UTM:
        return events.c.url.in_(sa.select(url_parts.c.word).where(url_parts.c[field].in_(values)))
    if field == "base_url":
        bases = [short_url(value).partition("?")[0] for value in values]
        return events.c.url.in_(sa.select(url_parts.c.word).where(url_parts.c.base.in_(bases)))
    if field == "tag_id":
        tagged = sa.select(link_tags.c.link).join(tags, tags.c.pk == link_tags.c.tag)
        return events.c.link.in_(tagged.where(tags.c.id.in_(values)))
    if field == "root":
        wanted = [(links.c.key == "_root") == (value == "true") for value in values]
        return events.c.link.in_(sa.select(links.c.pk).where(sa.or_(*wanted)))
    column: sa.ColumnElement[Any] = LINK_FIELDS[field]
    if field == "key":
        column, values = links.c.folded_key, [value.lower() for value in values]
    return events.c.link.in_(sa.select(links.c.pk).where(column.in_(values)))


def _events_of_customers(values: Sequence[str]) -> sa.CompoundSelect[Any]:
    """Their leads and sales, and the clicks these came from."""
    named = (sa.select(table.c.pk).where(table.c.id.in_(values)) for table in (customers, deleted_customers))
    theirs = events.c.customer.in_(sa.union_all(*named))
    clicks = sa.select(events.c.click_id).where(theirs)
    return sa.union(
        sa.select(events.c.id).where(theirs),
        sa.select(events.c.id).where(is_type("click"), events.c.click_id.in_(clicks)),
    )


def _words(store: Store, connection: sa.Connection, field: str, values: Sequence[str]) -> list[int]:
    if field == "city":
        found = [store.words.ending(connection, f"\t{value}") for value in values]
    elif field == "region":
        # "US-CA" is one region; "CA" is meant as the part behind the country
        found = [
            store.words.ending(connection, f"-{value}", length=len(value) + 3)
            for value in values
            if "-" not in value
        ]
    else:
        found = []
    exact = [short_url(value) if field in ("url", "referer_url") else value for value in values]
    return sorted({*store.words.find(connection, exact).values(), *(pk for pks in found for pk in pks)})


def _compare(test: MetadataFilter, is_sqlite: bool) -> Clause:
    text = text_at(events.c.metadata, test.path, is_sqlite=is_sqlite)
    if test.operator == "=":
        return text == test.value
    if test.operator == "!=":
        return text != test.value
    try:
        value = float(test.value)
    except ValueError:
        return sa.false()
    # CASE, because a database may cast before it has tested
    number = sa.case((text.regexp_match(_NUMBER), sa.cast(text, sa.Double)))
    return {
        ">": number > value,
        ">=": number >= value,
        "<": number < value,
        "<=": number <= value,
    }[test.operator]

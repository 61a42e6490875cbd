"""Roll-ups, folded when somebody looks: ingest pays nothing, and a view costs the same at any number of
events.

`Rollups.fold` adds the events behind a stored position to the totals and moves that position, in one
transaction, so every event counts exactly once however late it is, whatever its time.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa

from dub_middleware.server.store.engine import Database, Driver, driver_of
from dub_middleware.server.store.prepared import Prepared
from dub_middleware.server.store.schema import CLICK, LEAD, SALE, events, links, rollup_day, rollup_quarter
from dub_middleware.server.store.schema import rollup_state as state
from dub_middleware.server.store.stream import START, Position, Stream, bounds

Step = sa.sql.dml.UpdateBase

QUARTER = 15 * 60 * 1000  # milliseconds
DAY = 24 * 60 * 60 * 1000
CHUNK = 50_000  # events a transaction: writers wait half a second at most while years are folded


class Dim(enum.IntEnum):
    """What totals are kept by. The numbers are stored: never change one."""

    TOTAL = 0
    LINK = 1
    CONTINENT = 2
    COUNTRY = 3
    REGION = 4
    CITY = 5
    DEVICE = 6
    BROWSER = 7
    OS = 8
    TRIGGER = 9
    REFERER = 10
    REFERER_URL = 11
    URL = 12
    EVENT_NAME = 13


#: dimensions with few values are kept by the quarter too, so one of them as a filter costs no look at events
BY_QUARTER = (Dim.TOTAL, Dim.CONTINENT, Dim.COUNTRY, Dim.DEVICE, Dim.BROWSER, Dim.OS, Dim.TRIGGER)
BY_DAY = tuple(dim for dim in Dim if dim is not Dim.TOTAL)


def counters(source: sa.FromClause = events) -> list[sa.Label[int]]:
    """The five counters over event rows, named as in the roll-up tables."""

    def is_type(kind: int) -> sa.ColumnElement[bool]:
        return source.c.type == sa.literal_column(str(kind))

    return [
        sa.func.count().filter(is_type(CLICK)).label("clicks"),
        sa.func.count().filter(is_type(LEAD)).label("leads"),
        sa.func.count().filter(is_type(SALE)).label("sales"),
        sa.cast(sa.func.coalesce(sa.func.sum(source.c.amount), 0), sa.BigInteger).label("amount"),
        sa.func.count().filter(source.c.first).label("first_sales"),
    ]


class Rollups:
    """Keep the roll-up tables and the counters of links up to date."""

    def __init__(self, database: Database, stream: Stream) -> None:
        self._database = database
        self._stream = stream
        self._prepared = _prepared(database, stream)

    def fold(self) -> int:
        """Add what is new since the last fold; return how many events that were."""
        with self._database.read() as connection:
            raw = driver_of(connection)
            if self._position(raw, self._prepared.end) <= self._position(raw, self._prepared.place):
                return 0
        total = 0
        while folded := self._database.record(self._fold_chunk, durable=False):
            total += folded
            if folded < CHUNK:
                break
        return total

    def _fold_chunk(self, raw: Driver) -> int:
        prepared = self._prepared
        start, end = self._position(raw, prepared.place_of_mine), self._position(raw, prepared.end)
        if end <= start:
            return 0
        given = bounds(start, end)
        number: int = (prepared.number.first(raw, given) or {})["number"]
        if number > CHUNK:
            end = self._position(raw, prepared.last, {**given, "skipped": CHUNK - 1})
        if not self._database.is_sqlite:
            # rows of one large transaction look alike to the planner, which would read the whole table
            raw.execute("SET LOCAL enable_seqscan = off")
        given = bounds(start, end)
        for step in prepared.steps:
            step.run(raw, given)
        prepared.move.run(raw, {"xid": end.xid, "id": end.id})
        return min(number, CHUNK)

    def subtract(self, connection: sa.Connection, where: sa.ColumnElement[bool]) -> None:
        """Take events that are about to be deleted out of the totals; the counters of links stay."""
        folded = self._stream.up_to(self._position(driver_of(connection), self._prepared.place_of_mine))
        for step in _additions(self._database, sa.and_(folded, where), sign=-1):
            connection.execute(step)
        for table in (rollup_quarter, rollup_day):
            empty = [table.c[name] == 0 for name in _counter_names(table)]
            connection.execute(sa.delete(table).where(*empty))

    def _position(self, raw: Driver, statement: Prepared, given: Mapping[str, Any] | None = None) -> Position:
        row = statement.first(raw, given or {})
        return START if row is None else Position(xid=int(row["xid"]), id=row["id"])


class _Prepared(NamedTuple):
    """What folding runs."""

    place: Prepared
    place_of_mine: Prepared
    end: Prepared
    number: Prepared
    last: Prepared
    steps: list[Prepared]
    move: Prepared


_by_dialect: dict[str, _Prepared] = {}


def _prepared(database: Database, stream: Stream) -> _Prepared:
    """Compile once a process what takes longer than all else that opening a store does."""
    dialect = database.engine.dialect.name
    if dialect not in _by_dialect:
        _by_dialect[dialect] = _prepare(database, stream)
    return _by_dialect[dialect]


def _prepare(database: Database, stream: Stream) -> _Prepared:
    place = sa.select(state.c.xid, state.c.id)
    fresh = stream.between()
    number = sa.select(sa.func.count().label("number")).select_from(events).where(fresh)
    last = (
        sa.select(*stream.columns, events.c.id)
        .where(fresh)
        .order_by(*stream.order())
        .offset(sa.bindparam("skipped"))
        .limit(1)
    )
    steps = (*_additions(database, fresh), _on_links(fresh))
    return _Prepared(
        place=Prepared(database, place),
        place_of_mine=Prepared(database, place.with_for_update()),
        end=Prepared(database, stream.last()),
        number=Prepared(database, number),
        last=Prepared(database, last),
        steps=[Prepared(database, step) for step in steps],
        move=Prepared(database, sa.update(state), ["xid", "id"]),
    )


def _additions(database: Database, which: sa.ColumnElement[bool], sign: int = 1) -> Iterator[Step]:
    for dim in BY_QUARTER:
        yield _addition(database, rollup_quarter, dim, which, sign, _value(dim), events.c.ts // QUARTER)
    for dim in BY_DAY:
        yield _addition(database, rollup_day, dim, which, sign, events.c.ts // DAY, _value(dim))


def _addition(
    database: Database,
    table: sa.Table,
    dim: Dim,
    which: sa.ColumnElement[bool],
    sign: int,
    *key: sa.ColumnElement[Any],
) -> Step:
    counted: list[sa.ColumnElement[Any]] = [
        sa.literal_column(str(sign)) * counter.element for counter in counters()
    ]
    values = [sa.literal_column(str(int(dim))), *key, *counted]
    group: list[sa.ColumnElement[Any]] = [sa.literal_column(str(n + 2)) for n in range(len(key))]
    where = [which] if dim is Dim.TOTAL else [which, _value(dim).is_not(None)]
    insert = database.insert(table).from_select(
        [column.name for column in table.columns], sa.select(*values).where(*where).group_by(*group)
    )
    added = {name: table.c[name] + insert.excluded[name] for name in _counter_names(table)}
    return insert.on_conflict_do_update(index_elements=list(table.primary_key), set_=added)


def _value(dim: Dim) -> sa.ColumnElement[Any]:
    return sa.literal_column("0") if dim is Dim.TOTAL else events.c[dim.name.lower()]


def _counter_names(table: sa.Table) -> list[str]:
    return [column.name for column in table.columns if not column.primary_key]


def _on_links(fresh: sa.ColumnElement[bool]) -> sa.Update:
    last = [
        sa.func.max(events.c.ts).filter(events.c.type == sa.literal_column(str(kind)))
        for kind in (CLICK, LEAD, SALE)
    ]
    new = (
        sa.select(
            events.c.link, *counters(), last[0].label("click"), last[1].label("lead"), last[2].label("sale")
        )
        .where(fresh)
        .group_by(events.c.link)
        .subquery("new")
    )
    return (
        sa.update(links)
        .where(links.c.pk == new.c.link)
        .values(
            clicks=links.c.clicks + new.c.clicks,
            leads=links.c.leads + new.c.leads,
            conversions=links.c.conversions + new.c.first_sales,
            sales=links.c.sales + new.c.sales,
            sale_amount=links.c.sale_amount + new.c.amount,
            last_clicked=_later(links.c.last_clicked, new.c.click),
            last_lead_at=_later(links.c.last_lead_at, new.c.lead),
            last_conversion_at=_later(links.c.last_conversion_at, new.c.sale),
        )
    )


def _later(old: sa.ColumnElement[Any], new: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    # SQLite's max() of several values is NULL when one is, PostgreSQL has greatest()
    return sa.case((old.is_(None), new), (new.is_(None), old), (new > old, new), else_=old)

"""Roll-ups, folded when somebody looks: ingest pays nothing, and a view costs the same at any number of
events.

`Rollups.fold` adds the events behind a stored position to the totals and moves that position, in one
transaction, so every event counts exactly once however late it is, whatever its time.
"""

from __future__ import annotations

import enum
from typing import Any

import sqlalchemy as sa

from dub_middleware.server.store.engine import Database
from dub_middleware.server.store.schema import CLICK, LEAD, SALE, events, links, rollup_day, rollup_quarter
from dub_middleware.server.store.schema import rollup_state as state
from dub_middleware.server.store.stream import Position, Stream

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

    def fold(self) -> int:
        """Add what is new since the last fold; return how many events that were."""
        with self._database.read() as connection:
            if self._target(connection, self._position(connection)) is None:
                return 0
        total = 0
        while folded := self._fold_chunk():
            total += folded
            if folded < CHUNK:
                break
        return total

    def _fold_chunk(self) -> int:
        with self._database.write(durable=False) as connection:
            start = self._position(connection, for_update=True)
            target = self._target(connection, start)
            if target is None:
                return 0
            fresh = sa.and_(self._stream.after(start), self._stream.up_to(target))
            number = connection.execute(
                sa.select(sa.func.count()).select_from(events).where(fresh)
            ).scalar_one()
            self._add_all(connection, fresh)
            _count_on_links(connection, fresh)
            connection.execute(sa.update(state).values(xid=target.xid, id=target.id))
        return number

    def subtract(self, connection: sa.Connection, where: sa.ColumnElement[bool]) -> None:
        """Take events that are about to be deleted out of the totals; the counters of links stay."""
        folded = self._stream.up_to(self._position(connection, for_update=True))
        self._add_all(connection, sa.and_(folded, where), sign=-1)
        for table in (rollup_quarter, rollup_day):
            empty = [table.c[name] == 0 for name in _counter_names(table)]
            connection.execute(sa.delete(table).where(*empty))

    def _add_all(self, connection: sa.Connection, which: sa.ColumnElement[bool], sign: int = 1) -> None:
        for dim in BY_QUARTER:
            self._add(connection, rollup_quarter, dim, which, sign, _value(dim), events.c.ts // QUARTER)
        for dim in BY_DAY:
            self._add(connection, rollup_day, dim, which, sign, events.c.ts // DAY, _value(dim))

    def _position(self, connection: sa.Connection, *, for_update: bool = False) -> Position:
        statement = sa.select(state.c.xid, state.c.id)
        row = connection.execute(statement.with_for_update() if for_update else statement).one()
        return Position(xid=row.xid, id=row.id)

    def _target(self, connection: sa.Connection, start: Position) -> Position | None:
        """Up to where the next transaction shall fold; None when nothing is new."""
        fresh = (
            sa.select(*self._stream.columns, events.c.id)
            .where(self._stream.after(start), self._stream.settled())
            .order_by(*self._stream.order())
        )
        row = connection.execute(fresh.offset(CHUNK - 1).limit(1)).first()
        if row is not None:
            return Position(xid=row.xid, id=row.id)
        end = self._stream.end(connection)
        return end if end > start else None

    def _add(
        self,
        connection: sa.Connection,
        table: sa.Table,
        dim: Dim,
        which: sa.ColumnElement[bool],
        sign: int,
        *key: sa.ColumnElement[Any],
    ) -> None:
        counted: list[sa.ColumnElement[Any]] = [
            sa.literal_column(str(sign)) * counter.element for counter in counters()
        ]
        values = [sa.literal_column(str(int(dim))), *key, *counted]
        group: list[sa.ColumnElement[Any]] = [sa.literal_column(str(n + 2)) for n in range(len(key))]
        where = [which] if dim is Dim.TOTAL else [which, _value(dim).is_not(None)]
        insert = self._database.insert(table).from_select(
            [column.name for column in table.columns], sa.select(*values).where(*where).group_by(*group)
        )
        added = {name: table.c[name] + insert.excluded[name] for name in _counter_names(table)}
        connection.execute(insert.on_conflict_do_update(index_elements=list(table.primary_key), set_=added))


def _value(dim: Dim) -> sa.ColumnElement[Any]:
    return sa.literal_column("0") if dim is Dim.TOTAL else events.c[dim.name.lower()]


def _counter_names(table: sa.Table) -> list[str]:
    return [column.name for column in table.columns if not column.primary_key]


def _count_on_links(connection: sa.Connection, fresh: sa.ColumnElement[bool]) -> None:
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
    connection.execute(
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

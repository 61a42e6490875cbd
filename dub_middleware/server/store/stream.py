"""The order of commits: a place in the stream of events that nothing can appear behind.

SQLite has one writer at a time, so ids are given out in the order of commits. In PostgreSQL a transaction
that took a low id may commit after one with a higher id was read. There every event carries its transaction's
number, and readers go no further than the oldest transaction still running (``pg_snapshot_xmin``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from dub_middleware.server.store.engine import Database
from dub_middleware.server.store.schema import events

_XID: sa.ColumnElement[Any] = sa.literal_column("events.xid")
_HORIZON: sa.ColumnElement[Any] = sa.literal_column("pg_snapshot_xmin(pg_current_snapshot())")


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """The place after one event. ``xid`` is 0 on SQLite."""

    xid: int
    id: int

    def __str__(self) -> str:
        return f"{self.xid}.{self.id}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """Read what `str` has written. Raises `ValueError` for anything else."""
        xid, dot, number = text.partition(".")
        # JavaScript would round larger numbers, and neither database counts further
        if not (dot and _is_number(xid) and _is_number(number)):
            raise ValueError(f"{text!r} is not a cursor: pass back what an earlier answer gave.")
        return cls(int(xid), int(number))


START = Position(0, 0)


def bounds(start: Position, end: Position) -> dict[str, Any]:
    """What a prepared statement with `Stream.between` is run with."""
    return {"from_xid": str(start.xid), "from_id": start.id, "to_xid": str(end.xid), "to_id": end.id}


class Stream:
    """Conditions and columns that put events in the order of commits."""

    def __init__(self, database: Database) -> None:
        self._is_sqlite = database.is_sqlite

    @property
    def columns(self) -> tuple[sa.ColumnElement[Any], ...]:
        """To select besides an event's own columns, for `position`."""
        xid = sa.literal(0) if self._is_sqlite else sa.cast(sa.cast(_XID, sa.Text), sa.BigInteger)
        return (xid.label("xid"),)

    def order(self, *, newest_first: bool = False) -> list[sa.ColumnElement[Any]]:
        keys = [events.c.id] if self._is_sqlite else [_XID, events.c.id]
        return [key.desc() if newest_first else key.asc() for key in keys]

    def after(self, position: Position) -> sa.ColumnElement[bool]:
        if self._is_sqlite:
            return events.c.id > position.id
        return sa.tuple_(_XID, events.c.id) > _place(position)

    def up_to(self, position: Position) -> sa.ColumnElement[bool]:
        if self._is_sqlite:
            return events.c.id <= position.id
        return sa.tuple_(_XID, events.c.id) <= _place(position)

    def before(self, position: Position) -> sa.ColumnElement[bool]:
        if self._is_sqlite:
            return events.c.id < position.id
        return sa.tuple_(_XID, events.c.id) < _place(position)

    def between(self) -> sa.ColumnElement[bool]:
        """Behind one place and up to another, which `bounds` gives a prepared statement."""
        start: sa.ColumnElement[int] = sa.bindparam("from_id")
        end: sa.ColumnElement[int] = sa.bindparam("to_id")
        if self._is_sqlite:
            return sa.and_(events.c.id > start, events.c.id <= end)
        place = sa.tuple_(_XID, events.c.id)
        begin, until = _tuple(sa.bindparam("from_xid"), start), _tuple(sa.bindparam("to_xid"), end)
        return sa.and_(place > begin, place <= until)

    def settled(self) -> sa.ColumnElement[bool]:
        """Events that nothing can appear in front of any more."""
        return sa.true() if self._is_sqlite else _XID < _HORIZON

    def last(self) -> sa.Select[Any]:
        """The place of the last settled event."""
        return (
            sa.select(*self.columns, events.c.id)
            .where(self.settled())
            .order_by(*self.order(newest_first=True))
            .limit(1)
        )

    def end(self, connection: sa.Connection) -> Position:
        """The place after the last settled event."""
        row = connection.execute(self.last()).first()
        return START if row is None else Position(int(row[0]), int(row[1]))


class _Xid8(sa.types.UserDefinedType[str]):
    """PostgreSQL's number of a transaction, which SQLAlchemy has no type for."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "xid8"


def _place(position: Position) -> sa.Tuple:
    # parameters, not numbers in the SQL: neither SQLAlchemy nor the server looks at a statement twice
    return _tuple(sa.literal(str(position.xid)), sa.literal(position.id))


def _tuple(xid: sa.ColumnElement[Any], number: sa.ColumnElement[Any]) -> sa.Tuple:
    return sa.tuple_(sa.cast(sa.cast(xid, sa.Text), _Xid8), sa.cast(number, sa.BigInteger))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18

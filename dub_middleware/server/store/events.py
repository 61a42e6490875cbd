"""Reading events: one click, a page by time, what came after a cursor."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from dub_middleware.server.store.customers import load_customers, load_deleted
from dub_middleware.server.store.engine import Database
from dub_middleware.server.store.link_rows import load_links
from dub_middleware.server.store.metadata import from_text
from dub_middleware.server.store.models import (
    CONTEXT_WORDS,
    UNKNOWN,
    Context,
    Event,
    EventType,
    from_ms,
    to_ms,
)
from dub_middleware.server.store.schema import CLICK, LEAD, SALE, WORDS, events, links
from dub_middleware.server.store.stream import Position, Stream
from dub_middleware.server.store.words import Words

TYPES: dict[EventType, int] = {"click": CLICK, "lead": LEAD, "sale": SALE}
_NAMES: dict[int, EventType] = {number: name for name, number in TYPES.items()}


class Events:
    """The events table, for readers."""

    def __init__(self, database: Database, words: Words, stream: Stream) -> None:
        self._database = database
        self._words = words
        self._stream = stream

    def find_click(self, click_id: str) -> Event | None:
        """The click with this id, whenever it was; None when it was never recorded."""
        with self._database.read() as connection:
            row = connection.execute(CLICK_ROW, {"click_id": click_id}).mappings().first()
            return None if row is None else self.complete(connection, [row])[0]

    def last_click_from(self, address: str, domain: str, *, since: datetime) -> Event | None:
        """The latest click of an address on any link of a short domain."""
        on_domain = sa.select(links.c.pk).where(links.c.domain == domain)
        where = [
            is_type("click"),
            events.c.ts > to_ms(since),
            events.c.ip == address,
            events.c.link.in_(on_domain),
        ]
        return next(iter(self.page(where, limit=1)), None)

    def cursor(self) -> str:
        """The end of the stream: `after` gives what comes from now on."""
        with self._database.read() as connection:
            return str(self._stream.end(connection))

    def after(
        self,
        cursor: str,
        *,
        limit: int = 100,
        types: Collection[EventType] = (),
        where: Sequence[sa.ColumnElement[bool]] = (),
    ) -> tuple[list[Event], str]:
        """Return the events behind ``cursor`` in the order of their commits, and the cursor to go on with.

        Asked again and again with the cursor it gave, this returns every event exactly once, also under
        concurrent writers. Raises `ValueError` for a cursor that no answer has given.
        """
        place = Position.parse(cursor)
        with self._database.read() as connection:
            end = self._stream.end(connection)
            if end <= place:
                return [], cursor
            rows = self._rows(
                connection,
                [self._stream.after(place), self._stream.up_to(end), *_of(types), *where],
                self._stream.order(),
                limit,
            )
            found = self.complete(connection, rows)
        # fewer than asked for means that all up to the end were looked at, also those the filter refused
        reached = Position(int(rows[-1]["xid"]), rows[-1]["id"]) if len(rows) == limit else end
        return found, str(reached)

    def latest(
        self,
        *,
        limit: int = 50,
        types: Collection[EventType] = (),
        where: Sequence[sa.ColumnElement[bool]] = (),
        before: str | None = None,
    ) -> tuple[list[Event], str]:
        """Return the newest events, newest first, and the cursor that continues exactly behind them.

        ``before`` is the cursor of an event: the newest ones that are older than it. Raises `ValueError` when
        it is none.
        """
        place = None if before is None else Position.parse(before)
        with self._database.read() as connection:
            end = self._stream.end(connection)
            here = self._stream.up_to(end) if place is None else self._stream.before(place)
            order = self._stream.order(newest_first=True)
            rows = self._rows(connection, [here, *_of(types), *where], order, limit)
            return self.complete(connection, rows), str(end)

    def get(self, number: int) -> Event | None:
        """The event with this ``id``."""
        found = self.page([events.c.id == number], limit=1)
        return found[0] if found else None

    def page(
        self,
        where: Sequence[sa.ColumnElement[bool]],
        *,
        limit: int,
        offset: int = 0,
        descending: bool = True,
    ) -> list[Event]:
        """One page in the order of time."""
        order = [key.desc() if descending else key.asc() for key in (events.c.ts, events.c.id)]
        with self._database.read() as connection:
            return self.complete(connection, self._rows(connection, where, order, limit, offset))

    def complete(self, connection: sa.Connection, rows: Sequence[Mapping[Any, Any]]) -> list[Event]:
        """Turn rows of the table into events, with links, customers and words filled in."""
        texts = self._words.texts(connection, (row[name] for row in rows for name in WORDS))
        found_links = load_links(connection, (row["link"] for row in rows))
        found_customers = load_customers(connection, (row["customer"] for row in rows))
        missing = {row["customer"] for row in rows} - found_customers.keys() - {None}
        customer_ids = load_deleted(connection, missing)
        customer_ids |= {pk: customer.id for pk, customer in found_customers.items()}
        clicked = _click_times(connection, {row["click_id"] for row in rows if row["type"] != CLICK})
        complete = []
        for row in rows:
            word = {name: texts.get(row[name]) for name in WORDS}
            kind = _NAMES[row["type"]]
            clicked_at = row["ts"] if kind == "click" else clicked.get(row["click_id"])
            complete.append(
                Event(
                    id=row["id"],
                    type=kind,
                    timestamp=from_ms(row["ts"]),
                    click_id=row["click_id"],
                    clicked_at=None if clicked_at is None else from_ms(clicked_at),
                    link=found_links.get(row["link"]),
                    context=_context(word, row["ip"]),
                    event_id=row["event_id"],
                    name=word["event_name"],
                    customer=found_customers.get(row["customer"]),
                    customer_id=customer_ids.get(row["customer"]),
                    metadata=from_text(row["metadata"]),
                    amount=row["amount"],
                    currency=word["currency"],
                    payment_processor=word["payment_processor"],
                    invoice_id=row["invoice_id"],
                    is_first_sale=bool(row["first"]),
                    cursor=str(Position(int(row["xid"]), row["id"])) if "xid" in row else None,
                )
            )
        return complete

    def _rows(
        self,
        connection: sa.Connection,
        where: Sequence[sa.ColumnElement[bool]],
        order: Sequence[sa.ColumnElement[Any]],
        limit: int,
        offset: int = 0,
    ) -> Sequence[Mapping[Any, Any]]:
        statement = sa.select(events, *self._stream.columns).where(*where).order_by(*order)
        return connection.execute(statement.limit(limit).offset(offset)).mappings().all()


def is_type(kind: EventType) -> sa.ColumnElement[bool]:
    """An event is of this type; the number stands in the SQL, or partial indexes would not match."""
    return events.c.type == sa.literal_column(str(TYPES[kind]))


#: the row of a click
CLICK_ROW = sa.select(events).where(events.c.click_id == sa.bindparam("click_id"), is_type("click"))


def _of(types: Collection[EventType]) -> list[sa.ColumnElement[bool]]:
    return [sa.or_(*map(is_type, types))] if types else []


def _click_times(connection: sa.Connection, click_ids: Collection[str]) -> dict[str, int]:
    if not click_ids:
        return {}
    statement = sa.select(events.c.click_id, events.c.ts).where(
        events.c.click_id.in_(click_ids), is_type("click")
    )
    return {row.click_id: row.ts for row in connection.execute(statement)}


def _context(word: Mapping[str, str | None], ip: str | None) -> Context:
    values: dict[str, Any] = {name: word[name] or UNKNOWN for name in CONTEXT_WORDS}
    values["city"] = values["city"].rpartition("\t")[2]
    return Context(**values, ip=ip)


def city_word(country: str, region: str, city: str) -> str:
    """How a city is kept in the dictionary: Paris in Texas is another one than Paris in France."""
    return f"{country}\t{region}\t{city}"

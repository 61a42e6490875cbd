"""Bringing in what happened elsewhere, and taking it out again: many events in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from dub_middleware.server.store.contexts import Contexts
from dub_middleware.server.store.engine import Database
from dub_middleware.server.store.events import TYPES
from dub_middleware.server.store.metadata import as_text
from dub_middleware.server.store.models import Customer, Event, from_ms, to_ms
from dub_middleware.server.store.rollups import Rollups
from dub_middleware.server.store.schema import customers, events, link_tags, links
from dub_middleware.server.store.words import Words, plain

CHUNK = 500  # rows a statement


class History:
    """Events as they were, with their own times and ids; nothing is checked or de-duplicated."""

    def __init__(
        self,
        database: Database,
        words: Words,
        rollups: Rollups,
        contexts: Contexts,
    ) -> None:
        self._database = database
        self._words = words
        self._rollups = rollups
        self._contexts = contexts

    def add(self, people: Sequence[Customer], past: Sequence[Event]) -> None:
        """Add customers (their ``pk`` is given anew) and the events of existing links, all or nothing."""
        contexts = {event.context: self._contexts.row(event.context) for event in past}
        texts = [text for event in past for text in (event.name, event.currency, event.payment_processor)]
        words = self._words.ids({plain(text) for text in texts if text is not None})
        with self._database.write() as connection:
            for start in range(0, len(people), CHUNK):
                rows = [_customer_row(customer) for customer in people[start : start + CHUNK]]
                connection.execute(sa.insert(customers), rows)
            wanted = customers.c.external_id.in_([customer.external_id for customer in people])
            known = sa.select(customers.c.external_id, customers.c.pk).where(wanted)
            pks = {row.external_id: row.pk for row in connection.execute(known)}
            for start in range(0, len(past), CHUNK):
                rows = [
                    contexts[event.context] | _event_row(event, words, pks)
                    for event in past[start : start + CHUNK]
                ]
                connection.execute(sa.insert(events), rows)

    def erase(self, link_pks: Collection[int]) -> int:
        """Remove links with their events, customers and totals; return how many events went."""
        self._rollups.fold()
        mine = events.c.link.in_(link_pks)
        with self._database.write() as connection:
            self._rollups.subtract(connection, mine)
            gone = connection.execute(sa.delete(events).where(mine)).rowcount
            connection.execute(sa.delete(customers).where(customers.c.link.in_(link_pks)))
            connection.execute(sa.delete(link_tags).where(link_tags.c.link.in_(link_pks)))
            connection.execute(sa.delete(links).where(links.c.pk.in_(link_pks)))
        return gone

    def newest(self, link_pks: Collection[int] | None = None) -> datetime | None:
        """When the last event (of these links) was; None when there is none."""
        statement = sa.select(events.c.ts).order_by(events.c.ts.desc()).limit(1)
        if link_pks is not None:
            statement = statement.where(events.c.link.in_(link_pks))
        with self._database.read() as connection:
            ts = connection.execute(statement).scalar()
        return None if ts is None else from_ms(ts)


def _customer_row(customer: Customer) -> dict[str, Any]:
    names = ("id", "external_id", "name", "email", "avatar", "country", "click_id", "sales", "sale_amount")
    return {
        **{name: getattr(customer, name) for name in names},
        "link": customer.link_pk,
        "clicked_at": _ms(customer.clicked_at),
        "first_sale_at": _ms(customer.first_sale_at),
        "created_at": to_ms(customer.created_at),
    }


def _event_row(event: Event, words: Mapping[str, int], customer_pks: Mapping[str, int]) -> dict[str, Any]:
    assert event.link is not None
    return {
        "ts": to_ms(event.timestamp),
        "type": TYPES[event.type],
        "link": event.link.pk,
        "click_id": event.click_id,
        "event_id": event.event_id,
        "customer": None if event.customer is None else customer_pks[event.customer.external_id],
        "event_name": None if event.name is None else words[plain(event.name)],
        "amount": event.amount,
        "currency": None if event.currency is None else words[event.currency],
        "payment_processor": None if event.payment_processor is None else words[event.payment_processor],
        "invoice_id": event.invoice_id,
        "first": event.is_first_sale if event.type == "sale" else None,
        "metadata": as_text(event.metadata),
    }


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else to_ms(moment)

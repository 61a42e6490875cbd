"""Recording clicks, leads and sales: each one transaction, made unique by constraints, not by caches.

The rules are those of Dub's API (https://dub.co/docs/api-reference/endpoint/track-lead and …/track-sale).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from dub_middleware.errors import AttributionError
from dub_middleware.server.store.customers import add_customer, find_customer
from dub_middleware.server.store.engine import Database
from dub_middleware.server.store.events import Events, city_word, click_row, is_type
from dub_middleware.server.store.ids import new_click_id, random_text
from dub_middleware.server.store.links import load_links
from dub_middleware.server.store.models import (
    CONTEXT_WORDS,
    ClickResult,
    Context,
    Customer,
    CustomerDetails,
    Event,
    LeadResult,
    Link,
    SaleResult,
    to_ms,
)
from dub_middleware.server.store.privacy import coarse_ip
from dub_middleware.server.store.schema import (
    CLICK,
    LEAD,
    SALE,
    click_claims,
    customers,
    events,
    lead_claims,
    sale_claims,
)
from dub_middleware.server.store.words import Words, plain, short_url

CLICK_WINDOW = 60 * 60 * 1000  # milliseconds
LEAD_WINDOW = SALE_WINDOW = 7 * 24 * 60 * 60 * 1000
DIRECT_SALE_LEAD = "Direct sale tracking lead event"

_COLUMNS = tuple(column.name for column in events.columns)

Row = Mapping[Any, Any]


class Tracking:
    """The writing half of the events table."""

    def __init__(
        self,
        database: Database,
        words: Words,
        events: Events,
        now: Callable[[], int],
        *,
        anonymize_ip: bool = False,
    ) -> None:
        self._database = database
        self._words = words
        self._events = events
        self._now = now
        self._anonymize_ip = anonymize_ip

    def record_click(
        self,
        link: Link,
        context: Context,
        *,
        identity: str | None = None,
        click_id: str | None = None,
        at: datetime | None = None,
    ) -> ClickResult:
        """Record a click unless ``identity`` (a hash of address and user agent) clicked this link within the
        hour.

        ``click_id`` is one the visitor already carries; without it a new one is given out. The result's
        ``click_id`` is what to answer with: in the hour, that of the first click.
        """
        ts = self._now() if at is None else to_ms(at)
        row = {"ts": ts, "type": CLICK, "link": link.pk, **self.context_row(context)}
        with self._database.write(durable=False) as connection:
            chosen = click_id or new_click_id()
            first = identity and self._claim_click(connection, link.pk, identity, chosen, ts)
            if first is not None:
                return ClickResult(click_id=first, recorded=False)
            insert = self._database.insert(events).values(row | {"click_id": chosen}).on_conflict_do_nothing()
            recorded = connection.execute(insert.returning(events.c.id)).scalar() is not None
        return ClickResult(click_id=chosen, recorded=recorded)

    def claimed_click(self, link: Link, identity: str) -> str | None:
        """The click id of this visitor's click on this link within the hour."""
        with self._database.read() as connection:
            return connection.execute(
                sa.select(click_claims.c.click_id).where(
                    click_claims.c.link == link.pk,
                    click_claims.c.identity == identity,
                    click_claims.c.ts > self._now() - CLICK_WINDOW,
                )
            ).scalar()

    def record_lead(
        self,
        customer: CustomerDetails,
        event_name: str,
        *,
        click_id: str = "",
        deferred: bool = False,
        quantity: int = 1,
        metadata: Mapping[str, Any] | None = None,
        keep_claim: bool = False,
        at: datetime | None = None,
    ) -> LeadResult:
        """Record a lead, once in 7 days for each customer and event name (compared without case).

        An empty ``click_id`` stands for the customer's own. ``deferred`` adds the customer only.
        ``keep_claim`` makes a lead that fails count as seen all the same, which is what Dub does.
        Raises `AttributionError` with reason ``no_click_id``, ``click_not_found``, ``link_not_found`` or
        ``link_disabled``.
        """
        ts = self._now() if at is None else to_ms(at)
        words = self._words.ids([plain(event_name)])
        seen = False
        if keep_claim and not deferred:
            with self._database.write() as connection:
                known = find_customer(connection, customer.external_id)
                if click_id or (known and known.click_id):
                    seen = not self._claim_lead(connection, customer.external_id, event_name, ts)
        with self._database.write() as connection:
            known = find_customer(connection, customer.external_id)
            click_id = click_id or (known and known.click_id) or ""
            if not click_id:
                raise AttributionError("no_click_id")
            if not (deferred or keep_claim):
                seen = not self._claim_lead(connection, customer.external_id, event_name, ts)
            if seen:
                return LeadResult(outcome="duplicate", click_id=click_id, customer=known)
            click, link = _attribute(connection, click_id)
            owner, is_new = (known, False) if known else self._add(connection, customer, click, ts)
            if deferred:
                return LeadResult(
                    outcome="deferred", click_id=click_id, link=link, customer=owner, is_new_customer=is_new
                )
            name = words[plain(event_name)]
            stored = [
                self._insert(connection, _lead_row(click, owner, name, ts, metadata)) for _ in range(quantity)
            ]
            return LeadResult(
                outcome="recorded",
                click_id=click_id,
                link=link,
                customer=owner,
                is_new_customer=is_new,
                event_ids=tuple(row["event_id"] for row in stored),
                event=self._events.complete(connection, stored[:1])[0],
            )

    def record_sale(
        self,
        customer: CustomerDetails,
        amount: int,
        currency: str,
        *,
        event_name: str = "Purchase",
        payment_processor: str = "custom",
        invoice_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        lead_event_name: str | None = None,
        click_id: str | None = None,
        answer: Callable[[Event], Mapping[str, Any]] | None = None,
        late_claim: bool = False,
        at: datetime | None = None,
    ) -> SaleResult:
        """Record a sale, once in 7 days for each ``invoice_id``; ``amount`` is in minor units of
        ``currency``.

        ``answer`` turns the recorded event into what the caller is told; it is stored with the invoice, and a
        repeat gets exactly that (outcome ``replayed``). ``click_id`` matters for unknown customers only: it
        makes a direct sale, which records a lead too. ``late_claim`` looks at the invoice before the sale and
        notes it after, so that two at once both count, which is what Dub does. Raises `AttributionError` with
        reason ``click_not_found``, ``link_not_found``, ``link_disabled`` (``customer_id`` set when the
        customer's link is meant) or ``lead_not_found``.
        """
        ts = self._now() if at is None else to_ms(at)
        texts = [event_name, currency, payment_processor, lead_event_name or DIRECT_SALE_LEAD]
        words = self._words.ids(map(plain, texts))
        if late_claim and (known := self._sale_claimed(invoice_id, ts)) is not None:
            return known
        with self._database.write() as connection:
            if invoice_id is not None and not late_claim:
                claimed, stored = self._claim_sale(connection, invoice_id, ts)
                if not claimed:
                    return SaleResult(outcome="replayed", answer=stored)
            owner = find_customer(connection, customer.external_id, for_update=True)
            direct: LeadResult | None = None
            if owner is None and not click_id:
                _release_sale(connection, None if late_claim else invoice_id)
                return SaleResult(outcome="unknown_customer")
            if owner is None:
                assert click_id
                name = words[plain(lead_event_name or DIRECT_SALE_LEAD)]
                direct = self._direct_lead(connection, customer, click_id, name, ts)
                owner = direct.customer
                assert owner is not None
            lead, link = self._lead_of(connection, owner, lead_event_name if direct is None else None)
            if amount <= 0:
                _release_sale(connection, None if late_claim else invoice_id)
                return SaleResult(outcome="zero_amount", customer=owner, link=link, lead=direct)
            is_first = _is_first(connection, owner, link)
            row = self._insert(
                connection,
                _copy(lead)
                | {
                    "ts": ts,
                    "type": SALE,
                    "event_id": random_text(16),
                    "event_name": words[plain(event_name)],
                    "amount": amount,
                    "currency": words[plain(currency)],
                    "payment_processor": words[plain(payment_processor)],
                    "invoice_id": invoice_id,
                    "first": is_first,
                    "metadata": _dump(metadata),
                },
            )
            owner = _add_to_customer(connection, owner, amount, ts)
            event = self._events.complete(connection, [row])[0]
            told = None if answer is None else answer(event)
            if invoice_id is not None:
                if late_claim:
                    self._claim_sale(connection, invoice_id, ts)
                claim = sa.update(sale_claims).where(sale_claims.c.invoice_id == invoice_id)
                connection.execute(claim.values(answer=told))
            return SaleResult(
                outcome="recorded",
                answer=told,
                link=link,
                customer=owner,
                is_first=is_first,
                event=event,
                lead=direct,
            )

    def _direct_lead(
        self, connection: sa.Connection, details: CustomerDetails, click_id: str, name: int, ts: int
    ) -> LeadResult:
        click, link = _attribute(connection, click_id)
        owner, is_new = self._add(connection, details, click, ts)
        if not is_new:  # a sale of the same new customer was faster: it has recorded the lead
            return LeadResult(outcome="duplicate", click_id=click_id, link=link, customer=owner)
        stored = self._insert(connection, _lead_row(click, owner, name, ts, None))
        return LeadResult(
            outcome="recorded",
            click_id=click_id,
            link=link,
            customer=owner,
            is_new_customer=True,
            event_ids=(stored["event_id"],),
            event=self._events.complete(connection, [stored])[0],
        )

    def _lead_of(
        self, connection: sa.Connection, customer: Customer, event_name: str | None
    ) -> tuple[Row, Link]:
        """The lead that a sale belongs to: the customer's latest, or latest of that name, and its link."""
        if customer.link_pk is not None:
            _usable(connection, customer.link_pk, customer_id=customer.id)
        statement = sa.select(events).where(events.c.customer == customer.pk, is_type("lead"))
        if event_name is not None:
            known = self._words.find(connection, [plain(event_name)])
            statement = statement.where(events.c.event_name == known.get(plain(event_name), -1))
        statement = statement.order_by(events.c.ts.desc(), events.c.id.desc()).limit(1)
        lead = connection.execute(statement).mappings().first()
        if lead is None:
            raise AttributionError("lead_not_found", customer_id=customer.id)
        return lead, _usable(connection, lead["link"], customer_id=customer.id)

    def _add(
        self, connection: sa.Connection, details: CustomerDetails, click: Row, ts: int
    ) -> tuple[Customer, bool]:
        texts = self._words.texts(connection, [click["country"]])
        country = texts.get(click["country"])
        return add_customer(self._database, connection, details, ts, click=click, country=country)

    def context_row(self, context: Context) -> dict[str, Any]:
        """The columns that say where a click came from."""
        texts = {name: plain(getattr(context, name)) for name in CONTEXT_WORDS}
        texts["url"] = short_url(context.url)
        texts["referer_url"] = short_url(context.referer_url).partition("?")[0]
        texts["city"] = plain(city_word(context.country, context.region, context.city))
        ids = self._words.ids(texts.values())
        ip = coarse_ip(context.ip) if context.ip and self._anonymize_ip else context.ip
        return {name: ids[text] for name, text in texts.items()} | {"ip": ip}

    def _insert(self, connection: sa.Connection, row: Mapping[str, Any]) -> Row:
        statement = sa.insert(events).values(row).returning(events)
        return connection.execute(statement).mappings().one()

    def _claim_click(
        self, connection: sa.Connection, link: int, identity: str, click_id: str, ts: int
    ) -> str | None:
        """None when the claim is ours, else the click id of the visitor's first click of the hour."""
        key = {"link": link, "identity": identity}
        if self._claim(connection, click_claims, key, {"click_id": click_id}, ts, CLICK_WINDOW):
            return None
        mine = sa.and_(click_claims.c.link == link, click_claims.c.identity == identity)
        first: str = connection.execute(sa.select(click_claims.c.click_id).where(mine)).scalar_one()
        return first

    def _claim_lead(self, connection: sa.Connection, external_id: str, event_name: str, ts: int) -> bool:
        key = {"customer_external_id": external_id, "event_name": event_name.lower().replace(" ", "-")}
        return self._claim(connection, lead_claims, key, {}, ts, LEAD_WINDOW)

    def _claim_sale(
        self, connection: sa.Connection, invoice_id: str, ts: int
    ) -> tuple[bool, Mapping[str, Any] | None]:
        if self._claim(
            connection, sale_claims, {"invoice_id": invoice_id}, {"answer": None}, ts, SALE_WINDOW
        ):
            return True, None
        mine = sa.select(sale_claims.c.answer).where(sale_claims.c.invoice_id == invoice_id)
        return False, connection.execute(mine).scalar_one()

    def _sale_claimed(self, invoice_id: str | None, ts: int) -> SaleResult | None:
        """The replay of an invoice, as far as committed sales know of it."""
        with self._database.read() as connection:
            told = sa.select(sale_claims.c.answer).where(
                sale_claims.c.invoice_id == invoice_id, sale_claims.c.ts > ts - SALE_WINDOW
            )
            row = connection.execute(told).first()
        return None if row is None else SaleResult(outcome="replayed", answer=row[0])

    def _claim(
        self,
        connection: sa.Connection,
        table: sa.Table,
        key: Mapping[str, Any],
        values: Mapping[str, Any],
        ts: int,
        window: int,
    ) -> bool:
        """Take a key that nobody took within the window; of several at once exactly one succeeds."""
        insert = self._database.insert(table).values({**key, **values, "ts": ts})
        taken = insert.on_conflict_do_update(
            index_elements=list(key),
            set_={**{name: insert.excluded[name] for name in values}, "ts": insert.excluded.ts},
            where=table.c.ts <= ts - window,
        )
        return connection.execute(taken.returning(table.c.ts)).first() is not None


def _attribute(connection: sa.Connection, click_id: str) -> tuple[Row, Link]:
    click = click_row(connection, click_id)
    if click is None:
        raise AttributionError("click_not_found", click_id=click_id)
    return click, _usable(connection, click["link"], click_id=click_id)


def _usable(
    connection: sa.Connection, pk: int, *, click_id: str | None = None, customer_id: str | None = None
) -> Link:
    link = load_links(connection, [pk]).get(pk)
    if link is None:
        raise AttributionError("link_not_found", click_id=click_id, customer_id=customer_id)
    if link.disabled_at is not None:
        raise AttributionError("link_disabled", click_id=click_id, link_id=link.id, customer_id=customer_id)
    return link


def _is_first(connection: sa.Connection, customer: Customer, link: Link) -> bool:
    if customer.sales == 0:
        return True
    if customer.link_pk == link.pk:
        return False
    earlier = sa.select(events.c.id).where(
        events.c.customer == customer.pk, is_type("sale"), events.c.link == link.pk
    )
    return connection.execute(earlier.limit(1)).first() is None


def _add_to_customer(connection: sa.Connection, customer: Customer, amount: int, ts: int) -> Customer:
    values: dict[str, Any] = {
        "sales": customers.c.sales + 1,
        "sale_amount": customers.c.sale_amount + amount,
        "first_sale_at": sa.func.coalesce(customers.c.first_sale_at, ts),
    }
    connection.execute(sa.update(customers).where(customers.c.pk == customer.pk).values(values))
    updated = find_customer(connection, customer.external_id)
    assert updated is not None
    return updated


def _release_sale(connection: sa.Connection, invoice_id: str | None) -> None:
    connection.execute(sa.delete(sale_claims).where(sale_claims.c.invoice_id == invoice_id))


def _copy(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in _COLUMNS if name != "id"}


def _lead_row(
    click: Row, customer: Customer, name: int, ts: int, metadata: Mapping[str, Any] | None
) -> dict[str, Any]:
    return _copy(click) | {
        "ts": ts,
        "type": LEAD,
        "event_id": random_text(16),
        "event_name": name,
        "customer": customer.pk,
        "metadata": _dump(metadata),
    }


def _dump(metadata: Mapping[str, Any] | None) -> str | None:
    return None if metadata is None else json.dumps(metadata, separators=(",", ":"))

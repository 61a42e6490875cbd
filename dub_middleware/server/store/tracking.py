"""Recording clicks, leads and sales: each one transaction, made unique by constraints, not by caches.

The rules are those of Dub's API (https://dub.co/docs/api-reference/endpoint/track-lead and …/track-sale).
Statements are `Prepared`: putting one together costs many times what its execution does.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from dub_middleware.errors import AttributionError
from dub_middleware.server.store.attribution import Attribution
from dub_middleware.server.store.claims import Claims
from dub_middleware.server.store.contexts import Contexts
from dub_middleware.server.store.engine import Database, Driver, driver_of
from dub_middleware.server.store.ids import new_click_id, random_text
from dub_middleware.server.store.metadata import as_text
from dub_middleware.server.store.models import (
    CONTEXT_WORDS,
    ClickResult,
    Context,
    Customer,
    CustomerDetails,
    LeadResult,
    Link,
    SaleResult,
    from_ms,
    to_ms,
)
from dub_middleware.server.store.prepared import Prepared, Row
from dub_middleware.server.store.recent_links import RecentLinks
from dub_middleware.server.store.schema import CLICK, LEAD, SALE, customers, events
from dub_middleware.server.store.words import Words, plain

DIRECT_SALE_LEAD = "Direct sale tracking lead event"

_CLICK_COLUMNS = ("ts", "type", "link", "click_id", "ip", *CONTEXT_WORDS)
#: what a lead has from its click, and a sale from its lead
_INHERITED = ("link", "click_id", "ip", *CONTEXT_WORDS)
_OWN = tuple(column.name for column in events.columns if column.name not in ("id", *_INHERITED))
_ADD_CONVERSION = sa.insert(events).from_select(
    [*_OWN, *_INHERITED],
    sa.select(
        *(sa.bindparam(name, None, type_=events.c[name].type) for name in _OWN),
        *(events.c[name] for name in _INHERITED),
    ).where(events.c.id == sa.bindparam("before")),
)
_BLANK: dict[str, Any] = dict.fromkeys(_OWN)
_ADD_SALE = (
    sa.update(customers)
    .where(customers.c.pk == sa.bindparam("customer"))
    .values(
        sales=customers.c.sales + 1,
        sale_amount=customers.c.sale_amount + sa.bindparam("more"),
        first_sale_at=sa.func.coalesce(customers.c.first_sale_at, sa.bindparam("now")),
    )
)


class Tracking:
    """The writing half of the events table."""

    def __init__(
        self,
        database: Database,
        words: Words,
        contexts: Contexts,
        links: RecentLinks,
        now: Callable[[], int],
    ) -> None:
        self._database = database
        self._words = words
        self._contexts = contexts
        self._claims = Claims(database)
        self._attribution = Attribution(database, words, links)
        self._customers = self._attribution.customers
        add_click = database.insert(events).on_conflict_do_nothing()
        self._add_click = Prepared(database, add_click, _CLICK_COLUMNS)
        self._add_conversion = Prepared(database, _ADD_CONVERSION)
        self._add_sale = Prepared(database, _ADD_SALE)
        self._now = now

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
        chosen = click_id or new_click_id()
        row = {"ts": ts, "type": CLICK, "link": link.pk, "click_id": chosen, **self._contexts.row(context)}

        def work(raw: Driver) -> ClickResult:
            first = identity and self._claims.click(raw, link.pk, identity, chosen, ts)
            if first is not None:
                return ClickResult(click_id=first, recorded=False)
            return ClickResult(click_id=chosen, recorded=self._add_click.changes(raw, row))

        return self._database.record(work, durable=False)

    def claimed_click(self, link: Link, identity: str) -> str | None:
        """The click id of this visitor's click on this link within the hour."""
        with self._database.read() as connection:
            return self._claims.first_click(driver_of(connection), link.pk, identity, self._now())

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
        name = self._words.id(plain(event_name))

        def is_seen(raw: Driver) -> bool:
            known = self._customers.find(raw, customer.external_id)
            has_click = bool(click_id or (known and known.click_id))
            return has_click and not self._claims.lead(raw, customer.external_id, event_name, ts)

        seen = keep_claim and not deferred and self._database.record(is_seen)

        def work(raw: Driver) -> LeadResult:
            # who brings a click is new, most often: adding them is the question whether they are
            known = None if click_id else self._customers.find(raw, customer.external_id)
            chosen = click_id or (known and known.click_id) or ""
            if not chosen:
                raise AttributionError("no_click_id")
            claims = not (deferred or keep_claim)
            if seen or (claims and not self._claims.lead(raw, customer.external_id, event_name, ts)):
                known = known or self._customers.find(raw, customer.external_id)
                return LeadResult(outcome="duplicate", click_id=chosen, customer=known)
            click, link = self._attribution.click(raw, chosen)
            owner, is_added = known, False
            if owner is None:
                owner, is_added = self._attribution.add_customer(raw, customer, click, link, ts)
            lead: Row = {"ts": ts, "type": LEAD, "event_name": name, "customer": owner.pk}
            lead["metadata"] = as_text(metadata)
            event_ids = tuple(random_text(16) for _ in range(0 if deferred else quantity))
            for event_id in event_ids:
                self._add(raw, click, {**lead, "event_id": event_id})
            return LeadResult(
                outcome="deferred" if deferred else "recorded",
                click_id=chosen,
                link=link,
                customer=owner,
                is_new_customer=is_added,
                event_ids=event_ids,
            )

        return self._database.record(work)

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
        answer: Callable[[Customer], Mapping[str, Any]] | None = None,
        late_claim: bool = False,
        at: datetime | None = None,
    ) -> SaleResult:
        """Record a sale, once in 7 days for each ``invoice_id``; ``amount`` is in minor units of
        ``currency``.

        ``answer`` says what the caller is told, for the customer as the sale has left them; it is stored with
        the invoice, and a repeat gets exactly that (outcome ``replayed``). ``click_id`` matters for unknown
        customers only: it makes a direct sale, which records a lead too. ``late_claim`` looks at the invoice
        before the sale and notes it after, so that two at once both count, which is what Dub does.
        Raises `AttributionError` with reason ``click_not_found``, ``link_not_found``, ``link_disabled``
        (``customer_id`` set when the customer's link is meant) or ``lead_not_found``.
        """
        ts = self._now() if at is None else to_ms(at)
        lead_name = lead_event_name or DIRECT_SALE_LEAD
        words = self._words.ids(map(plain, (event_name, currency, payment_processor, lead_name)))
        if late_claim and invoice_id is not None:
            with self._database.read() as connection:
                is_known, told = self._claims.sale_answer(driver_of(connection), invoice_id, ts)
            if is_known:
                return SaleResult(outcome="replayed", answer=told)

        def work(raw: Driver) -> SaleResult:
            is_new = invoice_id is None or self._claims.sale(raw, invoice_id, ts)
            if invoice_id is not None and not is_new and not late_claim:
                _, told = self._claims.sale_answer(raw, invoice_id, ts)
                return SaleResult(outcome="replayed", answer=told)
            owner = self._customers.find(raw, customer.external_id, for_update=True)
            direct: LeadResult | None = None
            if owner is None and click_id:
                direct = self._direct_lead(raw, customer, click_id, words[plain(lead_name)], ts)
                owner = direct.customer
            if owner is not None:
                name = words[plain(lead_name)] if lead_event_name and direct is None else None
                lead, link = self._attribution.lead_of(raw, owner, name)
            if owner is None or amount <= 0:
                if invoice_id is not None:
                    self._claims.release_sale(raw, invoice_id)
                if owner is None:
                    return SaleResult(outcome="unknown_customer")
                return SaleResult(outcome="zero_amount", customer=owner, link=link, lead=direct)
            is_first = self._attribution.is_first(raw, owner, link)
            sale = {
                "ts": ts,
                "type": SALE,
                "event_id": random_text(16),
                "customer": owner.pk,
                "event_name": words[plain(event_name)],
                "amount": amount,
                "currency": words[plain(currency)],
                "payment_processor": words[plain(payment_processor)],
                "invoice_id": invoice_id,
                "first": is_first,
                "metadata": as_text(metadata),
            }
            self._add(raw, lead, sale)
            self._add_sale.run(raw, {"customer": owner.pk, "more": amount, "now": ts})
            owner = dataclasses.replace(
                owner,
                sales=owner.sales + 1,
                sale_amount=owner.sale_amount + amount,
                first_sale_at=owner.first_sale_at or from_ms(ts),
            )
            told = None if answer is None else answer(owner)
            if invoice_id is not None:
                self._claims.keep_answer(raw, invoice_id, told)
            return SaleResult(
                outcome="recorded", answer=told, link=link, customer=owner, is_first=is_first, lead=direct
            )

        return self._database.record(work)

    def _direct_lead(
        self, raw: Driver, details: CustomerDetails, click_id: str, name: int, ts: int
    ) -> LeadResult:
        click, link = self._attribution.click(raw, click_id)
        owner, is_new = self._attribution.add_customer(raw, details, click, link, ts)
        if not is_new:  # a sale of the same new customer was faster: it has recorded the lead
            return LeadResult(outcome="duplicate", click_id=click_id, link=link, customer=owner)
        event_id = random_text(16)
        lead = {"ts": ts, "type": LEAD, "event_name": name, "customer": owner.pk, "event_id": event_id}
        self._add(raw, click, lead)
        return LeadResult(
            outcome="recorded",
            click_id=click_id,
            link=link,
            customer=owner,
            is_new_customer=True,
            event_ids=(event_id,),
        )

    def _add(self, raw: Driver, before: Row, values: Mapping[str, Any]) -> None:
        """Add a lead with what its click was, or a sale with what its lead was."""
        if not self._add_conversion.changes(raw, {**_BLANK, **values, "before": before["id"]}):
            # the retention has taken it in this moment
            reason = "click_not_found" if values["type"] == LEAD else "lead_not_found"
            raise AttributionError(reason, click_id=before.get("click_id"))

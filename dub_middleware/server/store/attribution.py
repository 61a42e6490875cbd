"""Whom a lead or sale belongs to: the click, its link, the customer, the lead before the sale."""

from __future__ import annotations

import sqlalchemy as sa

from dub_middleware.errors import AttributionError
from dub_middleware.server.store.customers import KnownCustomers
from dub_middleware.server.store.engine import Database, Driver
from dub_middleware.server.store.events import CLICK_ROW, is_type
from dub_middleware.server.store.models import Customer, CustomerDetails, Link
from dub_middleware.server.store.prepared import Prepared, Row
from dub_middleware.server.store.recent_links import RecentLinks
from dub_middleware.server.store.schema import events
from dub_middleware.server.store.words import Words

_CLICK = CLICK_ROW.with_only_columns(
    events.c.id, events.c.click_id, events.c.ts, events.c.link, events.c.country
)
_LATEST_LEAD = (
    sa.select(events.c.id, events.c.link)
    .where(events.c.customer == sa.bindparam("customer"), is_type("lead"))
    .order_by(events.c.ts.desc(), events.c.id.desc())
    .limit(1)
)
_LATEST_LEAD_NAMED = _LATEST_LEAD.where(events.c.event_name == sa.bindparam("name"))
_SALE_THROUGH = (
    sa.select(events.c.id)
    .where(
        events.c.customer == sa.bindparam("customer"), is_type("sale"), events.c.link == sa.bindparam("link")
    )
    .limit(1)
)


class Attribution:
    """Look up what a lead or sale belongs to. Raises `AttributionError` when that is gone or disabled."""

    def __init__(self, database: Database, words: Words, links: RecentLinks) -> None:
        self._words = words
        self.customers = KnownCustomers(database)
        self._links = links
        self._click = Prepared(database, _CLICK)
        self._latest_lead = Prepared(database, _LATEST_LEAD)
        self._latest_lead_named = Prepared(database, _LATEST_LEAD_NAMED)
        self._sale_through = Prepared(database, _SALE_THROUGH)

    def lead_of(self, raw: Driver, customer: Customer, name: int | None) -> tuple[Row, Link]:
        """A sale's lead, its ``id`` and ``link``, and its link: the latest, or latest of that name."""
        link: Link | None = None
        if customer.link_pk is not None:
            link = self._usable(raw, customer.link_pk, customer_id=customer.id)
        statement = self._latest_lead if name is None else self._latest_lead_named
        lead = statement.first(raw, {"customer": customer.pk, "name": name})
        if lead is None:
            raise AttributionError("lead_not_found", customer_id=customer.id)
        if link is None or link.pk != lead["link"]:
            link = self._usable(raw, lead["link"], customer_id=customer.id)
        return lead, link

    def add_customer(
        self, raw: Driver, details: CustomerDetails, click: Row, link: Link, ts: int
    ) -> tuple[Customer, bool]:
        """Add the customer who came by this click, or find the one just added; say whether it is new."""
        country = self._words.text(click["country"])
        return self.customers.add(raw, details, ts, click=click, link_id=link.id, country=country)

    def click(self, raw: Driver, click_id: str) -> tuple[Row, Link]:
        """A click, its ``id``, ``click_id``, ``ts``, ``link`` and ``country``, and its link."""
        click = self._click.first(raw, {"click_id": click_id})
        if click is None:
            raise AttributionError("click_not_found", click_id=click_id)
        return click, self._usable(raw, click["link"], click_id=click_id)

    def _usable(
        self,
        raw: Driver,
        pk: int,
        *,
        click_id: str | None = None,
        customer_id: str | None = None,
    ) -> Link:
        link = self._links.by_pk(raw, pk)
        if link is None:
            raise AttributionError("link_not_found", click_id=click_id, customer_id=customer_id)
        if link.disabled_at is not None:
            raise AttributionError(
                "link_disabled", click_id=click_id, link_id=link.id, customer_id=customer_id
            )
        return link

    def is_first(self, raw: Driver, customer: Customer, link: Link) -> bool:
        """Say whether a sale is the customer's first, or their first through this link."""
        if customer.sales == 0:
            return True
        if customer.link_pk == link.pk:
            return False
        return self._sale_through.first(raw, {"customer": customer.pk, "link": link.pk}) is None

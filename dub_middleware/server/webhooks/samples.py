"""Sample events, for trying a receiver before anything has happened."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from dub_middleware.server.objects import Objects
from dub_middleware.server.store import Context, Customer, Event, Link
from dub_middleware.server.store.ids import random_text
from dub_middleware.server.webhooks.payloads import (
    EVENT_TRIGGERS,
    LINK_TRIGGERS,
    TRIGGERS,
    Payload,
    event_payload,
    link_payload,
)


def sample(trigger: str, objects: Objects, now: datetime) -> Payload:
    """Return an invented event in its exact shape. Raises `ValueError` for a trigger that there is not."""
    link = Link(
        pk=0,
        id="link_01JSAMPLE0000000000000000",
        domain="go.localhost",
        key="sample",
        url="https://shop.example/?utm_source=newsletter",
        utm_source="newsletter",
        track_conversion=True,
        clicks=12,
        leads=3,
        conversions=1,
        sales=1,
        sale_amount=4900,
        last_clicked=now,
        created_at=now,
        updated_at=now,
    )
    if trigger in LINK_TRIGGERS:
        return link_payload(trigger, link, objects, now)
    if trigger not in EVENT_TRIGGERS:
        raise ValueError(f"{trigger!r} is no trigger: use one of {', '.join(TRIGGERS)}.")
    click = Event(
        id=0,
        type="click",
        timestamp=now,
        click_id=random_text(16),
        link=link,
        context=Context(url=link.url, country="DE", city="Berlin", region="DE-BE", continent="EU"),
    )
    customer = Customer(
        pk=0,
        id="cus_01JSAMPLE0000000000000000",
        external_id="sample-42",
        name="Sample Customer",
        email="sample@shop.example",
        country="DE",
        clicked_at=now,
        created_at=now,
    )
    lead = replace(click, type="lead", event_id=random_text(16), name="Sign up", customer=customer)
    sale = replace(
        lead,
        type="sale",
        name="Purchase",
        amount=4900,
        currency="usd",
        payment_processor="custom",
        invoice_id="sample-invoice-1",
    )
    event = {"click": click, "lead": lead, "sale": sale}[EVENT_TRIGGERS[trigger]]
    payload = event_payload(trigger, event, objects, now)
    assert payload is not None
    return payload

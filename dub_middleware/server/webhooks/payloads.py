"""The bodies of webhooks, as Dub sends them. https://dub.co/docs/concepts/webhooks/event-types"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any, Literal, get_args

from dub_middleware.server.objects import Objects, click_object, customer_object, iso
from dub_middleware.server.store import Customer, Event, EventType, Link
from dub_middleware.server.store.ids import random_text

LinkTrigger = Literal["link.created", "link.updated", "link.deleted"]
EventTrigger = Literal["link.clicked", "lead.created", "sale.created"]

LINK_TRIGGERS: tuple[LinkTrigger, ...] = get_args(LinkTrigger)
EVENT_TRIGGERS: dict[EventTrigger, EventType] = {
    "link.clicked": "click",
    "lead.created": "lead",
    "sale.created": "sale",
}
#: everything a webhook can ask for
TRIGGERS: tuple[str, ...] = (*LINK_TRIGGERS, *EVENT_TRIGGERS)

Payload = dict[str, Any]


def link_payload(trigger: LinkTrigger, link: Link, objects: Objects, now: datetime) -> Payload:
    """What happened to a link."""
    return _envelope(f"evt_{random_text(25)}", trigger, now, objects.link(link))


def event_payload(trigger: EventTrigger, event: Event, objects: Objects, now: datetime) -> Payload | None:
    """A click, lead or sale; None when its link has been deleted since.

    The id follows from the event, so a crash between two steps of delivery makes no second webhook of it.
    The leads of one call with an ``eventQuantity`` share theirs: Dub sends one webhook for all of them.
    """
    if event.link is None:
        return None
    data: dict[str, Any] = {"click": click_object(event), "link": objects.link(event.link)}
    if event.type != "click":
        customer = _customer(event)
        data = {"eventName": event.name, "customer": customer, **data, "metadata": _metadata(event)}
    if event.type == "sale":
        owner = event.customer
        clicked_at = None if owner is None else owner.clicked_at or owner.created_at
        data["click"] = click_object(event, timestamp=clicked_at)
        data["sale"] = {
            "amount": event.amount,
            "currency": event.currency,
            "paymentProcessor": event.payment_processor,
            "invoiceId": event.invoice_id,
        }
    return _envelope(_event_id(event), trigger, now, data)


def _envelope(identifier: str, trigger: str, now: datetime, data: Payload) -> Payload:
    return {"id": identifier, "event": trigger, "createdAt": iso(now), "data": data}


def _event_id(event: Event) -> str:
    parts = [event.type, event.click_id]
    if event.type == "lead":
        customer = event.customer.id if event.customer else ""
        parts += [customer, event.name or "", event.timestamp.isoformat()]
    elif event.type == "sale":
        parts.append(event.event_id or "")
    return f"evt_{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:25]}"


def _customer(event: Event) -> dict[str, Any]:
    customer = event.customer or Customer(pk=0, id="", external_id="", name="Deleted Customer")
    known = customer_object(customer)
    del known["country"]  # Dub leaves it out here
    return known


def _metadata(event: Event) -> dict[str, Any] | None:
    return None if event.metadata is None else dict(event.metadata)

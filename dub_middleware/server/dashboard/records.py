"""An event as JSON, as Dub's ``GET /events`` gives it (https://dub.co/docs/api-reference/events/list)."""

from __future__ import annotations

from typing import Any

from dub_middleware.server.objects import Objects, click_object, event_customer, iso
from dub_middleware.server.store import Event


def event_object(event: Event, objects: Objects) -> dict[str, Any]:
    """Everything that is known of an event; ``link`` is None once it is deleted."""
    found: dict[str, Any] = {"event": event.type, "timestamp": iso(event.timestamp)}
    if event.type != "click":
        found |= {"eventId": event.event_id, "eventName": event.name}
    if event.type == "sale":
        found["sale"] = {
            "amount": event.amount,
            "currency": event.currency,
            "paymentProcessor": event.payment_processor,
            "invoiceId": event.invoice_id,
        }
    if event.type != "click":
        found["customer"] = event_customer(event)
        found["metadata"] = None if event.metadata is None else dict(event.metadata)
    found["click"] = click_object(event)
    found["link"] = None if event.link is None else objects.link(event.link)
    return found

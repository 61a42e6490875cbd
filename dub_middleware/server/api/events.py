"""Events: https://dub.co/docs/api-reference/endpoint/list-events."""

from __future__ import annotations

from typing import Any

from dub_middleware.server.api import paging
from dub_middleware.server.api.answers import CLICK, EVENT_CUSTOMER, LINK, count, moment, text
from dub_middleware.server.api.errors import ApiError
from dub_middleware.server.api.filters import CONDITIONS, FILTERS, chosen_filters, question
from dub_middleware.server.api.operations import Call, Resource
from dub_middleware.server.api.schema import (
    Array,
    Choice,
    Number,
    Object,
    Record,
    Schema,
    String,
    Union,
    Values,
)
from dub_middleware.server.objects import click_object, event_customer, iso
from dub_middleware.server.store import Event, EventType

resource = Resource("Events", "One by one, what was clicked, signed up for and bought.")

_KINDS: dict[str, EventType] = {"clicks": "click", "leads": "lead", "sales": "sale"}
_EVENTS_BY_NAME = ("clicks", "leads", "sales")

#: what an event had at its top before it had ``click`` and ``link``
_FLAT = ("continent", "country", "city", "device", "browser", "os", "ip")
_FLAT_FIELDS: dict[str, Schema] = {
    **{name: String(deprecated=True) for name in ("click_id", "link_id", "domain", "key", "url", *_FLAT)},
    "qr": Number(integer=True, deprecated=True),
}
_EVENT: dict[str, Schema] = {
    "timestamp": moment("When it happened."),
    "click": CLICK,
    "link": LINK,
    **_FLAT_FIELDS,
}
_LEAD: dict[str, Schema] = {
    "eventId": text("The id of the event."),
    "eventName": text("Its name."),
    "metadata": Record(nullable=True, doc="What was sent with it."),
    "customer": EVENT_CUSTOMER,
}
_ROW = Union(
    (
        Object({"event": Choice(("click",)), **_EVENT}, name="ClickEvent"),
        Object({"event": Choice(("lead",)), **_EVENT, **_LEAD}, name="LeadEvent"),
        Object(
            {
                "event": Choice(("sale",)),
                **_EVENT,
                **_LEAD,
                "sale": Object(
                    {
                        "amount": count("In cents."),
                        "invoiceId": text("Empty when none was given."),
                        "paymentProcessor": text(),
                        "currency": text(),
                    }
                ),
                "saleAmount": Number(integer=True, deprecated=True),
                "invoice_id": String(deprecated=True),
                "payment_processor": String(deprecated=True),
            },
            name="SaleEvent",
        ),
    )
)


def _limit(default: int) -> Number:
    return Number(
        coerce=True,
        integer="Page size must be an integer.",
        message="Page size must be a number.",
        above=(0, "Page size must be greater than 0."),
        max=(1000, "Max page size is 1000."),
        default=default,
        doc="How many events there are at most.",
    )


_QUERY = Object(
    {
        "event": Choice(
            _EVENTS_BY_NAME,
            default="clicks",
            message="Invalid event type. Valid event types are: clicks, leads, sales",
            doc="What is listed.",
        ),
        "page": paging.page_number(),
        "limit": _limit(100),
        "sortOrder": Choice(("asc", "desc"), optional=True, doc="Newest first when left out."),
        "sortBy": Choice(("timestamp",), default="timestamp"),
        "order": Choice(("asc", "desc"), optional=True, deprecated=True),
        **FILTERS,
    }
)
_LIVE = Object(
    {
        "cursor": String(optional=True, doc="The cursor of the answer before."),
        "event": Array(Choice(_EVENTS_BY_NAME), split=True, optional=True, doc="What is listed; everything."),
        "limit": _limit(50),
        **CONDITIONS,
    }
)
_LIVE_ANSWER = Object(
    {
        "events": Array(_ROW, doc="Oldest first, each once, however often one asks."),
        "cursor": text("What to ask with next."),
    },
    name="LiveEvents",
)


@resource.get(
    "/events",
    query=_QUERY,
    answer=Array(_ROW),
    scope="analytics.read",
    is_analytics=True,
    hides_limits=True,
    errors=(404,),
)
def list_events(call: Call) -> list[Values]:
    """List events, newest first."""
    query, asked = call.query, question(call)
    found = call.server.queries.events(
        asked.period,
        asked.filters,
        types=[_KINDS[query["event"]]],
        page=query["page"],
        limit=query["limit"],
        descending=(query.get("sortOrder") or query.get("order") or "desc") == "desc",
        metadata=asked.metadata,
        of_links=True,
    )
    return [_row(call, event) for event in found]


@resource.get(
    "/events/live",
    query=_LIVE,
    answer=_LIVE_ANSWER,
    scope="analytics.read",
    errors=(404,),
)
def follow_events(call: Call) -> Values:
    """Follow the events as they come: the latest ones, then whatever comes behind the cursor."""
    query = call.query
    cursor = query.get("cursor") or None
    try:
        found, cursor = call.server.queries.live(
            cursor,
            chosen_filters(call),
            types=[_KINDS[name] for name in query.get("event") or ()],
            limit=query["limit"],
        )
    except ValueError:
        raise ApiError("unprocessable_entity", "Invalid cursor: it is none that an answer gave.") from None
    if not query.get("cursor"):
        found.reverse()
    return {"events": [_row(call, event) for event in found if event.link is not None], "cursor": cursor}


def _row(call: Call, event: Event) -> Values:
    assert event.link is not None
    click, link = click_object(event), call.server.objects.link(event.link)
    row: dict[str, Any] = {
        "event": event.type,
        "timestamp": iso(event.timestamp),
        "click": click,
        "link": link,
        "click_id": click["id"],
        "link_id": link["id"],
        "domain": link["domain"],
        "key": link["key"],
        "url": click["url"],
        **{name: click[name] for name in _FLAT},
        "qr": int(click["qr"]),
    }
    if event.type == "click":
        return row
    row |= {
        "eventId": event.event_id,
        "eventName": event.name,
        "metadata": event.metadata,
        "customer": event_customer(event),
    }
    if event.type == "sale":
        sale = {
            "amount": event.amount,
            "invoiceId": event.invoice_id or "",
            "paymentProcessor": event.payment_processor,
            "currency": event.currency,
        }
        row |= {"sale": sale, "saleAmount": event.amount, "invoice_id": sale["invoiceId"]}
        row["payment_processor"] = event.payment_processor
    return row

"""The Dub Source: Dub's webhooks in, Segment calls out.

::

    source = DubSource("write_key")
    app = WebhookApp("whsec_…", source, seen="webhooks.db")     # a WSGI app, mounted where Dub sends webhooks

Names, properties and context are those of Dub's own Segment integration. Besides them the calls carry what it
loses: the event's id as ``messageId``, so that a repeated webhook is one event, the time it happened as
``timestamp``, the click as ``anonymousId`` of leads and sales, their metadata and partner.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from dub_middleware.conversions import http
from dub_middleware.conversions.currencies import in_major_units
from dub_middleware.conversions.destinations.segment import DUB_ACTIONS, MAX_EVENT, Revenue, Segment
from dub_middleware.conversions.outbox import NewRow, Outbox, open_outbox, storable
from dub_middleware.conversions.worker import OnError, Reporter, Timing, Worker
from dub_middleware.conversions.worker.delivering import Delivering
from dub_middleware.errors import PayloadError
from dub_middleware.webhooks import (
    LeadCreated,
    LinkClicked,
    PartnerEnrolled,
    SaleCreated,
    WebhookEvent,
    parse,
)

__all__ = ["DubSource"]

Call = dict[str, Any]

APP = {"name": "dub", "version": "1.0.0"}  # what Dub's own integration calls itself
CAMPAIGN = (
    ("name", "utm_campaign"),
    *((part, f"utm_{part}") for part in ("source", "medium", "term", "content")),
)
TRAITS = ("email", "avatar")

log = logging.getLogger("dub_middleware.segment")


class _Calls(Segment):
    """Segment, under a queue name of its own: the rows hold calls that are ready to be sent."""

    name = "dub-source"


class DubSource(Delivering):
    """Send what Dub's webhooks tell to a Segment source, through a durable outbox.

    An instance is a handler for `WebhookApp`; each webhook is stored before Dub gets its 200 and is delivered
    in the background, in order for each user. ``host`` is ``DubSource.US``, ``DubSource.EU`` or a server that
    speaks the same API. ``revenue="major"`` sends euros and dollars, as Segment's specification says,
    where Dub sends cents. ``outbox``, ``timing`` and ``on_error`` are those of `Conversions`; two sources
    need two outboxes. Raises `ConfigError` for a wrong option.
    """

    US = Segment.US
    EU = Segment.EU

    def __init__(
        self,
        write_key: str | None = None,
        host: str = US,
        *,
        revenue: Revenue = "minor",
        outbox: str | Outbox | None = "sqlite:///dub-outbox.db",
        on_error: OnError | None = None,
        timing: Timing | None = None,
    ) -> None:
        self._segment = _Calls(write_key, host=host, revenue=revenue)
        self._revenue = revenue
        self._outbox = open_outbox(outbox)
        self._worker = Worker(self._outbox, [self._segment], timing=timing, report=Reporter(on_error))

    def __call__(self, event: WebhookEvent) -> None:
        """Store the calls that ``event`` gives; other events than those of `translate` are let go.

        Raises `OutboxError` when they could not be stored: Dub then sends the webhook again.
        """
        if not isinstance(event, _TRANSLATED):
            log.debug("The webhook %s (%s) has no translation for Segment.", event.id, event.type)
            return
        now = time.time()
        self._outbox.put([_row(call, now) for call in self.calls(event)])
        self._worker.wake()

    def translate(self, payload: WebhookEvent | Mapping[str, Any]) -> Call:
        """Return the track call for a webhook, given as its JSON object or as what `parse` made of it.

        ``link.clicked``, ``lead.created``, ``sale.created`` and ``partner.enrolled`` have one.
        Raises `PayloadError` for other events, and for what is no event of Dub's.
        """
        event = payload if isinstance(payload, WebhookEvent) else parse(payload)
        if isinstance(event, LinkClicked):
            call = _call("Link Clicked", _ids(event), _properties(event))
        elif isinstance(event, LeadCreated | SaleCreated):
            name = _capitalized(event.event_name) or _unnamed(event)
            call = _call(name, _ids(event), {**_properties(event), **self._revenue_of(event)})
        elif isinstance(event, PartnerEnrolled):
            partner = {name: value for name, value in event.data.items() if name != "links"}
            properties = {"partner": partner, "links": event.data.get("links")}
            call = _call("Partner Enrolled", {"userId": event.partner.id}, properties)
        else:
            raise PayloadError(f"Event {event.type} is not supported for Segment.")
        return {**call, **_common(event)}

    def calls(self, payload: WebhookEvent | Mapping[str, Any]) -> list[Call]:
        """Return all calls for a webhook, in order: perhaps an identify call, then the track call.

        A lead or sale of a customer with an external id is preceded by an identify call that joins this user
        and the click, which is the ``anonymousId`` of the Link Clicked before. Its traits are the customer's
        e-mail address and avatar; the name may be one that Dub made up, and stays in the properties.
        """
        event = payload if isinstance(payload, WebhookEvent) else parse(payload)
        track = self.translate(event)
        if not isinstance(event, LeadCreated | SaleCreated) or not {"userId", "anonymousId"} <= track.keys():
            return [track]
        customer = event.customer.raw
        identify = {
            "type": "identify",
            **_ids(event),
            "traits": {name: customer[name] for name in TRAITS if customer.get(name)},
            **_common(event),
        }
        return [{**identify, "messageId": f"{event.id}-identify"}, track]

    def _revenue_of(self, event: WebhookEvent) -> dict[str, Any]:
        if not isinstance(event, SaleCreated):
            return {}
        amount, currency = event.sale.amount, event.sale.currency
        if self._revenue == "major" and isinstance(amount, int) and isinstance(currency, str):
            return {"revenue": in_major_units(amount, currency.lower()), "currency": currency}
        return {"revenue": amount, "currency": currency}


_TRANSLATED = (LinkClicked, LeadCreated, SaleCreated, PartnerEnrolled)


def _call(name: str, ids: Mapping[str, Any], properties: Mapping[str, Any]) -> Call:
    return {"type": "track", "event": name, **ids, "properties": properties}


def _ids(event: LinkClicked | LeadCreated | SaleCreated) -> dict[str, str]:
    # an empty id is worse than none: Segment drops the event, also when it has the other id
    ids = {"anonymousId": event.click.id}
    if not isinstance(event, LinkClicked):
        ids = {"userId": event.customer.external_id, **ids}
    return {name: value for name, value in ids.items() if value}


def _properties(event: LinkClicked | LeadCreated | SaleCreated) -> dict[str, Any]:
    names = ["click", "link"]
    if not isinstance(event, LinkClicked):
        names += ["customer", "sale", "partner", "metadata"]
    return {name: event.data[name] for name in names if event.data.get(name) is not None}


def _common(event: WebhookEvent) -> Call:
    context: dict[str, Any] = {"integration": APP, "library": APP}
    if isinstance(event, LinkClicked | LeadCreated | SaleCreated):
        if event.click.ip:
            context["ip"] = event.click.ip
        campaign = {name: event.link.raw[utm] for name, utm in CAMPAIGN if event.link.raw.get(utm)}
        if campaign:
            context["campaign"] = campaign
    return {
        "messageId": event.id,
        "timestamp": http.iso_time(event.created_at),
        "context": context,
        # Else a lead named "Sign up" would come back to Dub as a new lead, and that as a webhook, for ever.
        "integrations": {"All": True, DUB_ACTIONS: False},
    }


def _capitalized(name: str) -> str:
    """Upper-case the first UTF-16 unit of each word, as JavaScript does: half an emoji has no upper case."""
    words = (word[:1].upper() + word[1:] if word[:1] <= "\uffff" else word for word in name.split(" "))
    return " ".join(words)


def _unnamed(event: WebhookEvent) -> str:
    # Segment drops a track call without a name
    return "Sale Created" if isinstance(event, SaleCreated) else "Lead Created"


def _row(call: Call, now: float) -> NewRow:
    payload = http.to_json(call)
    if len(payload) > MAX_EVENT and "metadata" in call.get("properties", {}):
        log.warning("The metadata of %s is left out: the call has more than 32 KB.", call["messageId"])
        properties = {name: value for name, value in call["properties"].items() if name != "metadata"}
        payload = http.to_json({**call, "properties": properties})
    key = storable(str(call.get("userId") or call.get("anonymousId")))
    return NewRow(storable(call["messageId"]), _Calls.name, call["type"], key, payload, now)

"""Segment as a destination: ``POST /v1/batch`` of the HTTP tracking API.

The events have the shapes of Dub's Segment guide, whose mapping reads ``context.traits.clickId``, and carry
besides them what others read: ``integrations["Dub (Actions)"].dub_id`` for the default mapping of that
destination, ``context.dubClickId`` for RudderStack's.
"""

from __future__ import annotations

import base64
import gzip as gzip_format
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, Literal, get_args

from dub_middleware.conversions import http
from dub_middleware.conversions.currencies import in_major_units
from dub_middleware.conversions.destinations import Delivery, Outcome, generated_invoice_id, setting
from dub_middleware.conversions.events import Lead, Sale
from dub_middleware.errors import APIError, ConfigError, EventError, TransportError
from dub_middleware.personal import masked

__all__ = ["Revenue", "Segment"]

Revenue = Literal["minor", "major"]

MAX_EVENT = 32 * 1024  # bytes; Segment answers 200 and drops what is larger
MAX_BODY = 475_000  # bytes; Segment's limit is 500 KB, envelope included
BISECT_TIME = 10.0  # seconds spent on finding the event that Segment refuses

DUB_ACTIONS = "Dub (Actions)"  # the destination's name, case-sensitive, as Segment's `integrations` wants it
LIBRARY = {"name": "dub-middleware"}

# Property names that a mapping takes for a field of the conversion, so metadata must not occupy them.
_LEAD_FIELDS = frozenset({"quantity", "name", "email", "avatar"})
_SALE_FIELDS = frozenset(
    {"order_id", "orderId", "invoiceId", "currency", "revenue", "amount", "total"}
    | {"payment_processor", "paymentProcessor", "lead_event_name", "products"}
)
_SPLITTABLE = (400, 413, 422)  # statuses that may be the fault of one event among many
_ALSO_RETRYABLE = (410, 460)  # on top of the usual ones, as in Segment's own clients


class Segment:
    """Deliver leads and sales to Segment, as ``Sign Up`` and ``Order Completed`` track calls.

    ``write_key`` and ``host`` are read from ``SEGMENT_WRITE_KEY`` and ``SEGMENT_HOST`` when they are not
    given. ``host`` is ``Segment.US`` (the default), ``Segment.EU`` or a server that speaks the same API.
    ``revenue`` is the unit of ``properties.revenue``: ``"minor"`` is cents, which the Dub destination reads;
    ``"major"`` is what Segment's specification says, for sources that feed other destinations too (then map
    Dub's *amount* to ``properties.amount``, which is always in the minor unit). ``gzip=False`` is for servers
    that cannot decompress.

    Metadata becomes properties; a key that a mapping would take for a field of the conversion (``email``,
    ``products``, …) gets the prefix ``metadata_``. A deferred lead is kept from Dub.
    Raises `ConfigError` for a wrong option.
    """

    US = "https://api.segment.io"
    EU = "https://events.eu1.segmentapis.com"

    name = "segment"
    max_batch = 100
    concurrency = 2
    dedup_window = 20 * 3600.0  # Segment recognises a messageId for a day

    def __init__(
        self,
        write_key: str | None = None,
        *,
        host: str | None = None,
        revenue: Revenue = "minor",
        gzip: bool = True,
    ) -> None:
        name, key = setting("write_key", write_key, "SEGMENT_WRITE_KEY")
        if not key:
            raise ConfigError(
                "write_key", "write_key is missing. Pass Segment(write_key='…') or set SEGMENT_WRITE_KEY."
            )
        if not isinstance(key, str) or not re.fullmatch(r"[!-9;-~]+", key):
            raise ConfigError(
                name, f"{name} must be text of printable ASCII characters without spaces and colons."
            )
        if revenue not in get_args(Revenue):
            raise ConfigError("revenue", f"revenue must be 'minor' or 'major', not {revenue!r}.")
        if not isinstance(gzip, bool):
            raise ConfigError("gzip", f"gzip must be True or False, not {gzip!r}.")
        name, url = setting("host", host, "SEGMENT_HOST")
        self._host = http.base_url(name, self.US if url is None else url, self.US)
        self._revenue = revenue
        self._headers = {
            "authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode(),
            "content-type": "application/json",
        }
        self._gzip = gzip
        if gzip:
            self._headers["content-encoding"] = "gzip"
        self._http = http.HTTPClient(connections=2 * self.concurrency)

    def __repr__(self) -> str:
        return f"Segment(host={self._host!r})"  # never the key

    def prepare(self, event: Lead | Sale, *, id: str, timestamp: datetime) -> bytes:  # noqa: A002
        """Return the track call; its ``messageId`` is ``id``, by which Segment drops repeats.

        Raises `EventError` when it has more than 32 KB: Segment would answer 200 and drop it.
        """
        payload = http.to_json(
            {
                "type": "track",
                "messageId": id,
                "timestamp": http.iso_time(timestamp),
                "userId": event.customer_external_id,
                "event": _event_name(event),
                "properties": _properties(event, self._revenue, id),
                "context": _context(event),
                "integrations": _integrations(event),
            }
        )
        if len(payload) > MAX_EVENT:
            rule = f"must leave the event below Segment's 32 KB; it has {len(payload):,} bytes"
            raise EventError("metadata", event.metadata, rule)
        return payload

    def send(self, batch: Sequence[Delivery]) -> list[Outcome]:
        """Deliver in requests of at most 475,000 bytes.

        A request that Segment refuses is halved until the refused event is alone, so that one bad event
        takes no other with it.
        """
        outcomes: list[Outcome] = []
        stop = time.monotonic() + BISECT_TIME
        broken: Outcome | None = None
        for part in _parts(batch):
            if broken is None:
                results = self._send(part, stop)
                outcomes += results
                broken = next((result for result in results if result.state in _NO_USE_TO_GO_ON), None)
            else:
                outcomes += [_unsent(broken)] * len(part)
        return outcomes

    def close(self) -> None:
        """Close the idle connections."""
        self._http.close()

    def _send(self, part: Sequence[Delivery], stop: float) -> list[Outcome]:
        try:
            answer = self._http.request("POST", f"{self._host}/v1/batch", self._headers, self._body(part))
        except TransportError as error:
            state: Literal["ambiguous", "retry"] = "ambiguous" if error.sent else "retry"
            return [Outcome(state, message=f"{self._host}: {error}")] * len(part)
        outcome = self._misdirected(answer) or _outcome(answer)
        if len(part) == 1 or answer.status not in _SPLITTABLE:
            return [outcome] * len(part)
        if time.monotonic() > stop:
            return [Outcome("retry", message="Out of time looking for the refused event.")] * len(part)
        half = len(part) // 2
        return self._send(part[:half], stop) + self._send(part[half:], stop)

    def _misdirected(self, answer: http.Answer) -> Outcome | None:
        """Keep the queue where something else than Segment's API answers: the address is wrong."""
        if not answer.is_foreign:
            return None
        message = (
            f"host={self._host!r} is not Segment's API, it answers {answer.status} "
            f"(Segment's own is {self.US} or {self.EU})"
        )
        return Outcome("paused", answer.status, message)

    def _body(self, part: Sequence[Delivery]) -> bytes:
        # sentAt is the moment of this attempt: Segment corrects timestamps by the sender's clock with it
        sent_at = http.iso_time(datetime.now(timezone.utc)).encode()
        items = b",".join(delivery.payload for delivery in part)
        body = b'{"sentAt":"' + sent_at + b'","batch":[' + items + b"]}"
        return gzip_format.compress(body, compresslevel=5, mtime=0) if self._gzip else body


_NO_USE_TO_GO_ON = ("retry", "ambiguous", "paused")


def _unsent(cause: Outcome) -> Outcome:
    state: Literal["paused", "retry"] = "paused" if cause.state == "paused" else "retry"
    return Outcome(state, cause.status, "Not sent: an earlier part failed.", cause.retry_after)


def _parts(batch: Sequence[Delivery]) -> Iterator[list[Delivery]]:
    part: list[Delivery] = []
    size = 0
    for delivery in batch:
        length = len(delivery.payload) + 1
        if part and size + length > MAX_BODY:
            yield part
            part, size = [], 0
        part.append(delivery)
        size += length
    if part:
        yield part


def _outcome(answer: http.Answer) -> Outcome:
    state = http.verdict(answer.status)
    if answer.status in _ALSO_RETRYABLE:
        state = "retry"
    if state == "delivered":
        return Outcome("delivered", answer.status, response=answer.json())
    body = answer.json()
    reason = body.get("message") or body.get("error") if isinstance(body, Mapping) else None
    error = APIError(answer.status, reason[:1000] if isinstance(reason, str) else "no reason given")
    return Outcome(state, answer.status, masked(str(error)), retry_after=answer.retry_after, response=error)


def _event_name(event: Lead | Sale) -> str:
    # Segment's specified name, on which the Dub destination is triggered; a name of the caller's own stays
    return "Order Completed" if event.kind == "sale" and event.event_name == "Purchase" else event.event_name


def _properties(event: Lead | Sale, revenue: Revenue, id: str) -> dict[str, Any]:  # noqa: A002
    if isinstance(event, Lead):
        properties = _metadata(event, _LEAD_FIELDS)
        if event.event_quantity is not None:
            properties["quantity"] = event.event_quantity
        return properties
    return _metadata(event, _SALE_FIELDS) | _present(
        order_id=event.invoice_id or generated_invoice_id(id),
        currency=event.currency,
        revenue=event.amount if revenue == "minor" else in_major_units(event.amount, event.currency),
        amount=event.amount,
        payment_processor=event.payment_processor,
        paymentProcessor=event.payment_processor,
        lead_event_name=event.lead_event_name,
    )


def _metadata(event: Lead | Sale, taken: frozenset[str]) -> dict[str, Any]:
    if not event.metadata:
        return {}
    return {f"metadata_{k}" if k in taken else k: v for k, v in event.metadata.items()}


def _click_id(event: Lead | Sale) -> str:
    return "" if _is_deferred(event) else event.click_id


def _is_deferred(event: Lead | Sale) -> bool:
    # Segment knows no such mode: with a click id it would be a lead like any other, and counted at once
    return isinstance(event, Lead) and event.mode == "deferred"


def _context(event: Lead | Sale) -> dict[str, Any]:
    click_id = _click_id(event)
    traits = _present(
        name=event.customer_name,
        email=event.customer_email,
        avatar=event.customer_avatar,
        clickId=click_id,
    )
    context: dict[str, Any] = {"library": LIBRARY}
    if traits:
        context["traits"] = traits
    if click_id:
        context["dubClickId"] = click_id
    return context


def _integrations(event: Lead | Sale) -> dict[str, Any]:
    if _is_deferred(event):
        return {"All": True, DUB_ACTIONS: False}
    if not event.click_id:
        return {"All": True}
    return {"All": True, DUB_ACTIONS: {"dub_id": event.click_id}}


def _present(**values: Any) -> dict[str, Any]:
    # an empty string is worse than nothing: it keeps a mapping from falling back
    return {name: value for name, value in values.items() if value not in (None, "")}

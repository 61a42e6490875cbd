"""Dub's own API as a destination: ``POST /track/lead`` and ``POST /track/sale``.

The rules behind the outcomes are Dub's and cannot be seen from HTTP alone. A lead is marked as seen *before*
its click is looked up, so a repeat after a failure is answered 200 without having been recorded. A sale is
only recorded once its lead can be found, which may take a while.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from dub_middleware.conversions import http
from dub_middleware.conversions.destinations import Delivery, Outcome, generated_invoice_id, setting
from dub_middleware.conversions.events import Lead, Sale
from dub_middleware.errors import APIError, ConfigError, TransportError
from dub_middleware.personal import masked
from dub_middleware.process import PerProcess
from dub_middleware.records import Click, Customer, Link, Record, SaleDetails

__all__ = ["DubAPI", "LeadResult", "SaleResult"]

DUB = "https://api.dub.co"
DUB_RATE = 20.0  # requests a second: the 1,200 a minute of Dub's Business plan
LEAD_LAG = 3600.0  # seconds in which the lead of a sale must turn up
LEAD_LAG_ATTEMPTS = 10  # so that neither a clock jump nor a long outage uses up the lag


@dataclass(frozen=True, kw_only=True)
class LeadResult(Record):
    """Dub's answer to a lead. ``link`` is None when nothing was recorded: Dub had seen this lead before."""

    click: Click | None = None
    link: Link | None = None
    customer: Customer | None = None


@dataclass(frozen=True, kw_only=True)
class SaleResult(Record):
    """Dub's answer to a sale. ``sale`` is None when it was attributed to nobody and not recorded."""

    event_name: str | None = None
    customer: Customer | None = None
    sale: SaleDetails | None = None


class DubAPI:
    """Deliver leads and sales to Dub, or to a server that speaks its API.

    ``api_key`` (``dub_…``) and ``base_url`` are read from ``DUB_API_KEY`` and ``DUB_BASE_URL`` when they are
    not given. ``base_url`` is where ``/track/lead`` is, by default https://api.dub.co. ``rate_limit`` is in
    requests a second for this process; by default 20 towards api.dub.co, and none towards another address.
    Raises `ConfigError` for a missing key or a wrong option.
    """

    name = "dub"
    max_batch = 1
    concurrency = 8

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        rate_limit: float | None = None,
    ) -> None:
        name, url = setting("base_url", base_url, "DUB_BASE_URL")
        self._base_url = http.base_url(name, DUB if url is None else url, DUB)
        if self._base_url.startswith("http://" + DUB.removeprefix("https://")):
            raise ConfigError(name, f"{name}={url!r} would show the key to the network; say {DUB!r}.")
        self._key = _checked_key(*setting("api_key", api_key, "DUB_API_KEY"))
        if rate_limit is None and urlsplit(self._base_url).hostname == urlsplit(DUB).hostname:
            rate_limit = DUB_RATE
        self._pace = None if rate_limit is None else _Pace(rate_limit)
        self._http = http.HTTPClient(connections=2 * self.concurrency)

    def __repr__(self) -> str:
        return f"DubAPI(base_url={self._base_url!r})"  # never the key

    def prepare(self, event: Lead | Sale, *, id: str, timestamp: datetime) -> bytes:  # noqa: A002
        """Return the body of the request; a sale without an invoice id gets one from ``id``.

        The invoice id is Dub's only protection against counting a repeated sale twice.
        """
        body = event.to_wire()
        if event.kind == "sale":
            body.setdefault("invoiceId", generated_invoice_id(id))
        return http.to_json(body)

    def send(self, batch: Sequence[Delivery]) -> list[Outcome]:
        """Deliver one after the other; the response of a success is a `LeadResult` or `SaleResult`.

        The response of a refusal is an `APIError` with Dub's code, message and documentation URL.
        """
        return [self._send(delivery) for delivery in batch]

    def close(self) -> None:
        """Close the idle connections."""
        self._http.close()

    def _send(self, delivery: Delivery) -> Outcome:
        if self._pace is not None:
            self._pace.wait()
        headers = {"authorization": f"Bearer {self._key}", "content-type": "application/json"}
        url = f"{self._base_url}/track/{delivery.kind}"
        try:
            answer = self._http.request("POST", url, headers, delivery.payload)
        except TransportError as error:
            return Outcome("ambiguous" if error.sent else "retry", message=f"{self._base_url}: {error}")
        if 200 <= answer.status < 300:
            return _accepted(delivery, answer)
        return self._misdirected(answer) or _refused(delivery, answer)

    def _misdirected(self, answer: http.Answer) -> Outcome | None:
        """Keep the queue where something else than Dub's API answers: the address is wrong, not the event."""
        if not answer.is_foreign:
            return None
        message = (
            f"base_url={self._base_url!r} is not Dub's API, it answers {answer.status} "
            "(that of `dub-middleware serve` ends in /api)"
        )
        return Outcome("paused", answer.status, message)


def _accepted(delivery: Delivery, answer: http.Answer) -> Outcome:
    body = answer.json()
    if not isinstance(body, Mapping) or _RECORDED[delivery.kind] not in body:
        return Outcome("ambiguous", answer.status, "The answer is not one of Dub's.")
    if delivery.kind == "sale":
        sale = SaleResult(
            raw=body,
            event_name=body.get("eventName"),
            customer=Customer.read(body.get("customer")),
            sale=SaleDetails.read(body["sale"]),
        )
        if sale.sale is None:
            message = "Dub knows neither the customer nor the click of this sale, or its amount is 0."
            return Outcome("not_attributed", answer.status, message, response=sale)
        return Outcome("delivered", answer.status, response=sale)
    lead = LeadResult(
        raw=body,
        click=Click.read(body.get("click")),
        link=Link.read(body["link"]),
        customer=Customer.read(body.get("customer")),
    )
    if lead.link is not None:
        return Outcome("delivered", answer.status, response=lead)
    if delivery.attempt > 1 or delivery.ambiguous:
        message = "Dub has seen this lead before, perhaps in an attempt of ours that then failed."
        return Outcome("unconfirmed", answer.status, message, response=lead)
    message = "Dub has recorded this lead of this customer before, within seven days."
    return Outcome("duplicate", answer.status, message, response=lead)


_RECORDED = {"lead": "link", "sale": "sale"}  # the part of the answer that says whether it was recorded


def _refused(delivery: Delivery, answer: http.Answer) -> Outcome:
    code, reason, doc_url = _envelope(answer)
    location = answer.headers.get("location", "")[:200]
    otherwise = (
        f"it redirects to {location}: base_url must be where it leads" if location else "no reason given"
    )
    error = APIError(answer.status, reason or otherwise, code=code, doc_url=doc_url)
    state = http.verdict(answer.status)
    if answer.status == 404 and reason.startswith("Workspace"):
        state = "paused"  # about the key, not about the event
    elif answer.status == 400 and reason.startswith("Misconfigured authorization"):
        state = "paused"
    elif answer.status == 400 and reason.startswith(_OF_NOBODY):
        return Outcome(
            "not_attributed", 400, "Dub knows neither the customer nor a click of this lead.", response=error
        )
    elif answer.status == 404 and delivery.kind == "sale" and _may_lag(delivery, reason):
        state = "retry"
    return Outcome(state, answer.status, masked(str(error)), retry_after=answer.retry_after, response=error)


# a customer who came by no link; for a sale of such a customer Dub answers 200
_OF_NOBODY = "The `clickId` property was not provided"


def _may_lag(delivery: Delivery, reason: str) -> bool:
    if reason and not reason.startswith("Lead event not found"):
        return False
    return delivery.attempt < LEAD_LAG_ATTEMPTS or time.time() - delivery.created_at < LEAD_LAG


def _envelope(answer: http.Answer) -> tuple[str | None, str, str | None]:
    """Read code, message and documentation URL of https://dub.co/docs/api-reference/errors."""
    body = answer.json()
    error = body.get("error") if isinstance(body, Mapping) else None
    if not isinstance(error, Mapping):
        return None, "", None
    return _text(error.get("code")), _text(error.get("message")) or "", _text(error.get("doc_url"))


def _text(value: Any) -> str | None:
    return value[:1000] if isinstance(value, str) else None


def _checked_key(name: str, key: object) -> str:
    if not key:
        raise ConfigError(
            "api_key",
            "api_key is missing. Pass DubAPI(api_key='dub_…') or set DUB_API_KEY; "
            "keys are made at https://app.dub.co/settings/tokens.",
        )
    if not isinstance(key, str) or not re.fullmatch(r"[!-~]+", key):
        raise ConfigError(name, f"{name} must be text of printable ASCII characters without spaces.")
    if key.startswith("dub_pk_"):
        raise ConfigError(name, f"{name} is a publishable key (dub_pk_…); a secret key is needed.")
    return key


class _Turns:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.next = 0.0


class _Pace:
    """Space requests evenly, so that a queue that piled up does not come out in a burst."""

    def __init__(self, rate: object) -> None:
        if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 < rate < float("inf"):
            raise ConfigError(
                "rate_limit", f"rate_limit must be a number of requests a second above 0, not {rate!r}."
            )
        self._interval = 1 / rate
        self._turns = PerProcess(_Turns)

    def wait(self) -> None:
        turns = self._turns()
        with turns.lock:
            now = time.monotonic()
            turn = max(turns.next, now)
            turns.next = turn + self._interval
        time.sleep(turn - now)

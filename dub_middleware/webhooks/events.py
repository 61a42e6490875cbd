"""The events that Dub's webhooks carry, typed. https://dub.co/docs/concepts/webhooks/event-types"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, NoReturn, TypeVar

from dub_middleware.errors import PayloadError
from dub_middleware.personal import shown
from dub_middleware.records import Click, Customer, Link, Partner, Record, SaleDetails

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, kw_only=True)
class WebhookEvent:
    """Something that happened at Dub; a type that is newer than this package comes as this class."""

    id: str
    """``evt_…``; the same for each repeat of one delivery."""
    type: str
    """Such as ``lead.created``."""
    created_at: datetime
    """With a time zone."""
    data: Mapping[str, Any] = field(repr=False)
    """The event's data as Dub sent it."""


@dataclass(frozen=True, kw_only=True)
class _LinkEvent(WebhookEvent):
    link: Link


class LinkCreated(_LinkEvent):
    """A short link was created."""


class LinkUpdated(_LinkEvent):
    """A short link was changed."""


class LinkDeleted(_LinkEvent):
    """A short link was deleted."""


@dataclass(frozen=True, kw_only=True)
class LinkClicked(WebhookEvent):
    """Somebody followed a short link; sent within a minute."""

    click: Click
    link: Link


@dataclass(frozen=True, kw_only=True)
class _Conversion(WebhookEvent):
    event_name: str
    customer: Customer
    click: Click
    link: Link
    partner: Partner | None
    metadata: Mapping[str, Any] | None


class LeadCreated(_Conversion):
    """A lead was recorded; one event also for an ``event_quantity`` above 1."""


@dataclass(frozen=True, kw_only=True)
class SaleCreated(_Conversion):
    """A sale was recorded. ``sale.amount`` is in cents, converted to US dollars."""

    sale: SaleDetails


@dataclass(frozen=True, kw_only=True)
class PartnerEnrolled(WebhookEvent):
    """A partner joined a program."""

    partner: Partner
    links: tuple[Link, ...]


class PartnerApplicationSubmitted(WebhookEvent):
    """A partner applied to a program; see ``data``."""


class PartnerMerged(WebhookEvent):
    """Two partner accounts became one; see ``data``."""


class CommissionCreated(WebhookEvent):
    """A partner earned a commission; see ``data``."""


class BountyCreated(WebhookEvent):
    """A bounty was announced; see ``data``."""


class BountyUpdated(WebhookEvent):
    """A bounty was changed; see ``data``."""


class PayoutConfirmed(WebhookEvent):
    """A payout was confirmed; see ``data``."""


class DiscountCodeCreated(WebhookEvent):
    """A discount code was created; see ``data``."""


class DiscountCodeDeleted(WebhookEvent):
    """A discount code was deleted; see ``data``."""


def parse(body: bytes | str | Mapping[str, Any]) -> WebhookEvent:
    """Return the event in a webhook's body, as the class of its type.

    Raises `PayloadError` naming what is missing or wrong. Verify the signature first.
    """
    envelope = body if isinstance(body, Mapping) else _decoded(body)
    identifier = _text(envelope, "id")
    name = _text(envelope, "event")
    created_at = _moment(_text(envelope, "createdAt"))
    data = envelope.get("data")
    if not isinstance(data, Mapping):
        raise PayloadError(f"data must be an object, not {_shown(data)}.")
    kind, parts = _TYPES.get(name, (WebhookEvent, _nothing))
    return kind(id=identifier, type=name, created_at=created_at, data=data, **parts(data))


def _decoded(body: bytes | str) -> Mapping[str, Any]:
    try:
        value = json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError, TypeError):
        raise PayloadError("The body is not JSON.") from None
    if not isinstance(value, Mapping):
        raise PayloadError(f"The body must be a JSON object, not {_shown(value)}.")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)  # NaN and Infinity, which Python's parser takes and JSON does not have


def _text(envelope: Mapping[str, Any], name: str) -> str:
    value = envelope.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= 255:
        raise PayloadError(f"{name} must be a string of 1 to 255 characters, not {_shown(value)}.")
    return value


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    except ValueError:
        raise PayloadError(f"createdAt must be a date and time in ISO 8601, not {_shown(text)}.") from None


def _shown(value: object) -> str:
    if isinstance(value, (Mapping, list)):
        return "a list" if isinstance(value, list) else "an object"  # whoever it may be about
    return shown("body", value)


def _record(kind: type[R], data: Mapping[str, Any], name: str) -> R:
    record = kind.read(data.get(name))
    if record is None:
        raise PayloadError(f"data.{name} must be an object, not {_shown(data.get(name))}.")
    return record


def _nothing(data: Mapping[str, Any]) -> dict[str, Any]:
    return {}


def _link(data: Mapping[str, Any]) -> dict[str, Any]:
    return {"link": Link.read(data)}


def _click(data: Mapping[str, Any]) -> dict[str, Any]:
    return {"click": _record(Click, data, "click"), "link": _record(Link, data, "link")}


def _conversion(data: Mapping[str, Any]) -> dict[str, Any]:
    name, metadata = data.get("eventName"), data.get("metadata")
    if not isinstance(name, str):
        raise PayloadError(f"data.eventName must be a string, not {_shown(name)}.")
    return {
        **_click(data),
        "event_name": name,
        "customer": _record(Customer, data, "customer"),
        "partner": Partner.read(data.get("partner")),
        "metadata": metadata if isinstance(metadata, Mapping) else None,
    }


def _sale(data: Mapping[str, Any]) -> dict[str, Any]:
    return {**_conversion(data), "sale": _record(SaleDetails, data, "sale")}


def _partner(data: Mapping[str, Any]) -> dict[str, Any]:
    links = data.get("links")
    read = map(Link.read, links if isinstance(links, list) else ())
    return {"partner": Partner.read(data), "links": tuple(link for link in read if link is not None)}


_TYPES: dict[str, tuple[type[WebhookEvent], Callable[[Mapping[str, Any]], dict[str, Any]]]] = {
    "link.created": (LinkCreated, _link),
    "link.updated": (LinkUpdated, _link),
    "link.deleted": (LinkDeleted, _link),
    "link.clicked": (LinkClicked, _click),
    "lead.created": (LeadCreated, _conversion),
    "sale.created": (SaleCreated, _sale),
    "partner.application_submitted": (PartnerApplicationSubmitted, _nothing),
    "partner.enrolled": (PartnerEnrolled, _partner),
    "partner.merged": (PartnerMerged, _nothing),
    "commission.created": (CommissionCreated, _nothing),
    "bounty.created": (BountyCreated, _nothing),
    "bounty.updated": (BountyUpdated, _nothing),
    "payout.confirmed": (PayoutConfirmed, _nothing),
    "discount_code.created": (DiscountCodeCreated, _nothing),
    "discount_code.deleted": (DiscountCodeDeleted, _nothing),
}

EVENT_TYPES: Mapping[str, type[WebhookEvent]] = {name: kind for name, (kind, _) in _TYPES.items()}
"""Every event type of Dub's and its class."""

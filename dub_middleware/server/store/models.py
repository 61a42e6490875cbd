"""What the store gives and takes: frozen records, times as aware UTC datetimes, amounts in minor units."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

EventType = Literal["click", "lead", "sale"]
Trigger = Literal["link", "qr", "pageview", "deeplink"]

UNKNOWN = "Unknown"
DIRECT = "(direct)"

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND = timedelta(milliseconds=1)


def to_ms(moment: datetime) -> int:
    """Epoch milliseconds, exact."""
    return (moment - _EPOCH) // _MILLISECOND


def from_ms(ms: int) -> datetime:
    return _EPOCH + ms * _MILLISECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    id: str
    name: str
    color: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    id: str
    name: str
    access_level: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A short domain; ``details`` holds what Dub's domain object has besides (``notFoundUrl``, …)."""

    slug: str
    is_primary: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime = _EPOCH


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A short link with every field of Dub's link object, in snake_case (https://dub.co/docs/api-reference/links).

    ``pk`` is the number that events refer to. Counters are folded from events when a link is read.
    """

    pk: int
    id: str
    domain: str
    key: str
    url: str
    external_id: str | None = None
    tenant_id: str | None = None
    program_id: str | None = None
    partner_id: str | None = None
    folder_id: str | None = None
    user_id: str | None = None
    track_conversion: bool = False
    archived: bool = False
    expires_at: datetime | None = None
    disabled_at: datetime | None = None
    expired_url: str | None = None
    password: str | None = None
    proxy: bool = False
    title: str | None = None
    description: str | None = None
    image: str | None = None
    video: str | None = None
    rewrite: bool = False
    do_index: bool = False
    ios: str | None = None
    android: str | None = None
    geo: Mapping[str, str] | None = None
    public_stats: bool = False
    comments: str | None = None
    utm_source: str | None = None
    utm_medium: str | None = None
    utm_campaign: str | None = None
    utm_term: str | None = None
    utm_content: str | None = None
    test_variants: list[Mapping[str, Any]] | None = None
    test_started_at: str | None = None
    test_completed_at: str | None = None
    webhook_ids: list[str] = field(default_factory=list)
    tags: tuple[Tag, ...] = ()
    clicks: int = 0
    leads: int = 0
    conversions: int = 0
    sales: int = 0
    sale_amount: int = 0
    last_clicked: datetime | None = None
    last_lead_at: datetime | None = None
    last_conversion_at: datetime | None = None
    created_at: datetime = _EPOCH
    updated_at: datetime = _EPOCH


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """A customer; the click and link are those of their first lead."""

    pk: int
    id: str
    external_id: str
    name: str | None = None
    email: str | None = None
    avatar: str | None = None
    country: str | None = None
    click_id: str | None = None
    link_pk: int | None = None
    link_id: str | None = None  # None as well when the link has been deleted since
    clicked_at: datetime | None = None
    sales: int = 0
    sale_amount: int = 0
    first_sale_at: datetime | None = None
    created_at: datetime = _EPOCH


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Where a click came from; what is not known keeps Dub's own word for it.

    ``url`` is the destination, kept without its query except ``utm_*``, ``ref`` and ``via``.
    ``region`` is such as ``US-CA``. ``ip`` None is not stored.
    """

    url: str
    referer: str = DIRECT
    referer_url: str = DIRECT
    country: str = UNKNOWN
    region: str = UNKNOWN
    city: str = UNKNOWN
    continent: str = UNKNOWN
    device: str = "Desktop"
    browser: str = UNKNOWN
    os: str = UNKNOWN
    ua: str = UNKNOWN
    trigger: Trigger = "link"
    ip: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One stored event. ``name`` and what follows it are None for clicks, the sale fields for leads.

    ``cursor`` is the place after this event in the stream, where the event was read from there.
    """

    id: int
    type: EventType
    timestamp: datetime
    click_id: str
    clicked_at: datetime | None = None
    link: Link | None
    context: Context
    event_id: str | None = None
    name: str | None = None
    customer: Customer | None = None
    customer_id: str | None = None  # also when the customer has been deleted since
    metadata: Mapping[str, Any] | None = None
    amount: int | None = None
    currency: str | None = None
    payment_processor: str | None = None
    invoice_id: str | None = None
    is_first_sale: bool = False
    cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClickResult:
    """``recorded`` is False when this visitor's click of the hour, or this click id, is already there."""

    click_id: str
    recorded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadResult:
    """What happened with a lead.

    ``outcome``: ``recorded``, ``duplicate`` (within 7 days; ``customer`` may be None then) or ``deferred``
    (customer only). ``event_ids`` has one entry an event recorded. ``link`` comes without its tags.
    """

    outcome: Literal["recorded", "duplicate", "deferred"]
    click_id: str
    link: Link | None = None
    customer: Customer | None = None
    is_new_customer: bool = False
    event_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SaleResult:
    """What happened with a sale.

    ``outcome``: ``recorded``, ``replayed`` (the invoice is known: ``answer`` is what the first call was
    told), ``unknown_customer`` or ``zero_amount`` (both answered by Dub with ``sale: null``). ``lead`` is set
    when a direct sale has recorded a lead as well.
    """

    outcome: Literal["recorded", "replayed", "unknown_customer", "zero_amount"]
    answer: Mapping[str, Any] | None = None
    link: Link | None = None
    customer: Customer | None = None
    is_first: bool = False
    lead: LeadResult | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerDetails:
    """Who signed up or bought, as far as the caller told."""

    external_id: str
    name: str | None = None
    email: str | None = None
    avatar: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as it is stored: ``hint`` is for people to recognise it by, the key itself is gone."""

    id: str
    kind: Literal["secret", "publishable"]
    name: str
    hint: str
    scopes: tuple[str, ...] | None = None
    created_at: datetime = _EPOCH
    expires_at: datetime | None = None
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The workspace. ``track_conversions`` is the switch that makes every link append ``dub_id``."""

    workspace_id: str = ""
    name: str = "Local"
    track_conversions: bool = False
    allowed_hostnames: tuple[str, ...] = ()
    currency: str = "usd"
    timezone: str = "UTC"
    retention_days: int | None = None
    is_demo: bool = False
    created_at: datetime = _EPOCH


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A receiver of events; ``link_ids`` None is every link, ``failures`` counts since the last success."""

    id: str
    name: str
    url: str
    secret: str
    triggers: tuple[str, ...]
    link_ids: tuple[str, ...] | None = None
    failures: int = 0
    last_failed_at: datetime | None = None
    disabled_at: datetime | None = None
    created_at: datetime = _EPOCH


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookDelivery:
    """One attempt at one webhook; ``status`` None is no HTTP answer, ``response`` the start of what came."""

    pk: int = 0
    webhook_id: str
    event_id: str
    event: str
    url: str
    body: str
    attempt: int
    status: int | None
    response: str
    duration_ms: int
    timestamp: datetime = _EPOCH


CONTEXT_WORDS = tuple(item.name for item in dataclasses.fields(Context) if item.name != "ip")

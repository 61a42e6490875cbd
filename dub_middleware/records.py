"""What Dub speaks of, typed: the objects in the answers of its API and in its webhooks.

Dub sends different parts of one object in different places, so every field may be None; ``raw`` holds
the whole object as it came, also the fields that have no name here.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

R = TypeVar("R", bound="Record")


@dataclass(frozen=True, kw_only=True)
class Record:
    """A JSON object of Dub's, its camelCase names in snake_case."""

    raw: Mapping[str, Any] = field(repr=False, compare=False)

    @classmethod
    def read(cls: type[R], value: Any) -> R | None:
        """Return the record in ``value``, or None when that is no JSON object; never raises."""
        if not isinstance(value, Mapping):
            return None
        known = {name: value[wire] for name, wire in _names(cls) if wire in value}  # type: ignore[arg-type]
        return cls(raw=value, **known)


@functools.cache
def _names(kind: type[Record]) -> list[tuple[str, str]]:
    names = [item.name for item in dataclasses.fields(kind) if item.name != "raw"]
    return [(name, _wire_name(name)) for name in names]


def _wire_name(name: str) -> str:
    if name.startswith("utm_"):
        return name  # the only names that Dub writes in snake_case
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)


@dataclass(frozen=True, kw_only=True)
class Click(Record):
    """A click on a short link. ``timestamp`` is ISO 8601 text, ``region`` such as ``US-CA``."""

    id: str | None = None
    timestamp: str | None = None
    url: str | None = None
    country: str | None = None
    city: str | None = None
    region: str | None = None
    continent: str | None = None
    device: str | None = None
    browser: str | None = None
    os: str | None = None
    ua: str | None = None
    trigger: str | None = None
    referer: str | None = None
    referer_url: str | None = None
    qr: bool | None = None
    ip: str | None = None


@dataclass(frozen=True, kw_only=True)
class Link(Record):
    """A short link. ``sale_amount`` is in cents."""

    id: str | None = None
    domain: str | None = None
    key: str | None = None
    short_link: str | None = None
    url: str | None = None
    external_id: str | None = None
    tenant_id: str | None = None
    program_id: str | None = None
    partner_id: str | None = None
    folder_id: str | None = None
    archived: bool | None = None
    expires_at: str | None = None
    title: str | None = None
    comments: str | None = None
    utm_source: str | None = None
    utm_medium: str | None = None
    utm_campaign: str | None = None
    utm_term: str | None = None
    utm_content: str | None = None
    clicks: int | None = None
    leads: int | None = None
    conversions: int | None = None
    sales: int | None = None
    sale_amount: int | None = None
    created_at: str | None = None
    updated_at: str | None = None


@dataclass(frozen=True, kw_only=True)
class Customer(Record):
    """A customer. ``external_id`` is your id of them, ``id`` is Dub's; ``sale_amount`` is in cents."""

    id: str | None = None
    name: str | None = None
    email: str | None = None
    avatar: str | None = None
    external_id: str | None = None
    sales: int | None = None
    sale_amount: int | None = None
    created_at: str | None = None


@dataclass(frozen=True, kw_only=True)
class SaleDetails(Record):
    """A recorded sale. ``amount`` is in cents of ``currency``, after Dub's conversion to US dollars."""

    amount: int | None = None
    currency: str | None = None
    payment_processor: str | None = None
    invoice_id: str | None = None
    metadata: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Partner(Record):
    """A partner of a program. Amounts are in cents."""

    id: str | None = None
    name: str | None = None
    email: str | None = None
    image: str | None = None
    country: str | None = None
    group_id: str | None = None
    tenant_id: str | None = None
    program_id: str | None = None
    status: str | None = None
    total_clicks: int | None = None
    total_leads: int | None = None
    total_conversions: int | None = None
    total_sales: int | None = None
    total_sale_amount: int | None = None
    total_commissions: int | None = None

"""The keyword arguments of `Conversions.track_lead` and `track_sale`, for those who pass them on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from dub_middleware.conversions.events import Mode, PaymentProcessor

__all__ = ["LeadFields", "SaleFields"]


class _Common(TypedDict, total=False):
    event_name: str
    click_id: str | None
    customer_name: str | None
    customer_email: str | None
    customer_avatar: str | None
    metadata: Mapping[str, Any] | None
    connection: Any


class _RequiredOfLead(TypedDict):
    customer_external_id: str


class _RequiredOfSale(TypedDict):
    customer_external_id: str
    amount: int


class LeadFields(_RequiredOfLead, _Common, total=False):
    """What `Conversions.track_lead` takes."""

    mode: Mode
    event_quantity: int | None


class SaleFields(_RequiredOfSale, _Common, total=False):
    """What `Conversions.track_sale` takes."""

    currency: str
    payment_processor: PaymentProcessor
    invoice_id: str | None
    lead_event_name: str | None

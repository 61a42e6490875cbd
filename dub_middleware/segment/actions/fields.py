"""The two actions of Segment's destination Dub (Actions): their fields, triggers and default mappings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["ACTIONS", "NAME", "Action", "Field", "default_mappings"]

NAME = "Dub (Actions)"  # as the switches in an event's `integrations` have it, case-sensitive

Type = Literal["string", "number", "object"]


@dataclass(frozen=True, slots=True)
class Field:
    """``title`` is how error messages call it; ``default`` is the mapping that Segment fills in."""

    key: str
    title: str
    type: Type = "string"
    required: bool = False
    is_email: bool = False
    default: Any = None


@dataclass(frozen=True, slots=True)
class Action:
    """``kind`` is the last part of the path in Dub's API: ``lead`` or ``sale``."""

    slug: str
    kind: str
    trigger: str
    fields: tuple[Field, ...]


def _path(path: str) -> dict[str, str]:
    return {"@path": path}


def _trait(name: str) -> dict[str, Any]:
    first = _path(f"$.context.traits.{name}")
    return {"@if": {"exists": first, "then": first, "else": _path(f"$.properties.{name}")}}


_LEAD = Action(
    "trackLead",
    "lead",
    'type = "track" and event = "Sign Up"',
    (
        Field("clickId", "Click ID", required=True, default=_path(f"$.integrations.{NAME}.dub_id")),
        Field("eventName", "Event Name", required=True, default=_path("$.event")),
        Field("externalId", "External ID", required=True, default=_path("$.userId")),
        Field("eventQuantity", "Event Quantity", "number", default=_path("$.properties.quantity")),
        Field("customerName", "Customer Name", default=_trait("name")),
        Field("customerEmail", "Customer Email", is_email=True, default=_trait("email")),
        Field("customerAvatar", "Customer Avatar", default=_trait("avatar")),
        Field("metadata", "Metadata", "object", default=_path("$.properties")),
    ),
)
_SALE = Action(
    "trackSale",
    "sale",
    'type = "track" and event = "Order Completed"',
    (
        Field("externalId", "External ID", required=True, default=_path("$.userId")),
        Field("amount", "Amount", "number", required=True, default=_path("$.properties.revenue")),
        Field("paymentProcessor", "Payment Processor", required=True),
        Field("eventName", "Event Name", default=_path("$.event")),
        Field("leadEventName", "Lead Event Name"),
        Field("invoiceId", "Invoice ID", default=_path("$.properties.order_id")),
        Field("currency", "Currency", default=_path("$.properties.currency")),
        Field("metadata", "Metadata", "object", default=_path("$.properties.products")),
    ),
)
ACTIONS = {action.slug: action for action in (_LEAD, _SALE)}


def default_mappings() -> list[dict[str, Any]]:
    """Return what Segment fills in when the two actions are added, as ``mappings`` for `DubActions`."""
    return [
        {"partnerAction": action.slug, "subscribe": action.trigger, "mapping": default_mapping(action)}
        for action in ACTIONS.values()
    ]


def default_mapping(action: Action) -> dict[str, Any]:
    """Return the default of each field that has one."""
    return {field.key: field.default for field in action.fields if field.default is not None}

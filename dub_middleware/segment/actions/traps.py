"""What an event's sender or a mapping's author would want to know: known traps, said before they cost a sale.

Some make Segment drop the event, some pass Segment and are refused by Dub, for good and without a word.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dub_middleware.segment.actions.fields import Action
from dub_middleware.segment.javascript import UNDEFINED, read, stringify

__all__ = ["of_event", "of_mapping"]

PROCESSORS = ("stripe", "shopify", "polar", "paddle", "apple", "revenuecat", "dub", "custom")
MAX_METADATA = 10_000  # characters of JSON
MAX_NAME = 100
MAX_EVENT_NAME = 255


def of_mapping(action: Action, mapping: dict[str, Any]) -> list[str]:
    """Return what can be said before there is an event."""
    warnings: list[str] = []
    known = {field.key for field in action.fields} | {"dynamicAuthSettings"}
    if not any(key.startswith(("@", "__segment_internal")) for key in mapping):
        warnings += [
            f"{key} is no field of {action.slug} and is left out." for key in mapping if key not in known
        ]
        if action.kind == "sale" and "paymentProcessor" not in mapping:
            warnings.append(
                "paymentProcessor is required and has no default mapping: map it to a text such as 'stripe', "
                "or to $.properties.payment_processor."
            )
    return warnings


def of_event(action: Action, event: dict[str, Any], body: dict[str, Any], errors: list[str]) -> list[str]:
    """Return what can be said about what a mapping made of ``event``, sent or not."""
    warnings = _lead(event, body) if action.kind == "lead" else _sale(event, body, errors)
    for name, value in body.items():
        rule = _RULES.get(name)
        if rule is not None and (reason := rule(value)):
            warnings.append(f"Dub will refuse this: {name} {reason}")
    return warnings


def _lead(event: dict[str, Any], body: dict[str, Any]) -> list[str]:
    if "clickId" not in body and read(event, ("context", "traits", "clickId")) not in (UNDEFINED, None, ""):
        return [
            "context.traits.clickId holds a click id that the mapping does not read: map clickId to "
            "$.context.traits.clickId, or send it as integrations['Dub (Actions)'].dub_id."
        ]
    return []


def _sale(event: dict[str, Any], body: dict[str, Any], errors: list[str]) -> list[str]:
    warnings: list[str] = []
    if any(error.startswith("Metadata must be an object but it was an array") for error in errors):
        warnings.append(
            "metadata must be an object: properties.products, which the default mapping reads, is an array "
            "in Segment's specification. Map metadata to something else, or leave it out."
        )
    amount = body.get("amount")
    if isinstance(amount, float):
        warnings.append(
            f"amount is {amount}, which looks like dollars or euros: Dub reads cents. Map amount to a "
            "property in cents, or to {'@liquid': '{{ properties.revenue | times: 100 | round }}'}."
        )
    if not body.get("invoiceId"):
        warnings.append("There is no invoiceId: Dub counts this sale again whenever it is sent again.")
    return warnings


# -- Dub's own rules: https://dub.co/docs/api-reference ----------------------------------------------

Rule = Callable[[Any], str]


def _text(least: int, most: int) -> Rule:
    def rule(value: Any) -> str:
        length = len(value.strip()) if isinstance(value, str) else least
        return "" if least <= length <= most else f"must have {least} to {most} characters."

    return rule


def _amount(value: Any) -> str:
    if value is None or value < 0 or value != int(value):
        return f"must be a whole number of cents from 0 up, not {stringify(value)}."
    return ""


def _quantity(value: Any) -> str:
    if value is None or not 1 <= value <= 100 or value != int(value):
        return f"must be a whole number from 1 to 100, not {stringify(value)}."
    return ""


def _processor(value: Any) -> str:
    return "" if value in PROCESSORS else f"must be one of {', '.join(PROCESSORS)}, not {stringify(value)}."


def _metadata(value: Any) -> str:
    # what Python shows is hardly shorter than JSON, and is had at once
    length = len(stringify(value)) if len(repr(value)) > MAX_METADATA / 2 else 0
    return "" if length <= MAX_METADATA else f"must have at most {MAX_METADATA:,} characters of JSON."


_RULES: dict[str, Rule] = {
    "externalId": _text(1, MAX_NAME),
    "eventName": _text(1, MAX_EVENT_NAME),
    "customerName": _text(0, MAX_NAME),
    "customerEmail": _text(0, MAX_NAME),
    "amount": _amount,
    "eventQuantity": _quantity,
    "paymentProcessor": _processor,
    "metadata": _metadata,
}

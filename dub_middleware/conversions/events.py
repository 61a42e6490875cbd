"""`Lead` and `Sale`: what happened, checked against Dub's rules before anything is stored or sent.

An instance that exists is valid and never changes, so everything behind it (outbox, worker, destinations)
may rely on it. Limits are those of https://dub.co/docs/api-reference/track/lead and …/track/sale.
"""

from __future__ import annotations

import json
import math
import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

from dub_middleware.conversions.currencies import CURRENCIES, ZERO_DECIMAL
from dub_middleware.errors import EventError

Mode = Literal["async", "wait", "deferred"]
PaymentProcessor = Literal["stripe", "shopify", "polar", "paddle", "apple", "revenuecat", "dub", "custom"]

MAX_AMOUNT = 2**53 - 1  # the largest integer a JSON number carries exactly, and Dub's own limit
MAX_METADATA = 10_000
MAX_DEPTH = 32
MAX_BITS = 1023  # of an integer that a JSON number, a double, still holds

_MODES: tuple[str, ...] = get_args(Mode)
_PROCESSORS: tuple[str, ...] = get_args(PaymentProcessor)
# ASCII only, dots only between atoms, a dotted host with a top level of letters: what Dub's validator takes
_EMAIL = re.compile(
    r"(?:[A-Za-z0-9_'+-]+\.)*[A-Za-z0-9_'+-]*[A-Za-z0-9_+-]@(?:[A-Za-z0-9][A-Za-z0-9-]*\.)+[A-Za-z]{2,}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """A customer signed up, asked for a demo, started a trial.

    ``customer_external_id`` is your own id of the customer (1-100 characters). ``click_id`` may stay empty:
    Dub then uses the click it already knows of that customer (a *deferred* lead).
    ``mode="wait"`` delivers inside the call, ``"deferred"`` only creates the customer.
    ``event_quantity`` (1-100) records that many leads at once; ``metadata`` is any JSON object of
    at most 10,000 characters. A blank ``customer_name`` or ``customer_avatar`` is none.
    Raises `EventError` naming the field, the value and the rule.
    """

    kind: ClassVar[str] = "lead"

    customer_external_id: str
    event_name: str = "Sign Up"
    click_id: str = ""
    customer_name: str | None = None
    customer_email: str | None = None
    customer_avatar: str | None = None
    mode: Mode = "async"
    event_quantity: int | None = None
    metadata: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        _check_common(self)
        _check_choice("mode", self.mode, _MODES)
        if self.event_quantity is not None:
            quantity = _checked_int(
                "event_quantity", self.event_quantity, 1, 100, "must be a whole number from 1 to 100"
            )
            object.__setattr__(self, "event_quantity", quantity)

    @property
    def key(self) -> str:
        """The ordering key: events of one customer are delivered one after the other."""
        return self.customer_external_id

    def to_wire(self) -> dict[str, Any]:
        """Return the body of ``POST /track/lead``: camelCase names, absent fields left out."""
        body: dict[str, Any] = {
            "clickId": self.click_id,  # required by Dub even when empty
            "eventName": self.event_name,
            "customerExternalId": self.customer_external_id,
        }
        _add_customer(body, self)
        body["mode"] = self.mode
        if self.event_quantity is not None:
            body["eventQuantity"] = self.event_quantity
        if self.metadata is not None:
            body["metadata"] = self.metadata
        return body


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    """A customer paid.

    ``amount`` is an integer in the currency's minor unit: 49.00 usd is ``4900`` (cents), and for currencies
    without a minor unit the whole amount: 500 jpy is ``500`` (bif clp djf gnf jpy kmf krw mga pyg rwf ugx
    vnd vuv xaf xof xpf). ``invoice_id`` is Dub's idempotency key for seven days; the client generates one
    when you have none. ``click_id`` attributes the sale of a customer Dub does not know yet.
    ``lead_event_name`` names the lead this sale follows. Raises `EventError` naming the field, the value
    and the rule.
    """

    kind: ClassVar[str] = "sale"

    customer_external_id: str
    amount: int
    currency: str = "usd"
    event_name: str = "Purchase"
    payment_processor: PaymentProcessor = "custom"
    invoice_id: str | None = None
    lead_event_name: str | None = None
    click_id: str = ""
    customer_name: str | None = None
    customer_email: str | None = None
    customer_avatar: str | None = None
    metadata: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        _check_common(self)
        object.__setattr__(self, "currency", _checked_currency(self.currency))
        amount = _checked_int("amount", self.amount, 0, MAX_AMOUNT, _amount_rule(self.currency))
        object.__setattr__(self, "amount", amount)
        _check_choice("payment_processor", self.payment_processor, _PROCESSORS)
        _check_optional("invoice_id", self.invoice_id, 255)
        _check_optional("lead_event_name", self.lead_event_name, 255)

    @property
    def key(self) -> str:
        """The ordering key: events of one customer are delivered one after the other."""
        return self.customer_external_id

    def to_wire(self) -> dict[str, Any]:
        """Return the body of ``POST /track/sale``: camelCase names, absent fields left out."""
        body: dict[str, Any] = {
            "customerExternalId": self.customer_external_id,
            "amount": self.amount,
            "currency": self.currency,
            "eventName": self.event_name,
            "paymentProcessor": self.payment_processor,
        }
        if self.invoice_id is not None:
            body["invoiceId"] = self.invoice_id
        if self.lead_event_name is not None:
            body["leadEventName"] = self.lead_event_name
        if self.click_id:
            body["clickId"] = self.click_id
        _add_customer(body, self)
        if self.metadata is not None:
            body["metadata"] = self.metadata
        return body


def _add_customer(body: dict[str, Any], event: Lead | Sale) -> None:
    if event.customer_name is not None:
        body["customerName"] = event.customer_name
    if event.customer_email is not None:
        body["customerEmail"] = event.customer_email
    if event.customer_avatar is not None:
        body["customerAvatar"] = event.customer_avatar


def _check_common(event: Lead | Sale) -> None:
    _check_text("customer_external_id", event.customer_external_id, 100)
    _check_text("event_name", event.event_name, 255)
    if event.customer_name is not None:
        object.__setattr__(event, "customer_name", _text_or_none("customer_name", event.customer_name, 100))
    if event.customer_avatar is not None:
        avatar = _text_or_none("customer_avatar", event.customer_avatar, None)
        object.__setattr__(event, "customer_avatar", avatar)
    if not isinstance(event.click_id, str):
        raise EventError("click_id", event.click_id, "must be a string; empty when there is none")
    if event.click_id:
        _check_text("click_id", event.click_id, 255)
    if event.customer_email is not None:
        _check_text("customer_email", event.customer_email, 100)
        if not _EMAIL.fullmatch(event.customer_email):
            raise EventError("customer_email", event.customer_email, "must be an e-mail address Dub accepts")
    if event.metadata is not None:
        object.__setattr__(event, "metadata", _checked_metadata(event.metadata))


def _check_text(field: str, value: object, limit: int | None) -> None:
    if not isinstance(value, str):
        raise EventError(field, value, f"must be a string{_hint(value)}")
    if not value.strip():
        raise EventError(field, value, "must not be empty")
    if "\0" in value:
        raise EventError(field, value, "must not contain a NUL character")
    _check_unicode(field, value)
    if limit is not None and (length := _javascript_length(value)) > limit:
        why = "" if length == len(value) else ", where an emoji counts twice"
        raise EventError(field, value, f"must be at most {limit} characters, not {length}{why}")


def _check_unicode(field: str, value: str) -> None:
    if value.isascii():
        return
    try:
        value.encode()
    except UnicodeEncodeError:
        raise EventError(field, value, "must be valid Unicode, without lone surrogates") from None


def _text_or_none(field: str, value: Any, limit: int | None) -> str | None:
    """Return the text; a blank one is none, as to Dub: forms and user models have them."""
    if isinstance(value, str) and not value.strip():
        return None
    _check_text(field, value, limit)
    return value  # type: ignore[no-any-return]


def _check_optional(field: str, value: object, limit: int | None) -> None:
    if value is not None:
        _check_text(field, value, limit)


def _check_choice(field: str, value: object, allowed: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in allowed:
        raise EventError(field, value, f"must be one of {', '.join(allowed)}")


def _checked_int(field: str, value: object, lowest: int, highest: int, rule: str) -> int:
    number = value if type(value) is int else _whole(value)
    if number is None or not lowest <= number <= highest:
        raise EventError(field, value, rule)
    return number


def _whole(value: Any) -> int | None:
    """Return a whole number of any type, such as numpy's, as an int."""
    if isinstance(value, bool):  # an int to Python, but ``amount=True`` is never meant
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def _amount_rule(currency: str) -> str:
    if currency in ZERO_DECIMAL:
        meaning = f"{currency} has no minor unit, so 500 {currency} is 500"
    else:
        meaning = f"in the minor unit, so 49.00 {currency} is 4900"
    return f"must be an integer from 0 to {MAX_AMOUNT} ({meaning})"


def _checked_currency(value: object) -> str:
    if isinstance(value, str) and (code := value.lower()) in CURRENCIES:
        return code
    raise EventError("currency", value, "must be a three-letter ISO 4217 code such as usd, eur or jpy")


def _checked_metadata(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise EventError("metadata", value, "must be a JSON object (a dict)")
    copied: dict[str, Any] = _checked_json("metadata", value, 0)
    size = _javascript_length(json.dumps(copied, ensure_ascii=False, separators=(",", ":")))
    if size > MAX_METADATA:
        raise EventError(
            "metadata", value, f"must be at most {MAX_METADATA:,} characters as JSON, not {size:,}"
        )
    return copied


def _javascript_length(text: str) -> int:
    # Dub counts UTF-16 code units: an emoji is two
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


def _checked_json(path: str, value: Any, depth: int) -> Any:
    """Return a deep copy of ``value``, so that a later change by the caller cannot reach a frozen event."""
    if depth > MAX_DEPTH:
        raise EventError(path, value, f"must not be nested deeper than {MAX_DEPTH} levels")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if value.bit_length() > MAX_BITS:
            raise EventError(path, value, "must be a number below 2**1023; JSON's go no further")
        return value
    if isinstance(value, str):
        _check_unicode(path, value)
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise EventError(path, value, "must be a finite number; JSON has no NaN and no Infinity")
        return value
    if isinstance(value, Mapping):
        return {_checked_name(path, k): _checked_json(f"{path}.{k}", v, depth + 1) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_checked_json(f"{path}[{i}]", item, depth + 1) for i, item in enumerate(value)]
    if (number := _whole(value)) is not None:
        return _checked_json(path, number, depth)
    raise EventError(path, value, f"must be a JSON value, not {_type(value)}{_hint(value)}")


def _type(value: object) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _hint(value: object) -> str:
    """Say what would do in place of the usual values that JSON and Dub do not have."""
    from decimal import Decimal
    from uuid import UUID

    if hasattr(value, "isoformat"):
        return "; pass value.isoformat()"
    if isinstance(value, (set, frozenset)):
        return "; pass list(value)"
    if isinstance(value, (Decimal, UUID)) or _whole(value) is not None:
        return "; pass str(value)"
    return ""


def _checked_name(path: str, name: object) -> str:
    if not isinstance(name, str):
        raise EventError(path, name, "must have strings as keys")
    _check_unicode(path, name)
    return name

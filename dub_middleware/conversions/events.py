"""`Lead` and `Sale`: what happened, checked against Dub's rules before anything is stored or sent.

An instance that exists is valid and never changes, so everything behind it (outbox, worker, destinations)
may rely on it. Limits are those of https://dub.co/docs/api-reference/track/lead and …/track/sale.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

from dub_middleware.conversions.currencies import CURRENCIES, minor_digits
from dub_middleware.conversions.values import (
    check_choice,
    check_optional,
    check_text,
    checked_int,
    checked_metadata,
    text_or_none,
)
from dub_middleware.errors import EventError

Mode = Literal["async", "wait", "deferred"]
PaymentProcessor = Literal["stripe", "shopify", "polar", "paddle", "apple", "revenuecat", "dub", "custom"]

MAX_AMOUNT = 2**53 - 1  # the largest integer a JSON number carries exactly, and Dub's own limit

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
        check_choice("mode", self.mode, _MODES)
        if self.event_quantity is not None:
            quantity = checked_int(
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
    vnd vuv xaf xof xpf); 49.000 kwd is ``49000``. ``invoice_id`` is Dub's idempotency key for seven days;
    the client generates one when you have none. ``click_id`` attributes the sale of a customer Dub does not
    know yet. ``lead_event_name`` names the lead this sale follows.
    Raises `EventError` naming the field, the value and the rule.
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
        amount = checked_int("amount", self.amount, 0, MAX_AMOUNT, _amount_rule(self.currency))
        object.__setattr__(self, "amount", amount)
        check_choice("payment_processor", self.payment_processor, _PROCESSORS)
        check_optional("invoice_id", self.invoice_id, 255)
        check_optional("lead_event_name", self.lead_event_name, 255)

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
    check_text("customer_external_id", event.customer_external_id, 100)
    check_text("event_name", event.event_name, 255)
    if event.customer_name is not None:
        object.__setattr__(event, "customer_name", text_or_none("customer_name", event.customer_name, 100))
    if event.customer_avatar is not None:
        avatar = text_or_none("customer_avatar", event.customer_avatar, None)
        object.__setattr__(event, "customer_avatar", avatar)
    if not isinstance(event.click_id, str):
        raise EventError("click_id", event.click_id, "must be a string; empty when there is none")
    if event.click_id:
        check_text("click_id", event.click_id, 255)
    if event.customer_email is not None:
        check_text("customer_email", event.customer_email, 100)
        if not _EMAIL.fullmatch(event.customer_email):
            raise EventError("customer_email", event.customer_email, "must be an e-mail address Dub accepts")
    if event.metadata is not None:
        object.__setattr__(event, "metadata", checked_metadata(event.metadata))


def _amount_rule(currency: str) -> str:
    digits = minor_digits(currency)
    if digits:
        meaning = f"in the minor unit, so {49:.{digits}f} {currency} is {49 * 10**digits}"
    else:
        meaning = f"{currency} has no minor unit, so 500 {currency} is 500"
    return f"must be an integer from 0 to {MAX_AMOUNT} ({meaning})"


def _checked_currency(value: object) -> str:
    if isinstance(value, str) and (code := value.lower()) in CURRENCIES:
        return code
    raise EventError("currency", value, "must be a three-letter ISO 4217 code such as usd, eur or jpy")

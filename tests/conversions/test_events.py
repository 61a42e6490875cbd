from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import uuid
from typing import Any

import pytest

from dub_middleware.conversions import Lead, Sale
from dub_middleware.errors import EventError
from dub_middleware.personal import shown


def test_a_minimal_lead_has_the_defaults_of_the_guide() -> None:
    """Only the customer is required; the wire body carries what Dub requires and nothing absent."""
    assert Lead(customer_external_id="42").to_wire() == {
        "clickId": "",
        "eventName": "Sign Up",
        "customerExternalId": "42",
        "mode": "async",
    }


def test_a_minimal_sale_has_the_defaults_of_the_guide() -> None:
    """Purchase, usd, custom."""
    assert Sale(customer_external_id="42", amount=4900).to_wire() == {
        "customerExternalId": "42",
        "amount": 4900,
        "currency": "usd",
        "eventName": "Purchase",
        "paymentProcessor": "custom",
    }


def test_every_lead_field_has_its_wire_name() -> None:
    """Python says snake_case, the wire says camelCase."""
    lead = Lead(
        click_id="cQ1tXYZ012345678",
        event_name="Trial",
        customer_external_id="42",
        customer_name="Ada",
        customer_email="ada@example.com",
        customer_avatar="https://example.com/a.png",
        mode="deferred",
        event_quantity=3,
        metadata={"plan": "pro"},
    )
    assert lead.to_wire() == {
        "clickId": "cQ1tXYZ012345678",
        "eventName": "Trial",
        "customerExternalId": "42",
        "customerName": "Ada",
        "customerEmail": "ada@example.com",
        "customerAvatar": "https://example.com/a.png",
        "mode": "deferred",
        "eventQuantity": 3,
        "metadata": {"plan": "pro"},
    }


def test_every_sale_field_has_its_wire_name() -> None:
    """Python says snake_case, the wire says camelCase; the currency is lower-cased as Dub does."""
    sale = Sale(
        customer_external_id="42",
        amount=500,
        currency="JPY",
        event_name="Upgrade",
        payment_processor="stripe",
        invoice_id="inv_1",
        lead_event_name="Sign Up",
        click_id="cQ1tXYZ012345678",
        customer_name="Ada",
        customer_email="ada@example.com",
        customer_avatar="https://example.com/a.png",
        metadata={"sku": ["a", 1]},
    )
    assert sale.to_wire() == {
        "customerExternalId": "42",
        "amount": 500,
        "currency": "jpy",
        "eventName": "Upgrade",
        "paymentProcessor": "stripe",
        "invoiceId": "inv_1",
        "leadEventName": "Sign Up",
        "clickId": "cQ1tXYZ012345678",
        "customerName": "Ada",
        "customerEmail": "ada@example.com",
        "customerAvatar": "https://example.com/a.png",
        "metadata": {"sku": ["a", 1]},
    }


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


class Number:
    """A whole number that is no int, as numpy and pandas have them."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


class Currency(str, enum.Enum):
    EURO = "EUR"


class Unshowable:
    def __repr__(self) -> str:
        raise RuntimeError


BAD = [
    ("lead", {"customer_external_id": ""}, "customer_external_id", "must not be empty"),
    ("lead", {"customer_external_id": " "}, "customer_external_id", "must not be empty"),
    ("lead", {"customer_external_id": "x" * 101}, "customer_external_id", "at most 100 characters, not 101"),
    ("lead", {"customer_external_id": 42}, "customer_external_id", r"must be a string; pass str\(value\)"),
    ("lead", {"customer_external_id": None}, "customer_external_id", "must be a string"),
    ("lead", {"customer_external_id": uuid.UUID(int=1)}, "customer_external_id", r"pass str\(value\)"),
    ("lead", {"customer_external_id": Number(42)}, "customer_external_id", r"pass str\(value\)"),
    (
        "lead",
        {"customer_external_id": "😀" * 51},
        "customer_external_id",
        "not 102, where an emoji counts twice",
    ),
    ("lead", {"customer_external_id": "a\0b"}, "customer_external_id", "NUL"),
    ("lead", {"customer_external_id": "\ud800"}, "customer_external_id", "lone surrogates"),
    ("lead", {"event_name": "  "}, "event_name", "must not be empty"),
    ("lead", {"event_name": "e" * 256}, "event_name", "at most 255 characters, not 256"),
    ("lead", {"click_id": None}, "click_id", "must be a string; empty when there is none"),
    ("lead", {"customer_name": "n" * 101}, "customer_name", "at most 100 characters"),
    ("lead", {"customer_email": ""}, "customer_email", "must not be empty"),
    ("lead", {"customer_email": "é@x.com"}, "customer_email", "e-mail"),
    ("lead", {"customer_email": "a..b@x.com"}, "customer_email", "e-mail"),
    ("lead", {"customer_email": ".a@x.com"}, "customer_email", "e-mail"),
    ("lead", {"customer_email": "a@localhost"}, "customer_email", "e-mail"),
    ("lead", {"customer_email": "a@x.c"}, "customer_email", "e-mail"),
    ("lead", {"customer_email": "a@x.com\n"}, "customer_email", "e-mail"),
    ("lead", {"customer_email": "a" * 95 + "@x.com"}, "customer_email", "at most 100"),
    ("lead", {"mode": "sync"}, "mode", "one of async, wait, deferred"),
    ("lead", {"mode": None}, "mode", "one of async, wait, deferred"),
    ("lead", {"event_quantity": 0}, "event_quantity", "from 1 to 100"),
    ("lead", {"event_quantity": 101}, "event_quantity", "from 1 to 100"),
    ("lead", {"event_quantity": 1.5}, "event_quantity", "from 1 to 100"),
    ("lead", {"event_quantity": True}, "event_quantity", "from 1 to 100"),
    ("lead", {"metadata": ["a"]}, "metadata", "JSON object"),
    ("lead", {"metadata": {"price": float("nan")}}, "metadata.price", "no NaN"),
    ("lead", {"metadata": {"a": [1, float("inf")]}}, r"metadata.a\[1\]", "no NaN"),
    ("lead", {"metadata": {1: "a"}}, "metadata", "strings as keys"),
    ("lead", {"metadata": {"a": object()}}, "metadata.a", "a JSON value, not object"),
    (
        "lead",
        {"metadata": {"a": decimal.Decimal(1)}},
        "metadata.a",
        r"not decimal.Decimal; pass str\(value\)",
    ),
    ("lead", {"metadata": {"a": datetime.date(2026, 1, 1)}}, "metadata.a", r"pass value.isoformat\(\)"),
    ("lead", {"metadata": {"a": {1}}}, "metadata.a", r"not set; pass list\(value\)"),
    ("lead", {"metadata": {"a": 2**1024}}, "metadata.a", "a number below"),
    ("lead", {"metadata": {"a": "x" * 9_993}}, "metadata", "at most 10,000 characters as JSON, not 10,001"),
    ("lead", {"metadata": nested(40)}, "metadata.a", "nested deeper"),
    ("sale", {"amount": 49.0}, "amount", "49.00 usd is 4900"),
    ("sale", {"amount": 5.5, "currency": "jpy"}, "amount", "500 jpy is 500"),
    ("sale", {"amount": 5.5, "currency": "KWD"}, "amount", "49.000 kwd is 49000"),
    ("sale", {"amount": -1}, "amount", "an integer from 0"),
    ("sale", {"amount": 2**53}, "amount", "to 9007199254740991"),
    ("sale", {"amount": True}, "amount", "an integer"),
    ("sale", {"amount": decimal.Decimal(49)}, "amount", "an integer"),
    ("sale", {"amount": Number(-1)}, "amount", "an integer"),
    ("sale", {"amount": "4900"}, "amount", "an integer"),
    ("sale", {"amount": None}, "amount", "an integer"),
    ("sale", {"currency": "dollars"}, "currency", "ISO 4217"),
    ("sale", {"currency": "xxq"}, "currency", "ISO 4217"),
    ("sale", {"currency": ""}, "currency", "ISO 4217"),
    ("sale", {"currency": None}, "currency", "ISO 4217"),
    ("sale", {"payment_processor": "paypal"}, "payment_processor", "one of stripe, shopify, polar"),
    ("sale", {"payment_processor": "Stripe"}, "payment_processor", "one of stripe"),
    ("sale", {"invoice_id": 7}, "invoice_id", "must be a string"),
    ("sale", {"invoice_id": ""}, "invoice_id", "must not be empty"),
    ("sale", {"lead_event_name": ""}, "lead_event_name", "must not be empty"),
]


@pytest.mark.parametrize(
    ("kind", "fields", "field", "rule"), BAD, ids=[f"{k}-{n}-{i}" for i, (k, _, n, _) in enumerate(BAD)]
)
def test_a_broken_rule_is_told_by_field_value_and_rule(
    kind: str, fields: dict[str, Any], field: str, rule: str
) -> None:
    """Nothing that Dub would refuse is accepted, and the message says what to change."""
    build = Lead if kind == "lead" else Sale
    base: dict[str, Any] = {"customer_external_id": "42"} | ({"amount": 1} if kind == "sale" else {})
    with pytest.raises(EventError, match=f"^{field}.*: .*{rule}") as caught:
        build(**(base | fields))
    assert shown(field, caught.value.value) in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("amount", 49.5, "49.5"),
        ("amount", 10**5000, "<int>"),
        ("amount", Unshowable(), "<Unshowable>"),
        ("event_name", "e" * 300, f"'{'e' * 120}'..."),
        ("customer_external_id", "ada@example.com" * 9, None),
        ("customer_email", "nobody", "'nobody'"),
        ("customer_email", "ada.lovelace@@example.com", "'a…@@example.com'"),
        ("customer_email", "Ada <ada@example.com>", "'Ada <a…@example.com>'"),
        ("customer_name", "Ada Lovelace of London", "'Ada Lovelace'..."),
        ("metadata", {"plan": "pro", "phone": "+44"}, "{'plan': …, 'phone': …}"),
        (
            "metadata",
            dict.fromkeys("abcdefghijk"),
            f"{{{', '.join(f'{key!r}: …' for key in 'abcdefghij')}, …}}",
        ),
        ("metadata.user", ["ada@example.com"], "['a…@example.com']"),
        ("metadata.when", datetime.date(1815, 12, 10), "datetime.date(1815, 12, 10)"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isidentifier() else "",
)
def test_a_message_shows_of_a_person_only_what_the_mistake_is_found_by(
    field: str, value: object, text: str | None
) -> None:
    error = EventError(field, value, "is wrong")
    assert error.value is value
    assert not [name for name in ("ada@", "lovelace") if name in str(error)]
    assert text is None or str(error) == f"{field}: is wrong (got {text})"


def test_whole_numbers_of_other_types_are_taken() -> None:
    """An amount from a data frame is a number like another, also in metadata."""
    sale = Sale(customer_external_id="42", amount=Number(4900), metadata={"seats": Number(5)})  # type: ignore[arg-type]
    assert json.dumps(sale.to_wire()["amount"]) == "4900"
    assert sale.metadata == {"seats": 5}
    assert Lead(customer_external_id="42", event_quantity=Number(3)).event_quantity == 3  # type: ignore[arg-type]


def test_a_blank_name_or_avatar_is_none() -> None:
    """User models have them as empty text, and Dub reads that as none."""
    for blank in ("", "  "):
        lead = Lead(customer_external_id="42", customer_name=blank, customer_avatar=blank)
        assert lead == Lead(customer_external_id="42")


def test_an_enum_of_texts_is_its_text() -> None:
    sale = Sale(customer_external_id="42", amount=1, currency=Currency.EURO, event_name=Currency.EURO)
    assert json.loads(json.dumps(sale.to_wire())) == sale.to_wire()
    assert (sale.currency, sale.event_name) == ("eur", "EUR")


def test_metadata_of_exactly_10000_characters_passes() -> None:
    """The limit counts as JavaScript does: UTF-16 code units of the compact JSON."""
    for filler, count in (("x", 9_992), ("é", 9_992), ("😀", 4_996)):
        lead = Lead(customer_external_id="42", metadata={"a": filler * count})
        text = json.dumps(lead.metadata, ensure_ascii=False, separators=(",", ":"))
        assert len(text.encode("utf-16-le")) // 2 == 10_000
        with pytest.raises(EventError, match="not 10,00"):
            Lead(customer_external_id="42", metadata={"a": filler * (count + 1)})


def test_an_event_is_frozen_through_and_through() -> None:
    """Neither assignment nor a later change of the caller's dict reaches it."""
    inner = {"plan": "pro"}
    lead = Lead(customer_external_id="42", metadata={"inner": inner})
    inner["plan"] = "free"
    assert lead.to_wire()["metadata"] == {"inner": {"plan": "pro"}}
    with pytest.raises(dataclasses.FrozenInstanceError):
        lead.event_name = "x"  # type: ignore[misc]


def test_an_endless_structure_is_refused_not_followed() -> None:
    """A dict that holds itself is bad input, not a RecursionError."""
    loop: dict[str, Any] = {}
    loop["a"] = loop
    with pytest.raises(EventError, match="nested deeper"):
        Lead(customer_external_id="42", metadata=loop)


def test_a_zero_amount_is_a_valid_sale() -> None:
    """Dub takes it (and records nothing); a trial's first invoice is often zero."""
    assert Sale(customer_external_id="42", amount=0).to_wire()["amount"] == 0

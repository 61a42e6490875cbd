"""The same events through the official clients: what is sent differs only where this file says so."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import dub
import pytest
from segment.analytics import Client

from dub_middleware.conversions.destinations import Delivery, Destination
from dub_middleware.conversions.destinations.dub import DubAPI
from dub_middleware.conversions.destinations.segment import Segment
from dub_middleware.conversions.events import Lead, Sale
from dub_middleware.errors import EventError
from dub_stub import KEY, DubStub
from segment_stub import WRITE_KEY, SegmentStub

ID = "0123456789abcdef0123456789abcdef"
CLICK = "clk0123456789abc"
METADATA = {
    "ключ": "登録 \u2028 e\u0301",
    "numbers": [0.1, 1e22, 2**53 + 1],
    "nested": {"none": None},
    "long": "é" * 2_000,
}

LEADS = {
    "required-only": {"click_id": CLICK, "event_name": "Sign Up", "customer_external_id": "42"},
    "no-click": {"click_id": "", "event_name": "Sign Up", "customer_external_id": "42"},
    "everything": {
        "click_id": CLICK,
        "event_name": "Demo booked",
        "customer_external_id": "42",
        "customer_name": "Ada Løvelace 🎉",
        "customer_email": "ada@example.com",
        "customer_avatar": "https://example.com/ada.png",
        "mode": "wait",
        "event_quantity": 3,
        "metadata": {"plan": "pro", "seats": 5, "nested": {"a": [1, None, True]}},
    },
    "any-writing": {
        "click_id": CLICK,
        "event_name": "登録",
        "customer_external_id": "ключ/42",
        "customer_name": "\u202eعادة \N{WOMAN}\u200d\N{ROCKET} e\u0301",
        "metadata": {"ключ": 'a\nb\t"c"\\ \u2028', "": ""},
    },
    "as-large-as-it-may-be": {
        "click_id": CLICK,
        "event_name": "é" * 255,
        "customer_external_id": "4" * 100,
        "event_quantity": 100,
        "metadata": {"a": "é" * 9_992},
    },
    "numbers": {
        "click_id": CLICK,
        "event_name": "Sign Up",
        "customer_external_id": "42",
        "metadata": {"numbers": [0.1, 1e22, 1.0, 1e-7, -0.0, 2**53 + 1, (1, 2)], "none": None, "empty": {}},
    },
    "none": {
        "click_id": CLICK,
        "event_name": "Sign Up",
        "customer_external_id": "42",
        "customer_name": None,
        "customer_email": None,
        "metadata": None,
    },
}
SALES = {
    "required-only": {"customer_external_id": "42", "amount": 4900},
    "everything": {
        "customer_external_id": "42",
        "amount": 4900,
        "currency": "eur",
        "event_name": "Invoice paid",
        "payment_processor": "stripe",
        "invoice_id": "inv_1",
        "lead_event_name": "Sign Up",
        "click_id": CLICK,
        "customer_name": "Ada",
        "customer_email": "ada@example.com",
        "customer_avatar": "https://example.com/ada.png",
        "metadata": {"plan": "pro"},
    },
    "no-minor-unit": {"customer_external_id": "42", "amount": 500, "currency": "jpy"},
    "three-decimals": {"customer_external_id": "42", "amount": 4_900, "currency": "kwd"},
    "largest": {"customer_external_id": "42", "amount": 2**53 - 1},
}
#: what the official package sends, and Dub then refuses, miscounts or loses; here it is the caller's error
REFUSED = {
    "bool": {"amount": True},  # sent as 1
    "float": {"amount": 49.0},  # sent as 49 cents
    "decimal": {"amount": Decimal("49")},  # the same
    "text": {"amount": "49"},
    "negative": {"amount": -1},
    "empty-invoice": {"amount": 1, "invoice_id": ""},  # no idempotency key at all
    "nan": {"amount": 1, "metadata": {"a": float("nan")}},  # sent as null
    "moment": {"amount": 1, "metadata": {"a": datetime.now(timezone.utc)}},  # sent as text
}


@pytest.fixture
def stub() -> Iterator[DubStub]:
    with DubStub() as running:
        running.know("42", CLICK)
        yield running


def send(destination: Destination, event: Lead | Sale) -> None:
    payload = destination.prepare(event, id=ID, timestamp=datetime.now(timezone.utc))
    (outcome,) = destination.send([Delivery(ID, event.kind, event.key, payload, 0.0)])
    destination.close()
    assert outcome.state == "delivered"


class TestDubPackage:
    """Differences, all of them in what is left out or filled in:

    - absent fields are absent here and null there: Dub reads both as "none", and a shorter body is cheaper;
    - a currency is in lower case here, as Dub stores it, and as it was written there;
    - a blank name or avatar is left out here;
    - a sale without an invoice id has one here, since without it a repeated request counts the sale twice.
    """

    @pytest.mark.parametrize("fields", LEADS.values(), ids=LEADS)
    def test_leads(self, stub: DubStub, fields: dict[str, Any]) -> None:
        with dub.Dub(token=KEY, server_url=stub.url) as client:
            client.track.lead(request=fields)  # type: ignore[arg-type]
        stub.forget()
        send(DubAPI(KEY, base_url=stub.url), Lead(**fields))
        theirs, ours = (request.json() for request in stub.requests)
        assert ours == {name: value for name, value in theirs.items() if value is not None}
        assert stub.requests[0].path == stub.requests[1].path
        assert stub.requests[0].headers["authorization"] == stub.requests[1].headers["authorization"]

    @pytest.mark.parametrize("fields", SALES.values(), ids=SALES)
    def test_sales(self, stub: DubStub, fields: dict[str, Any]) -> None:
        with dub.Dub(token=KEY, server_url=stub.url) as client:
            client.track.sale(request=fields)  # type: ignore[arg-type]
        send(DubAPI(KEY, base_url=stub.url), Sale(**fields))
        theirs, ours = (request.json() for request in stub.requests)
        expected = {name: value for name, value in theirs.items() if value is not None}
        if "invoice_id" not in fields:
            assert ours.pop("invoiceId") == f"dmw_{ID}"
        assert ours == expected
        assert stub.requests[0].path == stub.requests[1].path


@pytest.mark.parametrize("fields", REFUSED.values(), ids=REFUSED)
def test_what_dub_would_refuse_miscount_or_lose_is_the_callers_error(fields: dict[str, Any]) -> None:
    with pytest.raises(EventError):
        Sale(customer_external_id="42", **fields)


def guide_calls() -> dict[str, tuple[Lead | Sale, dict[str, Any]]]:
    """Our event, and the call that Dub's Segment guide shows for it."""
    lead = Lead(
        click_id=CLICK,
        customer_external_id="42",
        customer_name="Ada",
        customer_email="ada@example.com",
        customer_avatar="https://example.com/ada.png",
    )
    traits = {
        "name": "Ada",
        "email": "ada@example.com",
        "avatar": "https://example.com/ada.png",
        "clickId": CLICK,
    }
    sale = Sale(
        customer_external_id="42",
        amount=1000,
        currency="USD",
        payment_processor="stripe",
        invoice_id="ORD_123",
    )
    properties = {"payment_processor": "stripe", "order_id": "ORD_123", "currency": "USD", "revenue": 1000}
    return {
        "lead": (
            lead,
            {"event": "Sign Up", "context": {"traits": traits}, "integrations": {"All": True}},
        ),
        "lead-with-metadata": (
            dataclasses.replace(lead, metadata=METADATA),
            {"event": "Sign Up", "context": {"traits": traits}, "properties": METADATA},
        ),
        "sale": (sale, {"event": "Order Completed", "properties": properties}),
        "sale-with-metadata": (
            dataclasses.replace(sale, metadata=METADATA),
            {"event": "Order Completed", "properties": METADATA | properties},
        ),
    }


class TestSegmentPackage:
    """Differences, justified one by one; everything of the guide's call is in ours:

    - ``anonymousId: null`` is left out; an absent id is none;
    - ``properties`` has the amount and the processor also under the names other mappings read;
    - ``context.dubClickId`` and ``integrations`` carry the click id for RudderStack and the default mapping;
    - ``integrations`` says ``All: true``, which is the default;
    - ``currency`` is in lower case, as Dub stores it;
    - the library names itself; ids and times differ by nature;
    - the write key is in the header only, so no body that is logged holds it;
    - the limit of 32 KB counts bytes here, and there six for each letter that is not ASCII.
    """

    @pytest.mark.parametrize("name", ["lead", "lead-with-metadata", "sale", "sale-with-metadata"])
    def test_the_call_of_dubs_guide(self, name: str) -> None:
        event, call = guide_calls()[name]
        with SegmentStub() as stub:
            client = Client(WRITE_KEY, host=stub.url, sync_mode=True)
            client.track(user_id="42", **call)
            send(Segment(WRITE_KEY, host=stub.url), event)
            theirs, ours = (request.json() for request in stub.requests)
            assert [request.path for request in stub.requests] == ["/v1/batch", "/v1/batch"]
            assert len({request.headers["authorization"] for request in stub.requests}) == 1
        assert theirs.pop("writeKey") == WRITE_KEY
        assert sorted(ours) == sorted(theirs) == ["batch", "sentAt"]
        (their_call,), (our_call,) = theirs["batch"], ours["batch"]

        assert their_call.pop("anonymousId") is None
        for message in (their_call, our_call):
            assert isinstance(message.pop("messageId"), str)
            assert datetime.fromisoformat(message.pop("timestamp").replace("Z", "+00:00")).tzinfo
            assert message["context"].pop("library")
        if name.startswith("sale"):
            extra = {"amount": 1000, "paymentProcessor": "stripe", "currency": "usd"}
            their_call["properties"] |= extra
            their_call["integrations"] = {"All": True}
        else:
            their_call["context"]["dubClickId"] = CLICK
            their_call["integrations"] |= {"All": True, "Dub (Actions)": {"dub_id": CLICK}}
        assert our_call == their_call

"""The same events through the official clients: what is sent differs only where this file says so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import dub
import pytest
from segment.analytics import Client

from dub_middleware.conversions.destinations import Delivery, Destination
from dub_middleware.conversions.destinations.dub import DubAPI
from dub_middleware.conversions.destinations.segment import Segment
from dub_middleware.conversions.events import Lead, Sale
from dub_stub import KEY, DubStub
from segment_stub import WRITE_KEY, SegmentStub

ID = "0123456789abcdef0123456789abcdef"
CLICK = "clk0123456789abc"

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
        "sale": (sale, {"event": "Order Completed", "properties": properties}),
    }


class TestSegmentPackage:
    """Differences, justified one by one; everything of the guide's call is in ours:

    - ``anonymousId: null`` is left out; an absent id is none;
    - ``properties`` has the amount and the processor also under the names other mappings read;
    - ``context.dubClickId`` and ``integrations`` carry the click id for RudderStack and the default mapping;
    - ``integrations`` says ``All: true``, which is the default;
    - ``currency`` is in lower case, as Dub stores it;
    - the library names itself; ids and times differ by nature;
    - the write key is in the header only, so no body that is logged holds it.
    """

    @pytest.mark.parametrize("name", ["lead", "sale"])
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
        if name == "sale":
            extra = {"amount": 1000, "paymentProcessor": "stripe", "currency": "usd"}
            their_call["properties"] |= extra
            their_call["integrations"] = {"All": True}
        else:
            their_call["context"]["dubClickId"] = CLICK
            their_call["integrations"]["Dub (Actions)"] = {"dub_id": CLICK}
        assert our_call == their_call

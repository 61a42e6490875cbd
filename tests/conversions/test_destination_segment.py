"""Segment as a destination: the shapes of its events, the size of its requests, the fate of a bad event."""

from __future__ import annotations

import gzip
import json
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest

from dub_middleware.conversions.destinations import Delivery
from dub_middleware.conversions.destinations.segment import Segment
from dub_middleware.conversions.events import Lead, Sale
from dub_middleware.errors import APIError, ConfigError, EventError
from dub_middleware.segment import DubActions
from segment_stub import WRITE_KEY, SegmentStub
from stub_http import Fault, raw, status

ID = "0123456789abcdef0123456789abcdef"
CLICK = "clk0123456789abc"
WHEN = datetime(2026, 11, 23, 20, 0, 0, 123456, tzinfo=timezone.utc)


@pytest.fixture
def stub() -> Iterator[SegmentStub]:
    with SegmentStub() as running:
        yield running


@pytest.fixture
def segment(stub: SegmentStub) -> Iterator[Segment]:
    made = Segment(WRITE_KEY, host=stub.url)
    yield made
    made.close()


def prepared(event: Lead | Sale, **options: object) -> dict[str, object]:
    payload = Segment(WRITE_KEY, **options).prepare(event, id=ID, timestamp=WHEN)  # type: ignore[arg-type]
    return json.loads(payload)  # type: ignore[no-any-return]


def deliveries(segment: Segment, count: int, size: int = 0) -> list[Delivery]:
    made = []
    for number in range(count):
        identifier = uuid.uuid4().hex
        event = Lead(customer_external_id=f"customer-{number}", click_id=CLICK, metadata={"x": "y" * size})
        payload = segment.prepare(event, id=identifier, timestamp=WHEN)
        made.append(Delivery(identifier, "lead", event.key, payload, WHEN.timestamp()))
    return made


class TestShapes:
    def test_a_lead_is_the_sign_up_of_dubs_guide_and_more(self) -> None:
        event = Lead(
            customer_external_id="42",
            click_id=CLICK,
            customer_name="Ada",
            customer_email="ada@example.com",
            customer_avatar="https://example.com/ada.png",
            event_quantity=2,
            metadata={"plan": "pro"},
        )
        assert prepared(event) == {
            "type": "track",
            "messageId": ID,
            "timestamp": "2026-11-23T20:00:00.123Z",
            "userId": "42",
            "event": "Sign Up",
            "properties": {"plan": "pro", "quantity": 2},
            "context": {
                "library": {"name": "dub-middleware"},
                "traits": {
                    "name": "Ada",
                    "email": "ada@example.com",
                    "avatar": "https://example.com/ada.png",
                    "clickId": CLICK,
                },
                "dubClickId": CLICK,
            },
            "integrations": {"All": True, "Dub (Actions)": {"dub_id": CLICK}},
        }

    def test_a_sale_is_the_order_completed_of_dubs_guide_and_more(self) -> None:
        event = Sale(
            customer_external_id="42",
            amount=1000,
            currency="USD",
            payment_processor="stripe",
            invoice_id="ORD_123",
            lead_event_name="Sign Up",
            click_id=CLICK,
        )
        message = prepared(event)
        assert message["event"] == "Order Completed"
        assert message["properties"] == {
            "order_id": "ORD_123",
            "currency": "usd",
            "revenue": 1000,
            "amount": 1000,
            "payment_processor": "stripe",
            "paymentProcessor": "stripe",
            "lead_event_name": "Sign Up",
        }
        assert message["integrations"] == {"All": True, "Dub (Actions)": {"dub_id": CLICK}}

    def test_a_name_of_the_callers_own_is_kept(self) -> None:
        event = Sale(customer_external_id="42", amount=1, event_name="Subscription renewed")
        assert prepared(event)["event"] == "Subscription renewed"

    def test_nothing_is_sent_as_an_empty_string_or_null(self) -> None:
        message = prepared(Lead(customer_external_id="42"))
        assert message["context"] == {"library": {"name": "dub-middleware"}}
        assert message["properties"] == {}
        assert message["integrations"] == {"All": True}

    def test_a_deferred_lead_is_kept_from_dub(self) -> None:
        """Segment knows no such mode: Dub would count the lead at once."""
        message = prepared(Lead(customer_external_id="42", click_id=CLICK, mode="deferred"))
        assert message["integrations"] == {"All": True, "Dub (Actions)": False}
        assert CLICK not in json.dumps(message)
        assert {outcome["outcome"] for outcome in DubActions("dub_x", outbox=None).plan(message)} == {
            "not_subscribed"
        }

    def test_a_sale_has_an_order_id_whatever_happens(self) -> None:
        properties = prepared(Sale(customer_external_id="42", amount=0))["properties"]
        assert properties["order_id"] == f"dmw_{ID}"  # type: ignore[index]
        assert properties["revenue"] == 0  # type: ignore[index]

    def test_metadata_cannot_pose_as_a_field_of_the_conversion(self) -> None:
        taken = {"email": "not an address", "quantity": "many", "plan": "pro"}
        message = prepared(Lead(customer_external_id="42", metadata=taken))
        assert message["properties"] == {
            "metadata_email": "not an address",
            "metadata_quantity": "many",
            "plan": "pro",
        }
        sale = Sale(
            customer_external_id="42", amount=1, metadata={"products": [1], "revenue": 2, "plan": "p"}
        )
        properties = prepared(sale)["properties"]
        assert "products" not in properties  # type: ignore[operator]
        assert properties["metadata_products"] == [1]  # type: ignore[index]
        assert properties["metadata_revenue"] == 2  # type: ignore[index]
        assert properties["revenue"] == 1  # type: ignore[index]

    @pytest.mark.parametrize(
        ("amount", "currency", "major"),
        [(4999, "usd", 49.99), (1998, "eur", 19.98), (500, "jpy", 500), (1234, "kwd", 1.234), (0, "usd", 0)],
    )
    def test_the_unit_of_revenue_is_a_choice(self, amount: int, currency: str, major: float) -> None:
        event = Sale(customer_external_id="42", amount=amount, currency=currency)
        for revenue, expected in (("minor", amount), ("major", major)):
            properties = prepared(event, revenue=revenue)["properties"]
            assert properties["revenue"] == expected  # type: ignore[index]
            assert properties["amount"] == amount  # type: ignore[index]

    def test_timestamps_are_utc_whatever_their_zone(self) -> None:
        east = WHEN.astimezone(timezone(timedelta(hours=5, minutes=30)))
        payload = Segment(WRITE_KEY).prepare(Lead(customer_external_id="42"), id=ID, timestamp=east)
        assert json.loads(payload)["timestamp"] == "2026-11-23T20:00:00.123Z"

    def test_an_event_beyond_32_kilobytes_is_refused_before_it_is_stored(self) -> None:
        segment = Segment(WRITE_KEY)
        event = Lead(customer_external_id="42", customer_avatar="a" * 33_000)
        with pytest.raises(EventError, match=r"Segment's 32 KB"):
            segment.prepare(event, id=ID, timestamp=WHEN)

    def test_emoji_count_by_their_bytes_and_not_by_their_escapes(self) -> None:
        event = Lead(customer_external_id="42", customer_avatar="🎉" * 6000)
        Segment(WRITE_KEY).prepare(event, id=ID, timestamp=WHEN)


class TestRequests:
    def test_are_gzipped_batches_with_basic_authentication(self, stub: SegmentStub, segment: Segment) -> None:
        segment.send(deliveries(segment, 3))
        (request,) = stub.requests
        assert request.path == "/v1/batch"
        assert request.headers["content-encoding"] == "gzip"
        assert request.headers["authorization"].startswith("Basic ")
        body = json.loads(gzip.decompress(request.body))
        assert sorted(body) == ["batch", "sentAt"]
        assert len(body["batch"]) == 3
        assert WRITE_KEY not in json.dumps(body)

    def test_are_plain_when_asked_for(self, stub: SegmentStub) -> None:
        segment = Segment(WRITE_KEY, host=stub.url, gzip=False)
        segment.send(deliveries(segment, 1))
        segment.close()
        assert "content-encoding" not in stub.requests[0].headers
        json.loads(stub.requests[0].body)

    def test_stay_below_500_kilobytes(self, stub: SegmentStub, segment: Segment) -> None:
        outcomes = segment.send(deliveries(segment, 100, size=9_900))
        assert {outcome.state for outcome in outcomes} == {"delivered"}
        assert len(stub.events) == 100
        assert len(stub.requests) == 3
        assert all(len(gzip.decompress(request.body)) < 500_000 for request in stub.requests)

    def test_carry_ids_by_which_a_repeat_is_dropped(self, stub: SegmentStub, segment: Segment) -> None:
        batch = deliveries(segment, 5)
        stub.fail(Fault("reset", after=True))
        assert {outcome.state for outcome in segment.send(batch)} == {"ambiguous"}
        assert {outcome.state for outcome in segment.send(batch)} == {"delivered"}
        assert len(stub.events) == len(stub.repeats) == 5


class TestFailures:
    @pytest.mark.parametrize("position", [0, 1, 49, 50, 98, 99])
    def test_one_bad_event_takes_no_other_with_it(
        self, stub: SegmentStub, segment: Segment, position: int
    ) -> None:
        batch = deliveries(segment, 100)
        stub.poison.add(batch[position].id)
        states = [outcome.state for outcome in segment.send(batch)]
        assert states.pop(position) == "rejected"
        assert states == ["delivered"] * 99
        assert len(stub.events) == 99
        assert len(stub.requests) <= 15

    def test_a_part_that_failed_stops_the_rest(self, stub: SegmentStub, segment: Segment) -> None:
        stub.fail(status(503, Retry_After="9"))
        outcomes = segment.send(deliveries(segment, 100, size=9_900))
        assert {(outcome.state, outcome.retry_after) for outcome in outcomes} == {("retry", 9.0)}
        assert len(stub.requests) == 1

    @pytest.mark.parametrize(
        ("fault", "state"),
        [
            pytest.param(status(401), "paused", id="401"),
            pytest.param(status(403), "paused", id="403"),
            pytest.param(status(404), "rejected", id="404"),
            pytest.param(raw(404, b"<html>no such page</html>"), "paused", id="404-html"),
            pytest.param(status(408), "retry", id="408"),
            pytest.param(status(410), "retry", id="410"),
            pytest.param(status(429, Retry_After="3"), "retry", id="429"),
            pytest.param(status(460), "retry", id="460"),
            pytest.param(status(500), "retry", id="500"),
            pytest.param(status(501), "rejected", id="501"),
            pytest.param(status(503), "retry", id="503"),
            pytest.param(status(307, Location="/"), "rejected", id="redirect"),
            pytest.param(Fault("close"), "ambiguous", id="closed"),
            pytest.param(raw(200, b"ok"), "delivered", id="200-not-json"),
        ],
    )
    def test_an_answer_that_is_not_about_one_event_holds_for_all(
        self, stub: SegmentStub, segment: Segment, fault: Fault, state: str
    ) -> None:
        stub.fail(fault)
        outcomes = segment.send(deliveries(segment, 4))
        assert [outcome.state for outcome in outcomes] == [state] * 4
        assert len(stub.requests) == 1

    def test_a_host_that_is_no_api_is_named_with_the_right_ones(
        self, stub: SegmentStub, segment: Segment
    ) -> None:
        stub.fail(raw(404, b"<html>no such page</html>"))
        (outcome,) = segment.send(deliveries(segment, 1))
        assert outcome.message == (
            f"host={stub.url!r} is not Segment's API, it answers 404 "
            f"(Segment's own is {Segment.US} or {Segment.EU})"
        )

    def test_a_refusal_says_why(self, stub: SegmentStub) -> None:
        segment = Segment("another_key", host=stub.url)
        (outcome,) = segment.send(deliveries(segment, 1))
        segment.close()
        assert outcome.state == "paused"
        assert isinstance(outcome.response, APIError)
        assert outcome.message == "401: invalid write key"


class TestOptions:
    def test_key_and_address_may_come_from_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("SEGMENT_WRITE_KEY", raising=False)
        with pytest.raises(ConfigError, match=r"set SEGMENT_WRITE_KEY"):
            Segment()
        monkeypatch.setenv("SEGMENT_WRITE_KEY", WRITE_KEY)
        assert repr(Segment()) == "Segment(host='https://api.segment.io')"
        monkeypatch.setenv("SEGMENT_HOST", Segment.EU)
        assert repr(Segment()) == "Segment(host='https://events.eu1.segmentapis.com')"

    def test_the_european_host_has_a_name(self) -> None:
        assert (
            repr(Segment(WRITE_KEY, host=Segment.EU)) == "Segment(host='https://events.eu1.segmentapis.com')"
        )

    @pytest.mark.parametrize(
        "key", ["a b", "a:b", "é", "a\n"], ids=["space", "colon", "non-ascii", "newline"]
    )
    def test_a_wrong_key_is_refused(self, key: str) -> None:
        with pytest.raises(ConfigError, match=r"^write_key must be text"):
            Segment(key)

    def test_a_wrong_unit_is_refused(self) -> None:
        with pytest.raises(ConfigError, match=r"revenue must be 'minor' or 'major', not 'cents'"):
            Segment(WRITE_KEY, revenue="cents")  # type: ignore[arg-type]

"""The Dub Source: a webhook's JSON in, Segment calls out, through the real endpoint and a strict Segment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import Client

from dub_middleware.conversions import Timing
from dub_middleware.errors import ConfigError, PayloadError
from dub_middleware.segment import DubSource
from dub_middleware.webhooks import EVENT_TYPES, WebhookApp, parse, sign
from segment_stub import WRITE_KEY, SegmentStub
from stub_http import status

SECRET = "whsec_0123456789abcdef0123456789abcdef"
CLICK = {"id": "clk0123456789abc", "ip": "203.0.113.7", "country": "DE", "qr": False}
LINK = {"id": "link_1", "shortLink": "https://go.test/spring", "utm_source": "news", "utm_campaign": "spring"}
CUSTOMER = {"id": "cus_1", "externalId": "42", "name": "Ada", "email": "ada@example.com", "avatar": None}
SALE = {"amount": 4999, "currency": "usd", "paymentProcessor": "stripe", "invoiceId": "inv_1"}
PARTNER = {"id": "pn_1", "name": "Grace", "email": "grace@example.com", "totalSaleAmount": 7}
LEAD = {"eventName": "Sign up", "customer": CUSTOMER, "click": CLICK, "link": LINK}
DATA: dict[str, dict[str, Any]] = {
    "link.clicked": {"click": CLICK, "link": LINK},
    "lead.created": {**LEAD, "partner": PARTNER, "metadata": {"plan": "pro"}},
    "sale.created": {**LEAD, "eventName": "Purchase", "sale": SALE, "metadata": None},
    "partner.enrolled": {**PARTNER, "links": [{"id": "link_1", "clicks": 2}]},
}
APP = {"name": "dub", "version": "1.0.0"}
COMMON = {
    "type": "track",
    "messageId": "evt_1",
    "timestamp": "2026-11-20T10:00:00.123Z",
    "integrations": {"All": True, "Dub (Actions)": False},
}
CONTEXT = {
    "ip": "203.0.113.7",
    "integration": APP,
    "library": APP,
    "campaign": {"name": "spring", "source": "news"},
}


def payload(event: str, **data: Any) -> dict[str, Any]:
    return {
        "id": "evt_1",
        "event": event,
        "createdAt": "2026-11-20T10:00:00.123Z",
        "data": {**DATA.get(event, {"id": "x"}), **data},
    }


@pytest.fixture
def source() -> DubSource:
    return DubSource("wk", outbox=None)


class TestTranslate:
    def test_a_click(self, source: DubSource) -> None:
        assert source.translate(payload("link.clicked")) == {
            **COMMON,
            "event": "Link Clicked",
            "anonymousId": "clk0123456789abc",
            "context": CONTEXT,
            "properties": {"click": CLICK, "link": LINK},
        }

    def test_a_lead_knows_its_click_its_partner_and_its_metadata(self, source: DubSource) -> None:
        assert source.translate(payload("lead.created")) == {
            **COMMON,
            "event": "Sign Up",
            "userId": "42",
            "anonymousId": "clk0123456789abc",
            "context": CONTEXT,
            "properties": {
                "click": CLICK,
                "link": LINK,
                "customer": CUSTOMER,
                "partner": PARTNER,
                "metadata": {"plan": "pro"},
            },
        }

    def test_a_sale_has_its_revenue_in_cents(self, source: DubSource) -> None:
        assert source.translate(payload("sale.created")) == {
            **COMMON,
            "event": "Purchase",
            "userId": "42",
            "anonymousId": "clk0123456789abc",
            "context": CONTEXT,
            "properties": {
                "click": CLICK,
                "link": LINK,
                "customer": CUSTOMER,
                "sale": SALE,
                "revenue": 4999,
                "currency": "usd",
            },
        }

    @pytest.mark.parametrize(
        ("currency", "amount", "revenue"), [("usd", 4999, 49.99), ("JPY", 500, 500), ("kwd", 1500, 1.5)]
    )
    def test_a_sale_may_have_its_revenue_in_major_units(
        self, currency: str, amount: int, revenue: float
    ) -> None:
        source = DubSource("wk", revenue="major", outbox=None)
        call = source.translate(payload("sale.created", sale={"amount": amount, "currency": currency}))
        assert call["properties"]["revenue"] == revenue
        assert call["properties"]["sale"]["amount"] == amount

    def test_a_partner(self, source: DubSource) -> None:
        assert source.translate(payload("partner.enrolled")) == {
            **COMMON,
            "event": "Partner Enrolled",
            "userId": "pn_1",
            "context": {"integration": APP, "library": APP},
            "properties": {"partner": PARTNER, "links": [{"id": "link_1", "clicks": 2}]},
        }

    def test_takes_the_parsed_event_as_well(self, source: DubSource) -> None:
        raw = payload("sale.created")
        assert source.translate(parse(raw)) == source.translate(raw)

    @pytest.mark.parametrize("name", sorted(EVENT_TYPES.keys() - DATA.keys()))
    def test_other_events_have_no_translation(self, source: DubSource, name: str) -> None:
        data = {**DATA["lead.created"], "sale": SALE}
        with pytest.raises(PayloadError, match=f"^Event {name} is not supported for Segment.$"):
            source.translate(payload(name, **data))

    @pytest.mark.parametrize(
        ("given", "sent"),
        [
            ("demo booked", "Demo Booked"),
            ("Sign Up", "Sign Up"),
            ("eBook  read", "EBook  Read"),
            ("ßeta", "SSeta"),
            ("éclair ordered", "Éclair Ordered"),
            ("🎉 won", "🎉 Won"),
            ("\U00010428x", "\U00010428x"),  # an astral small letter: JavaScript sees half of it
            ("a\tb", "A\tb"),
            ("", "Lead Created"),
        ],
    )
    def test_names_are_capitalized_as_by_dub(self, source: DubSource, given: str, sent: str) -> None:
        assert source.translate(payload("lead.created", eventName=given))["event"] == sent

    @pytest.mark.parametrize(
        ("link", "campaign"),
        [
            ({}, None),
            ({"utm_source": "", "utm_medium": None}, None),
            ({"utm_medium": "m", "utm_content": "c"}, {"medium": "m", "content": "c"}),
        ],
        ids=["none", "empty", "some"],
    )
    def test_the_campaign_is_the_links(self, source: DubSource, link: Any, campaign: Any) -> None:
        assert source.translate(payload("link.clicked", link=link))["context"].get("campaign") == campaign

    @pytest.mark.parametrize("external_id", ["", None])
    def test_a_customer_without_an_external_id_is_known_by_the_click(
        self, source: DubSource, external_id: str | None
    ) -> None:
        calls = source.calls(payload("lead.created", customer={**CUSTOMER, "externalId": external_id}))
        assert [(call["type"], call["anonymousId"], "userId" in call) for call in calls] == [
            ("track", "clk0123456789abc", False)
        ]


class TestCalls:
    @pytest.mark.parametrize("name", ["lead.created", "sale.created"])
    def test_click_and_user_are_joined_before_the_conversion(self, source: DubSource, name: str) -> None:
        identify, track = source.calls(payload(name))
        assert track == source.translate(payload(name))
        assert identify == {
            **{name: value for name, value in track.items() if name not in ("event", "properties")},
            "type": "identify",
            "messageId": "evt_1-identify",
            "traits": {"email": "ada@example.com"},
        }

    @pytest.mark.parametrize("name", ["link.clicked", "partner.enrolled"])
    def test_others_are_one_call(self, source: DubSource, name: str) -> None:
        assert source.calls(payload(name)) == [source.translate(payload(name))]


@pytest.fixture
def segment() -> Iterator[SegmentStub]:
    with SegmentStub() as running:
        yield running


def post(app: WebhookApp, event: str, id_: str = "evt_1", **data: Any) -> int:
    now = datetime.now(timezone.utc).isoformat()
    body = json.dumps({**payload(event, **data), "id": id_, "createdAt": now}).encode()
    return Client(app).post("/", data=body, headers={"Dub-Signature": sign(SECRET, body)}).status_code


class TestThroughTheWebhookEndpoint:
    def test_webhooks_arrive_as_calls(self, segment: SegmentStub, tmp_path: Path) -> None:
        source = DubSource(WRITE_KEY, segment.url, outbox=f"sqlite:///{tmp_path / 'o.db'}")
        app = WebhookApp(SECRET, source)
        for number, name in enumerate(DATA):
            assert post(app, name, f"evt_{number}") == 200
        assert source.flush()
        assert not segment.dropped
        assert [(call["type"], call.get("event"), call["messageId"]) for call in segment.events] == [
            ("track", "Link Clicked", "evt_0"),
            ("identify", None, "evt_1-identify"),
            ("track", "Sign Up", "evt_1"),
            ("identify", None, "evt_2-identify"),
            ("track", "Purchase", "evt_2"),
            ("track", "Partner Enrolled", "evt_3"),
        ]
        source.close()

    def test_events_without_a_translation_are_let_go(self, segment: SegmentStub) -> None:
        source = DubSource(WRITE_KEY, segment.url, outbox=None)
        assert post(WebhookApp(SECRET, source), "link.deleted") == 200
        assert post(WebhookApp(SECRET, source), "some.thing_new") == 200
        assert source.flush()
        assert segment.requests == []

    def test_a_repeated_webhook_is_sent_once_even_when_the_endpoint_has_forgotten_it(
        self, segment: SegmentStub, tmp_path: Path
    ) -> None:
        for _ in range(2):  # a restart in between: the ids seen are in memory
            source = DubSource(WRITE_KEY, segment.url, outbox=f"sqlite:///{tmp_path / 'o.db'}")
            assert post(WebhookApp(SECRET, source), "link.clicked") == 200
            assert source.flush()
            source.close()
        assert [call["messageId"] for call in segment.events] == ["evt_1"]
        assert segment.repeats == []

    def test_nothing_is_lost_while_segment_is_down(self, segment: SegmentStub, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path / 'o.db'}"
        segment.permanent = status(503)
        timing = Timing(backoff=0.01, poll=0.02)
        source = DubSource(WRITE_KEY, segment.url, outbox=url, timing=timing)
        assert post(WebhookApp(SECRET, source), "lead.created") == 200
        segment.wait_for_requests(1)
        source.close()
        assert segment.events == []

        segment.permanent = None
        # the process has been restarted meanwhile
        later = DubSource(WRITE_KEY, segment.url, outbox=url, timing=timing)
        assert later.flush(20)
        assert [call["type"] for call in segment.events] == ["identify", "track"]
        later.close()

    def test_an_outbox_that_fails_makes_dub_repeat(self, segment: SegmentStub, tmp_path: Path) -> None:
        source = DubSource(WRITE_KEY, segment.url, outbox=f"sqlite:///{tmp_path / 'missing' / 'o.db'}")
        app = WebhookApp(SECRET, source)
        assert post(app, "lead.created") == 500
        (tmp_path / "missing").mkdir()
        assert post(app, "lead.created") == 200
        assert source.flush()
        assert len(segment.events) == 2
        source.close()

    def test_metadata_gives_way_when_the_call_is_too_large_for_segment(self, segment: SegmentStub) -> None:
        source = DubSource(WRITE_KEY, segment.url, outbox=None)
        assert post(WebhookApp(SECRET, source), "lead.created", metadata={"note": "語" * 12_000}) == 200
        assert source.flush()
        assert not segment.dropped
        assert "metadata" not in segment.events[-1]["properties"]

    def test_text_that_is_no_unicode_is_mended(self, segment: SegmentStub) -> None:
        source = DubSource(WRITE_KEY, segment.url, outbox=None)
        customer = {**CUSTOMER, "externalId": "4\ud8002\0"}
        assert post(WebhookApp(SECRET, source), "lead.created", customer=customer) == 200
        assert source.flush()
        assert segment.events[-1]["userId"] == "4?2\0"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"write_key": ""}, "write_key is missing"),
        ({"write_key": "a b"}, "write_key must be text"),
        ({"write_key": "wk", "host": "segment.io"}, "host must be"),
        ({"write_key": "wk", "revenue": "cents"}, "revenue must be"),
    ],
)
def test_wrong_options_are_told_at_construction(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DubSource(**options)


def test_the_regions_have_names() -> None:
    assert DubSource.US == "https://api.segment.io"
    assert DubSource.EU == "https://events.eu1.segmentapis.com"

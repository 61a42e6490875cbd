"""Dub (Actions) behind the endpoint: what reaches Dub, what is told, and what must not go round."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from dub_middleware.conversions import Timing
from dub_middleware.errors import DeliveryError, DubError
from dub_middleware.segment import DubActions, DubSource, create_gateway
from dub_middleware.segment.gateway import Gateway
from dub_stub import KEY, DubStub
from stub_http import status
from waiting import wait_until
from wsgi_server import serving

CLICK = "clk0123456789abc"
SIGN_UP = {
    "type": "track",
    "messageId": "m1",
    "userId": "42",
    "event": "Sign Up",
    "integrations": {"All": True, "Dub (Actions)": {"dub_id": CLICK}},
}
LEAD = {"clickId": CLICK, "eventName": "Sign Up", "customerExternalId": "42"}
CLIENT = httpx.Client(timeout=60)  # one for all: each makes a TLS context


class Way:
    """From the endpoint to Dub."""

    def __init__(self, dub: DubStub, **options: Any) -> None:
        self.errors: list[DubError] = []
        self.gateway: Gateway = create_gateway(
            [DubActions(KEY, dub.url, outbox=None, **options)],
            write_keys="wk",
            outbox=None,
            on_error=self.errors.append,
            timing=Timing(backoff=0.01, poll=0.02),
        )
        self.url = ""

    def post(self, *events: dict[str, Any]) -> None:
        answer = CLIENT.post(f"{self.url}/v1/batch", json={"writeKey": "wk", "batch": events})
        assert answer.json() == {"success": True}
        assert self.gateway.flush()


@pytest.fixture
def dub() -> Iterator[DubStub]:
    with DubStub() as stub:
        yield stub


@pytest.fixture
def way(dub: DubStub) -> Iterator[Way]:
    made = Way(dub)
    with serving(made.gateway) as made.url, made.gateway:
        yield made


def test_a_sign_up_is_a_lead(way: Way, dub: DubStub) -> None:
    way.post(SIGN_UP)
    assert dub.leads == [LEAD]
    assert way.errors == []


def test_a_repeat_is_not_sent_again(way: Way, dub: DubStub) -> None:
    for _ in range(3):
        way.post(SIGN_UP, SIGN_UP)
    assert len(dub.requests) == 1


def test_what_no_mapping_wants_costs_nothing(way: Way, dub: DubStub) -> None:
    way.post({**SIGN_UP, "event": "Song Played"}, {"type": "page", "userId": "42", "name": "Pricing"})
    assert dub.requests == []
    assert way.errors == []


def test_what_the_destination_fails_on_is_told_and_takes_no_other_with_it(way: Way, dub: DubStub) -> None:
    way.post({**SIGN_UP, "messageId": "m0", "integrations": {}}, SIGN_UP)
    (error,) = wait_until(lambda: way.errors)  # told once it is written down
    assert isinstance(error, DeliveryError)
    assert (error.destination, error.state, error.event_id) == ("dub-actions", "rejected", "m0")
    assert "trackLead: The root value is missing the required field 'clickId'." in str(error)
    assert dub.leads == [LEAD]


def test_what_dub_refuses_is_told(way: Way, dub: DubStub) -> None:
    dub.unknown_clicks.add(CLICK)
    way.post(SIGN_UP)
    (error,) = wait_until(lambda: way.errors)  # told once it is written down
    assert "Click event not found" in str(error)


def test_dub_may_be_down_for_a_while(way: Way, dub: DubStub) -> None:
    dub.fail(status(503), times=3)
    way.post(SIGN_UP)
    assert dub.leads == [LEAD]


@pytest.mark.parametrize("switch", [{"Dub (Actions)": False}, {"All": False}], ids=["own", "all"])
def test_switches_are_obeyed(way: Way, dub: DubStub, switch: dict[str, Any]) -> None:
    way.post({**SIGN_UP, "integrations": switch, "context": {"traits": {"clickId": CLICK}}})
    assert dub.requests == []


def test_one_event_may_be_several_requests(dub: DubStub) -> None:
    mapping = {
        "clickId": {"@path": "$.integrations.Dub (Actions).dub_id"},
        "externalId": {"@path": "$.userId"},
    }
    mappings = [
        {"partnerAction": "trackLead", "mapping": {**mapping, "eventName": name}}
        for name in ("Sign Up", "Trial")
    ]
    way = Way(dub, mappings=mappings)
    with serving(way.gateway) as way.url, way.gateway:
        way.post(SIGN_UP)
        way.post(SIGN_UP)
    assert [lead["eventName"] for lead in dub.leads] == ["Sign Up", "Trial"]
    assert len(dub.requests) == 2


class TestLoops:
    """A mapping that takes the click from anywhere would send back what comes from Dub."""

    MAPPINGS = (
        {
            "partnerAction": "trackLead",
            "mapping": {
                "clickId": {"@path": "$.properties.click.id"},
                "eventName": {"@path": "$.event"},
                "externalId": {"@path": "$.userId"},
            },
        },
    )

    @pytest.fixture
    def way(self, dub: DubStub) -> Iterator[Way]:
        made = Way(dub, mappings=self.MAPPINGS)
        with serving(made.gateway) as made.url, made.gateway:
            yield made

    def event(self, **fields: Any) -> dict[str, Any]:
        data = {
            "eventName": "Sign up",
            "click": {"id": CLICK},
            "link": {"id": "link_1"},
            "customer": {"externalId": "42"},
        }
        created = "2026-11-24T10:00:00.000Z"
        payload = {"id": "evt_1", "event": "lead.created", "createdAt": created, "data": data}
        return {**DubSource("wk", outbox=None).translate(payload), **fields}

    def test_the_mapping_would(self, way: Way, dub: DubStub) -> None:
        way.post(self.event(integrations={}, context={}))
        assert len(dub.leads) == 1

    def test_the_calls_of_dub_source_are_switched_off(self, way: Way, dub: DubStub) -> None:
        way.post(self.event(context={}))
        assert dub.requests == []

    def test_the_calls_of_dubs_own_source_have_no_switch_and_are_recognised(
        self, way: Way, dub: DubStub
    ) -> None:
        way.post(self.event(integrations={}))
        assert dub.requests == []

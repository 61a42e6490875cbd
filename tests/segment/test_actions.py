"""The destination Dub (Actions); `tests/conformance` compares its plans with those of Segment's package."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dub_middleware import ConfigError, MappingError
from dub_middleware.conversions import Timing
from dub_middleware.segment import DubActions, load_mappings
from dub_middleware.segment.actions import as_request
from dub_stub import KEY, DubStub, refuse
from waiting import wait_until

FAST = Timing(backoff=0.01, poll=0.02)

LEAD: dict[str, Any] = {
    "type": "track",
    "event": "Sign Up",
    "userId": "user_42",
    "messageId": "m-1",
    "properties": {"plan": "pro"},
    "context": {"traits": {"name": "Ada", "email": "ada@example.com", "clickId": "clk_traits"}},
    "integrations": {"All": True, "Dub (Actions)": {"dub_id": "clk_switch"}},
}
SALE: dict[str, Any] = {
    "type": "track",
    "event": "Order Completed",
    "userId": "user_42",
    "messageId": "m-2",
    "properties": {"payment_processor": "stripe", "order_id": "ORD_1", "currency": "usd", "revenue": 4900},
    "context": {},
}
GUIDE: list[dict[str, Any]] = [
    {
        "partnerAction": "trackLead",
        "mapping": {
            "clickId": {"@path": "$.context.traits.clickId"},
            "eventName": {"@path": "$.event"},
            "externalId": {"@path": "$.userId"},
        },
    },
    {
        "partnerAction": "trackSale",
        "mapping": {
            "externalId": {"@path": "$.userId"},
            "amount": {"@path": "$.properties.revenue"},
            "paymentProcessor": {"@path": "$.properties.payment_processor"},
            "invoiceId": {"@path": "$.properties.order_id"},
            "currency": {"@path": "$.properties.currency"},
        },
    },
]


def planner(mappings: list[dict[str, Any]] | None = None) -> DubActions:
    return DubActions(KEY, mappings=mappings, outbox=None)


def with_(event: dict[str, Any], /, **changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(event), **changes}


class TestPlan:
    def test_the_default_mappings_make_a_lead_of_a_sign_up(self) -> None:
        lead, sale = planner().plan(LEAD)
        assert lead == {
            "outcome": "sent",
            "action": "trackLead",
            "method": "POST",
            "path": "/track/lead",
            "body": {
                "clickId": "clk_switch",
                "eventName": "Sign Up",
                "externalId": "user_42",
                "customerName": "Ada",
                "customerEmail": "ada@example.com",
                "metadata": {"plan": "pro"},
            },
            "warnings": [],
        }
        assert sale["outcome"] == "not_subscribed"
        assert sale["reason"] == 'It wants events where type is "track" and event is "Order Completed".'

    def test_the_default_mappings_lack_the_payment_processor_of_a_sale(self) -> None:
        _, sale = planner().plan(SALE)
        assert sale["outcome"] == "error"
        assert sale["error"] == "The root value is missing the required field 'paymentProcessor'."
        assert "paymentProcessor is required and has no default mapping" in sale["warnings"][0]

    def test_the_mappings_of_the_guide_take_both(self) -> None:
        actions = planner(GUIDE)
        assert actions.plan(LEAD)[0]["body"]["clickId"] == "clk_traits"
        assert actions.plan(SALE)[1]["body"] == {
            "externalId": "user_42",
            "amount": 4900,
            "paymentProcessor": "stripe",
            "invoiceId": "ORD_1",
            "currency": "usd",
        }

    def test_an_action_that_is_none_is_said(self) -> None:
        mapping = {"partnerAction": "dubPlugin", "subscribe": 'type = "track"', "mapping": {}}
        (outcome,) = planner([mapping]).plan(LEAD)
        assert outcome["outcome"] == "no_action"
        assert outcome["warnings"] == ["There is no action 'dubPlugin'; there are trackLead, trackSale."]

    @pytest.mark.parametrize(
        ("integrations", "is_on"),
        [
            (None, True),
            ({}, True),
            ({"All": True}, True),
            ({"All": False}, False),
            ({"Dub (Actions)": False}, False),
            ({"Dub (Actions)": True}, True),
            ({"All": False, "Dub (Actions)": True}, True),
            ({"All": False, "Dub (Actions)": {"dub_id": "c"}}, True),
            ({"All": False, "Dub (Actions)": {}}, True),
            ({"All": True, "Dub (Actions)": False}, False),
            ({"All": False, "dub (actions)": True}, False),
            ("text", True),
        ],
        ids=repr,
    )
    def test_the_switches_of_an_event_are_honoured_before_the_mapping(
        self, integrations: Any, is_on: bool
    ) -> None:
        outcome, _ = planner(GUIDE).plan(with_(LEAD, integrations=integrations))
        assert (outcome["outcome"] == "sent") is is_on
        assert is_on or "integrations" in outcome["reason"]

    @pytest.mark.parametrize("event", [None, "text", 5, [LEAD], object()], ids=lambda e: type(e).__name__)
    def test_what_is_no_object_is_an_error(self, event: Any) -> None:
        assert [outcome["outcome"] for outcome in planner().plan(event)] == ["error", "error"]

    def test_an_event_that_nests_too_deep_is_an_error(self) -> None:
        deep: Any = {}
        for _ in range(50_000):
            deep = {"a": deep}
        (lead, _) = planner().plan(with_(LEAD, properties=deep))
        assert "deeper than 200 levels" in lead["error"]

    def test_a_number_beyond_all_doubles_is_none(self) -> None:
        event = with_(SALE, properties={**SALE["properties"], "revenue": 10**400, "more": [10**400]})
        assert planner(GUIDE).plan(event)[1]["error"] == "Amount must be a number but it was a number."
        (lead, _) = planner().plan(with_(LEAD, properties=event["properties"]))
        assert lead["body"]["metadata"]["more"] == [None]

    def test_a_plan_shares_nothing_with_the_event(self) -> None:
        event = with_(LEAD, properties={"list": [{"a": 1}]})
        before = copy.deepcopy(event)
        planner().plan(event)[0]["body"]["metadata"]["list"][0]["a"] = 2
        assert event == before


class TestWarnings:
    @pytest.mark.parametrize(
        ("event", "warning"),
        [
            (with_(LEAD, integrations={"All": True}), "context.traits.clickId holds a click id"),
            (with_(LEAD, properties={"quantity": 0}), "eventQuantity must be a whole number from 1 to 100"),
            (with_(LEAD, properties={"text": "x" * 10_001}), "metadata must have at most 10,000 characters"),
            (with_(LEAD, userId="u" * 101), "externalId must have 1 to 100 characters"),
        ],
        ids=["click id in traits", "quantity", "metadata", "external id"],
    )
    def test_of_leads(self, event: dict[str, Any], warning: str) -> None:
        outcome, _ = planner().plan(event)
        assert any(warning in said for said in outcome["warnings"])

    @pytest.mark.parametrize(
        ("properties", "warning"),
        [
            ({"revenue": 49.99}, "amount is 49.99, which looks like dollars or euros"),
            ({"revenue": 25.0}, "amount is 25.0, which looks like dollars or euros"),
            ({"revenue": 49.99}, "amount must be a whole number of cents from 0 up, not 49.99"),
            ({"revenue": "Infinity"}, "amount must be a whole number of cents from 0 up, not null"),
            ({"payment_processor": "Stripe"}, "paymentProcessor must be one of stripe"),
            (
                {"products": [{"sku": "a"}]},
                "properties.products, which the default mapping reads, is an array",
            ),
            ({"order_id": None}, "There is no invoiceId"),
        ],
        ids=["major units", "round dollars", "fraction", "infinite", "processor", "products", "invoice"],
    )
    def test_of_sales(self, properties: dict[str, Any], warning: str) -> None:
        mapping = {**GUIDE[1]["mapping"], "metadata": {"@path": "$.properties.products"}}
        event = with_(SALE, properties={**SALE["properties"], **properties})
        (outcome,) = planner([{"partnerAction": "trackSale", "mapping": mapping}]).plan(event)
        assert any(warning in said for said in outcome["warnings"])

    def test_of_mappings(self) -> None:
        subscribe = 'type = "track" and anonymousId = "x"'
        mapping = {"partnerAction": "trackLead", "subscribe": subscribe, "mapping": {"clickID": "x"}}
        (outcome,) = planner([mapping]).plan(LEAD)
        assert "clickID is no field of trackLead and is left out." in outcome["warnings"]
        assert any("anonymousId is no field that subscriptions look at" in w for w in outcome["warnings"])

    def test_there_are_none_when_all_is_well(self) -> None:
        assert [o["warnings"] for o in planner(GUIDE).plan(SALE)] == [[], []]


class TestMappings:
    def test_a_missing_action_hides_no_other_error(self) -> None:
        with pytest.raises(MappingError) as raised:
            DubActions(
                "dub_test", mappings=[{"subscribe": "type = ", "mapping": 5, "colour": 1, "enabled": 2}]
            )
        told = " ".join(raised.value.errors)
        for name in ("'colour'", "partnerAction", "enabled", "a mapping must be an object"):
            assert name in told

    def test_every_error_is_told_at_once(self) -> None:
        with pytest.raises(MappingError) as caught:
            planner([
                {"partnerAction": "trackLead", "subscribe": "type", "mapping": {"clickId": {"@nope": 1}}},
                {"partnerAction": 5},
                "trackSale",
                {"partnerAction": "trackSale", "mapping": [], "on": True},
            ])  # fmt: skip
        assert caught.value.errors == (
            "mapping 1 (trackLead): subscribe: type needs an operator and a value (at position 4)",
            "mapping 1 (trackLead): /clickId has an invalid directive: @nope.",
            "mapping 2: partnerAction must be one of trackLead, trackSale, not 5",
            "mapping 3: it must be an object, not str",
            "mapping 4 (trackSale): 'on' is not known; known are partnerAction, subscribe, mapping, name, "
            "enabled",
            "mapping 4 (trackSale): a mapping must be an object, not list",
        )

    def test_without_trigger_and_mapping_an_action_has_its_own(self) -> None:
        alone, default = planner([{"partnerAction": "trackLead"}]).plan(LEAD)[0], planner().plan(LEAD)[0]
        assert alone == default

    def test_one_that_is_switched_off_takes_nothing(self) -> None:
        on, off = ({**GUIDE[0], "enabled": switch} for switch in (True, False))
        taken, left = planner([on, off]).plan(LEAD)
        assert taken["outcome"] == "sent"
        assert left["outcome"] == "not_subscribed"
        assert left["reason"] == "The mapping is switched off."

    @pytest.mark.parametrize("wrapped", [False, True], ids=["list", "object"])
    @pytest.mark.parametrize("name", ["mappings.json", "mappings.JSON", "mappings"])
    def test_are_read_from_json(self, tmp_path: Path, name: str, wrapped: bool) -> None:
        file = tmp_path / name
        file.write_text(json.dumps({"mappings": GUIDE} if wrapped else GUIDE))
        assert load_mappings(file) == GUIDE

    def test_are_read_from_toml(self, tmp_path: Path) -> None:
        file = tmp_path / "mappings.toml"
        file.write_text(
            '[[mappings]]\npartnerAction = "trackLead"\nsubscribe = \'event = "Sign Up"\'\n'
            '[mappings.mapping]\nclickId = {"@path" = "$.context.traits.clickId"}\n'
            'eventName = "Joined"\nexternalId = {"@path" = "$.userId"}\n'
        )
        (outcome,) = planner(load_mappings(str(file))).plan(LEAD)
        assert outcome["body"] == {"clickId": "clk_traits", "eventName": "Joined", "externalId": "user_42"}

    @pytest.mark.parametrize(
        ("name", "text", "reason"),
        [
            ("missing.json", None, "No such file"),
            ("broken.json", "[{", "Expecting property name"),
            ("broken.toml", "a = ", "Invalid value"),
            (
                "wrong.json",
                '[{"partnerAction": "trackLead", "mapping": {"a": {"@path": 1}}}]',
                "/a/@path should",
            ),
            ("deep.json", "[" * 100_000, "cannot be read"),
            ("nan.json", '[{"partnerAction": "trackLead", "mapping": {"a": NaN}}]', "NaN is not JSON"),
            (
                "nan.toml",
                '[[mappings]]\npartnerAction = "trackLead"\nmapping = {a = nan}',
                "/a: nan is not JSON",
            ),
            ("mappings.yaml", "[]", r"in JSON \(.json\) or TOML \(.toml\); '.yaml' is neither"),
            ("number.json", "5", "must be a list of objects"),
            ("other.json", '{"mappings": [], "version": 2}', "must be a list of objects, not dict"),
        ],
        ids=lambda value: (
            value if isinstance(value, str) and value.endswith(("json", "toml", "yaml")) else ""
        ),
    )
    def test_of_a_file_are_checked(self, tmp_path: Path, name: str, text: str | None, reason: str) -> None:
        file = tmp_path / name
        if text is not None:
            file.write_text(text)
        with pytest.raises(MappingError, match=reason) as caught:
            load_mappings(file)
        assert name in str(caught.value)


class TestSend:
    @pytest.fixture
    def stub(self) -> Iterator[DubStub]:
        with DubStub() as stub:
            yield stub

    @pytest.fixture
    def actions(self, stub: DubStub, tmp_path: Path) -> Iterator[DubActions]:
        outbox = f"sqlite:///{tmp_path / 'outbox.db'}"
        with DubActions(KEY, stub.url, GUIDE, outbox=outbox, timing=FAST) as actions:
            yield actions

    def test_delivers_what_was_planned(self, stub: DubStub, actions: DubActions) -> None:
        (lead, _), (_, sale) = actions.send(LEAD), actions.send(SALE)
        assert actions.flush()
        requests = {request.path: request for request in stub.requests}
        assert requests["/track/lead"].json() == lead["body"]
        assert requests["/track/sale"].json() == sale["body"]
        assert requests["/track/lead"].headers["authorization"] == f"Bearer {KEY}"
        assert requests["/track/lead"].headers["content-type"] == "application/json"
        assert requests["/track/lead"].headers["user-agent"] == "Segment (Actions)"
        assert stub.sales[0]["invoiceId"] == "ORD_1"

    def test_sends_nothing_for_what_is_not_planned(self, stub: DubStub, actions: DubActions) -> None:
        outcomes = actions.send(with_(LEAD, userId="")) + actions.send(with_(LEAD, event="Viewed"))
        assert actions.flush()
        assert "sent" not in {outcome["outcome"] for outcome in outcomes}
        assert not stub.requests

    def test_an_event_is_sent_once(self, stub: DubStub, actions: DubActions) -> None:
        first, second = actions.send(SALE)[1]["id"], actions.send(SALE)[1]["id"]
        assert actions.flush()
        assert first == second
        assert len(stub.requests) == 1

    def test_a_customer_with_half_a_character_is_no_trouble(self, stub: DubStub, actions: DubActions) -> None:
        actions.send(with_(LEAD, userId="u\ud800\0", messageId="m\udfff"))
        assert actions.flush()
        assert stub.requests[0].json()["externalId"] == "u\ud800\0"

    def test_events_without_an_id_are_different_events(self, stub: DubStub, actions: DubActions) -> None:
        for _ in range(2):
            actions.send(with_(LEAD, messageId=None))
        assert actions.flush()
        assert len(stub.requests) == 2

    def test_what_comes_after_the_close_is_delivered_too(self, stub: DubStub, actions: DubActions) -> None:
        for event in (LEAD, with_(LEAD, messageId="later")):
            actions.send(event)
            actions.close(timeout=60)
        assert len(stub.requests) == 2

    def test_tries_again_when_dub_is_down(self, stub: DubStub, actions: DubActions) -> None:
        stub.fail(refuse(503))
        actions.send(LEAD)
        assert actions.flush(20)
        assert [request.path for request in stub.requests] == ["/track/lead"] * 2
        assert len(stub.leads) == 1

    def test_does_not_try_again_what_dub_refuses(self, stub: DubStub, tmp_path: Path) -> None:
        heard: list[Exception] = []
        with DubActions(
            KEY, stub.url, GUIDE, outbox=f"sqlite:///{tmp_path / 'outbox.db'}", on_error=heard.append
        ) as actions:
            actions.send(with_(SALE, properties={**SALE["properties"], "revenue": 49.99}))
            assert actions.flush()
            wait_until(lambda: bool(heard))
        assert len(stub.requests) == 1
        assert "rejected by dub-actions" in str(heard[0])

    def test_what_was_stored_is_delivered_by_the_next_process(self, stub: DubStub, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path / 'outbox.db'}"
        stub.permanent = refuse(503)
        with DubActions(KEY, stub.url, GUIDE, outbox=url, timing=FAST) as actions:
            actions.send(LEAD)
            wait_until(lambda: bool(stub.requests))
        stub.permanent = None
        with DubActions(KEY, stub.url, GUIDE, outbox=url, timing=FAST) as actions:
            assert actions.flush(20)
        assert len(stub.leads) == 1

    def test_planning_opens_no_file_and_no_connection(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        DubActions(KEY, "http://127.0.0.1:1").plan(LEAD)
        assert not list(tmp_path.iterdir())

    def test_needs_a_secret_key(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("DUB_API_KEY", raising=False)
        with pytest.raises(ConfigError, match="api_key is missing"):
            DubActions()
        with pytest.raises(ConfigError, match="publishable key"):
            DubActions("dub_pk_0123456789abcdef")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats()
    | st.sampled_from(["", " ", "7", "Infinity", "a@example.com", "track", "Sign Up", "\ud800", "😀"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc1"), inner, max_size=2),
    max_leaves=5,
)
PARTS = st.sampled_from(["userId", "properties", "context", "integrations", "event", "type", "messageId"])


@settings(max_examples=150)
@given(
    st.sampled_from([LEAD, SALE]),
    st.dictionaries(PARTS, JSON, max_size=3),
    st.sampled_from(["a", "revenue"]),
    JSON,
)
def test_a_body_is_whole_or_not_sent(
    template: dict[str, Any], changes: dict[str, Any], name: str, value: Any
) -> None:
    event = {**with_(template), **changes}
    if isinstance(event.get("properties"), dict):
        event["properties"][name] = value
    required = {"trackLead": ("clickId", "eventName"), "trackSale": ("amount", "paymentProcessor")}
    actions = planner(GUIDE)
    for outcome in actions.plan(event):
        assert outcome["outcome"] in ("sent", "not_subscribed", "error")
        if outcome["outcome"] == "sent":
            assert {"externalId", *required[outcome["action"]]} <= outcome["body"].keys()
            assert isinstance(json.loads(as_request(outcome).payload)["externalId"], str)

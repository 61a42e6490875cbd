"""From a request's JSON to its events: envelopes, identities, clocks, sizes; a bad event goes alone."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dub_middleware.errors import EventError
from dub_middleware.segment.gateway.events import Event, read_events

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=timezone.utc)
RECEIVED = "2026-11-24T12:00:00.000Z"


def read(body: dict[str, Any], kind: str = "track", **options: Any) -> list[Event | EventError]:
    return list(read_events(body, kind, NOW, **options))


def one(**fields: Any) -> dict[str, Any]:
    (event,) = read({"userId": "42", "event": "Sign Up", "messageId": "m1", **fields})
    assert isinstance(event, Event), event
    assert json.loads(event.json) == event.data
    return dict(event.data)


def batch(*items: Any, **envelope: Any) -> list[Event | EventError]:
    return read({"batch": list(items), **envelope}, "batch")


def track(**fields: Any) -> dict[str, Any]:
    return {"type": "track", "userId": "42", "event": "Sign Up", "messageId": "m1", **fields}


def test_a_single_call_is_completed() -> None:
    assert one(writeKey="wk", properties={"a": 1}) == {
        "type": "track",
        "userId": "42",
        "event": "Sign Up",
        "messageId": "m1",
        "properties": {"a": 1},
        "originalTimestamp": RECEIVED,
        "timestamp": RECEIVED,
        "receivedAt": RECEIVED,
    }


def test_the_path_says_the_type() -> None:
    (event,) = read({"userId": "42", "type": "track"}, "identify")
    assert isinstance(event, Event)
    assert event.data["type"] == "identify"


@pytest.mark.parametrize("message_id", [None, "", 7, {}])
def test_a_missing_message_id_is_filled_in(message_id: Any) -> None:
    assert one(messageId=message_id)["messageId"].startswith("api-")


def test_message_ids_that_are_long_or_no_unicode_still_tell_events_apart() -> None:
    ids = ["m" * 101, "m" * 102, "m\0", "m\ud800", "m"]
    events = [event for event in batch(*(track(messageId=each) for each in ids)) if isinstance(event, Event)]
    assert len({event.id for event in events}) == len(ids)
    assert all(len(event.id.encode()) <= 110 for event in events)


class TestEnvelope:
    def test_context_and_integrations_are_merged_into_each_event_whose_own_values_win(self) -> None:
        first, second = batch(
            track(context={"app": {"name": "own", "build": 2}, "ip": "1.2.3.4"}, integrations={"A": True}),
            track(context=None),
            context={"app": {"name": "shared", "version": 1}, "locale": "de", "ip": "9.9.9.9"},
            integrations={"All": False, "A": False},
        )
        assert isinstance(first, Event)
        assert isinstance(second, Event)
        assert first.data["context"] == {
            "app": {"name": "own", "version": 1, "build": 2},
            "locale": "de",
            "ip": "1.2.3.4",
        }
        assert first.data["integrations"] == {"All": False, "A": True}
        assert second.data["context"] == {
            "app": {"name": "shared", "version": 1},
            "locale": "de",
            "ip": "9.9.9.9",
        }
        assert second.data["integrations"] == {"All": False, "A": False}

    @pytest.mark.parametrize("shared", [None, [], "x", 1])
    def test_an_envelope_of_another_kind_takes_no_event_with_it(self, shared: Any) -> None:
        (event,) = batch(track(context={"a": 1}), context=shared, integrations=shared)
        assert isinstance(event, Event)
        assert event.data["context"] == {"a": 1}

    def test_what_is_bad_goes_alone(self) -> None:
        found = batch(track(messageId="a"), None, {"type": "nope"}, track(event=""), track(messageId="b"))
        assert [event.id if isinstance(event, Event) else event.field for event in found] == [
            "a",
            "batch",
            "type",
            "event",
            "b",
        ]

    def test_a_batch_has_room_for_2500_events(self) -> None:
        found = batch(*(track(messageId=str(number)) for number in range(2502)))
        assert [isinstance(event, Event) for event in found] == [True] * 2500 + [False] * 2


DROPPED = {
    "no-identity": ({"userId": None, "anonymousId": None}, "userId"),
    "empty-identity": ({"userId": "", "anonymousId": ""}, "userId"),
    "identity-is-an-object": ({"userId": {"a": 1}}, "userId"),
    "identity-is-true": ({"userId": True}, "userId"),
    "no-name": ({"event": None}, "event"),
    "name-is-a-number": ({"event": 7}, "event"),
    "properties-is-a-list": ({"properties": []}, "properties"),
    "context-is-text": ({"context": "x"}, "context"),
    "integrations-is-true": ({"integrations": True}, "integrations"),
    "unknown-type": ({"type": "TRACK"}, "type"),
    "type-is-a-list": ({"type": ["track"]}, "type"),
    "too-large": ({"properties": {"text": "x" * 33_000}}, "batch"),
    "infinite-number": ({"properties": {"n": 1e999}}, "type"),
}


@pytest.mark.parametrize(("fields", "field"), DROPPED.values(), ids=DROPPED)
def test_dropped_events_say_which_field_and_hide_its_value(fields: dict[str, Any], field: str) -> None:
    (error,) = batch(track(**fields))
    assert isinstance(error, EventError)
    assert error.field == field
    assert "xxx" not in str(error)


IDENTITIES = {
    "user": ({"userId": "42"}, "42"),
    "number": ({"userId": 42}, "42"),
    "anonymous": ({"userId": None, "anonymousId": "a1"}, "a1"),
    "user-before-anonymous": ({"anonymousId": "a1"}, "42"),
    "not-unicode": ({"userId": "4\ud8002\0"}, "4?2\N{REPLACEMENT CHARACTER}"),
}


@pytest.mark.parametrize(("fields", "key"), IDENTITIES.values(), ids=IDENTITIES)
def test_events_of_one_user_share_a_key(fields: dict[str, Any], key: str) -> None:
    (event,) = batch(track(**fields))
    assert isinstance(event, Event)
    assert event.key == key


def test_an_event_may_have_32_kilobytes_before_it_is_completed() -> None:
    size = len(json.dumps(track(properties={"text": ""}), separators=(",", ":")))
    fits, exceeds = batch(
        track(properties={"text": "x" * (32 * 1024 - size)}),
        track(properties={"text": "x" * (32 * 1024 - size + 1)}),
    )
    assert isinstance(fits, Event)
    assert isinstance(exceeds, EventError)


CLOCKS = {
    "right": ("2026-11-24T11:59:30.000Z", "2026-11-24T12:00:00.000Z", "2026-11-24T11:59:30.000Z"),
    "an-hour-slow": ("2026-11-24T10:59:30.000Z", "2026-11-24T11:00:00.000Z", "2026-11-24T11:59:30.000Z"),
    "a-year-fast": ("2027-11-24T11:59:30.000Z", "2027-11-24T12:00:00.000Z", "2026-11-24T11:59:30.000Z"),
    "import-of-the-past": ("2019-01-01T00:00:00Z", "2026-11-24T12:00:00Z", "2019-01-01T00:00:00.000Z"),
    "no-sent-at": ("2026-11-24T10:00:00.000Z", None, "2026-11-24T10:00:00.000Z"),
    "unreadable-sent-at": ("2026-11-24T10:00:00.000Z", "yesterday", "2026-11-24T10:00:00.000Z"),
    "no-timestamp": (None, "2026-11-24T11:00:00.000Z", RECEIVED),
    "unreadable-timestamp": ("yesterday", "2026-11-24T11:00:00.000Z", RECEIVED),
    "impossible-timestamp": ("2026-02-30T25:00:00Z", None, RECEIVED),
    "number": (1764000000000, None, RECEIVED),
    "python": ("2026-11-24T11:59:30.123456+00:00", "2026-11-24T12:00:00+00:00", "2026-11-24T11:59:30.123Z"),
    "zone": ("2026-11-24T13:59:30+02:00", "2026-11-24T12:00:00Z", "2026-11-24T11:59:30.000Z"),
    "zone-without-colon": ("2026-11-24T06:59:30-0500", "2026-11-24T12:00:00Z", "2026-11-24T11:59:30.000Z"),
    "nanoseconds": ("2026-11-24T11:59:30.123456789Z", None, "2026-11-24T11:59:30.123Z"),
    "one-digit-month": ("2026-1-02T00:30:14.984Z", None, "2026-01-02T00:30:14.984Z"),
    "date": ("2026-11-20", None, "2026-11-20T00:00:00.000Z"),
    "first-year": ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00.000Z"),
    "before-the-first-year": ("0001-01-01T00:00:00+10:00", None, RECEIVED),
}


@pytest.mark.parametrize(("timestamp", "sent_at", "expected"), CLOCKS.values(), ids=CLOCKS)
def test_the_clock_of_the_sender_is_corrected(timestamp: Any, sent_at: Any, expected: str) -> None:
    data = one(timestamp=timestamp, sentAt=sent_at)
    assert data["timestamp"] == expected
    assert data["originalTimestamp"] == (timestamp or RECEIVED)
    assert data.get("sentAt") == sent_at
    (event,) = batch(track(timestamp=timestamp), sentAt=sent_at)
    assert isinstance(event, Event)
    assert event.data["timestamp"] == expected


def test_rudderstack_calls_the_time_original_timestamp() -> None:
    data = one(originalTimestamp="2026-11-24T10:59:30Z", sentAt="2026-11-24T11:00:00Z")
    assert data["timestamp"] == "2026-11-24T11:59:30.000Z"
    assert data["originalTimestamp"] == "2026-11-24T10:59:30Z"


def test_the_address_is_filled_in_where_there_is_none() -> None:
    for context, expected in (({}, "9.9.9.9"), (None, "9.9.9.9"), ({"ip": "1.2.3.4"}, "1.2.3.4")):
        (event,) = read(track(context=context), ip="9.9.9.9")
        assert isinstance(event, Event)
        assert event.data["context"]["ip"] == expected


NAME = "Dub (Actions)"
SWITCHES = {
    "none": (None, {NAME: {"dub_id": "clk_1"}}),
    "all-on": ({"All": True}, {"All": True, NAME: {"dub_id": "clk_1"}}),
    "all-off": ({"All": False}, {"All": False}),
    "on": ({"All": False, NAME: True}, {"All": False, NAME: {"dub_id": "clk_1"}}),
    "off": ({NAME: False}, {NAME: False}),
    "options": ({NAME: {"a": 1}}, {NAME: {"a": 1, "dub_id": "clk_1"}}),
    "own-click": ({NAME: {"dub_id": "own"}}, {NAME: {"dub_id": "own"}}),
}


@pytest.mark.parametrize(("given", "expected"), SWITCHES.values(), ids=SWITCHES)
def test_the_click_of_the_cookie_goes_where_the_browser_plugin_puts_it(given: Any, expected: Any) -> None:
    (event,) = read(track(integrations=given), click_id="clk_1")
    assert isinstance(event, Event)
    assert event.data["integrations"] == expected


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
names = st.sampled_from(
    [
        "type",
        "userId",
        "anonymousId",
        "event",
        "context",
        "integrations",
        "properties",
        "timestamp",
        "sentAt",
        "messageId",
    ]
)
calls = st.dictionaries(names, json_values | st.sampled_from(["track", "identify", "2026-11-24"]), max_size=8)


@given(st.lists(calls | json_values, max_size=5), calls)
def test_any_json_gives_one_verdict_an_item(items: list[Any], envelope: dict[str, Any]) -> None:
    found = read({**envelope, "batch": items}, "batch")
    assert len(found) == len(items)
    for event in found:
        assert isinstance(event, Event | EventError)
        if isinstance(event, Event):
            json.loads(event.json)
            (event.id + event.key).encode()

"""Subscriptions read by themselves; `tests/conformance` compares them with Segment's parser."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dub_middleware import FQLError
from dub_middleware.segment import parse_fql

LEAD = 'type = "track" and event = "Sign Up"'
SIGN_UP = {"type": "track", "event": "Sign Up", "properties": {"plan": "pro", "seats": 3}}


def test_selects_what_it_says() -> None:
    subscription = parse_fql(LEAD)
    assert subscription.matches(SIGN_UP)
    assert not subscription.matches({**SIGN_UP, "event": "sign up"})
    assert not subscription.matches({})


@pytest.mark.parametrize("event", [None, "track", 5, ["track"]], ids=repr)
def test_never_selects_what_is_no_object(event: object) -> None:
    assert not parse_fql('type != "page"').matches(event)


@pytest.mark.parametrize(
    ("text", "position", "reason"),
    [
        ('type = "track', 7, "no closing quote"),
        ("properties.seats>5", 16, "cannot follow a name"),
        ('type = "track" & event = "x"', 15, "no part of the language"),
        ('type !="track"', 6, "must be followed by '='"),
        ("properties.seats = 5. ", 21, "digit must follow"),
        ("properties.seats = 1.2.3", 22, "one decimal point"),
        ("type", 4, "type needs an operator and a value"),
        ('type = "a" and (event = "b"', 15, "no counterpart"),
        ('((type = "a"))', 1, "groups cannot be nested"),
        ("type = x and ()", 13, "no condition"),
        ("contains(event", 0, "second argument"),
        ('anonymousId = "x"', 0, "selects nothing"),
        ("type\\", 5, "followed by a character"),
        ("", None, "not empty"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_errors_say_where_and_why(text: str, position: int | None, reason: str) -> None:
    with pytest.raises(FQLError, match=reason) as caught:
        parse_fql(text)
    assert caught.value.position == position


@pytest.mark.parametrize(
    ("text", "english"),
    [
        (LEAD, 'type is "track" and event is "Sign Up"'),
        ("properties.seats >= 5", "properties.seats is a number of at least 5"),
        ("userId != null", "userId is present"),
        ("traits.vip = true", "traits.vip is true"),
        ('match(event, "Sign*")', 'event starts with "Sign"'),
        ('!contains(context.ip, ":")', 'context.ip is text that does not contain ":"'),
        (
            'type = "track" and (event = "A" or event = "B")',
            'type is "track" and (event is "A" or event is "B")',
        ),
        ('type == "track"', 'type is "="'),  # the second = is taken for the value
        ("name and 5", "never (name with 'and', which is no operator)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_describes_itself_in_english(text: str, english: str) -> None:
    assert parse_fql(text).describe() == english


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ('type = "track" and anonymousId = "x"', "anonymousId is no field"),
        ('type = "a" and event = "b" or event = "c"', "read as 'or'"),
        ("type =", "no value"),
        ('type = "a" and (contains(event, "b") or event = "c")', "first closing parenthesis"),
        ('contains(type, "a") or name = "b"', "cannot look at type"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_notes_what_is_not_read_as_it_looks(text: str, note: str) -> None:
    assert any(note in said for said in parse_fql(text).notes)


def test_loads_no_http_client() -> None:
    code = (
        "import sys; from dub_middleware.segment import parse_fql, transform; print('urllib3' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_a_plain_subscription_needs_no_note() -> None:
    assert parse_fql(LEAD).notes == ()


@pytest.mark.parametrize(
    "text", ["(" * 100_000, "!" * 100_000, '"' * 100_001, "a." * 50_000 + "a", "x" * 200_000]
)
def test_a_hostile_text_is_refused(text: str) -> None:
    with pytest.raises(FQLError):
        parse_fql(text)


@settings(max_examples=200)
@given(st.text(st.sampled_from("type=event\"'!()<>.,\\ \n5-[]andorulcim*x😀"), max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        subscription = parse_fql(text)
    except FQLError:
        return
    assert subscription.matches(SIGN_UP) in (True, False)
    assert subscription.describe()

"""Mappings by themselves; `tests/conformance` compares them with Segment's mapping-kit."""

from __future__ import annotations

import json
import math
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dub_middleware import MappingError
from dub_middleware.segment import transform

EVENT: dict[str, Any] = {
    "type": "track",
    "event": "Sign Up",
    "userId": "42",
    "context": {"traits": {"name": "Ada", "email": ""}},
    "properties": {"plan": "pro", "seats": 3, "tags": ["a", None], "ratio": 1.0},
}
GUIDE = {
    "clickId": {"@path": "$.context.traits.clickId"},
    "eventName": {"@path": "$.event"},
    "externalId": {"@path": "$.userId"},
    "customerName": {
        "@if": {
            "exists": {"@path": "$.context.traits.name"},
            "then": {"@path": "$.context.traits.name"},
            "else": {"@path": "$.properties.name"},
        }
    },
    "metadata": {"@path": "$.properties"},
}


def test_fields_that_resolve_to_nothing_are_left_out() -> None:
    assert transform(GUIDE, EVENT) == {
        "eventName": "Sign Up",
        "externalId": "42",
        "customerName": "Ada",
        "metadata": EVENT["properties"],
    }


def test_holes_in_arrays_become_null() -> None:
    assert transform({"a": [{"@path": "$.nothing"}, 1]}, EVENT) == {"a": [None, 1]}


def test_neither_mapping_nor_event_is_changed_or_shared() -> None:
    mapping = {"__segment_internal_directive": {"@transform": {"apply": {"p": {"@path": "$.properties"}}}}}
    mapping |= {"metadata": {"@path": "$.p"}}
    before = json.dumps([mapping, EVENT])
    payload = transform(mapping, EVENT)
    payload["metadata"]["plan"] = "changed"
    payload["metadata"]["tags"].append("b")
    assert json.dumps([mapping, EVENT]) == before


def test_all_that_is_wrong_with_a_mapping_is_said_at_once() -> None:
    with pytest.raises(MappingError) as caught:
        transform({"a": {"@path": 5}, "b": {"c": {"@nope": 1}}}, EVENT)
    assert caught.value.errors == (
        "/a/@path should be a string or a mapping directive but it is a number.",
        "/b/c has an invalid directive: @nope.",
    )


@pytest.mark.parametrize(
    ("mapping", "reason"),
    [
        (None, "must be an object"),
        ([{"@path": "$.a"}], "must be an object"),
        ({"a": datetime(2026, 1, 1, tzinfo=timezone.utc)}, "/a: a value of type datetime is not JSON"),
        ({"a": {5: 1}}, "the key 5, which is no text"),
        ({"a": {"@literal": {1, 2}}}, "a value of type set"),
    ],
    ids=["none", "list", "datetime", "key", "set"],
)
def test_what_is_no_json_is_refused_by_name(mapping: Any, reason: str) -> None:
    with pytest.raises(MappingError, match=reason):
        transform(mapping, EVENT)


@pytest.mark.parametrize("event", [None, [], "text", 5, True], ids=repr)
def test_an_event_is_an_object(event: Any) -> None:
    with pytest.raises(MappingError, match="data must be an object, got"):
        transform({}, event)


@pytest.mark.parametrize(
    "value",
    [{5: "x"}, {"a": {("t",): 1}}, [object()], math],
    ids=["integer key", "tuple key", "object", "module"],
)
def test_an_event_that_is_no_json_is_an_error(value: Any) -> None:
    with pytest.raises(MappingError, match="is not JSON"):
        transform({"a": {"@path": "$.v"}}, {"v": value})


def nested(levels: int, around: Any = None) -> Any:
    value = around
    for _ in range(levels):
        value = {"a": value}
    return value


def chain(levels: int, name: str, end: Any, **options: Any) -> Any:
    value = end
    for _ in range(levels):
        value = {name: {**options, "value": value}} if options else {name: value}
    return value


TRANSFORMS: Any = {"@path": "."}
for _ in range(60):
    TRANSFORMS = {"@transform": {"apply": {"a": {"@path": "."}, "b": {"@path": "."}}, "mapping": TRANSFORMS}}
ROWS: Any = {"@path": "."}
for _ in range(40):
    ROWS = {"@arrayPath": [{"@literal": list(range(10))}, {"x": ROWS}]}


@pytest.mark.parametrize(
    "mapping",
    [
        {"f": TRANSFORMS},
        {"f": ROWS},
        {"f": chain(60, "@json", ['"'], mode="encode")},
        {"f": chain(60, "@template", {"@path": "$.again"})},
        {"f": {"@template": "{{all}}" * 100_000}},
        {"f": chain(60, "@replace", {"@path": "$.text"}, pattern="a", replacement="$`$`$'")},
        {"f": {"@replace": {"pattern": "a", "replacement": "$`", "value": {"@path": "$.text"}}}},
        {"f": [{"@json": {"mode": "encode", "value": {"@path": "$.text"}}}] * 1000},
        {"f": [{"@flatten": {"value": {"@path": "."}, "separator": "x" * 10_000}}] * 1000},
    ],
    ids=[
        "transform",
        "rows",
        "escapes",
        "templates",
        "template",
        "replaces",
        "prefixes",
        "encodes",
        "flattens",
    ],
)
def test_a_mapping_that_asks_for_too_much_is_an_error(mapping: Any) -> None:
    event = {"again": "{{again}}{{again}}", "text": "a" * 10_000, "all": "b" * 1000, "deep": nested(50)}
    with pytest.raises(MappingError, match=r"makes more than 250,000|not supported"):
        transform(mapping, event)


@pytest.mark.parametrize(
    "mapping",
    [
        {"f": {"@path": "$.deep"}},
        {"f": {"@json": {"mode": "encode", "value": {"@path": "$.deep"}}}},
        {"f": {"@json": {"mode": "decode", "value": {"@path": "$.text"}}}},
        {"f": {"@flatten": {"separator": ".", "value": {"@path": "$.deep"}}}},
        {"f": {"@excludeWhenNull": {"@path": "$.deep"}}},
        {"f": {"@template": "{{list}}"}},
        {"f": {"@if": {"blank": {"@path": "$.list"}, "then": 1}}},
        {"f": {"@liquid": "{{ list }}"}},
        {"f": {"@liquid": "{% if list == list %}{% endif %}"}},
        {"f": {"@liquid": "{{ deep | json }}"}},
        nested(5_000),
        {"f": chain(5_000, "@literal", 1)},
    ],
    ids=[
        "path",
        "encode",
        "decode",
        "flatten",
        "nulls",
        "template",
        "blank",
        "liquid",
        "equals",
        "json",
        "mapping",
        "directives",
    ],
)
def test_what_nests_too_deep_is_an_error(mapping: Any) -> None:
    items: Any = ["x"]
    for _ in range(50_000):
        items = [items]
    event = {"deep": nested(50_000), "list": items, "text": "[" * 100_000 + "]" * 100_000}
    with pytest.raises(MappingError, match="deeper than 200 levels"):
        transform(mapping, event)


def test_a_shared_object_is_not_walked_for_ever() -> None:
    node: Any = {"a": 1}
    for _ in range(100):
        node = {"a": node, "b": node}
    with pytest.raises(MappingError, match="not supported"):
        transform(node, EVENT)
    with pytest.raises(MappingError, match="makes more than"):
        transform({"f": {"@path": "."}}, node)


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["$.a", "{{a}}", "."]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc12"), inner, max_size=3),
    max_leaves=12,
)
NAMES = st.sampled_from([
    "@path", "@template", "@literal", "@if", "@case", "@replace", "@arrayPath", "@merge", "@flatten", "@json",
    "@transform", "@excludeWhenNull", "@nope",
])  # fmt: skip
OPTIONS = st.sampled_from([
    "exists", "blank", "then", "else", "operator", "value", "pattern", "replacement", "objects", "direction",
    "separator", "mode", "apply", "mapping",
])  # fmt: skip
MAPPINGS = st.recursive(
    VALUES | st.sampled_from(["encode", "left", "lower", "$.a.b"]),
    lambda inner: (
        st.dictionaries(NAMES, inner, min_size=1, max_size=1)
        | st.builds(lambda name, options: {name: options}, NAMES, st.dictionaries(OPTIONS, inner, max_size=4))
        | st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from("abc1"), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=100)
@given(
    st.dictionaries(st.sampled_from("abcd"), MAPPINGS, max_size=3),
    st.dictionaries(st.sampled_from("abc"), VALUES),
)
def test_any_mapping_gives_json_or_a_documented_error(mapping: dict[str, Any], event: dict[str, Any]) -> None:
    try:
        payload = transform(mapping, event)
    except MappingError:
        return
    json.dumps(payload)

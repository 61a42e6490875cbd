"""Schemas: what zod 4 takes, refuses and says, as Dub's API shows it."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.datastructures import MultiDict

from dub_middleware.server.api.schema import (
    Anything,
    Array,
    Boolean,
    Choice,
    Issue,
    Number,
    Object,
    Record,
    Schema,
    String,
    Union,
    snake_case,
)

INEXACT = "Invalid string: must not contain NUL or half a surrogate pair"


def upper(value: str) -> str:
    if value == "no":
        raise Issue("custom", "not that")
    return value.upper()


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        pytest.param(String(), "x", "x", id="string"),
        pytest.param(String(trim=True), "\ufeff x\u00a0", "x", id="string-trimmed-as-javascript-does"),
        pytest.param(String(), "a\0b\ud83d", "ab\ufffd", id="string-any-database-takes"),
        pytest.param(String(exact=True), "é😀", "é😀", id="string-exact"),
        pytest.param(String(max=2), "😀", "😀", id="string-length-in-utf16"),
        pytest.param(
            String(format="email"), "o'hara+x@mail.example.com", "o'hara+x@mail.example.com", id="email"
        ),
        pytest.param(String(check=upper), "x", "X", id="check-changes"),
        pytest.param(String(nullable=True), None, None, id="null"),
        pytest.param(String(default=None), None, None, id="null-by-default"),
        pytest.param(Number(integer=True), 2.0, 2, id="integer-written-as-float"),
        pytest.param(Number(), 1.5, 1.5, id="number"),
        pytest.param(Number(integer=True, coerce=True), " 7 ", 7, id="number-from-text"),
        pytest.param(Number(coerce=True), "", 0, id="number-from-empty-text"),
        pytest.param(Boolean(), True, True, id="boolean"),
        pytest.param(Boolean(from_text=True), "false", False, id="boolean-from-text"),
        pytest.param(Array(String(), split=True), "a,b", ["a", "b"], id="list-from-text"),
        pytest.param(Record(), {"a": [1]}, {"a": [1]}, id="record"),
        pytest.param(Union((Boolean(), String())), "x", "x", id="union"),
        pytest.param(Anything(), [None], [None], id="anything"),
        pytest.param(Object({"a": String()}), {"a": "x", "b": 1}, {"a": "x"}, id="object-drops-unknown-keys"),
        pytest.param(Object({"a": String(optional=True)}), {}, {}, id="object-optional-stays-missing"),
        pytest.param(Object({"a": String(default="d")}), {}, {"a": "d"}, id="object-default"),
        pytest.param(Object({"a": String(default="d")}).partial(), {}, {}, id="partial-has-no-defaults"),
        pytest.param(
            Object({"a": String(default=None)}).partial(), {"a": None}, {"a": None}, id="partial-keeps-null"
        ),
    ],
)
def test_right_values_are_coerced(schema: Schema, value: Any, expected: Any) -> None:
    assert schema.parse(value) == expected


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        pytest.param(
            Object({}), None, "invalid_type: : Invalid input: expected object, received null", id="null"
        ),
        pytest.param(
            Object({}), [], "invalid_type: : Invalid input: expected object, received array", id="array"
        ),
        pytest.param(
            Object({}), "x", "invalid_type: : Invalid input: expected object, received string", id="string"
        ),
        pytest.param(
            Object({"a": String()}),
            {},
            "invalid_type: a: Invalid input: expected string, received undefined",
            id="missing",
        ),
        pytest.param(
            Object({"a": String(), "b": String()}),
            {"b": 1, "a": 1},
            "invalid_type: a: Invalid input: expected string, received number",
            id="first-issue-in-the-order-of-the-schema",
        ),
        pytest.param(
            Object({"a": Array(Object({"b": Number()}))}),
            {"a": [{"b": 1}, {"b": True}]},
            "invalid_type: a[1].b: Invalid input: expected number, received boolean",
            id="nested-path",
        ),
        pytest.param(
            Object({"geo": Record(values=String(format="url"))}),
            {"geo": {"DE": "x"}},
            "invalid_format: geo.DE: Invalid URL",
            id="record-path",
        ),
        pytest.param(
            String(min=3), "ab", "too_small: : Too small: expected string to have >=3 characters", id="min"
        ),
        pytest.param(String(exact=True), "a\0b", f"invalid_format: : {INEXACT}", id="nul"),
        pytest.param(String(exact=True), "a\ud83d", f"invalid_format: : {INEXACT}", id="half-a-pair"),
        pytest.param(String(min=(1, "name it")), "", "too_small: : name it", id="min-own-text"),
        pytest.param(
            String(max=2), "abc", "too_big: : Too big: expected string to have <=2 characters", id="max"
        ),
        pytest.param(
            String(format="email"), "a@localhost", "invalid_format: : Invalid email address", id="email-host"
        ),
        pytest.param(
            String(format="email"), "a..b@x.com", "invalid_format: : Invalid email address", id="email-dots"
        ),
        pytest.param(
            String(format="email"), "é@x.com", "invalid_format: : Invalid email address", id="email-ascii"
        ),
        pytest.param(
            String(format="email"), "a@x.c", "invalid_format: : Invalid email address", id="email-tld"
        ),
        pytest.param(
            String(format="email"), "a@x.com\n", "invalid_format: : Invalid email address", id="email-newline"
        ),
        pytest.param(String(message="say it"), 1, "invalid_type: : say it", id="own-type-text"),
        pytest.param(String(check=upper), "no", "custom: : not that", id="check"),
        pytest.param(
            Number(integer=True),
            1.5,
            "invalid_type: : Invalid input: expected int, received number",
            id="fraction",
        ),
        pytest.param(Number(integer="whole!"), 1.5, "invalid_type: : whole!", id="fraction-own-text"),
        pytest.param(
            Number(integer=True),
            2**53,
            "too_big: : Too big: expected int to be <=9007199254740991",
            id="unsafe-integer",
        ),
        pytest.param(
            Number(integer=True),
            -(2**53),
            "too_small: : Too small: expected int to be >=-9007199254740991",
            id="unsafe-negative-integer",
        ),
        pytest.param(
            Number(),
            1e400,
            "invalid_type: : Invalid input: expected number, received Infinity",
            id="infinity",
        ),
        pytest.param(Number(above=0), 0, "too_small: : Too small: expected number to be >0", id="above"),
        pytest.param(Number(min=3), 2, "too_small: : Too small: expected number to be >=3", id="least"),
        pytest.param(Number(max=100), 101, "too_big: : Too big: expected number to be <=100", id="most"),
        pytest.param(
            Number(coerce=True),
            "1e",
            "invalid_type: : Invalid input: expected number, received NaN",
            id="not-a-number",
        ),
        pytest.param(
            Boolean(), "x", "invalid_type: : Invalid input: expected boolean, received string", id="boolean"
        ),
        pytest.param(
            Boolean(from_text=True),
            "yes",
            'invalid_value: : Invalid option: expected one of "true"|"false"',
            id="boolean-text",
        ),
        pytest.param(
            Choice(("a", "b")), None, 'invalid_value: : Invalid option: expected one of "a"|"b"', id="choice"
        ),
        pytest.param(Choice(("a",)), "b", 'invalid_value: : Invalid input: expected "a"', id="only-choice"),
        pytest.param(
            Record(), "x", "invalid_type: : Invalid input: expected record, received string", id="record"
        ),
        pytest.param(Array(String(), split=True), 1, "invalid_union: : Invalid input", id="list-or-text"),
        pytest.param(
            Array(String(), max=1),
            ["a", "b"],
            "too_big: : Too big: expected array to have <=1 items",
            id="long-list",
        ),
        pytest.param(Union((Boolean(), Number())), "x", "invalid_union: : Invalid input", id="union"),
    ],
)
def test_wrong_values_are_refused_in_zods_words(schema: Schema, value: Any, message: str) -> None:
    with pytest.raises(Issue) as caught:
        schema.parse(value)
    assert str(caught.value) == message


def test_query_strings_are_read_by_name() -> None:
    schema = Object(
        {
            "page": Number(integer=True, coerce=True, default=1),
            "tagIds": Array(String(), split=True, default=None),
            "search": String(optional=True),
        }
    )
    read = schema.parse_query(MultiDict([("page", "2"), ("page", "3"), ("tagIds", "a,b"), ("tagIds", "c")]))
    assert read == {"page": 3, "tagIds": ["a", "b", "c"]}
    assert schema.parse_query(MultiDict()) == {"page": 1, "tagIds": None}
    with pytest.raises(Issue, match=r"^invalid_type: page: "):
        schema.parse_query(MultiDict([("page", "x")]))


def test_schemas_describe_themselves() -> None:
    tag = Object({"name": String(min=1, max=50, doc="Its name.")}, name="Tag")
    schema = Object(
        {
            "tag": tag,
            "mode": Choice(("a", "b"), default="a"),
            "color": Choice(("red",), default=None),
            "count": Number(integer=True, above=0, max=100, optional=True, deprecated=True),
            "tagIds": Array(String(), split=True, default=None),
            "more": Record(values=String(format="url"), optional=True),
        }
    )
    components: dict[str, Any] = {}
    assert schema.openapi(components) == {
        "type": "object",
        "properties": {
            "tag": {"$ref": "#/components/schemas/Tag"},
            "mode": {"type": "string", "enum": ["a", "b"], "default": "a"},
            "color": {"type": ["string", "null"], "enum": ["red", None], "default": None},
            "count": {"type": "integer", "exclusiveMinimum": 0, "maximum": 100, "deprecated": True},
            "tagIds": {
                "anyOf": [
                    {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
                    {"type": "null"},
                ],
                "default": None,
            },
            "more": {"type": "object", "additionalProperties": {"type": "string", "format": "uri"}},
        },
        "required": ["tag"],
    }
    assert components == {
        "Tag": {
            "type": "object",
            "properties": {
                "name": {"type": "string", "minLength": 1, "maxLength": 50, "description": "Its name."}
            },
            "required": ["name"],
        }
    }


def test_names_on_the_wire_become_names_of_the_store() -> None:
    assert snake_case({"trackConversion": 1, "utm_source": 2}) == {"track_conversion": 1, "utm_source": 2}

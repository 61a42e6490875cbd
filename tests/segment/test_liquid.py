"""Liquid in mappings; `tests/conformance` compares it with LiquidJS."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dub_middleware import MappingError
from dub_middleware.segment import transform

EVENT: dict[str, Any] = {
    "event": "Sign Up",
    "properties": {"revenue": 19.99, "text": "a" * 5000, "list": ["x", None, 2], "nothing": None},
}


def render(template: str, event: dict[str, Any] | None = None) -> Any:
    return transform({"f": {"@liquid": template}}, EVENT if event is None else event)["f"]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ properties.revenue | times: 100 | round }}", "1999"),
        ("{{ properties.revenue | times: 100 }}", "1998.9999999999998"),
        ("{{ properties.missing | times: 100 | round }}", "0"),
        ("{{ event | downcase | replace: ' ', '_' }}", "sign_up"),
        ("{{ properties.nothing | default: 'none' }}", "none"),
        ("{% if event == 'Sign Up' %}lead{% else %}other{% endif %}", "lead"),
        ("{{ properties.list }}|{{ properties.list | json }}", 'x2|["x",null,2]'),
        ("", ""),
    ],
    ids=lambda value: value or "empty",
)
def test_renders_as_javascript_counts(template: str, expected: str) -> None:
    assert render(template) == expected


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{% for i in list %}{% endfor %}", 'tag "for" is disabled'),
        ("{% cycle 'a', 'b' %}", 'tag "cycle" is not supported'),
        ("{{ list | map: 'x' }}", 'filter "map" is disabled'),
        ("{{ 'now' | date: '%Y' }}", 'filter "date" is not supported'),
        ("{{ list | json: 2 }}", "json with an indent is not supported"),
        ("{{ a | append: b: 1 }}", "named arguments is not supported"),
        ("{{ (1..3) }}", "not supported"),
        ("{% if a <> b %}{% endif %}", "the operator <> is not supported"),
        ("{% if a %}", "not supported"),
        ("{{ a | }}", "not supported"),
        ("{{ " + "a[" * 300 + "a" + "]" * 300 + " }}", "not supported"),
        ("x" * 1001, "limited to 1000 characters"),
        ("\U0001f600" * 501, "limited to 1000 characters"),
    ],
    ids=lambda value: value[:30],
)
def test_what_is_not_supported_is_refused_by_name_before_there_is_an_event(
    template: str, reason: str
) -> None:
    with pytest.raises(MappingError, match=reason) as caught:
        transform({"customerName": {"@liquid": template}}, {})
    assert str(caught.value).startswith("/customerName/@liquid cannot be rendered: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "template",
    [
        "{% assign a = properties.text %}" + "{% assign a = a | append: a %}" * 30 + "{{ a }}",
        "{% assign a = properties.text %}" + "{% assign a = a | replace: '', a %}" * 3 + "{{ a | size }}",
        "{% assign a = properties.text | split: '' %}{{ a | join: properties.text }}",
        "{{ properties.text | url_encode }}" * 29,
        "{% capture a %}{{ properties.text }}{% endcapture %}"
        + "{% capture a %}{{a}}{{a}}{% endcapture %}" * 20,
    ],
    ids=["append", "replace", "join", "encode", "capture"],
)
def test_a_template_that_asks_for_too_much_is_an_error(template: str) -> None:
    with pytest.raises(MappingError, match="makes more than 250,000"):
        render(template, {"properties": {"text": " " * 5000}})


def test_blocks_nest_to_a_limit() -> None:
    with pytest.raises(MappingError, match="not supported"):
        render("{% if a %}" * 40 + "{% endif %}" * 40)


def test_the_library_behind_it_loads_when_a_mapping_needs_it() -> None:
    code = (
        "import sys; from dub_middleware.segment import DubActions; "
        "DubActions('dub_key', outbox=None).plan({}); assert 'liquid' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


PIECES = st.sampled_from([
    "{{", "}}", "{%", "%}", "{{-", "-%}", " if ", "endif", "else", "assign a = ", "capture a", "endcapture",
    "comment", "event", "properties.list", ".size", "[0]", "[", "]", " | ", "upcase", "times: ", "2", "-1",
    "'x'", '"', " == ", "nil", " contains ", " and ", "round", "slice: ", ", ", "split: ''", "join", "raw",
    "endraw", "echo ", "liquid ", "\n", "#",
])  # fmt: skip


@settings(max_examples=150)
@given(st.lists(PIECES, max_size=14).map("".join))
def test_any_template_renders_text_or_gives_a_documented_error(template: str) -> None:
    with contextlib.suppress(MappingError):
        assert isinstance(render(template), str)

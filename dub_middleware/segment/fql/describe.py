"""A condition in English."""

from __future__ import annotations

from typing import Any

from dub_middleware.segment.fql.evaluate import predicate, value_at
from dub_middleware.segment.fql.parser import Condition, Group
from dub_middleware.segment.javascript import UNDEFINED, stringify, to_string

_PHRASES = {
    "=": "is",
    "!=": "is not",
    "number_equals": "is the number",
    "number_not_equals": "is a number other than",
    "<": "is a number below",
    "<=": "is a number of at most",
    ">": "is a number above",
    ">=": "is a number of at least",
    "contains": "contains",
    "not_contains": "is text that does not contain",
    "starts_with": "starts with",
    "not_starts_with": "is text that does not start with",
    "ends_with": "ends with",
    "not_ends_with": "is text that does not end with",
    "exists": "is present",
    "not_exists": "is absent",
    "is_true": "is true",
    "is_false": "is false",
}
_WITHOUT_VALUE = ("exists", "not_exists", "is_true", "is_false")
_NUMERIC = ("number_equals", "number_not_equals", "<", "<=", ">", ">=")


def describe(node: Condition | Group) -> str:
    """Return the condition as part of a sentence: ``type is "track" and event is "Sign Up"``."""
    if isinstance(node, Condition):
        return _condition(node)
    parts = [
        f"({describe(child)})" if isinstance(child, Group) and len(node.children) > 1 else describe(child)
        for child in node.children
    ]
    return f" {node.join} ".join(parts)


def _condition(condition: Condition) -> str:
    field = ".".join(condition.path)
    phrase = _PHRASES.get(condition.operator)
    if phrase is None:
        return f"never ({field} with {condition.operator!r}, which is no operator)"
    if condition.operator in _WITHOUT_VALUE:
        return f"{field} {phrase}"
    value = to_string(condition.value)
    return f"{field} {phrase} {value}" if condition.operator in _NUMERIC else f'{field} {phrase} "{value}"'


def explain(node: Group, event: dict[str, Any]) -> list[tuple[bool, str]]:
    """Return for each condition of the upper level whether it holds, and what it says, in English."""
    return [_explained(child, event) for child in node.children]


def _explained(child: Condition | Group, event: dict[str, Any]) -> tuple[bool, str]:
    holds = predicate(child)(event)
    if holds or isinstance(child, Group):
        return holds, describe(child)
    value = value_at(child, event)
    found = "it is absent" if value is UNDEFINED else f"it is {_shortened(stringify(value))}"
    return holds, f"{describe(child)} ({found})"


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."

"""A condition as a predicate over events."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

from dub_middleware.segment.fql.parser import Condition, Group
from dub_middleware.segment.javascript import (
    UNDEFINED,
    is_number,
    property_of,
    read,
    to_double,
    to_number,
    to_string,
    units,
)

Event = dict[str, Any]
Predicate = Callable[[Event], bool]
Test = Callable[[Any], bool]


def predicate(node: Condition | Group) -> Predicate:
    """Return the function that says whether an event matches."""
    if isinstance(node, Condition):
        return _condition(node)
    parts = tuple(predicate(child) for child in node.children)
    if len(parts) == 1:
        return parts[0]
    combine = all if node.join == "and" else any
    if len(parts) == 2:
        first, second = parts
        if node.join == "and":
            return lambda event: first(event) and second(event)
        return lambda event: first(event) or second(event)
    return lambda event: combine(part(event) for part in parts)


def value_at(condition: Condition, event: Event) -> Any:
    """Return the value that a condition is about; `UNDEFINED` when the event has none."""
    return read(event, _keys(condition))


def _condition(condition: Condition) -> Predicate:
    test = _test(condition.operator, condition.value)
    head, *keys = _keys(condition)
    if not keys:
        return lambda event: test(event.get(head, UNDEFINED))
    if len(keys) == 1:
        key = keys[0]
        return lambda event: test(property_of(event.get(head, UNDEFINED), key))
    return lambda event: test(read(event.get(head, UNDEFINED), keys))


def _keys(condition: Condition) -> list[str]:
    return [condition.path[0], *re.findall(r"[^[.\]]+", ".".join(condition.path[1:]))]


def _test(name: str, expected: Any) -> Test:
    if name in _FIXED:
        return _FIXED[name]
    if name in _COMPARED:
        compare, number = _COMPARED[name], to_double(to_number(expected))
        return lambda actual: is_number(actual) and compare(to_double(actual), number)
    text = to_string(expected)
    if name == "=":
        return lambda actual: bool(actual == text)
    if name == "!=":
        return lambda actual: bool(actual != text)
    positive = name.removeprefix("not_")
    if positive in _SEARCHED:
        search, wanted, piece = _SEARCHED[positive], positive == name, units(text)
        return lambda actual: isinstance(actual, str) and search(units(actual), piece) is wanted
    return lambda actual: False  # an operator that the language does not have


_FIXED: dict[str, Test] = {
    "exists": lambda actual: actual is not None and actual is not UNDEFINED,
    "not_exists": lambda actual: actual is None or actual is UNDEFINED,
    "is_true": lambda actual: actual is True,
    "is_false": lambda actual: actual is False,
}
_COMPARED: dict[str, Callable[[float, float], bool]] = {
    "number_equals": operator.eq,
    "number_not_equals": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_SEARCHED: dict[str, Callable[[str, str], bool]] = {
    "contains": operator.contains,
    "starts_with": str.startswith,
    "ends_with": str.endswith,
}

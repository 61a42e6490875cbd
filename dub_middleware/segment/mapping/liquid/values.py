"""Values as LiquidJS sees them."""

from __future__ import annotations

import re
from typing import Any, Final

from dub_middleware.segment.javascript import (
    MAX_DEPTH,
    UNDEFINED,
    WHITESPACE,
    property_of,
    to_double,
    to_number,
    to_string,
    too_deep,
    truthy,
    units,
)

__all__ = [
    "BLANK",
    "EMPTY",
    "NIL",
    "Special",
    "equals",
    "is_nil",
    "is_true",
    "number",
    "plain",
    "read_property",
    "text",
]

_BLANK = re.compile(f"[{re.escape(WHITESPACE)}]*")


class Special:
    """A word of the language that compares in a way of its own."""

    def __init__(self, value: Any) -> None:
        self.value = value


NIL: Final = Special(None)
EMPTY: Final = Special("")
BLANK: Final = Special("")


def plain(value: Any) -> Any:
    """Return the value that a special word stands for elsewhere than in comparisons."""
    return value.value if isinstance(value, Special) else value


def is_nil(value: Any) -> bool:
    """Return whether there is nothing."""
    value = plain(value)
    return value is None or value is UNDEFINED


def is_true(value: Any) -> bool:
    """Return whether a condition holds: only nothing and false are false."""
    return not is_nil(value) and plain(value) is not False


def text(value: Any, depth: int = 0) -> str:
    """Return what is printed for a value."""
    value = plain(value)
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)):
        if depth > MAX_DEPTH:
            raise too_deep()
        return "".join([text(item, depth + 1) for item in value])
    return "" if is_nil(value) else to_string(value)


def number(value: Any) -> float:
    """Return the double that a filter calculates with; 0 for what is no number."""
    found = to_double(to_number(plain(value)))
    return found if found == found else 0.0


def equals(left: Any, right: Any, depth: int = 0) -> bool:
    """Return ``left == right``: types are not converted, arrays are compared by items."""
    if isinstance(left, Special):
        return _equals_special(left, right)
    if isinstance(right, Special):
        return _equals_special(right, left)
    if isinstance(left, (list, tuple)):
        if depth > MAX_DEPTH:
            raise too_deep()
        if not isinstance(right, (list, tuple)) or len(left) != len(right):
            return False
        return all(equals(mine, other, depth + 1) for mine, other in zip(left, right, strict=True))
    if isinstance(left, (dict, bool)) or isinstance(right, (dict, bool)):
        return left is right  # an object equals itself only
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        return to_double(left) == to_double(right)
    return type(left) is type(right) and bool(left == right)


def _equals_special(special: Special, value: Any) -> bool:
    if special is NIL:
        return is_nil(value)
    if special is BLANK:
        if value is False or is_nil(value):
            return True
        if isinstance(value, str):
            return _BLANK.fullmatch(value) is not None
    return isinstance(value, (str, list, tuple, dict)) and not value


def read_property(value: Any, key: Any) -> Any:
    """Return a property: a key or an index, or ``size``, ``first`` and ``last``."""
    value, key = plain(value), plain(key)
    if is_nil(value):
        return value
    is_array = isinstance(value, (list, tuple))
    if is_array and isinstance(key, (int, float)) and not isinstance(key, bool):
        at = key + len(value) if key < 0 else key
        return value[int(at)] if 0 <= at < len(value) and at == int(at) else UNDEFINED
    name = to_string(key)
    found = property_of(value, name) if truthy(value) else UNDEFINED
    if found is not UNDEFINED:
        return found
    if name == "size" or (name == "length" and value == ""):
        return _size(value)
    if is_array and value and name in ("first", "last"):
        return value[0 if name == "first" else -1]
    return UNDEFINED


def _size(value: Any) -> Any:
    if isinstance(value, str):
        return len(units(value))
    return len(value) if isinstance(value, (list, tuple, dict)) else UNDEFINED

"""Types, truth and properties."""

from __future__ import annotations

import re
from collections.abc import ItemsView, Iterable
from typing import Any, Final

from dub_middleware.errors import MappingError

MAX_DEPTH = 200  # levels of nesting, in a mapping as in a value; what is deeper is an error

_INDEX = re.compile(r"0|[1-9][0-9]*")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_MAX_INDEX = 2**32 - 2  # larger integers are ordinary keys


class Undefined:
    """The type of `UNDEFINED`."""

    def __repr__(self) -> str:
        return "UNDEFINED"

    def __bool__(self) -> bool:
        return False


UNDEFINED: Final = Undefined()


def too_deep() -> MappingError:
    """Return the error for a value that nests deeper than is supported."""
    return MappingError(f"nested deeper than {MAX_DEPTH} levels, which is not supported")


def type_of(value: Any) -> str:
    """Return ``object``, ``array``, ``string``, ``number``, ``boolean``, ``null`` or ``undefined``.

    Raises `MappingError` for a value that JSON does not have.
    """
    name = _TYPES.get(type(value))
    if name is None:
        name = next((name for kind, name in _TYPES.items() if isinstance(value, kind)), None)
    if name is None:
        raise MappingError(f"a value of type {type(value).__name__} is not JSON")
    return name


_TYPES: dict[type, str] = {
    dict: "object",
    list: "array",
    tuple: "array",
    str: "string",
    bool: "boolean",
    int: "number",
    float: "number",
    type(None): "null",
    Undefined: "undefined",
}


def is_number(value: Any) -> bool:
    """Return whether ``value`` is a number; True and False are not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def truthy(value: Any) -> bool:
    """Return whether ``value`` counts as true: empty arrays and objects do, NaN does not."""
    if isinstance(value, (dict, list, tuple)):
        return True
    return bool(value) and value == value


def property_of(value: Any, key: str) -> Any:
    """Return ``value && value[key]``: what is falsy is returned itself, what is missing is `UNDEFINED`."""
    if isinstance(value, dict):
        return value.get(key, UNDEFINED)
    if not truthy(value):
        return value
    if isinstance(value, (list, tuple)):
        if key == "length":
            return len(value)
        at = int(key) if len(key) < 10 and _INDEX.fullmatch(key) else len(value)
        return value[at] if at < len(value) else UNDEFINED
    if isinstance(value, str):
        return property_of(list(units(value)), key)
    return UNDEFINED


def read(value: Any, keys: Iterable[str]) -> Any:
    """Return what a path of property names leads to."""
    for key in keys:
        value = value.get(key, UNDEFINED) if type(value) is dict else property_of(value, key)
    return value


def entries(value: dict[str, Any]) -> ItemsView[str, Any]:
    """Return the items in JavaScript's order: integer-like keys first, ascending."""
    for key in value:
        if key[:1].isdecimal():
            break
    else:
        return value.items()
    indices = sorted((k for k in value if _is_index(k)), key=int)
    return ({k: value[k] for k in indices} | value).items() if indices else value.items()


def _is_index(key: str) -> bool:
    return len(key) <= 10 and _INDEX.fullmatch(key) is not None and int(key) <= _MAX_INDEX


def units(text: str) -> str:
    """Return ``text`` with one character for each UTF-16 unit, as JavaScript counts and indexes them."""
    if text.isascii() or max(text) < "\U00010000":
        return text
    return "".join(
        char
        if char < "\U00010000"
        else chr(0xD800 + (ord(char) - 0x10000 >> 10)) + chr(0xDC00 + (ord(char) & 0x3FF))
        for char in text
    )


def whole(text: str) -> str:
    """Return ``text`` with the pairs of UTF-16 units that belong together as one character again."""
    if text.isascii() or _PAIR.search(text) is None:
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")

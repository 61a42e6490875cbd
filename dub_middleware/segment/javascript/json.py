"""JSON as JavaScript writes and reads it."""

from __future__ import annotations

import json
import math
import re
from json.encoder import encode_basestring
from typing import Any

from dub_middleware.errors import MappingError
from dub_middleware.segment.javascript.text import to_string
from dub_middleware.segment.javascript.values import MAX_DEPTH, UNDEFINED, entries, too_deep

_SURROGATE = re.compile("[\ud800-\udfff]")


def stringify(value: Any) -> str:
    """Return ``JSON.stringify(value)``; ``value`` is not `UNDEFINED` itself.

    Raises `MappingError` for a value that is no JSON or nests too deep.
    """
    try:
        text = _stringify(value, 0)
    except TypeError:
        raise MappingError("an object with a key that is no text is not JSON") from None
    if text.isascii():
        return text
    return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _stringify(value: Any, depth: int) -> str:
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, dict):
        if depth > MAX_DEPTH:
            raise too_deep()
        members = [
            f"{encode_basestring(key)}:{_stringify(item, depth + 1)}"
            for key, item in entries(value)
            if item is not UNDEFINED
        ]
        return f"{{{','.join(members)}}}"
    if isinstance(value, (list, tuple)):
        if depth > MAX_DEPTH:
            raise too_deep()
        return f"[{','.join([_stringify(item, depth + 1) for item in value])}]"
    if value is None or value is UNDEFINED:
        return "null"
    if isinstance(value, float) and not math.isfinite(value):
        return "null"
    return _as_finite(to_string(value))


def _as_finite(text: str) -> str:
    return "null" if text.endswith("Infinity") else text


def parse_json(text: str) -> Any:
    """Return ``JSON.parse(text)``. Raises ValueError where that throws.

    Raises `MappingError` for what nests too deep.
    """
    try:
        return json.loads(text, parse_int=_parse_integer, parse_constant=_refuse)
    except RecursionError:
        raise too_deep() from None


def _parse_integer(text: str) -> float:
    return int(text) if len(text) < 16 else float(text)


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")

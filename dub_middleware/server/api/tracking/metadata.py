"""Metadata of leads and sales: how much is kept, and in a form that every database and reader of JSON takes.

Whoever has the publishable key, which is everybody, can send it; what one event holds must not break the
lists, queries and webhooks that it is a part of.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from dub_middleware.server.api.schema import Issue, Values
from dub_middleware.server.api.schema.scalars import storable

MAX_CHARACTERS = 10_000  # of JSON, counted as JavaScript does
MAX_DEPTH = 100  # objects and arrays inside each other

_ODD = re.compile(r"Infinity|\\u0000|[\ud800-\udfff]|\d{309}")


def kept(metadata: Values) -> Values:
    """Return what is stored. Raises `Issue` for more than that may be."""
    text = json.dumps(metadata, ensure_ascii=False, separators=(",", ":"))
    size = len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2
    if size > MAX_CHARACTERS:
        raise Issue("custom", "Metadata must be less than 10,000 characters when stringified")
    if text.count("{") + text.count("[") > MAX_DEPTH and _depth(metadata) > MAX_DEPTH:
        raise Issue("custom", f"Metadata must not be nested deeper than {MAX_DEPTH} levels")
    mended: Values = _mended(metadata) if _ODD.search(text) else metadata
    return mended


def _depth(metadata: Values) -> int:
    depth = 0
    level: list[Any] = [metadata]
    while level:
        depth += 1
        inner = (item for value in level for item in (value.values() if isinstance(value, dict) else value))
        level = [item for item in inner if isinstance(item, (dict, list))]
    return depth


def _mended(value: Any) -> Any:
    """Without NUL and halves of characters; null for a number beyond JavaScript's, as it writes it."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable(key): _mended(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_mended(item) for item in value]
    if isinstance(value, (int, float)) and abs(value) > sys.float_info.max:
        return None
    return value

"""The rules of JavaScript that show in what Segment sends: numbers, strings, truth, properties.

Values are those of parsed JSON, plus `UNDEFINED`, which is not the same as None (null). An int stands for the
double nearest to it. What JavaScript objects inherit (``toString``, ``constructor``, the methods of arrays)
does not exist here.
"""

from __future__ import annotations

from dub_middleware.segment.javascript.json import parse_json, stringify
from dub_middleware.segment.javascript.text import WHITESPACE, loosely_equals, to_double, to_number, to_string
from dub_middleware.segment.javascript.values import (
    MAX_DEPTH,
    UNDEFINED,
    entries,
    is_number,
    property_of,
    read,
    too_deep,
    truthy,
    type_of,
    units,
    whole,
)

__all__ = [
    "MAX_DEPTH",
    "UNDEFINED",
    "WHITESPACE",
    "entries",
    "is_number",
    "loosely_equals",
    "parse_json",
    "property_of",
    "read",
    "stringify",
    "to_double",
    "to_number",
    "to_string",
    "too_deep",
    "truthy",
    "type_of",
    "units",
    "whole",
]

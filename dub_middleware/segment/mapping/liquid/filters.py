"""LiquidJS's filters: the ones of values and numbers; those of text are in a module of their own."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

from dub_middleware.errors import MappingError
from dub_middleware.segment.javascript import (
    UNDEFINED,
    is_number,
    stringify,
    to_double,
    to_number,
    to_string,
    truthy,
    units,
)
from dub_middleware.segment.mapping.liquid.strings import STRINGS
from dub_middleware.segment.mapping.liquid.values import Special, is_nil, is_true, number, plain, text
from dub_middleware.segment.mapping.nodes import Work

__all__ = ["DISABLED", "FILTERS", "UNSUPPORTED", "Filter"]

#: (work, value, arguments) → value; arguments that are missing are `UNDEFINED`
Filter = Callable[..., Any]

# What Segment itself refuses, and what LiquidJS has and is not supported here. Any other name that is not a
# filter gives its value through, in LiquidJS as here.
DISABLED = frozenset(
    {"array_to_sentence_string", "concat", "find", "find_exp", "find_index", "find_index_exp", "group_by"}
    | {"group_by_exp", "has", "has_exp", "map", "newline_to_br", "reject", "reject_exp", "reverse", "sort"}
    | {"sort_natural", "uniq", "where_exp", "type"}
)
UNSUPPORTED = frozenset(
    {"base64_decode", "base64_encode", "cgi_escape", "date", "date_to_long_string", "date_to_rfc822"}
    | {"date_to_string", "date_to_xmlschema", "hmac_sha256", "inspect", "number_of_words", "pop", "push"}
    | {"sample", "sha256", "shift", "slugify", "strip_html", "sum", "unshift", "uri_escape", "where"}
)

MEMORY_LIMIT = 1e8  # Segment's; asking for that many characters is an error, whether or not they are there
_FAR = 2.0**31  # beyond the end of any text

# -- numbers -----------------------------------------------------------------------------------------


def _calculate(function: Callable[..., float], *, least: int) -> Filter:
    """Make a filter of a function over doubles, which gets NaN for arguments that are not there."""

    def apply(work: Work, value: Any, *arguments: Any) -> float:
        numbers = [number(value), *map(number, arguments)]
        numbers += [math.nan] * (least - len(numbers))
        return function(*numbers)

    return apply


def _divided(value: float, by: float, as_integer: float = 0.0, *_: float) -> float:
    if by:
        result = value / by
    else:
        result = math.nan if not value or value != value else math.copysign(math.inf, value) * _sign(by)
    return _floor(result) if as_integer else result


def _sign(value: float) -> float:
    return math.copysign(1.0, value)


def _modulo(value: float, by: float, *_: float) -> float:
    return _remainder(_remainder(value, by) + by, by)


def _remainder(value: float, by: float) -> float:
    if not by or value != value or by != by or math.isinf(value):
        return math.nan
    return math.fmod(value, by)


def _floor(value: float, *_: float) -> float:
    return float(math.floor(value)) if math.isfinite(value) else value


def _ceil(value: float, *_: float) -> float:
    return float(math.ceil(value)) if math.isfinite(value) else value


def _extreme(choose: Callable[[tuple[float, ...]], float]) -> Callable[..., float]:
    return lambda *values: math.nan if any(v != v for v in values) else choose(values)


def _round(work: Work, value: Any, digits: Any = UNDEFINED, *_: Any) -> float:
    amplifier = _power_of_ten(number(digits))
    scaled = number(value) * amplifier * (1 + sys.float_info.epsilon)
    if math.isfinite(scaled):
        whole = math.floor(scaled)
        scaled = float(whole + (scaled - whole >= 0.5))
    return _divided(scaled, amplifier)


def _power_of_ten(exponent: float) -> float:
    try:
        return math.pow(10.0, exponent)
    except OverflowError:
        return math.inf


_NUMBERS: dict[str, Filter] = {
    "abs": _calculate(lambda value, *_: abs(value), least=1),
    "at_least": _calculate(_extreme(max), least=1),
    "at_most": _calculate(_extreme(min), least=1),
    "ceil": _calculate(_ceil, least=1),
    "divided_by": _calculate(_divided, least=2),
    "floor": _calculate(_floor, least=1),
    "minus": _calculate(lambda value, other, *_: value - other, least=2),
    "modulo": _calculate(_modulo, least=2),
    "plus": _calculate(lambda value, other, *_: value + other, least=2),
    "round": _round,
    "times": _calculate(lambda value, other, *_: value * other, least=2),
    "to_integer": lambda work, value, *_: to_number(plain(value)),
}


# -- values ------------------------------------------------------------------------------------------


def _default(work: Work, value: Any, fallback: Any = UNDEFINED, *_: Any, allow_false: Any = UNDEFINED) -> Any:
    value = plain(value)
    if isinstance(value, (str, list, tuple)):
        return value if value else fallback
    if value is False and truthy(plain(allow_false)):
        return False
    return value if is_true(value) else fallback


def _json(work: Work, value: Any, *_: Any) -> Any:
    if isinstance(value, Special):
        return "{}"  # LiquidJS shows the object that it has for nil and empty
    return UNDEFINED if value is UNDEFINED else stringify(value)


def _size(work: Work, value: Any, *_: Any) -> Any:
    value = plain(value)
    if isinstance(value, str):
        return len(units(value))
    if isinstance(value, (list, tuple)):
        return len(value)
    length = value.get("length") if isinstance(value, dict) else None
    return length if truthy(length) else 0


def _end(at: int) -> Filter:
    def apply(work: Work, value: Any, *_: Any) -> Any:
        value = plain(value)
        if isinstance(value, str):
            value = list(units(value))
            return value[at] if value else ""
        if isinstance(value, (list, tuple)):
            return value[at] if value else UNDEFINED
        if isinstance(value, dict) and is_number(value.get("length")):  # taken for an array
            return value.get(to_string(at if at >= 0 else value["length"] + at), UNDEFINED)
        return ""

    return apply


def _join(work: Work, value: Any, separator: Any = UNDEFINED, *_: Any) -> str:
    value = plain(value)
    items = value if isinstance(value, (list, tuple)) else [] if is_nil(value) else [value]
    between = " " if is_nil(separator) else text(separator)
    work.spend(len(between) * len(items))
    return between.join("" if item is None or item is UNDEFINED else to_string(item) for item in items)


def _slice(work: Work, value: Any, begin: Any = UNDEFINED, length: Any = UNDEFINED, *_: Any) -> Any:
    value, begin, length = plain(value), plain(begin), 1 if length is UNDEFINED else plain(length)
    if is_nil(value):
        return []
    items = list(value) if isinstance(value, (list, tuple)) else units(text(value))
    if to_double(to_number(begin)) < 0:
        begin = _sum(len(items), begin)
    if to_double(to_number(begin)) < 0 or to_double(to_number(length)) < 0:
        return items[:0]
    if to_number(length) > MEMORY_LIMIT:
        raise MappingError("memory alloc limit exceeded")
    return items[_integer(begin) : _integer(_sum(begin, length))]


def _sum(left: Any, right: Any) -> Any:
    """Return ``left + right``, which joins texts and whatever is shown as text."""
    if isinstance(left, (str, list, tuple, dict)) or isinstance(right, (str, list, tuple, dict)):
        return to_string(left) + to_string(right)
    return to_double(to_number(left)) + to_double(to_number(right))


def _integer(value: Any) -> int:
    """Return a position; 0 for what is no number."""
    number = to_double(to_number(value))
    return 0 if number != number else int(max(-_FAR, min(number, _FAR)))


def _compact(work: Work, value: Any, *_: Any) -> Any:
    value = plain(value)
    items = value if isinstance(value, (list, tuple)) else [] if is_nil(value) else [value]
    return [item for item in items if not is_nil(item)]


_VALUES: dict[str, Filter] = {
    "compact": _compact,
    "default": _default,
    "first": _end(0),
    "join": _join,
    "json": _json,
    "jsonify": _json,
    "last": _end(-1),
    "raw": lambda work, value, *_: value,
    "size": _size,
    "slice": _slice,
}

FILTERS: dict[str, Filter] = {**_NUMBERS, **_VALUES, **STRINGS}

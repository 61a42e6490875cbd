"""Numbers and strings, and each as the other."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any, Final

from dub_middleware.segment.javascript.values import MAX_DEPTH, UNDEFINED, too_deep, type_of

WHITESPACE: Final = (
    "\t\n\v\f\r \xa0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff"
    "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
)
_DECIMAL = re.compile(r"[+-]?(?:Infinity|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)")
_RADIX = re.compile(r"0(?:[xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)")


def to_double(value: float) -> float:
    """Return the double nearest to a number."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def to_string(value: Any, depth: int = 0) -> str:
    """Return ``String(value)``: arrays joined by commas, objects as ``[object Object]``."""
    if isinstance(value, str):
        return value
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return _number_to_string(value)
    if isinstance(value, (list, tuple)):
        if depth > MAX_DEPTH:
            raise too_deep()
        return ",".join("" if i is None or i is UNDEFINED else to_string(i, depth + 1) for i in value)
    if value is None:
        return "null"
    return "[object Object]" if type_of(value) == "object" else "undefined"


def _number_to_string(value: float) -> str:
    if isinstance(value, int) and -(2**53) <= value <= 2**53:
        return int.__repr__(value)
    double = to_double(value)
    if double != double:
        return "NaN"
    if math.isinf(double):
        return "Infinity" if double > 0 else "-Infinity"
    if double == 0:
        return "0"
    if 1e21 > abs(double) >= 1e-6:
        # the shortest digits that read back as this double, as both languages have them, without exponent
        text = format(Decimal(repr(double)), "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    mantissa, _, exponent = repr(double).partition("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent):+d}"


def to_number(value: Any) -> float:
    """Return ``Number(value)``; NaN for what is no number."""
    if value is None or value is False:
        return 0
    if value is True:
        return 1
    if isinstance(value, (int, float)):
        return value
    if value is UNDEFINED or isinstance(value, dict):
        return math.nan
    return _parse_number(to_string(value).strip(WHITESPACE))


def _parse_number(text: str) -> float:
    if not text:
        return 0
    if _DECIMAL.fullmatch(text):
        double = float(text)
    elif _RADIX.fullmatch(text):
        double = to_double(int(text, 0))
    else:
        return math.nan
    # an int where it is the same number, for those who look at a body in Python
    return int(double) if double.is_integer() and abs(double) <= 2**53 else double


def loosely_equals(value: Any, text: str) -> bool:
    """Return ``value == text`` as JavaScript compares a value of any type with a string."""
    if isinstance(value, str):
        return value == text
    if value is None or value is UNDEFINED:
        return False
    if isinstance(value, (bool, int, float)):
        return to_number(value) == to_number(text)
    return to_string(value) == text

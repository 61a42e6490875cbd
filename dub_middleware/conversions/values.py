"""The values of an event's fields, each checked against a rule; what breaks it is an `EventError`."""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Mapping
from typing import Any

from dub_middleware.errors import EventError

MAX_METADATA = 10_000
MAX_DEPTH = 32
MAX_BITS = 1023  # of an integer that a JSON number, a double, still holds


def check_text(field: str, value: object, limit: int | None) -> None:
    """Require text that is not blank, of at most ``limit`` UTF-16 code units, which is how Dub counts."""
    if not isinstance(value, str):
        raise EventError(field, value, f"must be a string{_hint(value)}")
    if not value.strip():
        raise EventError(field, value, "must not be empty")
    if "\0" in value:
        raise EventError(field, value, "must not contain a NUL character")
    _check_unicode(field, value)
    if limit is not None and (length := _javascript_length(value)) > limit:
        why = "" if length == len(value) else ", where an emoji counts twice"
        raise EventError(field, value, f"must be at most {limit} characters, not {length}{why}")


def text_or_none(field: str, value: Any, limit: int | None) -> str | None:
    """Return the text; a blank one is none, as to Dub: forms and user models have them."""
    if isinstance(value, str) and not value.strip():
        return None
    check_text(field, value, limit)
    return value  # type: ignore[no-any-return]


def check_optional(field: str, value: object, limit: int | None) -> None:
    """Require None or what `check_text` requires."""
    if value is not None:
        check_text(field, value, limit)


def check_choice(field: str, value: object, allowed: tuple[str, ...]) -> None:
    """Require one of a closed list."""
    if not isinstance(value, str) or value not in allowed:
        raise EventError(field, value, f"must be one of {', '.join(allowed)}")


def checked_int(field: str, value: object, lowest: int, highest: int, rule: str) -> int:
    """Return a whole number of any type as an int; ``rule`` says what is wrong with any other value."""
    number = value if type(value) is int else _whole(value)
    if number is None or not lowest <= number <= highest:
        raise EventError(field, value, rule)
    return number


def checked_metadata(value: object) -> dict[str, Any]:
    """Return a copy of a JSON object of at most 10,000 characters, counted as Dub does."""
    if not isinstance(value, Mapping):
        raise EventError("metadata", value, "must be a JSON object (a dict)")
    copied: dict[str, Any] = _checked_json("metadata", value, 0)
    size = _javascript_length(json.dumps(copied, ensure_ascii=False, separators=(",", ":")))
    if size > MAX_METADATA:
        raise EventError(
            "metadata", value, f"must be at most {MAX_METADATA:,} characters as JSON, not {size:,}"
        )
    return copied


def _checked_json(path: str, value: Any, depth: int) -> Any:
    """Return a deep copy of ``value``, so that a later change by the caller cannot reach a frozen event."""
    if depth > MAX_DEPTH:
        raise EventError(path, value, f"must not be nested deeper than {MAX_DEPTH} levels")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if value.bit_length() > MAX_BITS:
            raise EventError(path, value, "must be a number below 2**1023; JSON's go no further")
        return value
    if isinstance(value, str):
        _check_unicode(path, value)
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise EventError(path, value, "must be a finite number; JSON has no NaN and no Infinity")
        return value
    if isinstance(value, Mapping):
        return {_checked_name(path, k): _checked_json(f"{path}.{k}", v, depth + 1) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_checked_json(f"{path}[{i}]", item, depth + 1) for i, item in enumerate(value)]
    if (number := _whole(value)) is not None:
        return _checked_json(path, number, depth)
    raise EventError(path, value, f"must be a JSON value, not {_type(value)}{_hint(value)}")


def _checked_name(path: str, name: object) -> str:
    if not isinstance(name, str):
        raise EventError(path, name, "must have strings as keys")
    _check_unicode(path, name)
    return name


def _whole(value: Any) -> int | None:
    # numpy and pandas have whole numbers that are no int
    if isinstance(value, bool):  # an int to Python, but ``amount=True`` is never meant
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def _check_unicode(field: str, value: str) -> None:
    if value.isascii():
        return
    try:
        value.encode()
    except UnicodeEncodeError:
        raise EventError(field, value, "must be valid Unicode, without lone surrogates") from None


def _javascript_length(text: str) -> int:
    # Dub counts UTF-16 code units: an emoji is two
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


def _type(value: object) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _hint(value: object) -> str:
    """Say what would do in place of the usual values that JSON and Dub do not have."""
    from decimal import Decimal
    from uuid import UUID

    if hasattr(value, "isoformat"):
        return "; pass value.isoformat()"
    if isinstance(value, (set, frozenset)):
        return "; pass list(value)"
    if isinstance(value, (Decimal, UUID)) or _whole(value) is not None:
        return "; pass str(value)"
    return ""

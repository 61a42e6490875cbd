"""What Segment does to a payload before it is sent: drop what is empty, coerce types, and refuse.

The rules are those of its JSON schema validator with type coercion, the messages are its own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from dub_middleware.segment.actions.fields import Action, Field
from dub_middleware.segment.javascript import UNDEFINED, is_number, to_double, to_number, to_string, type_of
from dub_middleware.segment.mapping import as_json

__all__ = ["Validated", "validate"]

#: the body, and the messages in Segment's order
Validated = tuple[dict[str, Any], list[str]]

# HTML's rule for addresses, ASCII only: nothing else folds onto a letter here
_WORD = r"[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_EMAIL = re.compile(rf"{_WORD}(?:\.{_WORD})*@(?:{_LABEL}\.)+{_LABEL}")
_KEPT = "dynamicAuthSettings"  # a field that the validator is told to let through


def validate(action: Action, payload: Any) -> Validated:
    """Return the body for ``payload``, which a mapping gave, and all that is wrong with it.

    With something wrong, the body holds the other fields.
    """
    if not isinstance(payload, dict):
        # at the root, too, what is empty counts as not there
        found = UNDEFINED if payload is None or payload == "" else payload
        return {}, [f"The root value must be an object but it was {_a(found)}."]
    missing: list[str] = []
    wrong: list[str] = []
    results: dict[str, Any] = {}
    for field in action.fields:
        value = payload.get(field.key)
        if value is None or value == "":
            if field.required:
                missing.append(f"The root value is missing the required field '{field.key}'.")
            continue
        value = _COERCIONS[field.type](value)
        if message := _message(field, value):
            wrong.append(message)
        else:
            results[field.key] = value
    body = {key: results[key] for key in payload if key in results}
    if payload.get(_KEPT, "") != "":
        body[_KEPT] = as_json(payload[_KEPT])
    return body, missing + wrong


class _Refused:
    """A value that cannot be coerced."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _message(field: Field, value: Any) -> str | None:
    if isinstance(value, _Refused):
        wanted = "an object" if field.type == "object" else f"a {field.type}"
        return f"{field.title} must be {wanted} but it was {_a(value.value)}."
    if field.is_email and not _EMAIL.fullmatch(value):
        return f"{field.title} must be a valid email address string but it was not."
    return None


def _alone(value: Any) -> Any:
    """Return the item of an array of one."""
    return value[0] if isinstance(value, (list, tuple)) and len(value) == 1 else value


def _string(value: Any) -> Any:
    if isinstance(value, str):
        return value
    value = _alone(value)
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool) or is_number(value):
        return to_string(value)
    return _Refused(value)


def _number(value: Any) -> Any:
    value = _alone(value)
    if is_number(value):
        return as_json(value) if math.isfinite(to_double(value)) else _Refused(value)
    if value is None or isinstance(value, bool):
        return to_number(value)
    if isinstance(value, str) and value:
        number = to_number(value)
        if number == number:
            return as_json(number)  # infinities too, which JSON then has as null
    return _Refused(value)


def _object(value: Any) -> Any:
    return as_json(value) if isinstance(value, dict) else _Refused(value)


_COERCIONS: dict[str, Callable[[Any], Any]] = {"string": _string, "number": _number, "object": _object}


def _a(value: Any) -> str:
    kind = type_of(value)
    if kind in ("null", "undefined"):
        return kind
    return f"{'an' if kind in ('array', 'object') else 'a'} {kind}"

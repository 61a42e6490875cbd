"""Walks over values, bounded in depth and in work."""

from __future__ import annotations

import json
from typing import Any

from dub_middleware.errors import MappingError
from dub_middleware.segment.javascript import MAX_DEPTH, UNDEFINED, entries, stringify, too_deep, type_of
from dub_middleware.segment.mapping.nodes import Work

_SCALARS = frozenset({str, int, float, bool, type(None)})


def cleaned(value: Any, work: Work, depth: int = 0) -> Any:
    """Return a copy without the members of objects that are `UNDEFINED`.

    Raises `MappingError` for what is no JSON, nests too deep or is too much.
    """
    if isinstance(value, dict):
        _enter(value, work, depth)
        try:
            "".join(value)  # fails on a key that is no text
        except TypeError:
            raise MappingError("an object with a key that is no text is not JSON") from None
        return {
            key: item if type(item) in _SCALARS else cleaned(item, work, depth + 1)
            for key, item in value.items()
            if item is not UNDEFINED
        }
    if isinstance(value, (list, tuple)):
        _enter(value, work, depth)
        return [item if type(item) in _SCALARS else cleaned(item, work, depth + 1) for item in value]
    type_of(value)
    return value


def _enter(value: Any, work: Work, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise too_deep()
    work.spend(len(value))


def as_json(value: Any) -> Any:
    """Return a copy of a cleaned value as it reads once it was JSON.

    Holes of arrays, NaN and infinities are null; an integer that is no double is the one that is sent for it.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_json(item) for item in value]
    if value is UNDEFINED:
        return None
    if isinstance(value, (int, float)) and not -(2**53) <= value <= 2**53:
        return json.loads(stringify(value))
    return value


def without_nulls(value: Any, depth: int = 0) -> Any:
    """Return a copy of an object with `UNDEFINED` for null, through objects but not inside arrays."""
    if not isinstance(value, dict):
        return value
    if depth > MAX_DEPTH:
        raise too_deep()
    return {key: UNDEFINED if item is None else without_nulls(item, depth + 1) for key, item in value.items()}


def flattened(value: Any, separator: str, work: Work, *, keep_arrays: bool) -> dict[str, Any]:
    """Return one object whose keys are the paths to what is no object and, unless kept, no array."""
    result: dict[str, Any] = {}

    def walk(part: Any, prefix: str, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise too_deep()
        if isinstance(part, dict):
            members = entries(part)
        elif isinstance(part, (list, tuple)) and not keep_arrays:
            members = {str(at): item for at, item in enumerate(part)}.items()
        else:
            work.spend(len(prefix) + 1)
            result[prefix] = part
            return
        for key, item in members:
            walk(item, f"{prefix}{separator}{key}" if prefix else key, depth + 1)

    walk(value, "", 0)
    return result

"""What is wrong with a mapping, said before anything of it is resolved, in Segment's words.

Segment does not look inside arrays; what is wrong there shows when an event meets it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from dub_middleware.errors import MappingError
from dub_middleware.segment.javascript import MAX_DEPTH, UNDEFINED, entries, stringify, type_of, units
from dub_middleware.segment.mapping.liquid import compile_template
from dub_middleware.segment.mapping.nodes import name_of

MAX_VALUES = 10_000  # on one level
MAX_PATTERN = 10
MAX_REPLACEMENT = 10

Path = tuple[str, ...]
Validator = Callable[[Any, Path], None]
#: name → (validator, whether the field must be there)
Fields = dict[str, tuple[Validator, bool]]


class _Invalid(Exception):
    def __init__(self, errors: list[str]) -> None:
        self.errors = errors


def check(mapping: Any) -> None:
    """Raise `MappingError` with everything that is wrong with the mapping."""
    _check_json(mapping)
    try:
        _any(mapping, ())
    except _Invalid as invalid:
        raise MappingError("\n".join(invalid.errors), errors=tuple(invalid.errors)) from None


def _check_json(mapping: Any) -> None:
    """Look at every value once, without recursion: what nests deeper than the limit would not survive it."""
    level: list[tuple[Path, Any]] = [((), mapping)]
    for _ in range(MAX_DEPTH):
        below: list[tuple[Path, Any]] = []
        for path, value in level:
            try:
                kind = type_of(value)
            except MappingError as error:
                raise MappingError(str(error), path="/" + "/".join(path)) from None
            if isinstance(value, float) and not math.isfinite(value):
                raise MappingError(f"{value} is not JSON", path="/" + "/".join(path))
            if kind == "object":
                below += [((*path, _text_key(key, path)), item) for key, item in value.items()]
            elif kind == "array":
                below += [((*path, str(at)), item) for at, item in enumerate(value)]
        if not below:
            return
        if len(below) > MAX_VALUES:
            raise MappingError(f"a mapping of more than {MAX_VALUES:,} values is not supported")
        level = below
    where = "/" + "/".join(level[0][0][:5]) + "/…"
    raise MappingError(f"nests deeper than {MAX_DEPTH} levels, which is not supported", path=where)


def _text_key(key: Any, path: Path) -> str:
    if isinstance(key, str):
        return key
    raise MappingError(f"has the key {key!r}, which is no text", path="/" + "/".join(path))


# -- values ----------------------------------------------------------------------------------------


def _any(value: Any, path: Path) -> None:
    kind = _kind(value)
    if kind == "directive":
        _directive(value, path)
    elif kind == "object":
        _object(value, path)


def _object(value: Any, path: Path) -> None:
    kind = _kind(value)
    if kind != "object":
        raise _wrong(path, f"should be an object but it is {_a(kind)}")
    errors: list[str] = []
    for key, item in entries(value):
        try:
            _any(item, (*path, key))
        except _Invalid as invalid:
            errors += invalid.errors
    if errors:
        raise _Invalid(errors)


def _raw_or_directive(value: Any, path: Path) -> None:
    """Allow any value."""


def _string_or_directive(value: Any, path: Path) -> None:
    kind = _kind(value)
    if kind not in ("directive", "string"):
        raise _wrong(path, f"should be a string or a mapping directive but it is {_a(kind)}")


def _object_or_directive(value: Any, path: Path) -> None:
    kind = _kind(value)
    if kind not in ("directive", "object"):
        raise _wrong(path, f"should be a object or a mapping directive but it is {_a(kind)}")


def _with_inside(validator: Validator) -> Validator:
    """Look inside the value too, where `_options` has not done so."""

    def validate(value: Any, path: Path) -> None:
        validator(value, path)
        _any(value, path)

    return validate


def _of_type(expected: str) -> Validator:
    def validate(value: Any, path: Path) -> None:
        kind = _kind(value)
        if kind != expected:
            raise _wrong(path, f"should be {_a(expected)} but it is {_a(kind)}")

    return validate


_string, _boolean, _array = _of_type("string"), _of_type("boolean"), _of_type("array")


def _short(least: int, most: int) -> Validator:
    def validate(value: Any, path: Path) -> None:
        _string(value, path)
        if len(units(value)) < least:
            raise _wrong(path, f"should be a string of length {least} or greater")
        if len(units(value)) > most:
            raise _wrong(path, f"should be a string of length {most} or less")

    return validate


def _one_of(*allowed: str) -> Validator:
    def validate(value: Any, path: Path) -> None:
        _string(value, path)
        if value.lower() not in allowed:
            raise _wrong(path, f"should be one of {', '.join(allowed)} but it is {stringify(value)}")

    return validate


# -- directives ------------------------------------------------------------------------------------


def _directive(value: dict[str, Any], path: Path) -> None:
    names = [key for key in value if key.startswith("@")]
    if len(names) > 1:
        raise _wrong(path, f"should only have one @-prefixed key but it has {len(names)} keys")
    if any(not key.startswith("@") and key != "_metadata" for key in value):
        raise _wrong(path, f"should only have one @-prefixed key but it has {len(value)} keys")
    (name,) = names
    if name not in _DIRECTIVES:
        raise _wrong(path, f"has an invalid directive: {name}")
    _DIRECTIVES[name](value[name], (*path, name))


def _options(**fields: tuple[Validator, bool]) -> Validator:
    def validate(value: Any, path: Path) -> None:
        _object(value, path)
        errors: list[str] = []
        for name, (validator, required) in fields.items():
            try:
                if name in value:
                    validator(value[name], (*path, name))
                elif required:
                    raise _wrong(path, f"should have field {stringify(name)} but it doesn't")
            except _Invalid as invalid:
                errors += invalid.errors
        if errors:
            raise _Invalid(errors)

    return validate


def _array_path(value: Any, path: Path) -> None:
    _array(value, path)
    _with_inside(_string_or_directive)(value[0] if value else UNDEFINED, path)
    _any(value[1] if len(value) > 1 else UNDEFINED, path)


def _merge(value: Any, path: Path) -> None:
    _MERGE_OPTIONS(value, path)
    for item in value["objects"]:
        _with_inside(_object_or_directive)(item, ())  # Segment forgets the path here


def _directive_if_any(value: Any, path: Path) -> None:
    if _kind(value) == "directive":
        _directive(value, path)


def _liquid(value: Any, path: Path) -> None:
    _string(value, path)
    try:
        compile_template(value)
    except MappingError as error:
        raise _wrong(path, f"cannot be rendered: {str(error).rstrip('.')}") from None


_REQUIRED, _OPTIONAL = True, False
_MERGE_OPTIONS = _options(direction=(_one_of("left", "right"), _OPTIONAL), objects=(_array, _REQUIRED))
_DIRECTIVES: dict[str, Validator] = {
    "@if": _options(
        exists=(_raw_or_directive, _OPTIONAL),
        then=(_raw_or_directive, _OPTIONAL),
        **{"else": (_raw_or_directive, _OPTIONAL)},
    ),
    "@case": _options(operator=(_string, _OPTIONAL), value=(_string_or_directive, _OPTIONAL)),
    "@replace": _options(
        pattern=(_short(1, MAX_PATTERN), _REQUIRED),
        replacement=(_short(0, MAX_REPLACEMENT), _OPTIONAL),
        value=(_string_or_directive, _REQUIRED),
        ignorecase=(_boolean, _OPTIONAL),
        **{"global": (_boolean, _OPTIONAL)},
    ),
    "@arrayPath": _array_path,
    "@path": _with_inside(_string_or_directive),
    "@json": _options(value=(_raw_or_directive, _REQUIRED), mode=(_one_of("encode", "decode"), _REQUIRED)),
    "@flatten": _options(separator=(_string, _OPTIONAL), value=(_raw_or_directive, _REQUIRED)),
    "@merge": _merge,
    "@template": _with_inside(_string_or_directive),
    "@literal": _directive_if_any,
    "@transform": _options(
        apply=(_object_or_directive, _REQUIRED), mapping=(_object_or_directive, _REQUIRED)
    ),
    "@excludeWhenNull": _directive_if_any,
    "@liquid": _liquid,
}


# -- words -----------------------------------------------------------------------------------------


def _kind(value: Any) -> str:
    kind = type_of(value)
    return "directive" if kind == "object" and name_of(value) else kind


def _a(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _wrong(path: Path, message: str) -> _Invalid:
    return _Invalid([f"/{'/'.join(path)} {message}."])

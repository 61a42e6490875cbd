"""The directives that choose and rebuild values: all but those that make text."""

from __future__ import annotations

from typing import Any

from dub_middleware.errors import MappingError
from dub_middleware.segment.javascript import (
    UNDEFINED,
    entries,
    loosely_equals,
    parse_json,
    property_of,
    read,
    stringify,
    truthy,
    type_of,
    units,
)
from dub_middleware.segment.mapping.nodes import Compile, Resolver, Work, constant, fails
from dub_middleware.segment.mapping.paths import keys_of_reference
from dub_middleware.segment.mapping.values import flattened, without_nulls


def path(value: Any, compile_node: Compile) -> Resolver:
    """Read a value of the event."""
    if isinstance(value, str):
        return _reader(value)
    source = compile_node(value)

    def resolve(payload: Any, work: Work) -> Any:
        reference = source(payload, work)
        if not isinstance(reference, str):
            raise MappingError(f"@path: expected string, got {type_of(reference)}")
        work.spend(len(reference))
        return read(payload, keys_of_reference(reference))

    return resolve


def _reader(reference: str) -> Resolver:
    keys = keys_of_reference(reference)

    def resolve(payload: Any, work: Work) -> Any:
        value = payload
        for key in keys:
            value = value.get(key, UNDEFINED) if type(value) is dict else property_of(value, key)
        return value

    return resolve


def literal(value: Any, compile_node: Compile) -> Resolver:
    """Give the value; directives inside it are resolved nevertheless."""
    return compile_node(value)


def exclude_when_null(value: Any, compile_node: Compile) -> Resolver:
    """Drop null, also the nulls inside objects."""
    source = compile_node(value)

    def resolve(payload: Any, work: Work) -> Any:
        found = source(payload, work)
        return UNDEFINED if found is None else without_nulls(found)

    return resolve


def if_(options: Any, compile_node: Compile) -> Resolver:
    """Choose by whether something exists, or by whether it is not blank."""
    if not isinstance(options, dict):
        return fails('@if requires an object with an "exists" key')
    if not truthy(options.get("exists")) and not truthy(options.get("blank")):
        return fails('@if requires an "exists" key or a "blank" key')
    by_blank = "exists" not in options
    condition = compile_node(options["blank" if by_blank else "exists"])
    then = compile_node(options["then"]) if "then" in options else constant(UNDEFINED)
    # Segment drops an else that is falsy in itself, such as 0 or ""
    otherwise = compile_node(options["else"]) if truthy(options.get("else")) else constant(UNDEFINED)

    def resolve(payload: Any, work: Work) -> Any:
        value = condition(payload, work)
        holds = value is not None and value is not UNDEFINED
        if by_blank and holds:
            holds = not loosely_equals(value, "")
        return (then if holds else otherwise)(payload, work)

    return resolve


def array_path(value: Any, compile_node: Compile) -> Resolver:
    """Read an array and give each item a shape."""
    if not isinstance(value, (list, tuple)):
        return fails(f"@arrayPath expected array, got {type_of(value)}")
    root = value[0] if value else UNDEFINED
    shape = value[1] if len(value) > 1 else None
    source = _reader(root) if isinstance(root, str) else compile_node(root)
    if not isinstance(shape, dict) or not shape:
        return source
    item_of = compile_node(shape)

    def resolve(payload: Any, work: Work) -> Any:
        found = source(payload, work)
        if isinstance(found, dict):
            found = [found]
        if not isinstance(found, (list, tuple)):
            return found
        work.spend(len(found))
        return [item_of(item, work) for item in found]

    return resolve


def merge(options: Any, compile_node: Compile) -> Resolver:
    """Merge objects; of equal keys the last wins, also with nothing."""
    if not isinstance(options, dict):
        return fails('@merge requires an object with an "objects" key and a "direction" key')
    direction, objects = options.get("direction"), options.get("objects")
    if not truthy(direction):
        return fails('@merge requires a "direction" key')
    order = compile_node(direction)
    if not truthy(objects):
        return fails('@merge requires a "objects" key')
    if not isinstance(objects, (list, tuple)):
        kind = type_of(objects)
        return fails(f"@merge: expected opts.array, got {kind}")
    sources = [compile_node(item) for item in objects]

    def resolve(payload: Any, work: Work) -> dict[str, Any]:
        is_left = order(payload, work) == "left"
        found = [source(payload, work) for source in sources]
        merged: dict[str, Any] = {}
        for item in reversed(found) if is_left else found:
            members = _members(item)
            work.spend(len(members))
            merged.update(members)
        return merged

    return resolve


def _members(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return dict(entries(value))
    if isinstance(value, str):
        value = units(value)
    elif not isinstance(value, (list, tuple)):
        return {}
    return {str(at): item for at, item in enumerate(value)}


def flatten(options: Any, compile_node: Compile) -> Resolver:
    """Make one object of nested ones, with joined keys."""
    if not isinstance(options, dict):
        return fails('@flatten requires an object with a "separator" key')
    if not truthy(options.get("separator")):
        return fails('@flatten requires a "separator" key')
    separator = compile_node(options["separator"])
    source = compile_node(options.get("value", UNDEFINED))
    keep_arrays = truthy(options.get("omitArrays"))

    def resolve(payload: Any, work: Work) -> dict[str, Any]:
        between = separator(payload, work)
        if not isinstance(between, str):
            raise MappingError("@flatten requires a string separator")
        return flattened(source(payload, work), between, work, keep_arrays=keep_arrays)

    return resolve


def json(options: Any, compile_node: Compile) -> Resolver:
    """Write or read JSON; text that is none stays as it is."""
    if not isinstance(options, dict):
        return fails('@json requires an object with a "value" key')
    for name in ("mode", "value"):
        if not truthy(options.get(name)):
            return fails(f'@json requires a "{name}" key')
    source, mode = compile_node(options["value"]), options["mode"]

    def resolve(payload: Any, work: Work) -> Any:
        value = source(payload, work)
        if mode == "encode" and value is not UNDEFINED:
            text = stringify(value)
            work.spend(len(text))
            return text
        if mode == "decode":
            return _decoded(value, work)
        return UNDEFINED

    return resolve


def _decoded(value: Any, work: Work) -> Any:
    if not isinstance(value, str):
        return value
    work.spend(len(value))
    try:
        return parse_json(value)
    except ValueError as error:
        if isinstance(error, MappingError):
            raise
        return value

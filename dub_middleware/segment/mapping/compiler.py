"""A mapping as closures: what can be known before there is an event is done once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dub_middleware.errors import MappingError
from dub_middleware.segment.javascript import entries, truthy, type_of
from dub_middleware.segment.mapping import structure, text
from dub_middleware.segment.mapping.liquid import compile_template
from dub_middleware.segment.mapping.nodes import (
    Compile,
    Resolver,
    Work,
    constant,
    fails,
    is_directive,
    name_of,
)
from dub_middleware.segment.mapping.roots import root_of
from dub_middleware.segment.mapping.validate import check
from dub_middleware.segment.mapping.values import cleaned


def compile_node(node: Any) -> Resolver:
    """Return what resolves ``node`` against an event."""
    if is_directive(node):
        name = name_of(node) or ""
        directive = _DIRECTIVES.get(name)
        if directive is None:
            return fails(f"{name} is not a valid directive, got undefined")
        return directive(node[name], compile_node)
    if isinstance(node, dict):
        return _object([(key, compile_node(item)) for key, item in entries(node)])
    if isinstance(node, (list, tuple)):
        return _array([compile_node(item) for item in node])
    return constant(node)


def _object(members: list[tuple[str, Resolver]]) -> Resolver:
    def resolve(payload: Any, work: Work) -> dict[str, Any]:
        work.spend(len(members))
        return {key: resolver(payload, work) for key, resolver in members}

    return resolve


def _array(items: list[Resolver]) -> Resolver:
    def resolve(payload: Any, work: Work) -> list[Any]:
        work.spend(len(items))
        return [item(payload, work) for item in items]

    return resolve


def _transform(options: Any, compile_node: Compile) -> Resolver:
    """Apply one mapping to the event, and the other to what that gives."""
    if not isinstance(options, dict):
        return fails('@transform requires an object with an "apply" key and a "mapping" key')
    for name in ("mapping", "apply"):
        if not truthy(options.get(name)):
            return fails(f'@transform requires a "{name}" key')
    if not isinstance(options["apply"], dict):
        return fails('@transform "apply" key should be an object')
    try:
        apply = root_of(options["apply"])
        check(apply)  # inside an array it has not been looked at before
    except MappingError as error:
        return fails(str(error))
    first, second = compile_node(apply), compile_node(options["mapping"])

    def resolve(payload: Any, work: Work) -> Any:
        kind = type_of(payload)
        if kind not in ("object", "undefined"):
            raise MappingError(f"data must be an object, got {kind}")
        return second(cleaned(first({} if kind == "undefined" else payload, work), work), work)

    return resolve


def _liquid(value: Any, compile_node: Compile) -> Resolver:
    """Render a Liquid template."""
    if not isinstance(value, str):
        return fails("liquid template value must be a string")
    return compile_template(value)


_DIRECTIVES: dict[str, Callable[[Any, Compile], Resolver]] = {
    "@arrayPath": structure.array_path,
    "@case": text.case,
    "@excludeWhenNull": structure.exclude_when_null,
    "@flatten": structure.flatten,
    "@if": structure.if_,
    "@json": structure.json,
    "@liquid": _liquid,
    "@literal": structure.literal,
    "@merge": structure.merge,
    "@path": structure.path,
    "@replace": text.replace,
    "@template": text.template,
    "@transform": _transform,
}

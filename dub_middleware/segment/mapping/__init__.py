"""Mappings, the JSON in which Segment says how an event becomes the payload of an action."""

from __future__ import annotations

from typing import Any

from dub_middleware.errors import MappingError
from dub_middleware.segment.javascript import type_of
from dub_middleware.segment.mapping.compiler import compile_node
from dub_middleware.segment.mapping.nodes import Work
from dub_middleware.segment.mapping.roots import root_of
from dub_middleware.segment.mapping.validate import check
from dub_middleware.segment.mapping.values import as_json, cleaned

__all__ = ["CompiledMapping", "as_json", "transform"]


class CompiledMapping:
    """A mapping that was checked and is ready to be applied many times; immutable and safe to share.

    It behaves as Segment's mapping-kit. Work is bounded: an evaluation that would touch more than 250,000
    values and characters ends in an error. Raises `MappingError` with all that is wrong with the mapping.
    """

    __slots__ = ("_resolve",)

    def __init__(self, mapping: Any) -> None:
        root = root_of(mapping)
        check(root)
        self._resolve = compile_node(root)

    def __call__(self, event: Any, work: Work | None = None) -> Any:
        """Return the payload, in which holes of arrays are `UNDEFINED`.

        Raises `MappingError` when a directive cannot make sense of the event.
        """
        kind = type_of(event)
        if kind != "object":
            raise MappingError(f"data must be an object, got {kind}")
        work = work or Work()
        return cleaned(self._resolve(event, work), work)


def transform(mapping: Any, event: dict[str, Any]) -> Any:
    """Apply a mapping to an event and return what it gives, as JSON values; mostly a dict.

    Fields that resolve to nothing are left out. Raises `MappingError` for a mapping that Segment's
    mapping-kit rejects, with the same messages, or that uses what is not supported; and for what fails on
    this event.
    """
    kind = type_of(event)
    if kind != "object":
        raise MappingError(f"data must be an object, got {kind}")
    return as_json(CompiledMapping(mapping)(event))

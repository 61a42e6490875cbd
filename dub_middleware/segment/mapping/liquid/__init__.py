"""Liquid templates, as Segment's mappings have them.

python-liquid reads a template; what it means is decided here, because Segment renders with LiquidJS, whose
numbers, comparisons and filters are JavaScript's. Whatever is neither the same nor refused there is refused
here, by name, when the mapping is loaded.
"""

from __future__ import annotations

from dub_middleware.errors import MappingError, MissingDependencyError
from dub_middleware.segment.javascript import units
from dub_middleware.segment.mapping.nodes import Resolver, constant

__all__ = ["compile_template"]

MAX_LENGTH = 1000  # characters


def compile_template(text: str) -> Resolver:
    """Return what renders the template.

    Raises `MappingError` for what Segment refuses, and for what is not supported.
    """
    if not text:
        return constant("")
    if len(units(text)) > MAX_LENGTH:
        raise MappingError(f"liquid template values are limited to {MAX_LENGTH} characters")
    try:
        from dub_middleware.segment.mapping.liquid.template import compile_source
    except ImportError:
        raise MissingDependencyError("python-liquid", "segment") from None
    return compile_source(text)

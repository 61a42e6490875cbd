"""The one directive that a mapping may have for all its fields together."""

from __future__ import annotations

from typing import Any

from dub_middleware.errors import MappingError
from dub_middleware.segment.mapping.nodes import ROOT_KEY


def root_of(mapping: Any) -> Any:
    """Return ``mapping``, or its root directive with the other fields as its ``mapping`` option.

    Raises `MappingError`.
    """
    if not isinstance(mapping, dict):
        raise MappingError(f"a mapping must be an object, not {type(mapping).__name__}")
    if ROOT_KEY not in mapping:
        return mapping
    root = mapping[ROOT_KEY]
    if isinstance(root, (dict, list, str)) and len(root) > 1:
        raise MappingError("The root mapping must only have a single directive object")
    options = next(iter(root.values()), None) if isinstance(root, dict) else None
    if not isinstance(options, dict):
        raise MappingError("The root directive must be an object")
    fields = {key: value for key, value in mapping.items() if key != ROOT_KEY}
    return {name: {**options, "mapping": fields} for name in root}

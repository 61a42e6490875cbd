"""What Segment's cloud does between an app and Dub, on one machine; parts load when they are asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dub_middleware.segment.actions import DubActions, load_mappings
    from dub_middleware.segment.fql import parse_fql
    from dub_middleware.segment.gateway import create_gateway
    from dub_middleware.segment.mapping import transform
    from dub_middleware.segment.source import DubSource

__all__ = ["DubActions", "DubSource", "create_gateway", "load_mappings", "parse_fql", "transform"]

_HOMES = {
    "DubActions": "actions",
    "DubSource": "source",
    "create_gateway": "gateway",
    "load_mappings": "actions",
    "parse_fql": "fql",
    "transform": "mapping",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value

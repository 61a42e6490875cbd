"""What Segment's cloud does between an app and Dub, on one machine; parts load when they are asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dub_middleware.segment.fql import parse_fql
    from dub_middleware.segment.gateway import create_gateway
    from dub_middleware.segment.mapping import transform
    from dub_middleware.segment.source import DubSource

__all__ = ["DubSource", "create_gateway", "parse_fql", "transform"]

_HOMES = {
    "DubSource": "source",
    "create_gateway": "gateway",
    "parse_fql": "fql",
    "transform": "mapping",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value

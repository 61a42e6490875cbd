"""A tracking endpoint like Segment's: SDKs and browsers send events in, and they go on to Dub or elsewhere.

::

    app = create_gateway([DubActions("dub_…"), JSONLines("events.jsonl")], write_keys="my-write-key")
"""

from __future__ import annotations

from dub_middleware.segment.gateway.app import Gateway, create_gateway
from dub_middleware.segment.gateway.destinations import (
    CallFunction,
    EventDestination,
    ForwardToSegment,
    Item,
    JSONLines,
)
from dub_middleware.segment.gateway.dub import ToDub
from dub_middleware.segment.gateway.events import Event

__all__ = [
    "CallFunction",
    "Event",
    "EventDestination",
    "ForwardToSegment",
    "Gateway",
    "Item",
    "JSONLines",
    "ToDub",
    "create_gateway",
]

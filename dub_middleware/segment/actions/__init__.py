"""The destination Dub (Actions) of Segment."""

from __future__ import annotations

from dub_middleware.segment.actions.destination import DubActions, Request, as_request
from dub_middleware.segment.actions.mappings import load_mappings
from dub_middleware.segment.actions.outcomes import Failed, NoAction, NotSubscribed, PlannedOutcome, Sent

__all__ = [
    "DubActions",
    "Failed",
    "NoAction",
    "NotSubscribed",
    "PlannedOutcome",
    "Request",
    "Sent",
    "as_request",
    "load_mappings",
]

"""The destination Dub (Actions) of Segment."""

from __future__ import annotations

from dub_middleware.segment.actions.destination import DubActions, Request, as_request
from dub_middleware.segment.actions.mappings import PlannedOutcome, load_mappings

__all__ = ["DubActions", "PlannedOutcome", "Request", "as_request", "load_mappings"]

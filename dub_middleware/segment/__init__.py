"""What Segment's cloud does between an app and Dub, on one machine."""

from __future__ import annotations

from dub_middleware.segment.source import DubSource

__all__ = ["DubSource"]

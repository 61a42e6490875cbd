"""Lead and sale events that are never lost: validated, stored durably, delivered in the background."""

from __future__ import annotations

from dub_middleware.conversions.events import Lead, Sale

__all__ = ["Lead", "Sale"]

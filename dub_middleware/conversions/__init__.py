"""Lead and sale events that are never lost: validated, stored durably, delivered in the background."""

from __future__ import annotations

from dub_middleware.conversions.client import Conversions
from dub_middleware.conversions.destinations.dub import DubAPI, LeadResult, SaleResult
from dub_middleware.conversions.destinations.segment import Segment
from dub_middleware.conversions.events import Lead, Sale
from dub_middleware.conversions.receipt import Receipt
from dub_middleware.conversions.settings import from_settings
from dub_middleware.conversions.worker import Timing

__all__ = [
    "Conversions",
    "DubAPI",
    "Lead",
    "LeadResult",
    "Receipt",
    "Sale",
    "SaleResult",
    "Segment",
    "Timing",
    "from_settings",
]

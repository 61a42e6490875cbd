"""Where conversions go in an app that has no key yet: nowhere, and the log says so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from dub_middleware.conversions.destinations import Delivery, Outcome
from dub_middleware.conversions.events import Lead, Sale

ADVICE = (
    "there is nowhere to send conversions: set DUB_API_KEY, SEGMENT_WRITE_KEY or both; "
    "without an account, `dub-middleware serve` is a Dub on this machine"
)


class Nowhere:
    """Refuse every event, with what is missing."""

    name = "nowhere"
    max_batch = 100
    concurrency = 1

    def prepare(self, event: Lead | Sale, *, id: str, timestamp: datetime) -> bytes:  # noqa: A002
        """Return nothing: it would not be sent."""
        return b""

    def send(self, batch: Sequence[Delivery]) -> list[Outcome]:
        """Reject all."""
        return [Outcome("rejected", message=ADVICE)] * len(batch)

    def close(self) -> None:
        """There is nothing to close."""

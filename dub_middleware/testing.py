"""Helpers for the tests of apps that use dub_middleware; pytest loads them as a plugin.

Nothing of the package is imported before it is used, so that coverage tools see all of it.
"""

from __future__ import annotations

import dataclasses
import json
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from dub_middleware.conversions.destinations import Delivery, Outcome, State
    from dub_middleware.conversions.events import Lead, Sale

__all__ = ["RecordingDestination", "recording_destination"]


class RecordingDestination:
    """A destination that keeps what it is sent, for the tests of an app.

    Give it to `Conversions` in place of the real one, run the app, call ``conversions.flush()`` and look at
    ``events``, ``leads`` and ``sales``: the very events the app tracked, in the order of their delivery.
    """

    name = "recording"
    max_batch = 100
    concurrency = 1

    def __init__(self) -> None:
        self.events: list[Lead | Sale] = []
        self.deliveries: list[Delivery] = []
        self.is_closed = False
        self._failures: deque[Outcome] = deque()
        self._lock = threading.Lock()

    @property
    def leads(self) -> list[Lead]:
        """The delivered leads."""
        from dub_middleware.conversions.events import Lead

        return [event for event in self.events if isinstance(event, Lead)]

    @property
    def sales(self) -> list[Sale]:
        """The delivered sales."""
        from dub_middleware.conversions.events import Sale

        return [event for event in self.events if isinstance(event, Sale)]

    def fail(self, state: State = "retry", *, times: int = 1, **details: Any) -> None:
        """Let the next deliveries come back with this outcome; ``details`` are fields of `Outcome`."""
        from dub_middleware.conversions.destinations import Outcome

        self._failures.extend([Outcome(state, **details)] * times)

    def clear(self) -> None:
        """Forget all events and failures."""
        with self._lock:
            self.events.clear()
            self.deliveries.clear()
            self._failures.clear()

    def prepare(self, event: Lead | Sale, *, id: str, timestamp: datetime) -> bytes:  # noqa: A002
        """Return the event as JSON."""
        return json.dumps({"kind": event.kind, "fields": dataclasses.asdict(event)}).encode()

    def send(self, batch: Sequence[Delivery]) -> list[Outcome]:
        """Keep the events, but for those that `fail` was called for."""
        with self._lock:
            return [self._take(delivery) for delivery in batch]

    def close(self) -> None:
        """Note that it was closed."""
        self.is_closed = True

    def _take(self, delivery: Delivery) -> Outcome:
        from dub_middleware.conversions.destinations import Outcome
        from dub_middleware.conversions.events import Lead, Sale

        if self._failures:
            return self._failures.popleft()
        stored = json.loads(delivery.payload)
        kind = {"lead": Lead, "sale": Sale}[stored["kind"]]
        self.events.append(kind(**stored["fields"]))
        self.deliveries.append(delivery)
        return Outcome("delivered", 200)


@pytest.fixture
def recording_destination() -> Iterator[RecordingDestination]:
    """A fresh `RecordingDestination`, closed at the end of the test."""
    destination = RecordingDestination()
    yield destination
    destination.close()

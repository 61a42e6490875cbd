"""What everything that stores rows and delivers them has: a way to wait for that, and an end."""

from __future__ import annotations

from types import TracebackType
from typing import TypeVar

from dub_middleware.conversions.outbox import Outbox
from dub_middleware.conversions.worker import Worker

D = TypeVar("D", bound="Delivering")


class Delivering:
    """Keep rows in an outbox, which a worker of this process empties."""

    _outbox: Outbox
    _worker: Worker

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until everything is settled, up to ``timeout`` seconds; return whether that came true."""
        return self._worker.flush(timeout)

    def close(self, timeout: float = 2.0) -> None:
        """Deliver what can be delivered in ``timeout`` seconds and stop; the rest stays in the outbox.

        Nothing is refused afterwards: what comes late is stored and delivered, until the next `close`.
        """
        if self._worker.close(timeout):  # else a sender is still at it
            for destination in self._worker.destinations.values():
                destination.close()
            self._outbox.close()

    def __enter__(self: D) -> D:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

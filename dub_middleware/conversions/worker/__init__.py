"""The worker: takes rows from the outbox and sees to it that they arrive.

Threads start with the first use in a process, so a fork needs no hook, and they are daemons: the rows are
already on the disk, so nothing depends on a clean end. Several processes may work on one outbox, with
PostgreSQL on several machines.
"""

from __future__ import annotations

import atexit
import threading
import time
import weakref
from collections.abc import Iterable, Sequence

from dub_middleware.conversions.destinations import Outcome, Sender
from dub_middleware.conversions.outbox import Outbox
from dub_middleware.conversions.outbox.owner import new_owner
from dub_middleware.conversions.worker.housekeeping import Housekeeper
from dub_middleware.conversions.worker.lane import Lane, Result
from dub_middleware.conversions.worker.report import OnError, Reporter
from dub_middleware.conversions.worker.spill import Spill
from dub_middleware.conversions.worker.timing import Timing
from dub_middleware.conversions.worker.uwsgi import warn_without_threads
from dub_middleware.errors import ConfigError, OutboxError
from dub_middleware.process import PerProcess

__all__ = ["OnError", "Reporter", "Spill", "Timing", "Worker"]

EXIT_BOUND = 2.0  # seconds that the end of a process may wait for deliveries
JOIN_LEAST = 0.05
TICK = 0.01


class _Threads:
    """What runs in one process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.lanes: tuple[Lane, ...] = ()
        self.waiters: dict[str, Waiter] = {}
        self.flushes: list[float] = []  # the deadlines of those that wait for everything

    def is_hurried(self) -> bool:
        return bool(self.waiters or self.flushes)


class Worker:
    """Deliver the rows of ``outbox`` to their destinations, each independently of the others."""

    def __init__(
        self,
        outbox: Outbox,
        destinations: Iterable[Sender],
        *,
        timing: Timing | None = None,
        report: Reporter | None = None,
    ) -> None:
        self.destinations = {destination.name: destination for destination in destinations}
        if not isinstance(timing, Timing | None):
            raise ConfigError("timing", f"timing must be a Timing, not {timing!r}.")
        self.timing = timing or Timing()
        self._outbox = outbox
        self._report = report or Reporter()
        self._process = PerProcess(_Threads)

    def start(self) -> None:
        """Start the threads of this process if they do not run yet; cheap when they do."""
        if not self._process().lanes:
            self._start()

    def wake(self, *, hurried: bool = False) -> None:
        """Start if need be, and look at the outbox soon; ``hurried``: at once, because somebody waits."""
        for lane in self._process().lanes or self._start():
            lane.wake(hurried=hurried)

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until nothing is pending, up to ``timeout`` seconds; return whether that came true."""
        deadline = time.monotonic() + timeout
        flushes = self._process().flushes
        flushes.append(deadline)
        try:
            self.wake(hurried=True)
            return self._wait_for_all(deadline)
        finally:
            flushes.remove(deadline)

    def _wait_for_all(self, deadline: float) -> bool:
        names = list(self.destinations)
        while True:
            try:
                if not self._outbox.has_pending(names):
                    return True
            except OutboxError as error:
                self._report("outbox", error)
            now = time.monotonic()
            if now >= deadline:
                return False
            time.sleep(min(deadline - now, TICK))

    def deliver_due(self, timeout: float) -> bool:
        """Deliver what can be delivered now; return whether that was done within ``timeout`` seconds.

        Nothing is begun that would probably not end in time. Follow it by `close`.
        """
        return self._drain(time.monotonic() + timeout)

    def expect(self, id: str) -> Waiter:  # noqa: A002
        """Announce that a caller waits for what becomes of this event in this process."""
        waiter = self._process().waiters[id] = Waiter(id, len(self.destinations))
        return waiter

    def forget(self, waiter: Waiter) -> None:
        """Withdraw what `expect` announced."""
        self._process().waiters.pop(waiter.id, None)

    def close(self, timeout: float = EXIT_BOUND) -> bool:
        """Deliver what ends within ``timeout`` seconds and stop; what remains stays in the outbox.

        Returns whether all threads have ended. Using the worker again starts it again.
        """
        process = self._process.peek()
        if process is None or not process.lanes:
            return True
        deadline = time.monotonic() + timeout
        self._drain(deadline, leaving=True)
        lanes, process.lanes = process.lanes, ()
        for lane in lanes:
            lane.stop(None)
        ended = [lane.join(max(JOIN_LEAST, deadline - time.monotonic())) for lane in lanes]
        return all(ended)

    # -- this process ----------------------------------------------------------------------------

    def _drain(self, deadline: float, *, leaving: bool = False) -> bool:
        self.wake()
        lanes = self._process().lanes
        for lane in lanes:
            lane.stop(deadline, leaving=leaving)
        return all(lane.idle.wait(max(0.0, deadline - time.monotonic())) for lane in lanes)

    def _start(self) -> tuple[Lane, ...]:
        process = self._process()
        with process.lock:
            if not process.lanes:
                owner = new_owner()
                housekeeper = Housekeeper(self._outbox, owner, self.timing)
                lanes = tuple(
                    Lane(
                        self._outbox,
                        destination,
                        owner,
                        self.timing,
                        self._report,
                        self._settled,
                        housekeeper,
                        process.is_hurried,
                    )
                    for destination in self.destinations.values()
                )
                warn_without_threads()
                for lane in lanes:
                    lane.start()
                process.lanes = lanes
                _to_close.add(self)
            return process.lanes

    def _settled(self, destination: str, results: Sequence[Result]) -> None:
        waiters = self._process().waiters
        if not waiters:
            return
        for row, _, outcome in results:
            waiter = waiters.get(row.id)
            if waiter is not None and outcome is not None:
                waiter.hear(destination, outcome)


class Waiter:
    """Somebody who waits for the answers to one event."""

    def __init__(self, id: str, expected: int) -> None:  # noqa: A002
        self.id = id
        self.outcomes: dict[str, Outcome] = {}
        self._expected = expected
        self._heard_all = threading.Event()

    def hear(self, destination: str, outcome: Outcome) -> None:
        """Note the answer of one destination."""
        self.outcomes[destination] = outcome
        if len(self.outcomes) >= self._expected:
            self._heard_all.set()

    def wait(self, timeout: float) -> bool:
        """Return whether all destinations answered within ``timeout`` seconds."""
        return self._heard_all.wait(timeout)


# A moment for deliveries at a clean end. Servers that skip `atexit` lose nothing but that moment.
_to_close: weakref.WeakSet[Worker] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    deadline = time.monotonic() + EXIT_BOUND
    for worker in list(_to_close):
        worker.close(max(0.0, deadline - time.monotonic()))

"""The worker: takes rows from the outbox and sees to it that they arrive.

Threads start with the first use in a process, so a fork needs no hook, and they are daemons: the rows are
already on the disk, so nothing depends on a clean end. Several processes may work on one outbox, with
PostgreSQL on several machines.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections.abc import Iterable, Sequence

from dub_middleware.conversions.destinations import Outcome, Sender
from dub_middleware.conversions.outbox import Outbox
from dub_middleware.conversions.outbox.owner import is_gone, new_owner
from dub_middleware.conversions.worker.lane import Lane, Result
from dub_middleware.conversions.worker.report import OnError, Reporter
from dub_middleware.conversions.worker.spill import Spill
from dub_middleware.conversions.worker.timing import Timing
from dub_middleware.errors import OutboxError

__all__ = ["OnError", "Reporter", "Spill", "Timing", "Worker"]

EXIT_BOUND = 2.0  # seconds that the end of a process may wait for deliveries
RECLAIM_EVERY = 1.0
EXTEND_EVERY = 15.0
PURGE_EVERY = 60.0
PURGE_STEP = 1000
TICK = 0.01


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
        self.timing = timing or Timing()
        self._outbox = outbox
        self._report = report or Reporter()
        self._pid = 0
        self._start_lock = threading.Lock()
        self._lanes: list[Lane] = []
        self._waiters: dict[str, Waiter] = {}

    def start(self) -> None:
        """Start the threads of this process if they do not run yet; cheap when they do."""
        if self._pid != os.getpid():
            self._start_process()

    def wake(self) -> None:
        """Start if need be, and look at the outbox now."""
        if self._pid != os.getpid():
            self._start_process()
        for lane in self._lanes:
            lane.wake()

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until nothing is pending, up to ``timeout`` seconds; return whether that came true."""
        deadline = time.monotonic() + timeout
        names = list(self.destinations)
        self.wake()
        while True:
            begun = time.monotonic()
            try:
                if self._outbox.pending(names) == 0:
                    return True
            except OutboxError as error:
                self._report("outbox", error)
            now = time.monotonic()
            if now >= deadline:
                return False
            # counting a long queue takes time that the delivery of that queue needs
            time.sleep(min(deadline - now, max(TICK, 5 * (now - begun))))

    def deliver_due(self, timeout: float) -> bool:
        """Deliver what can be delivered now; return whether that was done within ``timeout`` seconds.

        Nothing is begun that would probably not end in time. Follow it by `close`.
        """
        deadline = time.monotonic() + timeout
        self.wake()
        for lane in self._lanes:
            lane.stop(deadline)
        return self._until_idle(deadline)

    def expect(self, id: str) -> Waiter:  # noqa: A002
        """Announce that a caller waits for what becomes of this event in this process."""
        waiter = self._waiters[id] = Waiter(id, len(self.destinations))
        return waiter

    def forget(self, waiter: Waiter) -> None:
        self._waiters.pop(waiter.id, None)

    def close(self, timeout: float = EXIT_BOUND) -> bool:
        """Deliver what ends within ``timeout`` seconds and stop; what remains stays in the outbox.

        Returns whether all threads have ended. Using the worker again starts it again.
        """
        if self._pid != os.getpid() or not self._lanes:
            return True
        deadline = time.monotonic() + timeout
        self.deliver_due(timeout)
        for lane in self._lanes:
            lane.stop(None)
        ended = [lane.join(max(0.05, deadline - time.monotonic())) for lane in self._lanes]
        with self._start_lock:
            self._lanes = []
            self._pid = 0
        return all(ended)

    # -- this process ----------------------------------------------------------------------------

    def _start_process(self) -> None:
        if self._pid and self._pid != os.getpid():
            self._start_lock = threading.Lock()  # the fork may have copied it locked
            self._pid, self._lanes, self._waiters = 0, [], {}
        with self._start_lock:
            if self._pid == os.getpid():
                return
            self._owner = new_owner()
            self._house_lock = threading.Lock()
            now = time.monotonic()
            self._reclaim_at, self._extend_at, self._purge_at = now, now + EXTEND_EVERY, now + 1
            self._lanes = [self._lane(destination) for destination in self.destinations.values()]
            for lane in self._lanes:
                lane.start()
            self._pid = os.getpid()
        _close_at_exit(self)

    def _lane(self, destination: Sender) -> Lane:
        return Lane(
            self._outbox,
            destination,
            self._owner,
            self.timing,
            self._report,
            self._settled,
            self._housekeep,
        )

    def _until_idle(self, deadline: float) -> bool:
        while not all(lane.is_idle for lane in self._lanes):
            if time.monotonic() >= deadline:
                return False
            time.sleep(TICK)
        return True

    def _settled(self, destination: str, results: Sequence[Result]) -> None:
        if not self._waiters:
            return
        for row, _, outcome in results:
            waiter = self._waiters.get(row.id)
            if waiter is not None and outcome is not None:
                waiter.hear(destination, outcome)

    # -- what is done now and then, by whichever lane comes first -----------------------------------

    def _housekeep(self) -> None:
        now = time.monotonic()
        if now < min(self._reclaim_at, self._extend_at, self._purge_at):
            return
        if not self._house_lock.acquire(blocking=False):
            return
        try:
            if now >= self._reclaim_at:
                self._reclaim_at = now + RECLAIM_EVERY
                self._reclaim()
            if now >= self._extend_at:
                self._extend_at = now + EXTEND_EVERY
                self._outbox.extend(self._owner, self.timing.lease)
            if now >= self._purge_at:
                more = self._outbox.purge(
                    states=("delivered", "duplicate"), older_than=self.timing.keep, limit=PURGE_STEP
                )
                self._purge_at = now + (1 if more == PURGE_STEP else PURGE_EVERY)
        finally:
            self._house_lock.release()

    def _reclaim(self) -> None:
        for owner, is_overdue in self._outbox.owners().items():
            if owner != self._owner and (is_overdue or is_gone(owner)):
                self._outbox.reclaim(owner, self.timing.ambiguous)


class Waiter:
    """Somebody who waits for the answers to one event."""

    def __init__(self, id: str, expected: int) -> None:  # noqa: A002
        self.id = id
        self.outcomes: dict[str, Outcome] = {}
        self._expected = expected
        self._heard_all = threading.Event()

    def hear(self, destination: str, outcome: Outcome) -> None:
        self.outcomes[destination] = outcome
        if len(self.outcomes) >= self._expected:
            self._heard_all.set()

    def wait(self, timeout: float) -> bool:
        return self._heard_all.wait(timeout)


_to_close: weakref.WeakSet[Worker] = weakref.WeakSet()


def _close_at_exit(worker: Worker) -> None:
    """Give deliveries a moment at a clean end. Servers that skip `atexit` lose nothing but that moment."""
    _to_close.add(worker)


@atexit.register
def _close_all() -> None:
    deadline = time.monotonic() + EXIT_BOUND
    for worker in list(_to_close):
        worker.close(max(0.0, deadline - time.monotonic()))

"""How much may be sent now: nothing while the far side is down or asks for a rest, then little, then more."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence

from dub_middleware.conversions.destinations import Outcome
from dub_middleware.conversions.worker.timing import Timing


class Circuit:
    """What a lane has learnt about its far side; used by the lane's thread alone."""

    def __init__(self, timing: Timing, concurrency: int) -> None:
        self._timing = timing
        self._concurrency = concurrency
        self._failures = 0  # failed requests in a row
        self._held_until = 0.0
        self._durations: deque[float] = deque([0.0], maxlen=32)  # of the last requests
        # requests at once: doubles with each success, so that a recovery is no stampede
        self.allowed = concurrency if timing.open_after is None else 1
        self.deadline: float | None = None  # nothing is begun that would probably not end by then

    @property
    def is_open(self) -> bool:
        """Whether the far side is down, and asked by one probe at a time."""
        return self._timing.open_after is not None and self._failures >= self._timing.open_after

    def wait(self) -> float:
        """Return the seconds until the next request may go out."""
        return max(0.0, self._held_until - time.monotonic()) if self._held_until else 0.0

    def has_time(self, oldest: float | None) -> bool:
        """Whether a request begun now would probably end by the deadline.

        ``oldest`` is when the longest-running one began, which may say more than those that have ended.
        """
        if self.deadline is None:
            return True
        now = time.monotonic()
        running = now - oldest if oldest is not None else 0.0
        return now + 1.25 * max(running, *self._durations) < self.deadline

    def learn(self, outcomes: Sequence[Outcome], seconds: float) -> None:
        """Open, probe, close: take in what one request says about the far side as a whole."""
        self._durations.append(seconds)
        if self._timing.open_after is None:
            return
        states = {outcome.state for outcome in outcomes}
        asked = max((outcome.retry_after or 0.0 for outcome in outcomes), default=0.0)
        if "paused" in states:
            self._hold(self._timing.pause)
            self.allowed = 1
        elif asked and states <= {"retry", "ambiguous"}:
            self._hold(asked)
        elif states <= {"retry", "ambiguous"} and not _is_about_the_event(outcomes):
            self._failures += 1
            if self._failures >= self._timing.open_after:
                self.allowed = 1
                self._hold(self._timing.open_delay(self._failures - self._timing.open_after))
        else:
            self._failures = 0
            self._held_until = 0.0
            self.allowed = min(self._concurrency, self.allowed * 2)

    def _hold(self, seconds: float) -> None:
        self._held_until = max(self._held_until, time.monotonic() + seconds)


def _is_about_the_event(outcomes: Sequence[Outcome]) -> bool:
    """A 404 that is to be retried (a sale before its lead) says nothing against the far side."""
    return all(outcome.status is not None and 400 <= outcome.status < 408 for outcome in outcomes)

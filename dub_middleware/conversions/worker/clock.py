"""Tell time that has passed from time that the clock was set forward."""

from __future__ import annotations

import time

JUMP = 60.0  # seconds; less than this is drift, or an adjustment in small steps


def steady() -> float:
    """Return seconds that nobody can set, the sleep of the machine included where that can be had."""
    boot_time = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot_time is None else time.clock_gettime(boot_time)


class JumpingClock:
    """Take back from an age what was a jump of the wall clock.

    A machine without a clock of its own starts in the past and jumps to today when it reaches the network.
    That must not make everything that waits look years old.
    """

    def __init__(self) -> None:
        self._offset = time.time() - steady()
        self._jumps: list[tuple[float, float]] = []  # the wall time at which it jumped, and how far

    def look(self) -> None:
        """Notice a jump; to be called now and then."""
        offset = time.time() - steady()
        if offset - self._offset > JUMP:
            self._jumps.append((self._offset + steady(), offset - self._offset))
        self._offset = offset

    def real_age(self, age: float) -> float:
        """Return the age in seconds without the jumps since then."""
        if not age:
            return 0.0
        self.look()
        begun = time.time() - age
        return age - sum(far for jumped_at, far in self._jumps if begun <= jumped_at)

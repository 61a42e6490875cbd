"""Rate limits: a sliding window for each key, and the headers that tell of it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

MAX_KEYS = 10_000  # keys remembered; the least recently used one is forgotten first


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a key stands: ``reset`` is the epoch second at which its window ends."""

    allowed: bool
    limit: int
    remaining: int
    reset: float


@dataclass(slots=True)
class _Window:
    start: float
    count: int = 0
    before: int = 0


class RateLimit:
    """At most ``limit`` requests of one key in any ``seconds``; each process counts for itself.

    The window slides as an estimate: what the window before has counted weighs as much as of it still lies
    within the last ``seconds``.
    """

    def __init__(self, limit: int, seconds: int, clock: Callable[[], float]) -> None:
        self._limit = limit
        self._seconds = seconds
        self._clock = clock
        self._windows: OrderedDict[str, _Window] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, key: str) -> Standing:
        """Count one request; one that is not allowed costs nothing."""
        now = self._clock()
        start = now - now % self._seconds
        with self._lock:
            window = self._window(key, start)
            share = 1 - (now - start) / self._seconds
            free = self._limit - int(window.before * share) - window.count
            if free > 0:
                window.count += 1
        return Standing(free > 0, self._limit, max(0, free - 1), start + self._seconds)

    def _window(self, key: str, start: float) -> _Window:
        window = self._windows.setdefault(key, _Window(start))
        self._windows.move_to_end(key)
        if len(self._windows) > MAX_KEYS:
            self._windows.popitem(last=False)
        if window.start != start:
            is_next = window.start == start - self._seconds
            window.before, window.count = window.count if is_next else 0, 0
            window.start = start
        return window

"""How much a relay lets through: per visitor, at once, and towards a far side that is down."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict


class TokenBuckets:
    """A token bucket for each key: ``burst`` requests at once, then ``rate`` a second.

    Holds at most ``size`` keys; the one unused for longest is forgotten first.
    """

    def __init__(self, rate: float, burst: int, size: int = 10_000) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._size = size
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, key: str, *, now: float | None = None) -> float:
        """Take a token; return 0.0, or the seconds until there is one."""
        now = time.monotonic() if now is None else now
        with self._lock:
            tokens, since = self._buckets.pop(key, (self._burst, now))
            tokens = min(self._burst, tokens + (now - since) * self._rate)
            wait = 0.0 if tokens >= 1 else (1 - tokens) / self._rate
            self._buckets[key] = (tokens - 1 if tokens >= 1 else tokens, now)
            if len(self._buckets) > self._size:
                self._buckets.popitem(last=False)
        return wait

    def __len__(self) -> int:
        return len(self._buckets)


class Breaker:
    """Stop asking after ``failures`` in a row; let one request in every ``pause`` seconds try again."""

    def __init__(self, failures: int = 5, pause: float = 5.0) -> None:
        self._allowed = failures
        self._pause = pause
        self._failures = 0
        self._closed_until = 0.0
        self._lock = threading.Lock()

    def admits(self, *, now: float | None = None) -> bool:
        """Say whether a request may go out."""
        now = time.monotonic() if now is None else now
        with self._lock:
            if self._failures < self._allowed:
                return True
            if now < self._closed_until:
                return False
            self._closed_until = now + self._pause  # this one tries; the others wait for what becomes of it
            return True

    def note(self, *, failed: bool, now: float | None = None) -> None:
        """Take note of how a request ended."""
        now = time.monotonic() if now is None else now
        with self._lock:
            self._failures = self._failures + 1 if failed else 0
            if self._failures >= self._allowed:
                self._closed_until = now + self._pause

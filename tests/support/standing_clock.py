"""A clock that stands still until a test moves it."""

from __future__ import annotations

from datetime import datetime


class Clock:
    """Epoch seconds, for whatever takes a ``clock`` callable."""

    def __init__(self, start: datetime) -> None:
        self.now = start.timestamp()

    def __call__(self) -> float:
        return self.now

    def set(self, moment: datetime) -> None:
        self.now = moment.timestamp()

    def advance(self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0) -> None:
        self.now += ((days * 24 + hours) * 60 + minutes) * 60 + seconds

"""What belongs to one process: locks, sockets and database connections do not survive a fork."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerProcess(Generic[T]):
    """A value that is made on first use in each process, and so anew in the child of a fork.

    A lock that another thread held at the fork stays held in the child for ever, and SQLite's handles must
    not even be closed there (https://www.sqlite.org/howtocorrupt.html, section 2.6): what the parent made is
    kept, untouched. It needs no fork hook, which some servers do not call.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: dict[int, T] = {}

    def __call__(self) -> T:
        """Return this process's value."""
        made = self._made.get(os.getpid())
        # setdefault is atomic: of two threads that are first, both get the value of one
        return made if made is not None else self._made.setdefault(os.getpid(), self._make())

    def peek(self) -> T | None:
        """Return this process's value, or None while it has none."""
        return self._made.get(os.getpid())

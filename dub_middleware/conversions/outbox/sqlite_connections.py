"""The connections of one process to a SQLite file: who goes first, who waits, and what a fork does."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from typing import Literal

from dub_middleware.process import PerProcess

YIELD = 0.05  # seconds that the worker lets callers go first
FORK_PATIENCE = 5.0

Side = Literal["front", "back"]


class Connections:
    """The connections of one process. They are never closed in another: that could corrupt the file."""

    def __init__(self, *, survive_fork: bool) -> None:
        self.survive_fork = survive_fork
        # between the threads of a process a lock is quicker and fairer than SQLite's waiting
        self.lock = threading.RLock()
        self.callers = 0  # only one thread at a time stores: see GroupCommit
        # a cursor of each connection, whose own `execute` would make one at every call
        self.opened: dict[Side, sqlite3.Cursor] = {}
        self.inode: int | None = None

    def acquire(self, side: Side) -> None:
        """Take the lock; a caller of `put` goes before the worker, which could starve it by coming back."""
        if side == "front":
            self.callers += 1
            try:
                self.lock.acquire()
            finally:
                self.callers -= 1
        else:
            deadline = time.monotonic() + YIELD
            while self.callers and time.monotonic() < deadline:
                time.sleep(0)
            self.lock.acquire()

    def close(self) -> None:
        with self.lock:
            for cursor in self.opened.values():
                cursor.connection.close()
            self.opened.clear()

    def __del__(self) -> None:
        # an outbox that nobody closed: Python 3.13 warns of connections that end by themselves
        for cursor in self.opened.values():
            cursor.connection.close()


# -- fork ------------------------------------------------------------------------------------------

_known: weakref.WeakSet[PerProcess[Connections]] = weakref.WeakSet()
_held: list[Connections] = []


def close_before_fork(process: PerProcess[Connections]) -> None:
    """See to it that no thread is in a transaction when this process forks, and that no file is open."""
    _known.add(process)


def _before_fork() -> None:
    for known in list(_known):
        process = known.peek()
        if process is None or not process.lock.acquire(timeout=FORK_PATIENCE):
            continue
        _held.append(process)
        if not process.survive_fork:
            process.close()


def _after_fork_in_parent() -> None:
    while _held:
        _held.pop().lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_held.clear
    )

"""Group commit: what several threads store at the same moment goes to the disk with one commit."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence

from dub_middleware.conversions.outbox.rows import NewRow
from dub_middleware.errors import OutboxError

PATIENCE = 0.25  # seconds a caller waits for the store before it is told that it is busy


class _Ticket:
    __slots__ = ("error", "is_done", "rows")

    def __init__(self, rows: Sequence[NewRow]) -> None:
        self.rows = rows
        self.is_done = False
        self.error: Exception | None = None


class GroupCommit:
    """The first thread commits for all that wait behind it; they find their rows already stored."""

    def __init__(self, insert: Callable[[Sequence[NewRow]], None]) -> None:
        self._insert = insert
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._turn = threading.Lock()  # held by the thread that commits
        self._gate = threading.Lock()  # guards the list of those who wait
        self._waiting: list[_Ticket] = []

    def put(self, rows: Sequence[NewRow]) -> None:
        """Return when the rows are committed. Raises `OutboxError` after 250 ms of waiting."""
        if self._pid != os.getpid():  # a lock copied by a fork may be held by a thread that is not here
            self._reset()
        if self._turn.acquire(blocking=False):  # nobody is committing: no need to queue
            try:
                self._insert(rows)
            finally:
                self._turn.release()
            return
        self._queue(rows)

    def _queue(self, rows: Sequence[NewRow]) -> None:
        ticket = _Ticket(rows)
        with self._gate:
            self._waiting.append(ticket)
        if not self._turn.acquire(timeout=PATIENCE):
            with self._gate:
                if ticket in self._waiting:
                    self._waiting.remove(ticket)
                    raise OutboxError("The outbox is busy: no commit within 250 ms.")
            self._turn.acquire()  # somebody is committing it at this moment; the answer is near
        try:
            if not ticket.is_done:
                self._commit()
        finally:
            self._turn.release()
        if ticket.error is not None:
            raise ticket.error

    def _commit(self) -> None:
        with self._gate:
            tickets, self._waiting = self._waiting, []
        error: Exception | None = None
        try:
            self._insert([row for ticket in tickets for row in ticket.rows])
        except Exception as caught:
            error = caught
        for ticket in tickets:
            ticket.error = error
            ticket.is_done = True

"""Group commit: what several threads store at the same moment goes to the disk with one commit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from dub_middleware.conversions.outbox.rows import NewRow
from dub_middleware.errors import OutboxError
from dub_middleware.process import PerProcess

PATIENCE = 0.25  # seconds a caller waits for the store before it is told that it is busy


class _Ticket:
    __slots__ = ("error", "is_done", "leads", "rows", "turn")

    def __init__(self, rows: Sequence[NewRow]) -> None:
        self.rows = rows
        self.turn = threading.Lock()  # released when the rows are committed, or when this thread shall commit
        self.turn.acquire()
        self.is_done = False
        self.leads = False
        self.error: Exception | None = None


class _Queue:
    def __init__(self) -> None:
        self.gate = threading.Lock()
        self.is_busy = False  # somebody commits
        self.waiting: list[_Ticket] = []


class GroupCommit:
    """One thread commits at a time, for all that wait at that moment, and then hands over to the next."""

    def __init__(self, insert: Callable[[Sequence[NewRow]], None]) -> None:
        self._insert = insert
        self._queue = PerProcess(_Queue)

    def put(self, rows: Sequence[NewRow]) -> None:
        """Return when the rows are committed. Raises `OutboxError` after 250 ms of waiting."""
        queue = self._queue()
        with queue.gate:
            is_alone = not queue.is_busy
            queue.is_busy = True
            if not is_alone:
                ticket = _Ticket(rows)
                queue.waiting.append(ticket)
        if is_alone:
            try:
                self._insert(rows)
            finally:
                self._hand_over(queue)
            return
        self._wait(queue, ticket)
        if not ticket.is_done:
            self._commit(queue)
        if ticket.error is not None:
            raise ticket.error

    def _wait(self, queue: _Queue, ticket: _Ticket) -> None:
        if ticket.turn.acquire(timeout=PATIENCE):
            return
        with queue.gate:
            if not ticket.leads and ticket in queue.waiting:
                queue.waiting.remove(ticket)
                raise OutboxError("The outbox is busy: no commit within 250 ms.")
        ticket.turn.acquire()  # it is being committed, or its turn has just come

    def _commit(self, queue: _Queue) -> None:
        with queue.gate:
            tickets, queue.waiting = queue.waiting, []
        error: Exception | None = OutboxError("The commit was interrupted.")
        try:
            self._insert([row for ticket in tickets for row in ticket.rows])
            error = None
        except Exception as caught:
            error = caught
        finally:
            self._finish(queue, tickets, error)

    def _finish(self, queue: _Queue, tickets: Sequence[_Ticket], error: Exception | None) -> None:
        with queue.gate:
            for ticket in tickets:
                ticket.error, ticket.is_done = error, True
                ticket.turn.release()
        self._hand_over(queue)

    def _hand_over(self, queue: _Queue) -> None:
        with queue.gate:
            if queue.waiting:
                queue.waiting[0].leads = True
                queue.waiting[0].turn.release()
            else:
                queue.is_busy = False

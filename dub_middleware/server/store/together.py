"""Group commit: what several threads record at the same moment goes to the disk with one commit."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar, cast

from dub_middleware.errors import StoreError
from dub_middleware.process import PerProcess

T = TypeVar("T")

Transaction = Callable[[], AbstractContextManager[Any]]


class _Ticket:
    """One thread's work; ``turn`` is released when it is done, or when this thread shall do it."""

    __slots__ = ("error", "is_done", "result", "turn", "work")

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self.work = work
        self.turn = threading.Lock()
        self.turn.acquire()
        self.is_done = False
        self.result: Any = None
        self.error: BaseException | None = None


class _Queue:
    def __init__(self) -> None:
        self.gate = threading.Lock()
        self.is_busy = False  # somebody is at work, and hands over in the end
        self.waiting: list[_Ticket] = []


class Together:
    """One thread at a time works for all that wait at that moment: one transaction, a savepoint for each.

    ``settle`` is what they wait for after the commit, while the next ones are at work.
    """

    def __init__(self, transaction: Transaction, settle: Callable[[], None] | None = None) -> None:
        self._transaction = transaction
        self._settle = settle
        self._queue = PerProcess(_Queue)

    def run(self, work: Callable[[Any], T]) -> T:
        """Return what ``work`` returns, once it is committed; raise what it raises, once it is undone."""
        queue, ticket = self._queue(), _Ticket(work)
        with queue.gate:
            queue.waiting.append(ticket)
            is_first, queue.is_busy = not queue.is_busy, True
        if not is_first:
            ticket.turn.acquire()
        if not ticket.is_done:
            self._work(queue, ticket)
        if ticket.error is not None:
            raise ticket.error
        return cast(T, ticket.result)

    def _work(self, queue: _Queue, mine: _Ticket) -> None:
        with queue.gate:
            tickets, queue.waiting = queue.waiting, []
        try:
            with self._transaction() as connection:
                _do_all(tickets, connection)
        except BaseException as error:
            _fail(tickets, mine, error)
        finally:
            self._hand_over(queue)
        try:
            if self._settle is not None and any(ticket.error is None for ticket in tickets):
                self._settle()
        except BaseException as error:
            _fail(tickets, mine, error)
        finally:
            for ticket in tickets:
                ticket.is_done = True
                ticket.turn.release()

    def _hand_over(self, queue: _Queue) -> None:
        with queue.gate:
            heir = queue.waiting[0] if queue.waiting else None
            queue.is_busy = heir is not None
        if heir is not None:
            heir.turn.release()


def _fail(tickets: list[_Ticket], mine: _Ticket, error: BaseException) -> None:
    """Tell everybody that the commit failed: nobody's work is there."""
    is_ours = isinstance(error, Exception)
    for ticket in tickets:
        told = error if is_ours or ticket is mine else StoreError("The commit was interrupted.")
        ticket.error = ticket.error or told


def _do_all(tickets: list[_Ticket], connection: Any) -> None:
    if len(tickets) == 1:  # what it raises rolls the transaction back, with nobody else's work in it
        tickets[0].result = tickets[0].work(connection)
        return
    for ticket in tickets:
        connection.execute("SAVEPOINT one")
        try:
            ticket.result = ticket.work(connection)
        except Exception as error:
            ticket.error = error
            connection.execute("ROLLBACK TO one")
        connection.execute("RELEASE one")

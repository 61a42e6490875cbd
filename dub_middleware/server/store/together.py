"""Group commit: what several threads record at the same moment goes to the disk with one commit."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast

from dub_middleware.errors import StoreError
from dub_middleware.process import PerProcess

T = TypeVar("T")

#: does what it is given in a transaction: committed, or undone when that raises
Transaction = Callable[[Callable[[Any], None]], None]


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

    def do(self, connection: Any) -> None:
        self.result, self.error = self.work(connection), None


class _Queue:
    def __init__(self) -> None:
        self.gate = threading.Lock()
        self.is_busy = False  # somebody is at work, and hands over in the end
        self.waiting: list[_Ticket] = []


class Together:
    """One thread at a time works for all that wait at that moment, in one transaction.

    If the work of one fails when it has changed something, all of it is undone and each done alone: work may
    run twice. (A savepoint around each would be two more statements for what hardly ever happens.)
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
            self._commit(tickets, mine)
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

    def _commit(self, tickets: list[_Ticket], mine: _Ticket) -> None:
        try:
            self._transaction(functools.partial(_do_all, tickets))
        except _Entangled:
            for ticket in tickets:
                self._commit([ticket], mine)
        except BaseException as error:
            _fail(tickets, mine, error)

    def _hand_over(self, queue: _Queue) -> None:
        with queue.gate:
            heir = queue.waiting[0] if queue.waiting else None
            queue.is_busy = heir is not None
        if heir is not None:
            heir.turn.release()


class _Entangled(Exception):
    """Work that failed has changed something in a transaction that holds the work of others."""


def _fail(tickets: list[_Ticket], mine: _Ticket, error: BaseException) -> None:
    """Tell everybody that the commit failed: nobody's work is there."""
    is_ours = isinstance(error, Exception)
    for ticket in tickets:
        ticket.error = ticket.error or (error if is_ours else StoreError("The commit was interrupted."))
    if not is_ours:
        mine.error = error


def _do_all(tickets: list[_Ticket], connection: Any) -> None:
    if len(tickets) == 1:  # what it raises rolls the transaction back, with nobody else's work in it
        tickets[0].do(connection)
        return
    for ticket in tickets:
        changes = connection.total_changes
        try:
            ticket.do(connection)
        except Exception as error:
            if connection.total_changes != changes or not connection.in_transaction:
                raise _Entangled from error
            ticket.error = error

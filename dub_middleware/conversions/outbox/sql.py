"""What the two backends share: which statements run in which transaction."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

from dub_middleware.conversions.outbox import lease, ledger
from dub_middleware.conversions.outbox.commit import GroupCommit
from dub_middleware.conversions.outbox.guest import Dialect, Execute, guest
from dub_middleware.conversions.outbox.rows import Leased, NewRow, RowState, Settlement, StoredRow
from dub_middleware.conversions.outbox.schema import VERSION, VERSION_TABLE, statements
from dub_middleware.errors import OutboxError

_INSERT = (
    "INSERT INTO dub_outbox (id, destination, kind, key, payload, created_at, attempts, first_attempt_at,"
    " ambiguous) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
COUNT_EVERY = 1.0  # seconds


class SQLOutbox(ABC):
    """The outbox on a SQL database; a backend brings connections, transactions and its clock."""

    dialect: ClassVar[Dialect]
    placeholder: ClassVar[str]
    lock_rows = ""
    insert: ClassVar[str] = _INSERT

    def __init__(self, max_rows: int, clock: Callable[[], float] | None) -> None:
        self._clock = clock or time.time
        self._max_rows = max_rows
        self._counted_at = float("-inf")
        self._group = GroupCommit(self._insert)

    # -- the backend's part ------------------------------------------------------------------

    @abstractmethod
    def _front(self) -> AbstractContextManager[Execute]:
        """A transaction for the callers of `put`, committed on exit as durably as was asked for."""

    @abstractmethod
    def _back(self) -> AbstractContextManager[Execute]:
        """A transaction for the worker."""

    @abstractmethod
    def _look(self) -> AbstractContextManager[Execute]:
        """A transaction that only reads."""

    @abstractmethod
    def close(self) -> None: ...

    def _now(self, execute: Execute) -> float:
        return self._clock()

    def _begin_lease(self, execute: Execute, destination: str) -> float:
        """Make sure that nobody else leases rows of this destination at the same moment; return the time."""
        return self._now(execute)

    @abstractmethod
    def _welcome(self, execute: Execute) -> None:
        """See to it that the tables are where a guest's connection leads.

        Raises `OutboxError` when that is another database than the outbox's own.
        """

    # -- storing ----------------------------------------------------------------------------

    def put(self, rows: Sequence[NewRow]) -> None:
        self._group.put(rows)

    def put_in(self, connection: Any, rows: Sequence[NewRow]) -> None:
        caller = guest(connection, self.placeholder)
        if caller.dialect not in (None, self.dialect):
            raise OutboxError(
                f"connection= leads to {caller.dialect}, the outbox is in {self.dialect}: "
                "nobody would deliver the event."
            )
        self._welcome(caller.execute)
        for row in rows:
            caller.execute(self.insert, to_values(row, 0.0))

    def _insert(self, rows: Sequence[NewRow]) -> None:
        with self._front() as execute:
            self._check_room(execute)
            now = self._now(execute) if any(row.attempts for row in rows) else 0.0
            for row in rows:
                execute(self.insert, to_values(row, now))

    def _knows_of_room(self) -> bool:
        return time.monotonic() - self._counted_at < COUNT_EVERY

    def _check_room(self, execute: Execute) -> None:
        if self._knows_of_room():
            return
        # the distance between the newest and the oldest row is a quick upper bound
        ((span,),) = execute("SELECT (SELECT max(seq) FROM dub_outbox) - (SELECT min(seq) FROM dub_outbox)")
        new = self._count_new(execute)
        if (span or 0) + new >= self._max_rows:
            count = ledger.pending(execute, ()) + new
            if count >= self._max_rows:
                raise OutboxError(
                    f"The outbox is full: {count:,} events wait, {self._max_rows:,} are allowed."
                )
        self._counted_at = time.monotonic()

    def _count_new(self, execute: Execute) -> int:
        """How many rows wait outside of ``dub_outbox``."""
        return 0

    # -- delivering --------------------------------------------------------------------------

    def lease(
        self, destination: str, owner: str, limit: int, seconds: float, *, whole_keys: bool = False
    ) -> list[Leased]:
        with self._back() as execute:
            now = self._begin_lease(execute, destination)
            return lease.take(
                execute,
                destination,
                owner,
                limit,
                now + seconds,
                now,
                whole_keys=whole_keys,
                lock_rows=self.lock_rows,
            )

    def settle(self, owner: str, settlements: Sequence[Settlement]) -> None:
        if settlements:
            with self._back() as execute:
                lease.settle(execute, owner, settlements, self._now(execute))

    def extend(self, owner: str, seconds: float) -> None:
        with self._back() as execute:
            lease.extend(execute, owner, self._now(execute) + seconds)

    def owners(self) -> dict[str, bool]:
        with self._look() as execute:
            return lease.owners(execute, self._now(execute))

    def reclaim(self, owner: str, delay: float) -> int:
        with self._back() as execute:
            return lease.reclaim(execute, owner, delay, self._now(execute))

    def relinquish(self, owner: str, destination: str, held: Sequence[int], delay: float) -> int:
        with self._back() as execute:
            return lease.relinquish(execute, owner, destination, held, self._now(execute) + delay)

    # -- looking and tidying -------------------------------------------------------------------

    def pending(self, destinations: Sequence[str] = ()) -> int:
        with self._look() as execute:
            return ledger.pending(execute, destinations)

    def has_pending(self, destinations: Sequence[str] = ()) -> bool:
        with self._look() as execute:
            return ledger.has_pending(execute, destinations)

    def states(self, id: str) -> dict[str, RowState]:  # noqa: A002
        with self._look() as execute:
            return ledger.states(execute, id)

    def counts(self) -> dict[tuple[str, str], int]:
        with self._look() as execute:
            return ledger.counts(execute)

    def oldest(self) -> float | None:
        with self._look() as execute:
            return ledger.oldest(execute, self._now(execute))

    def rows(
        self, *, state: str | None = None, destination: str | None = None, after: int = 0, limit: int = 100
    ) -> list[StoredRow]:
        with self._look() as execute:
            return ledger.rows(execute, state, destination, after, limit)

    def find(self, id: str) -> list[StoredRow]:  # noqa: A002
        with self._look() as execute:
            return ledger.find(execute, id)

    def retry(
        self, *, ids: Iterable[str] = (), states: Iterable[str] = (), destinations: Iterable[str] = ()
    ) -> int:
        with self._back() as execute:
            return ledger.retry(execute, ids, states, destinations)

    def purgeable(
        self, *, states: Iterable[str], destinations: Iterable[str] = (), older_than: float = 0
    ) -> int:
        with self._look() as execute:
            return ledger.purgeable(execute, states, destinations, self._now(execute) - older_than)

    def purge(
        self,
        *,
        states: Iterable[str],
        destinations: Iterable[str] = (),
        older_than: float = 0,
        limit: int = 1000,
    ) -> int:
        with self._back() as execute:
            before = self._now(execute) - older_than
            return ledger.purge(execute, states, destinations, before, limit, self.lock_rows)

    def is_crowded(self) -> bool:
        return False

    # -- the schema ----------------------------------------------------------------------------

    def _upgrade(self, execute: Execute, version: int) -> None:
        """Bring the tables from ``version`` (0: none) to this release's, inside an exclusive transaction."""
        if version > VERSION:
            raise OutboxError(
                f"The outbox was written by a newer release (schema {version}, this one knows {VERSION})."
            )
        if version == VERSION:
            return
        execute(VERSION_TABLE)
        for step in range(version + 1, VERSION + 1):
            for statement in statements(step, postgres=self.dialect == "postgresql"):
                execute(statement)
        execute("DELETE FROM dub_outbox_schema")
        execute("INSERT INTO dub_outbox_schema (version) VALUES (?)", (VERSION,))


def stored_version(execute: Execute) -> int:
    """Return the version of the tables; the version table must exist."""
    found = execute("SELECT version FROM dub_outbox_schema")
    return int(found[0][0]) if found else 0


def to_values(row: NewRow, now: float) -> tuple[Any, ...]:
    """Return what `SQLOutbox.insert` binds."""
    tried = now if row.attempts else None
    return (
        row.id, row.destination, row.kind, row.key, row.payload, row.created_at, row.attempts, tried,
        int(row.ambiguous),
    )  # fmt: skip

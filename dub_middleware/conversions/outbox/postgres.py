"""The outbox in PostgreSQL, through psycopg 3, for applications that run on several machines."""

from __future__ import annotations

import contextlib
import select
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal

from dub_middleware.conversions.outbox.guest import Execute
from dub_middleware.conversions.outbox.schema import VERSION_TABLE
from dub_middleware.conversions.outbox.sql import SQLOutbox, stored_version
from dub_middleware.errors import MissingDependencyError, OutboxError
from dub_middleware.process import PerProcess

if TYPE_CHECKING:
    import psycopg

BUSY = 250  # milliseconds that a statement of `put` waits for a lock
CONNECT_TIMEOUT = 2
LEASE_LOCK = 0x647562  # the class of our advisory locks: "dub"

_Side = Literal["front", "back"]


class _Connections:
    """The connections of one process; those that came through a fork stay its parent's."""

    def __init__(self) -> None:
        self.locks: dict[_Side, threading.Lock] = {"front": threading.Lock(), "back": threading.Lock()}
        self.opened: dict[_Side, psycopg.Connection[Any]] = {}

    def drop(self, side: _Side) -> None:
        connection = self.opened.pop(side, None)
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.close()


class PostgresOutbox(SQLOutbox):
    """See `open_outbox`. All times are the server's, so machines may disagree about theirs."""

    dialect = "postgresql"
    placeholder = "%s"
    lock_rows = " FOR UPDATE SKIP LOCKED"

    def __init__(
        self,
        url: str,
        *,
        durability: str = "power",
        max_rows: int = 1_000_000,
        clock: Callable[[], float] | None = None,
    ) -> None:
        try:
            import psycopg  # noqa: F401
        except ImportError:
            raise MissingDependencyError("psycopg", "postgres") from None
        super().__init__(max_rows, clock)
        self._url = url
        self._has_own_clock = clock is not None
        self._synchronous = "on" if durability == "power" else "off"
        self._process = PerProcess(_Connections)

    def __repr__(self) -> str:
        return "PostgresOutbox()"  # the URL may hold a password

    def close(self) -> None:
        process = self._process()
        for side, lock in process.locks.items():
            with lock:
                process.drop(side)

    def _front(self) -> AbstractContextManager[Execute]:
        return self._transaction("front")

    def _back(self) -> AbstractContextManager[Execute]:
        return self._transaction("back")

    _look = _back

    @contextlib.contextmanager
    def _transaction(self, side: _Side) -> Iterator[Execute]:
        import psycopg

        process = self._process()
        with process.locks[side]:
            try:
                connection = self._connection(process, side)
                with connection.transaction():
                    yield _executor(connection)
            except psycopg.Error as error:
                if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
                    process.drop(side)
                first = str(error).partition("\n")[0]
                raise OutboxError(f"The outbox in PostgreSQL cannot be used: {first}") from error

    def _connection(self, process: _Connections, side: _Side) -> psycopg.Connection[Any]:
        connection = process.opened.get(side)
        if connection is None or connection.closed or not _is_alive(connection):
            process.drop(side)
            connection = process.opened[side] = self._open(side)
        return connection

    def _open(self, side: _Side) -> psycopg.Connection[Any]:
        import psycopg

        connection = psycopg.connect(self._url, connect_timeout=CONNECT_TIMEOUT, autocommit=True)
        try:
            connection.execute(f"SET synchronous_commit = {self._synchronous}")
            with connection.transaction():
                execute = _executor(connection)
                execute("SELECT pg_advisory_xact_lock(?, 0)", (LEASE_LOCK,))
                execute(VERSION_TABLE)
                self._upgrade(execute, stored_version(execute))
            if side == "front":  # only now: another process may just be creating the tables
                connection.execute(f"SET lock_timeout = {BUSY}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _now(self, execute: Execute) -> float:
        if self._has_own_clock:
            return self._clock()
        return float(execute("SELECT extract(epoch FROM clock_timestamp())")[0][0])

    def _begin_lease(self, execute: Execute, destination: str) -> float:
        # Two leases at once could each miss a row the other is just taking, and have one key in flight twice.
        execute("SELECT pg_advisory_xact_lock(?, hashtext(?))", (LEASE_LOCK, destination))
        return self._now(execute)

    def _welcome(self, execute: Execute) -> None:
        import psycopg

        ((name, tables),) = execute("SELECT current_database(), to_regclass('dub_outbox_schema')")
        wanted = psycopg.conninfo.conninfo_to_dict(self._url).get("dbname")
        if wanted and name != wanted:
            raise OutboxError(
                f"connection= is another database ({name}) than the outbox ({wanted}): "
                "nobody would deliver the event."
            )
        if tables is None:  # not in the caller's transaction: two of them would collide
            with self._front():
                pass


def _executor(connection: psycopg.Connection[Any]) -> Execute:
    def execute(statement: str, values: Sequence[Any] = (), /) -> list[tuple[Any, ...]]:
        # the statements are this package's own; values never go into the text
        cursor = connection.execute(statement.replace("?", "%s"), values or None)
        return cursor.fetchall() if cursor.description else []

    return execute


def _is_alive(connection: psycopg.Connection[Any]) -> bool:
    """Whether an idle connection is still good: when the server has closed its end, it is readable."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)

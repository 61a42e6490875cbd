"""The outbox in PostgreSQL, through psycopg 3, for applications that run on several machines."""

from __future__ import annotations

import contextlib
import os
import select
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from dub_middleware.conversions.outbox.sql import Execute, SQLOutbox
from dub_middleware.errors import MissingDependencyError, OutboxError

if TYPE_CHECKING:
    import psycopg

BUSY = 250  # milliseconds that a statement of `put` waits for a lock
CONNECT_TIMEOUT = 2
LEASE_LOCK = 0x647562  # the class of our advisory locks: "dub"

_abandoned: list[object] = []  # connections that belong to the parent of a fork


class PostgresOutbox(SQLOutbox):
    """See `open_outbox`. All times are the server's, so machines may disagree about theirs."""

    placeholder = "%s"
    postgres = True
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
        self._start_process()

    def __repr__(self) -> str:
        return "PostgresOutbox()"  # the URL may hold a password

    def close(self) -> None:
        for lock, side in ((self._locks["front"], "front"), (self._locks["back"], "back")):
            with lock:
                self._drop(side)

    def _start_process(self) -> None:
        self._pid = os.getpid()
        self._locks = {"front": threading.Lock(), "back": threading.Lock()}
        self._connections: dict[str, psycopg.Connection[Any]] = {}

    def _front(self) -> AbstractContextManager[Execute]:
        return self._transaction("front")

    def _back(self) -> AbstractContextManager[Execute]:
        return self._transaction("back")

    @contextlib.contextmanager
    def _transaction(self, side: str) -> Iterator[Execute]:
        import psycopg

        if self._pid != os.getpid():
            _abandoned.append(self._connections)
            self._start_process()
        with self._locks[side]:
            try:
                connection = self._connection(side)
                with connection.transaction():
                    yield _executor(connection)
            except psycopg.Error as error:
                if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
                    self._drop(side)
                first = str(error).partition("\n")[0]
                raise OutboxError(f"The outbox in PostgreSQL cannot be used: {first}") from error

    def _connection(self, side: str) -> psycopg.Connection[Any]:
        connection = self._connections.get(side)
        if connection is not None and not connection.closed and _is_alive(connection):
            return connection
        self._drop(side)
        connection = self._connections[side] = self._open(side)
        return connection

    def _open(self, side: str) -> psycopg.Connection[Any]:
        import psycopg

        connection = psycopg.connect(self._url, connect_timeout=CONNECT_TIMEOUT, autocommit=True)
        try:
            connection.execute(f"SET synchronous_commit = {self._synchronous if side == 'front' else 'off'}")
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s, 0)", (LEASE_LOCK,))
                self._upgrade(_executor(connection))
            if side == "front":  # only now: another process may just be creating the tables
                connection.execute(f"SET lock_timeout = {BUSY}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _drop(self, side: str) -> None:
        connection = self._connections.pop(side, None)
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.close()

    def _now(self, execute: Execute) -> float:
        if self._has_own_clock:
            return self._clock()
        return float(execute("SELECT extract(epoch FROM clock_timestamp())")[0][0])

    def _before_lease(self, execute: Execute, destination: str) -> float:
        # Two leases at once could each miss a row the other is just taking, and have one key in flight twice.
        execute("SELECT pg_advisory_xact_lock(?, hashtext(?))", (LEASE_LOCK, destination))
        return self._now(execute)

    def _check_guest(self, connection: Any) -> None:
        import psycopg

        if not isinstance(connection, psycopg.Connection):
            return
        wanted = psycopg.conninfo.conninfo_to_dict(self._url).get("dbname")
        if wanted and connection.info.dbname != wanted:
            raise OutboxError(
                f"connection= is another database ({connection.info.dbname}) than the outbox ({wanted}); "
                "nobody would deliver the event."
            )


def _executor(connection: psycopg.Connection[Any]) -> Execute:
    def execute(statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        # the statements are this package's own; values never go into the text
        cursor = connection.execute(statement.replace("?", "%s"), values or None)
        return cursor.fetchall() if cursor.description else []

    return execute


def _is_alive(connection: psycopg.Connection[Any]) -> bool:
    """Whether an idle connection is still good: when the server has closed its end, it is readable."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)

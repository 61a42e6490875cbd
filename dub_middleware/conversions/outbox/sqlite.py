"""The outbox in a SQLite file, on the standard library alone.

Write-ahead logging, ``BEGIN IMMEDIATE``, one commit before a call returns. A process has two connections: the
front stores, the back delivers and is the only one that moves the log into the file. They are closed before a
fork and opened when they are needed, because SQLite's locks do not survive one
(https://www.sqlite.org/howtocorrupt.html, section 2.6).
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from dub_middleware.conversions.outbox.sql import Execute, SQLOutbox
from dub_middleware.errors import OutboxError

logger = logging.getLogger("dub_middleware.outbox")

PAGE = 1024  # bytes, of a new file: a commit writes whole pages, and our rows are small
BUSY = 250  # milliseconds that a statement waits for another process
FORK_PATIENCE = 5.0
SYNCHRONOUS = {"power": "FULL", "process": "NORMAL"}
_DAMAGED = ("file is not a database", "database disk image is malformed")

#: connections that came through a fork without our hook: closing them could corrupt the file, so they stay
_abandoned: list[object] = []


class SQLiteOutbox(SQLOutbox):
    """See `open_outbox`; ``path`` may be ``":memory:"``, then front and back are one connection."""

    def __init__(
        self,
        path: str,
        *,
        durability: str = "power",
        max_rows: int = 1_000_000,
        max_bytes: int = 2**30,
        clock: Callable[[], float] | None = None,
    ) -> None:
        super().__init__(max_rows, clock)
        self._path = path
        self._is_memory = path == ":memory:"
        self._synchronous = SYNCHRONOUS[durability]
        self._max_bytes = max_bytes
        self._has_guests = False
        self._start_process()
        _outboxes.add(self)

    def __repr__(self) -> str:
        return f"SQLiteOutbox({self._path!r})"

    def close(self) -> None:
        with self._lock:
            self._close()

    # -- connections ---------------------------------------------------------------------------

    def _start_process(self) -> None:
        self._pid = os.getpid()
        # in one process SQLite's own waiting (poll with growing sleeps) is slower than a lock
        self._lock = threading.RLock()
        self._callers = 0  # only one thread at a time stores: see GroupCommit
        self._connections: dict[str, sqlite3.Connection] = {}
        self._inode: int | None = None

    def _front(self) -> AbstractContextManager[Execute]:
        return self._transaction("front")

    def _back(self) -> AbstractContextManager[Execute]:
        return self._transaction("back")

    @contextlib.contextmanager
    def _transaction(self, side: str) -> Iterator[Execute]:
        if self._pid != os.getpid():
            _abandoned.append(self._connections)
            self._start_process()
        with self._turn(side):
            try:
                connection = self._connection("front" if self._is_memory else side)
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield lambda statement, values=(): connection.execute(statement, values).fetchall()
                    connection.execute("COMMIT")
                except BaseException:
                    with contextlib.suppress(sqlite3.Error):  # a full disk has rolled back by itself
                        connection.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                self._after(error)
                raise OutboxError(f"The outbox {self._path} cannot be used: {error}.") from error
            except OSError as error:
                raise OutboxError(f"The outbox {self._path} cannot be used: {error.strerror}.") from error

    @contextlib.contextmanager
    def _turn(self, side: str) -> Iterator[None]:
        """Hold the lock; a caller of `put` goes before the worker, which could starve it by coming back."""
        if side == "front":
            self._callers += 1
            try:
                self._lock.acquire()
            finally:
                self._callers -= 1
        else:
            deadline = time.monotonic() + 0.05
            while self._callers and time.monotonic() < deadline:
                time.sleep(0)
            self._lock.acquire()
        try:
            yield
        finally:
            self._lock.release()

    def _connection(self, side: str) -> sqlite3.Connection:
        if self._connections and not self._is_memory and self._is_replaced():
            self._move()
        connection = self._connections.get(side)
        if connection is None:
            connection = self._connections[side] = self._open(side)
        return connection

    def _open(self, side: str) -> sqlite3.Connection:
        if not self._is_memory:
            # whatever the umask: the rows hold personal data
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(
            self._path, timeout=BUSY / 1000, isolation_level=None, check_same_thread=False
        )
        try:
            if not self._is_memory:
                connection.execute(f"PRAGMA page_size = {PAGE}")
                connection.execute("PRAGMA journal_mode = WAL")
                self._inode = os.stat(self._path).st_ino
            connection.execute(f"PRAGMA synchronous = {self._synchronous if side == 'front' else 'NORMAL'}")
            if side == "front" and not self._is_memory:
                connection.execute("PRAGMA wal_autocheckpoint = 0")
                (page,) = connection.execute("PRAGMA page_size").fetchone()
                connection.execute(f"PRAGMA max_page_count = {max(1, self._max_bytes // page)}")
            connection.execute("BEGIN IMMEDIATE")
            self._upgrade(lambda statement, values=(): connection.execute(statement, values).fetchall())
            connection.execute("COMMIT")
        except BaseException:
            connection.close()
            raise
        return connection

    def _close(self) -> None:
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    # -- trouble -------------------------------------------------------------------------------

    def _is_replaced(self) -> bool:
        try:
            return os.stat(self._path).st_ino != self._inode
        except FileNotFoundError:
            return True

    def _move(self) -> None:
        """Somebody deleted or replaced the file under us: carry the waiting rows over to the new one."""
        logger.error("The outbox %s was deleted or replaced while in use; its events are moved.", self._path)
        names = (
            "id, destination, kind, key, payload, created_at, state, next_at, owner, attempts,"
            " first_attempt_at, ambiguous, status, message, settled_at, crashes"
        )
        rows: list[tuple[Any, ...]] = []
        with contextlib.suppress(sqlite3.Error):
            old = next(iter(self._connections.values()))
            rows = old.execute(f"SELECT {names} FROM dub_outbox WHERE state = 'pending'").fetchall()
        self._close()
        front = self._connections["front"] = self._open("front")
        front.execute("BEGIN IMMEDIATE")
        marks = ", ".join("?" * 16)
        front.executemany(f"INSERT INTO dub_outbox ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING", rows)
        front.execute("COMMIT")

    def _after(self, error: sqlite3.Error) -> None:
        damaged = str(error).startswith(_DAMAGED)
        if not damaged and not isinstance(error, sqlite3.OperationalError):
            return
        if damaged or "locked" not in str(error):
            with contextlib.suppress(sqlite3.Error):
                self._close()  # after a failed sync only a new connection tells what is on the disk
        if damaged and not self._is_memory and not self._has_guests:
            self._put_aside()

    def _put_aside(self) -> None:
        # never when the file is the application's own database: see put_in
        aside = f"{self._path}.corrupt-{int(time.time())}"
        with contextlib.suppress(OSError):
            os.replace(self._path, aside)
            for suffix in ("-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    os.replace(self._path + suffix, aside + suffix)
            logger.critical(
                "The outbox %s is damaged. It is kept as %s, and a new one is begun.", self._path, aside
            )

    # -- the caller's connection -----------------------------------------------------------------

    def put_in(self, connection: Any, rows: Sequence[Any]) -> None:
        self._has_guests = True
        super().put_in(connection, rows)

    def _check_guest(self, connection: Any) -> None:
        files = _files(connection)
        if files is not None and not any(_is_same(self._path, file) for file in files):
            raise OutboxError(
                f"connection= is another database ({', '.join(files) or 'in memory'}) than the outbox "
                f"({self._path}); nobody would deliver the event."
            )


def _files(connection: Any) -> list[str] | None:
    if not isinstance(connection, sqlite3.Connection):
        return None
    return [file for _, _, file in connection.execute("PRAGMA database_list") if file]


def _is_same(path: str, other: str) -> bool:
    with contextlib.suppress(OSError):
        return os.path.samefile(path, other)
    return Path(path).resolve() == Path(other).resolve()


# -- fork ------------------------------------------------------------------------------------------

_outboxes: weakref.WeakSet[SQLiteOutbox] = weakref.WeakSet()
_held: list[SQLiteOutbox] = []


def _before_fork() -> None:
    for outbox in list(_outboxes):
        if outbox._pid == os.getpid() and outbox._lock.acquire(timeout=FORK_PATIENCE):
            _held.append(outbox)
            if not outbox._is_memory:
                outbox._close()


def _after_fork_in_parent() -> None:
    while _held:
        _held.pop()._lock.release()


def _after_fork_in_child() -> None:
    while _held:
        outbox = _held.pop()
        _abandoned.append(outbox._connections)
        outbox._start_process()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
    )

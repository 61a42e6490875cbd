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
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import NoReturn

from dub_middleware.conversions.outbox import inbox, sqlite_file
from dub_middleware.conversions.outbox.guest import Execute
from dub_middleware.conversions.outbox.rows import NewRow
from dub_middleware.conversions.outbox.schema import VERSION, VERSION_TABLE
from dub_middleware.conversions.outbox.sql import SQLOutbox, stored_version, to_values
from dub_middleware.conversions.outbox.sqlite_connections import (
    Connections,
    Side,
    close_before_fork,
)
from dub_middleware.errors import OutboxError
from dub_middleware.patience import patiently
from dub_middleware.process import PerProcess
from dub_middleware.reason import reason

logger = logging.getLogger("dub_middleware.outbox")

BUSY = 0.25  # seconds that a transaction waits for another process
PAGE = 2048  # bytes: what a commit of one row writes, and sums up; with half of that few rows would fit
SYNCHRONOUS = {"power": "FULL", "process": "NORMAL"}


class SQLiteOutbox(SQLOutbox):
    """See `open_outbox`; ``path`` may be ``":memory:"``, then front and back are one connection."""

    dialect = "sqlite"
    placeholder = "?"
    insert = inbox.INSERT

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
        self._is_memory = is_memory = path == ":memory:"
        self._synchronous = SYNCHRONOUS[durability]
        self._max_bytes = max_bytes
        self._is_shared = False  # with the application's own tables: see put_in
        self._process = PerProcess(lambda: Connections(survive_fork=is_memory))
        close_before_fork(self._process)

    def __repr__(self) -> str:
        return f"SQLiteOutbox({self._path!r})"

    def close(self) -> None:
        self._process().close()

    def is_crowded(self) -> bool:
        with self._look() as execute:
            ((pages,),) = execute("PRAGMA page_count")
            ((free,),) = execute("PRAGMA freelist_count")
            ((size,),) = execute("PRAGMA page_size")
        return bool((pages - free) * size > self._most_bytes() // 2)

    def _most_bytes(self) -> int:
        # who delivers needs room too: where files end early, callers fill them half
        return min(self._max_bytes, sqlite_file.size_limit() // 2)

    # -- transactions --------------------------------------------------------------------------

    def _insert(self, rows: Sequence[NewRow]) -> None:
        if len(rows) > 1 or not self._knows_of_room():
            super()._insert(rows)
            return
        # one statement is a transaction of its own; no generator, because this is in every call
        process = self._process()
        process.acquire("front")
        try:
            patiently(self._cursor(process, "front"), BUSY, self.insert, to_values(rows[0], self._clock()))
        except (sqlite3.Error, OSError) as error:
            self._translate(process, error)
        finally:
            process.lock.release()

    def _count_new(self, execute: Execute) -> int:
        return inbox.count(execute)

    def _front(self) -> AbstractContextManager[Execute]:
        return self._transaction("front")

    @contextlib.contextmanager
    def _back(self) -> Iterator[Execute]:
        with self._transaction("back") as execute:
            inbox.collect(execute)
            yield execute

    @contextlib.contextmanager
    def _look(self) -> Iterator[Execute]:
        with self._transaction("back", "BEGIN") as execute:
            more = inbox.count(execute) > 0
        while more:
            with self._transaction("back") as execute:
                more = inbox.collect(execute)
        with self._transaction("back", "BEGIN") as execute:
            yield execute

    @contextlib.contextmanager
    def _transaction(self, side: Side, begin: str = "BEGIN IMMEDIATE") -> Iterator[Execute]:
        with self._connected(side) as cursor:
            patiently(cursor, BUSY, begin)
            try:
                yield lambda statement, values=(): cursor.execute(statement, values).fetchall()
                cursor.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):  # a full disk has rolled back by itself
                    cursor.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _connected(self, side: Side) -> Iterator[sqlite3.Cursor]:
        process = self._process()
        process.acquire(side)
        try:
            yield self._cursor(process, side)
        except (sqlite3.Error, OSError) as error:
            self._translate(process, error)
        finally:
            process.lock.release()

    # -- connections ---------------------------------------------------------------------------

    def _cursor(self, process: Connections, side: Side) -> sqlite3.Cursor:
        if self._is_memory:
            side = "front"
        if process.opened and not self._is_memory and sqlite_file.inode(self._path) != process.inode:
            self._move(process)
        cursor = process.opened.get(side)
        if cursor is None:
            cursor = process.opened[side] = self._open(process, side)
        return cursor

    def _open(self, process: Connections, side: Side) -> sqlite3.Cursor:
        is_new = not self._is_memory and not os.path.exists(self._path)
        # autocommit: BEGIN and COMMIT are ours
        connection = sqlite3.connect(self._path, timeout=0, isolation_level=None, check_same_thread=False)
        cursor = connection.cursor()
        try:
            if is_new:
                # Whatever the umask: the rows hold personal data. Not by opening the file ourselves:
                # to close any descriptor of it would drop the locks of every connection of this process.
                os.chmod(self._path, 0o600)
            self._configure(cursor, side)
            process.inode = sqlite_file.inode(self._path)
            patiently(cursor, BUSY, "BEGIN IMMEDIATE")
            execute: Execute = lambda statement, values=(): connection.execute(statement, values).fetchall()  # noqa: E731
            self._upgrade(execute, _version(execute))
            connection.execute("COMMIT")
        except BaseException:
            connection.close()
            raise
        return cursor

    def _configure(self, cursor: sqlite3.Cursor, side: Side) -> None:
        synchronous = self._synchronous if side == "front" else "NORMAL"
        if self._is_memory:
            return
        patiently(cursor, BUSY, f"PRAGMA page_size = {PAGE}")  # of a file that is new
        patiently(cursor, BUSY, "PRAGMA journal_mode = WAL")
        patiently(cursor, BUSY, f"PRAGMA synchronous = {synchronous}")
        if side == "front":
            patiently(cursor, BUSY, "PRAGMA wal_autocheckpoint = 0")
            (page,) = patiently(cursor, BUSY, "PRAGMA page_size").fetchone()
            patiently(cursor, BUSY, f"PRAGMA max_page_count = {max(1, self._most_bytes() // page)}")

    # -- trouble -------------------------------------------------------------------------------

    def _move(self, process: Connections) -> None:
        """Somebody deleted or replaced the file under us: carry the waiting rows over to the new one."""
        logger.error("The outbox %s was deleted or replaced while in use; its events are moved.", self._path)
        rows = sqlite_file.waiting(next(iter(process.opened.values())))
        process.close()
        front = process.opened["front"] = self._open(process, "front")
        sqlite_file.restore(front, rows)

    def _translate(self, process: Connections, error: sqlite3.Error | OSError) -> NoReturn:
        if isinstance(error, OSError):
            raise OutboxError(f"The outbox {self._path} cannot be used: {error.strerror}.") from error
        self._after(process, error)
        raise OutboxError(f"The outbox {self._path} cannot be used: {reason(error, self._path)}.") from error

    def _after(self, process: Connections, error: sqlite3.Error) -> None:
        is_damaged = sqlite_file.is_damage(error)
        if not is_damaged and (not isinstance(error, sqlite3.OperationalError) or "locked" in str(error)):
            return
        with contextlib.suppress(sqlite3.Error):
            process.close()  # after a failed sync only a new connection tells what is on the disk
        if is_damaged and not self._is_memory and not self._is_shared:
            aside = sqlite_file.put_aside(self._path)
            logger.critical(
                "The outbox %s is damaged. It is kept as %s, and a new one is begun.", self._path, aside
            )

    # -- the caller's connection -----------------------------------------------------------------

    def _welcome(self, execute: Execute) -> None:
        self._is_shared = True  # never put the application's own database aside
        files = [str(file) for _, _, file in execute("PRAGMA database_list") if file]
        if not any(sqlite_file.is_same(self._path, file) for file in files):
            raise OutboxError(
                f"connection= is another database ({', '.join(files) or 'in memory'}) than the outbox "
                f"({self._path}): nobody would deliver the event."
            )
        if _version(execute) != VERSION:
            _create_inside(execute, self._upgrade)


def _create_inside(execute: Execute, upgrade: Callable[[Execute, int], None]) -> None:
    """Make the tables as a whole or not at all: drivers let such statements commit one by one."""
    execute("SAVEPOINT dub_outbox")
    try:
        execute(VERSION_TABLE)  # takes the write lock: from here on nobody else makes them
        upgrade(execute, stored_version(execute))
    except BaseException:
        with contextlib.suppress(Exception):
            execute("ROLLBACK TO dub_outbox")
            execute("RELEASE dub_outbox")
        raise
    execute("RELEASE dub_outbox")


def _version(execute: Execute) -> int:
    if not execute("SELECT 1 FROM sqlite_master WHERE name = 'dub_outbox_schema'"):
        return 0
    return stored_version(execute)

"""A SQLite file that many threads and processes read and write: WAL, one writer at a time, nobody refused."""

from __future__ import annotations

import os
import threading
import time
import weakref
from typing import Any

import sqlalchemy as sa

from dub_middleware.errors import StoreError
from dub_middleware.patience import patiently
from dub_middleware.server.store import metadata

BUSY_TIMEOUT = 5000  # milliseconds that a writer waits for another one
READ_LIMIT = 10  # seconds that a transaction may read
STEPS = 50_000  # of SQLite's machine between two looks at the clock: some milliseconds
PAGE = 2048  # bytes; a lead touches a dozen pages, each of which goes into the log as a whole
JOURNAL_LIMIT = 64 * 1024 * 1024  # bytes that the WAL file shrinks back to

_sync = getattr(os, "fdatasync", os.fsync)


def readers(url: sa.URL) -> sa.Engine:
    """Connections whose transactions read."""
    engine = _engine(url, pool_size=8, max_overflow=32)

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        raw, deadline = _driver(connection), time.monotonic() + READ_LIMIT
        raw.set_progress_handler(lambda: time.monotonic() > deadline, STEPS)
        raw.execute("BEGIN")

    @sa.event.listens_for(engine, "checkin")
    def unlimited(connection: Any, _: object) -> None:
        if connection is not None:
            connection.set_progress_handler(None, 0)

    return engine


def writers(url: sa.URL) -> sa.Engine:
    """Connections whose transactions write from the start, when nobody else does.

    A transaction that reads first and then writes could not wait for another writer: SQLITE_BUSY_SNAPSHOT.
    """
    engine = _engine(url, pool_size=2, max_overflow=32)

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        connection.execute("PRAGMA busy_timeout = 0")  # `begin_immediate` waits

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        begin_immediate(_driver(connection))

    return engine


def begin_immediate(raw: Any) -> None:
    """Begin to write as soon as no other process does."""
    patiently(raw, BUSY_TIMEOUT / 1000, "BEGIN IMMEDIATE")


class Recorder:
    """The connection of one process that records, and the log that its commits are in.

    Taking a connection out of the pool and putting it back would cost more than an INSERT.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._pooled = engine.raw_connection()
        self.raw: Any = self._pooled.driver_connection
        self._log: str = self._pooled.info["wal"]
        self._file: int | None = None
        self._gate = threading.Lock()

    def sync(self) -> None:
        """Write the log through to the disk, and with it every commit so far.

        This is what ``synchronous = FULL`` does inside of each commit; here other writers go on meanwhile.
        (`synchronous = NORMAL` syncs the log before its pages go into the file, and the file before the log
        begins anew: https://www.sqlite.org/pragma.html#pragma_synchronous.) Raises `StoreError`.
        """
        try:
            file = self._open() if self._file is None else self._file
            if file is not None:
                _sync(file)
        except OSError as error:
            raise StoreError(f"{self._log}: {error}") from error

    def close(self) -> None:
        """Give the connection back; the log is closed when nobody syncs it any more."""
        self._pooled.close()

    def _open(self) -> int | None:
        with self._gate:
            if self._file is None:
                try:
                    # it stays the same file as long as a connection is open, and locks are on others
                    self._file = os.open(self._log, os.O_RDWR)
                except FileNotFoundError:
                    return None  # no WAL here: the commits have synced
                weakref.finalize(self, os.close, self._file)
            return self._file


def _engine(url: sa.URL, **pool: int) -> sa.Engine:
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_TIMEOUT / 1000}, **pool)

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, record: sa.PoolProxiedConnection) -> None:
        connection.isolation_level = None  # BEGIN is ours
        connection.execute(f"PRAGMA page_size = {PAGE}")  # of a new file; others keep theirs
        mode = patiently(connection, BUSY_TIMEOUT / 1000, "PRAGMA journal_mode = WAL").fetchone()[0]
        for pragma in (
            f"journal_size_limit = {JOURNAL_LIMIT}",
            # where the file system has no WAL, the commit itself has to sync
            f"synchronous = {'NORMAL' if mode == 'wal' else 'FULL'}",
            # as many pages as one block of the log's index holds (4,062): readers look at one, writers copy
            # pages into the file a quarter as often as by default
            "wal_autocheckpoint = 4000",
            "cache_size = -32000",
            "mmap_size = 1073741824",
            "temp_store = MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")
        record.info["wal"] = connection.execute("PRAGMA database_list").fetchone()[2] + "-wal"
        metadata.prepare(connection)

    return engine


def _driver(connection: sa.Connection) -> Any:
    return connection.connection.driver_connection

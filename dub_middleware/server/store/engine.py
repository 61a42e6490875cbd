"""One database behind one engine: how transactions begin, what they survive, how long they wait."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from dub_middleware.errors import ConfigError, StoreError
from dub_middleware.process import PerProcess
from dub_middleware.server.store import metadata
from dub_middleware.server.store.together import Together

BUSY_TIMEOUT = 5000  # milliseconds that a writer waits for another one
BUSY_PAUSES = (0.0002, 0.0005, 0.001)  # seconds between attempts to begin; the last one again and again
JOURNAL_LIMIT = 64 * 1024 * 1024  # bytes that the WAL file shrinks back to


T = TypeVar("T")

#: a connection of the database driver itself: sqlite3's or psycopg's
Driver = Any

_open: weakref.WeakSet[Database] = weakref.WeakSet()


class Database:
    """Connections and transactions of one database URL.

    A process may fork: connections that nobody uses at that moment are closed first, so that parent and child
    open their own.

    ``sqlite:///path`` is one file in WAL mode; ``postgresql://…`` is driven by psycopg 3.
    Raises `ConfigError` for any other URL, `StoreError` when the database cannot be opened.
    """

    def __init__(self, url: str) -> None:
        self.url = _parse(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = self._sqlite() if self.is_sqlite else self._postgresql()
        self._writer = self.engine.execution_options(dub_write=True)
        self._turns = PerProcess(threading.Lock)
        self._together = {
            durable: Together(functools.partial(self.record, durable=durable)) for durable in (True, False)
        }
        _open.add(self)

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One snapshot: everything read inside is of the same moment."""
        with self._told(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def write(self, *, durable: bool = True) -> Iterator[sa.Connection]:
        """One transaction, committed at the end, rolled back when the block raises.

        Without ``durable`` a power cut may lose the last commits, never the file's integrity:
        right for clicks, not for leads and sales.
        """
        with self._told(), self._turn(), self._writer.connect() as connection:
            if self.is_sqlite:
                _make_durable(driver_of(connection), connection.info, durable)
            with connection.begin():
                yield connection

    @contextlib.contextmanager
    def record(self, *, durable: bool = True) -> Iterator[Driver]:
        """`write` for `Prepared` statements: the driver's own connection, without what SQLAlchemy adds."""
        with self._told(), self._turn(), contextlib.closing(self.engine.raw_connection()) as pooled:
            raw: Any = pooled.driver_connection
            if self.is_sqlite:
                _make_durable(raw, pooled.info, durable)
                _begin_immediate(raw)
            try:
                yield raw
            except BaseException:
                raw.rollback()
                raise
            raw.commit()

    def together(self, work: Callable[[Driver], T], *, durable: bool = True) -> T:
        """Do ``work`` in a transaction, which on SQLite threads that come at the same time share.

        PostgreSQL groups the commits of its sessions by itself.
        """
        if self.is_sqlite:
            with self._told():
                return self._together[durable].run(work)
        with self.record(durable=durable) as raw:
            return work(raw)

    def insert(self, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
        """``INSERT`` of this dialect, with ``on_conflict_do_update``."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    def close(self) -> None:
        self.engine.dispose()

    def _sqlite(self) -> sa.Engine:
        engine = sa.create_engine(
            self.url, connect_args={"timeout": BUSY_TIMEOUT / 1000}, pool_size=8, max_overflow=32
        )

        @sa.event.listens_for(engine, "connect")
        def prepare(connection: Any, _: object) -> None:
            connection.isolation_level = None  # BEGIN is ours, below
            for pragma in (
                "journal_mode = WAL",
                f"journal_size_limit = {JOURNAL_LIMIT}",
                "synchronous = FULL",
                "cache_size = -32000",
                "mmap_size = 1073741824",
                "temp_store = MEMORY",
            ):
                connection.execute(f"PRAGMA {pragma}")
            metadata.prepare(connection)

        @sa.event.listens_for(engine, "begin")
        def begin(connection: sa.Connection) -> None:
            raw = driver_of(connection)
            # a transaction that reads first and then writes cannot wait for another writer:
            # SQLITE_BUSY_SNAPSHOT
            if connection.get_execution_options().get("dub_write", False):
                _begin_immediate(raw)
            else:
                raw.execute("BEGIN")

        return engine

    def _postgresql(self) -> sa.Engine:
        engine = sa.create_engine(self.url, pool_size=8, max_overflow=32, pool_pre_ping=True)

        @sa.event.listens_for(engine, "begin")
        def begin(connection: sa.Connection) -> None:
            if not connection.get_execution_options().get("dub_write", False):
                connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")

        return engine

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Failures of the database as our own error."""
        driver: Any = self.engine.dialect.dbapi
        try:
            yield
        except (sa.exc.OperationalError, driver.OperationalError) as error:
            cause = getattr(error, "orig", error)
            raise StoreError(f"{self.url.render_as_string(hide_password=True)}: {cause}") from error

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """Threads that write a SQLite file queue here; only processes have to ask whether it is free."""
        if not self.is_sqlite:
            yield
            return
        lock = self._turns()
        if not lock.acquire(timeout=BUSY_TIMEOUT / 1000):
            raise StoreError(f"{self.url.database}: another thread has been writing for {BUSY_TIMEOUT} ms.")
        try:
            yield
        finally:
            lock.release()


def driver_of(connection: sa.Connection) -> Driver:
    """What `Prepared` statements run on, inside a transaction of SQLAlchemy's."""
    return connection.connection.driver_connection


def _make_durable(raw: Any, known: dict[Any, Any], durable: bool) -> None:
    if known.get("durable") != durable:
        raw.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        known["durable"] = durable


def _begin_immediate(raw: Any) -> None:
    """Begin to write as soon as no other process does.

    SQLite itself would sleep up to a tenth of a second between two attempts, while the file lies idle.
    """
    deadline = time.monotonic() + BUSY_TIMEOUT / 1000
    raw.execute("PRAGMA busy_timeout = 0")
    try:
        for attempt in itertools.count():
            try:
                raw.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
            time.sleep(BUSY_PAUSES[min(attempt, len(BUSY_PAUSES) - 1)])
    finally:
        raw.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT}")


def _close_idle_connections() -> None:
    for database in list(_open):
        database.engine.dispose()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_close_idle_connections)


def _parse(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise ConfigError("database_url", f"database_url must be a database URL, not {url!r}.") from error
    if parsed.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite"):
        allowed = "sqlite:///dub.db or postgresql://user@host/name"
        raise ConfigError("database_url", f"database_url must look like {allowed}, not {url!r}.")
    if not parsed.database or parsed.database == ":memory:":
        raise ConfigError(
            "database_url", f"database_url must name a file, as in sqlite:///dub.db, not {url!r}."
        )
    if not Path(parsed.database).parent.is_dir():
        raise ConfigError(
            "database_url", f"The folder of {parsed.database!r} in database_url does not exist."
        )
    return parsed

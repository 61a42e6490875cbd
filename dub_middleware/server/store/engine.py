"""One database behind one engine: how transactions begin, what they survive, how long they wait."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from dub_middleware.errors import ConfigError, MissingDependencyError, SlowQueryError, StoreError
from dub_middleware.process import PerProcess
from dub_middleware.reason import reason
from dub_middleware.server.store import sqlite_file
from dub_middleware.server.store.sqlite_file import BUSY_TIMEOUT, READ_LIMIT, Recorder
from dub_middleware.server.store.together import Together

T = TypeVar("T")

#: a connection of the database driver itself: sqlite3's or psycopg's
Driver = Any

_open: weakref.WeakSet[Database] = weakref.WeakSet()


class Database:
    """Connections and transactions of one database URL.

    A process may fork: connections that nobody uses at that moment are closed first, so that parent and child
    open their own.

    ``sqlite:///path`` is one file in WAL mode; ``postgresql://…`` is driven by psycopg 3.
    Raises `ConfigError` for any other URL, `MissingDependencyError` without psycopg, `StoreError` when the
    database cannot be opened.
    """

    def __init__(self, url: str) -> None:
        self.url = _parse(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            with contextlib.suppress(OSError):  # it is told when the file is opened
                Path(self.url.database or "").touch(0o600)  # names, addresses and passwords of links
            self.engine, self._writer = sqlite_file.readers(self.url), sqlite_file.writers(self.url)
        else:
            self.engine = _postgresql(self.url)
            self._writer = self.engine.execution_options(dub_write=True)
        self._turns = PerProcess(threading.Lock)
        self._recorder = PerProcess(self._record_with)
        self._together = {True: Together(self._in_one, self._sync), False: Together(self._in_one)}
        _open.add(self)

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One snapshot: everything read inside is of the same moment.

        Raises `SlowQueryError` when that takes longer than `READ_LIMIT`.
        """
        with self._told(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def write(self, *, durable: bool = True) -> Iterator[sa.Connection]:
        """One transaction, committed at the end, rolled back when the block raises.

        Without ``durable`` a power cut may lose the last commits, never the file's integrity:
        right for clicks, not for leads and sales.
        """
        with self._told():
            with self._turn(), self._writer.connect() as connection, connection.begin():
                yield connection
            if durable:
                self._sync()

    def record(self, work: Callable[[Driver], T], *, durable: bool = True) -> T:
        """Do ``work`` with `Prepared` statements in a transaction: `write` without what SQLAlchemy adds.

        On SQLite threads that come at the same time share one; PostgreSQL groups the commits of its sessions
        by itself.
        """
        if not self.is_sqlite:
            with self._told(), contextlib.closing(self.engine.raw_connection()) as pooled:
                return _commit(pooled.driver_connection, work)
        try:
            return self._together[durable].run(work)
        except sqlite3.OperationalError as error:
            raise self._failure(error) from error

    def insert(self, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
        """``INSERT`` of this dialect, with ``on_conflict_do_update``."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    def close(self) -> None:
        """Close the connections that nobody uses."""
        turn = self._turns()
        if turn.acquire(blocking=False):
            try:
                if (recorder := self._recorder.peek()) is not None:
                    recorder.close()
                    self._recorder = PerProcess(self._record_with)
            finally:
                turn.release()
        self._writer.dispose()
        self.engine.dispose()

    def _record_with(self) -> Recorder:
        return Recorder(self._writer)

    def _in_one(self, work: Callable[[Driver], None]) -> None:
        lock = self._take_turn()
        try:
            raw = self._recorder().raw
            sqlite_file.begin_immediate(raw)
            _commit(raw, work)
        finally:
            lock.release()

    def _sync(self) -> None:
        """Wait until what is committed would survive a power cut; PostgreSQL has waited in the commit."""
        if self.is_sqlite:
            self._recorder().sync()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Failures of the database as our own error."""
        driver: Any = self.engine.dialect.dbapi
        try:
            yield
        except (sa.exc.OperationalError, driver.OperationalError) as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> StoreError:
        cause = getattr(error, "orig", error)
        # what PostgreSQL calls a query that its timeout ended, and SQLite one that `limit_reading` did
        if getattr(cause, "sqlstate", "") == "57014" or str(cause) == "interrupted":
            return SlowQueryError(READ_LIMIT)
        why = reason(cause, self.url.database or "") if self.is_sqlite else cause
        return StoreError(f"{self.url.render_as_string(hide_password=True)}: {why}")

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        if not self.is_sqlite:
            yield
            return
        lock = self._take_turn()
        try:
            yield
        finally:
            lock.release()

    def _take_turn(self) -> threading.Lock:
        """Threads that write a SQLite file queue here; only processes have to ask whether it is free."""
        lock = self._turns()
        if not lock.acquire(timeout=BUSY_TIMEOUT / 1000):
            raise StoreError(f"{self.url.database}: another thread has been writing for {BUSY_TIMEOUT} ms.")
        return lock


def _commit(raw: Driver, work: Callable[[Driver], T]) -> T:
    try:
        result = work(raw)
        raw.commit()
    except BaseException:
        raw.rollback()
        raise
    return result


def driver_of(connection: sa.Connection) -> Driver:
    """What `Prepared` statements run on, inside a transaction of SQLAlchemy's."""
    return connection.connection.driver_connection


def _close_idle_connections() -> None:
    for database in list(_open):
        database.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_close_idle_connections)


def _postgresql(url: sa.URL) -> sa.Engine:
    try:
        engine = sa.create_engine(url, pool_size=8, max_overflow=32, pool_pre_ping=True)
    except ModuleNotFoundError:
        raise MissingDependencyError("psycopg", "postgres") from None

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        connection.execute("SET jit = off")  # compiling takes longer than any statement of ours
        connection.commit()

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        if not connection.get_execution_options().get("dub_write", False):
            connection.exec_driver_sql(
                "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;"
                f"SET LOCAL statement_timeout = '{READ_LIMIT}s'"
            )

    return engine


def _parse(url: str) -> sa.URL:
    wrong = f"database_url must look like sqlite:///dub.db or postgresql://user@host/name, not {url!r}."
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise ConfigError("database_url", wrong) from error
    if parsed.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite"):
        raise ConfigError("database_url", wrong)
    if not parsed.database or parsed.database == ":memory:":
        raise ConfigError(
            "database_url", f"database_url must name a file, as in sqlite:///dub.db, not {url!r}."
        )
    if not Path(parsed.database).parent.is_dir():
        raise ConfigError(
            "database_url", f"The folder of {parsed.database!r} in database_url does not exist."
        )
    return parsed

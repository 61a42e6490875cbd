"""Which events have been handled: Dub signs no timestamp and repeats deliveries, so ids are remembered."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from typing import Literal, Protocol, runtime_checkable

from dub_middleware.errors import ConfigError
from dub_middleware.patience import patiently
from dub_middleware.process import PerProcess
from dub_middleware.reason import reason

DAY = 86_400.0  # seconds
WAIT = 5.0  # seconds for another process that uses the file
PURGE_EVERY = 100
TABLE = "CREATE TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY, is_done INTEGER NOT NULL, at REAL NOT NULL)"
SURPLUS = "DELETE FROM seen WHERE id IN (SELECT id FROM seen ORDER BY at DESC LIMIT -1 OFFSET ?)"


@runtime_checkable
class ReplayGuard(Protocol):
    """What `WebhookApp` needs to handle each event once; write your own on Redis or an ORM if you like."""

    def begin(self, event_id: str) -> Literal["new", "busy", "done"]:
        """Claim the event: ``new`` is yours to handle, ``busy`` is being handled, ``done`` was."""
        ...

    def finish(self, event_id: str) -> None:
        """Note that the event was handled."""
        ...

    def forget(self, event_id: str) -> None:
        """Give the claim back: handling failed, so the next delivery is new again."""
        ...


class SeenEvents:
    """Remember event ids in SQLite: in a file that several processes may share, or in memory.

    In memory each process remembers for itself and until it ends. Ids are kept for ``keep`` seconds, at most
    ``limit`` of them. A claim whose process died is free again after ``patience`` seconds.
    Raises `ConfigError` for a file that cannot be used.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        keep: float = 7 * DAY,
        limit: int = 1_000_000,
        patience: float = 300.0,
    ) -> None:
        self._keep = keep
        self._limit = limit
        self._patience = patience
        name = ":memory:" if path is None else os.fspath(path)
        self._table = PerProcess(lambda: _Table(name))
        try:
            self._table()  # a wrong path fails here and not on the first webhook
        except sqlite3.Error as error:
            raise ConfigError(
                "seen", f"{name} cannot be used to remember webhooks: {reason(error, name)}."
            ) from None

    def begin(self, event_id: str) -> Literal["new", "busy", "done"]:
        """Claim the event; see `ReplayGuard.begin`."""
        now = time.time()
        table = self._table()
        with table.lock:
            table.begun += 1
            execute = table.database.execute
            execute("BEGIN IMMEDIATE")
            try:
                if table.begun % PURGE_EVERY == 1:
                    execute("DELETE FROM seen WHERE at < ?", (now - self._keep,))
                    execute(SURPLUS, (self._limit,))
                row = execute("SELECT is_done, at FROM seen WHERE id = ?", (event_id,)).fetchone()
                state = "new" if row is None else self._state(row[0], row[1], now)
                if state == "new":
                    execute("INSERT OR REPLACE INTO seen VALUES (?, 0, ?)", (event_id, now))
                execute("COMMIT")
            except BaseException:
                table.database.rollback()
                raise
        return state

    def finish(self, event_id: str) -> None:
        """Note that the event was handled."""
        self._write("UPDATE seen SET is_done = 1 WHERE id = ?", event_id)

    def forget(self, event_id: str) -> None:
        """Give the claim back."""
        self._write("DELETE FROM seen WHERE id = ?", event_id)

    def close(self) -> None:
        """Close the database."""
        self._table().database.close()

    def _state(self, is_done: int, at: float, now: float) -> Literal["new", "busy", "done"]:
        if is_done:
            return "done"
        return "busy" if at > now - self._patience else "new"

    def _write(self, statement: str, event_id: str) -> None:
        table = self._table()
        with table.lock:
            table.database.execute(statement, (event_id,))


class _Table:
    """The table as one process has it open."""

    def __init__(self, path: str) -> None:
        self.lock = threading.Lock()
        self.begun = 0
        self.database = sqlite3.connect(path, timeout=WAIT, isolation_level=None, check_same_thread=False)
        patiently(self.database, WAIT, "PRAGMA journal_mode = WAL")
        self.database.execute(TABLE)
        self.database.execute("CREATE INDEX IF NOT EXISTS seen_at ON seen (at)")

    def __del__(self) -> None:
        # an app that nobody closed: Python 3.13 warns of connections that end by themselves
        if hasattr(self, "database"):
            self.database.close()

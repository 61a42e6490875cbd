"""Which events have been handled: Dub signs no timestamp and repeats deliveries, so ids are remembered."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from typing import Literal, Protocol

DAY = 86_400.0  # seconds
PURGE_EVERY = 100
TABLE = "CREATE TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY, is_done INTEGER NOT NULL, at REAL NOT NULL)"


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
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        keep: float = 7 * DAY,
        limit: int = 1_000_000,
        patience: float = 300.0,
    ) -> None:
        self._path = ":memory:" if path is None else os.fspath(path)
        self._keep = keep
        self._limit = limit
        self._patience = patience
        self._open()  # a wrong path fails here and not on the first webhook

    def begin(self, event_id: str) -> Literal["new", "busy", "done"]:
        """Claim the event; see `ReplayGuard.begin`."""
        now = time.time()
        self._stay_in_process()
        with self._lock:
            self._begun += 1
            self._database.execute("BEGIN IMMEDIATE")
            try:
                if self._begun % PURGE_EVERY == 1:
                    self._purge(now)
                row = self._database.execute(
                    "SELECT is_done, at FROM seen WHERE id = ?", (event_id,)
                ).fetchone()
                state: Literal["new", "busy", "done"] = "new"
                if row is not None:
                    is_done, at = row
                    if is_done:
                        state = "done"
                    elif at > now - self._patience:
                        state = "busy"
                if state == "new":
                    self._database.execute("INSERT OR REPLACE INTO seen VALUES (?, 0, ?)", (event_id, now))
                self._database.execute("COMMIT")
            except BaseException:
                self._database.rollback()
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
        self._database.close()

    def _write(self, statement: str, event_id: str) -> None:
        self._stay_in_process()
        with self._lock:
            self._database.execute(statement, (event_id,))

    def _purge(self, now: float) -> None:
        self._database.execute("DELETE FROM seen WHERE at < ?", (now - self._keep,))
        self._database.execute(
            "DELETE FROM seen WHERE id IN (SELECT id FROM seen ORDER BY at DESC LIMIT -1 OFFSET ?)",
            (self._limit,),
        )

    def _stay_in_process(self) -> None:
        if self._pid != os.getpid():  # SQLite must not be carried over a fork: sqlite.org/howtocorrupt.html
            self._open()

    def _open(self) -> None:
        self._lock = threading.Lock()
        self._begun = 0
        self._database = sqlite3.connect(
            self._path, timeout=5.0, isolation_level=None, check_same_thread=False
        )
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute(TABLE)
        self._database.execute("CREATE INDEX IF NOT EXISTS seen_at ON seen (at)")
        self._pid = os.getpid()

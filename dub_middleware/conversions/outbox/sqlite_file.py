"""What can happen to a SQLite file from outside: deleted, replaced, damaged; and which file a path means."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_DAMAGED = ("file is not a database", "database disk image is malformed")
_NAMES = (
    "id, destination, kind, key, payload, created_at, state, next_at, owner, attempts,"
    " first_attempt_at, ambiguous, status, message, settled_at, crashes"
)


def inode(path: str) -> int | None:
    """Return the identity of the file, None where there is none."""
    try:
        return os.stat(path).st_ino
    except FileNotFoundError:
        return None


def is_same(path: str, other: str) -> bool:
    """Whether two paths mean one file; it need not exist yet."""
    with contextlib.suppress(OSError):
        return os.path.samefile(path, other)
    return Path(path).resolve() == Path(other).resolve()


def is_damage(error: sqlite3.Error) -> bool:
    """Whether SQLite says that the file is not sound."""
    return str(error).startswith(_DAMAGED)


def put_aside(path: str) -> str:
    """Rename a damaged file with its log, so that a new one can be begun; return its new name."""
    aside = f"{path}.corrupt-{int(time.time())}"
    with contextlib.suppress(OSError):
        os.replace(path, aside)
        for suffix in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.replace(path + suffix, aside + suffix)
    return aside


def waiting(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """Read what still waits through a connection whose file has no name any more."""
    with contextlib.suppress(sqlite3.Error):
        return connection.execute(f"SELECT {_NAMES} FROM dub_outbox WHERE state = 'pending'").fetchall()
    return []


def restore(connection: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Write rows of `waiting` into a new file."""
    marks = ", ".join("?" * len(_NAMES.split(",")))
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(f"INSERT INTO dub_outbox ({_NAMES}) VALUES ({marks}) ON CONFLICT DO NOTHING", rows)
    connection.execute("COMMIT")

"""What can happen to a SQLite file from outside: deleted, replaced, damaged; and which file a path means."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

from dub_middleware.conversions.outbox import inbox

_DAMAGED = ("file is not a database", "database disk image is malformed")
_TABLES = (
    (
        "dub_outbox",
        f"{inbox.COLUMNS}, state, next_at, owner, status, message, settled_at, crashes",
        " WHERE state = 'pending'",
    ),
    ("dub_outbox_new", inbox.COLUMNS, ""),
)

Waiting = dict[str, list[tuple[Any, ...]]]


def inode(path: str) -> int | None:
    """Return the identity of the file, None where there is none."""
    try:
        return os.stat(path).st_ino
    except FileNotFoundError:
        return None


def size_limit() -> int:
    """Return how many bytes a file of this process may have (``ulimit -f``)."""
    try:
        import resource
    except ImportError:  # not on this system
        return sys.maxsize
    soft, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


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


def waiting(cursor: sqlite3.Cursor) -> Waiting:
    """Read what still waits through a connection whose file has no name any more."""
    with contextlib.suppress(sqlite3.Error):
        return {
            table: cursor.execute(f"SELECT {columns} FROM {table}{which} ORDER BY seq").fetchall()
            for table, columns, which in _TABLES
        }
    return {}


def restore(cursor: sqlite3.Cursor, rows: Waiting) -> None:
    """Write what `waiting` found into a new file."""
    cursor.execute("BEGIN IMMEDIATE")
    for table, columns, _ in _TABLES:
        marks = ", ".join("?" * len(columns.split(",")))
        statement = f"INSERT INTO {table} ({columns}) VALUES ({marks}) ON CONFLICT DO NOTHING"
        cursor.executemany(statement, rows.get(table, ()))
    cursor.execute("COMMIT")

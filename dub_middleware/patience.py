"""Wait for a SQLite file that another process is using."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Sequence

PAUSES = (0.0001, 0.001)  # seconds between two tries, at first and at last; most hold a file for less


def patiently(
    database: sqlite3.Connection | sqlite3.Cursor, wait: float, statement: str, values: Sequence[object] = ()
) -> sqlite3.Cursor:
    """Execute a statement; while another process locks the file, try again for up to ``wait`` seconds.

    SQLite's own waiting grows to steps of a tenth of a second, in which others come first. And it knows none
    where two processes turn a new file to its write-ahead log: one of them is refused at once.
    Raises `sqlite3.OperationalError` when the file is still locked after that.
    """
    deadline, (pause, longest) = None, PAUSES
    while True:
        try:
            return database.execute(statement, values)
        except sqlite3.OperationalError as error:
            now = time.monotonic()
            deadline = deadline or now + wait
            if now > deadline or "locked" not in str(error):
                raise
            time.sleep(random.uniform(pause / 2, pause))
            pause = min(2 * pause, longest)

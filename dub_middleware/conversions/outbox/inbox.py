"""Where a call leaves its rows in SQLite: a table without an index, so that a commit writes a single page.

Whoever delivers or looks moves them on, many at a time and in their order, before it does anything else. So
to all other statements they are rows of ``dub_outbox`` as soon as they are committed.
"""

from __future__ import annotations

from dub_middleware.conversions.outbox.guest import Execute

STEP = 100  # rows moved in one transaction: callers wait for it, and on a full disk it must still fit

COLUMNS = "id, destination, kind, key, payload, created_at, attempts, first_attempt_at, ambiguous"
INSERT = f"INSERT INTO dub_outbox_new ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_SPAN = "SELECT (SELECT min(seq) FROM dub_outbox_new), (SELECT max(seq) FROM dub_outbox_new)"


def count(execute: Execute) -> int:
    """Return how many rows there are; they are numbered without gaps."""
    ((first, last),) = execute(_SPAN)
    return 0 if first is None else int(last - first) + 1


def collect(execute: Execute) -> bool:
    """Move a step's worth of rows into the outbox; return whether there are more."""
    ((first, last),) = execute(_SPAN)
    if first is None:
        return False
    end = first + STEP
    execute(
        f"INSERT INTO dub_outbox ({COLUMNS}) SELECT {COLUMNS} FROM dub_outbox_new WHERE seq < ?"
        " ORDER BY seq ON CONFLICT DO NOTHING",
        (end,),
    )
    execute("DELETE FROM dub_outbox_new WHERE seq < ?", (end,))
    return bool(last >= end)

"""Looking at the rows and tidying them up: the statements of operations, inside one transaction each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from dub_middleware.conversions.outbox.guest import Execute
from dub_middleware.conversions.outbox.rows import FINAL, RowState, StoredRow

_COLUMNS = (
    "seq, id, destination, kind, key, state, created_at, attempts, ambiguous, next_at, owner, status,"
    " message, settled_at"
)

# as literals: with a parameter SQLite does not see that its partial index fits
PENDING = "state = 'pending'"
SETTLED = "state <> 'pending'"


def pending(execute: Execute, destinations: Sequence[str]) -> int:
    """Count the rows that wait or are in flight."""
    where, values = _where(conditions=(PENDING,), destination=tuple(destinations))
    return int(execute(f"SELECT count(*) FROM dub_outbox{where}", values)[0][0])


def has_pending(execute: Execute, destinations: Sequence[str]) -> bool:
    """Look for one row that waits or is in flight."""
    where, values = _where(conditions=(PENDING,), destination=tuple(destinations))
    return bool(execute(f"SELECT 1 FROM dub_outbox{where} LIMIT 1", values))


def states(execute: Execute, id: str) -> dict[str, RowState]:  # noqa: A002
    """Return the state of an event by destination."""
    return dict(execute("SELECT destination, state FROM dub_outbox WHERE id = ?", (id,)))


def counts(execute: Execute) -> dict[tuple[str, str], int]:
    """Count by destination and state, what was purged included."""
    found = execute("SELECT destination, state, count(*) FROM dub_outbox GROUP BY destination, state")
    found += execute("SELECT destination, state, events FROM dub_outbox_purged")
    total: dict[tuple[str, str], int] = {}
    for destination, state, events in found:
        total[destination, state] = total.get((destination, state), 0) + int(events)
    return total


def oldest(execute: Execute, now: float) -> float | None:
    """Return the age of the oldest waiting row."""
    # acceptance order, so the first is the oldest: no need to read them all
    found = execute("SELECT created_at FROM dub_outbox WHERE state = 'pending' ORDER BY seq LIMIT 1")
    return max(0.0, now - found[0][0]) if found else None


def rows(
    execute: Execute, state: str | None, destination: str | None, after: int, limit: int
) -> list[StoredRow]:
    """Return a page of rows without payloads, in the order of acceptance."""
    where, values = _where(
        state=state or (), destination=destination or (), conditions=("seq > ?",), values=(after,)
    )
    found = execute(f"SELECT {_COLUMNS}, NULL FROM dub_outbox{where} ORDER BY seq LIMIT ?", (*values, limit))
    return [_stored(row) for row in found]


def find(execute: Execute, id: str) -> list[StoredRow]:  # noqa: A002
    """Return the rows of one event, with payloads."""
    found = execute(f"SELECT {_COLUMNS}, payload FROM dub_outbox WHERE id = ? ORDER BY seq", (id,))
    return [_stored(row) for row in found]


def retry(execute: Execute, ids: Iterable[str], wanted: Iterable[str], destinations: Iterable[str]) -> int:
    """Make settled rows new again; return how many."""
    ids, chosen = tuple(ids), tuple(state for state in wanted if state in FINAL)
    if not ids and not chosen:
        return 0
    where, values = _where(
        conditions=(SETTLED, "payload <> ''"), id=ids, state=chosen, destination=tuple(destinations)
    )
    count = int(execute(f"SELECT count(*) FROM dub_outbox{where}", values)[0][0])
    execute(
        "UPDATE dub_outbox SET state = 'pending', next_at = 0, owner = NULL, attempts = 0,"
        f" crashes = 0, first_attempt_at = NULL, settled_at = NULL{where}",
        values,
    )
    return count


def purgeable(
    execute: Execute, wanted: Iterable[str], destinations: Iterable[str], settled_before: float
) -> int:
    """Count what `purge` would delete without a limit."""
    where, values = _settled(wanted, destinations, settled_before)
    return int(execute(f"SELECT count(*) FROM dub_outbox{where}", values)[0][0])


def purge(
    execute: Execute,
    wanted: Iterable[str],
    destinations: Iterable[str],
    settled_before: float,
    limit: int,
    lock_rows: str,
) -> int:
    """Delete up to ``limit`` settled rows and remember how many they were."""
    where, values = _settled(wanted, destinations, settled_before)
    found = execute(
        f"SELECT seq, destination, state FROM dub_outbox{where} LIMIT ?{lock_rows}", (*values, limit)
    )
    if not found:
        return 0
    tally: dict[tuple[str, str], int] = {}
    for _, destination, state in found:
        tally[destination, state] = tally.get((destination, state), 0) + 1
    for (destination, state), events in sorted(tally.items()):
        execute(
            "INSERT INTO dub_outbox_purged (destination, state, events) VALUES (?, ?, ?)"
            " ON CONFLICT (destination, state)"
            " DO UPDATE SET events = dub_outbox_purged.events + excluded.events",
            (destination, state, events),
        )
    marks = ", ".join("?" * len(found))
    execute(f"DELETE FROM dub_outbox WHERE seq IN ({marks})", tuple(row[0] for row in found))
    return len(found)


def _stored(row: tuple[Any, ...]) -> StoredRow:
    *values, owner, status, message, settled_at, payload = row
    seq, id_, destination, kind, key, state, created_at, attempts, ambiguous, next_at = values
    return StoredRow(
        seq, id_, destination, kind, key, state, created_at, attempts, bool(ambiguous), next_at,
        owner is not None, status, message, settled_at, bytes(payload or b""),
    )  # fmt: skip


def _settled(
    wanted: Iterable[str], destinations: Iterable[str], before: float
) -> tuple[str, tuple[Any, ...]]:
    chosen = tuple(state for state in wanted if state in FINAL)
    return _where(
        conditions=(SETTLED, "settled_at <= ?"),
        values=(before,),
        state=chosen or ("",),  # no state is asked for: none is meant, and not all
        destination=tuple(destinations),
    )


def _where(
    *, conditions: Sequence[str] = (), values: Sequence[Any] = (), **columns: str | tuple[str, ...]
) -> tuple[str, tuple[Any, ...]]:
    """Build a WHERE of column = value, or column IN values; an empty value asks for nothing."""
    parts, bound = list(conditions), list(values)
    for column, wanted in columns.items():
        chosen = (wanted,) if isinstance(wanted, str) else wanted
        if chosen:
            parts.append(f"{column} IN ({', '.join('?' * len(chosen))})")
            bound += chosen
    return (f" WHERE {' AND '.join(parts)}" if parts else "", tuple(bound))

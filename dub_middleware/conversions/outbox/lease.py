"""Taking rows out and saying what became of them: the statements of delivery, inside one transaction each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dub_middleware.conversions.outbox.guest import Execute
from dub_middleware.conversions.outbox.rows import Leased, Settlement, storable

# A due time further ahead than any delay we set was written by a clock that has been set back since.
FARTHEST = 900.0
PAGE = 5000
STEP = 500  # rows in one statement; older SQLite takes 999 values
_DROP_PAYLOAD = ("delivered", "duplicate")  # nobody needs the personal data of what has arrived


def take(
    execute: Execute,
    destination: str,
    owner: str,
    limit: int,
    until: float,
    now: float,
    *,
    whole_keys: bool,
    lock_rows: str,
) -> list[Leased]:
    """Lease up to ``limit`` due rows to ``owner`` until then; see `Outbox.lease`."""
    chosen = _choose(execute, destination, limit, now, whole_keys)
    if not chosen:
        return []
    marks = ", ".join("?" * len(chosen))
    found = execute(
        "SELECT seq, id, kind, key, payload, created_at, attempts, ambiguous, crashes,"
        f" first_attempt_at FROM dub_outbox WHERE seq IN ({marks}) AND state = 'pending'"
        f" AND owner IS NULL ORDER BY seq{lock_rows}",
        chosen,
    )
    execute(
        "UPDATE dub_outbox SET owner = ?, next_at = ?, attempts = attempts + 1,"
        f" first_attempt_at = COALESCE(first_attempt_at, ?) WHERE seq IN ({marks})",
        (owner, until, now, *chosen),
    )
    return [_leased(row, now) for row in found]


def _choose(execute: Execute, destination: str, limit: int, now: float, whole_keys: bool) -> list[int]:
    """Walk the waiting rows from the oldest on; the keys met on the way say which later ones wait."""
    in_flight = "SELECT key FROM dub_outbox WHERE owner IS NOT NULL AND destination = ?"
    blocked = {key for (key,) in execute(in_flight, (destination,))}
    chosen: list[int] = []
    after, page = -1, max(50, 2 * limit)
    while True:
        found = execute(
            "SELECT seq, key, next_at, crashes FROM dub_outbox WHERE destination = ? AND state = 'pending'"
            " AND seq > ? ORDER BY seq LIMIT ?",
            (destination, after, page),
        )
        for seq, key, next_at, crashes in found:
            if key in blocked:
                continue
            is_due = next_at <= now or next_at > now + FARTHEST
            if not (is_due and whole_keys):
                blocked.add(key)
            if is_due:
                if crashes and chosen:
                    return chosen
                chosen.append(seq)
                if crashes or len(chosen) == limit:
                    return chosen
        if len(found) < page:
            return chosen
        after, page = found[-1][0], PAGE


def settle(execute: Execute, owner: str, settlements: Sequence[Settlement], now: float) -> None:
    """Write down what became of the rows that ``owner`` still holds; those of a batch are mostly alike."""
    alike: dict[tuple[Any, ...], list[Settlement]] = {}
    for result in settlements:
        alike.setdefault(result[1:], []).append(result)  # all but the seq
    for results in alike.values():
        for start in range(0, len(results), STEP):
            _settle(execute, owner, results[start : start + STEP], now)


def _settle(execute: Execute, owner: str, alike: Sequence[Settlement], now: float) -> None:
    result = alike[0]
    payload = "''" if result.state in _DROP_PAYLOAD else "payload"
    marks = ", ".join("?" * len(alike))
    execute(
        f"UPDATE dub_outbox SET state = ?, payload = {payload}, owner = NULL, next_at = ?,"
        " attempts = ?, ambiguous = ?, crashes = ?, status = ?, message = ?, settled_at = ?"
        f" WHERE seq IN ({marks}) AND owner = ? AND state = 'pending'",
        (
            result.state,
            now + result.delay,
            result.attempts,
            int(result.ambiguous),
            result.crashes,
            result.status,
            storable(result.message[:1000]),
            None if result.state == "pending" else now,
            *(row.seq for row in alike),
            owner,
        ),
    )


def extend(execute: Execute, owner: str, until: float) -> None:
    """Renew what ``owner`` has in flight."""
    execute("UPDATE dub_outbox SET next_at = ? WHERE owner = ?", (until, owner))


def owners(execute: Execute, now: float) -> dict[str, bool]:
    """Return who has rows in flight, and whether one of the leases has run out."""
    found = execute("SELECT owner, min(next_at) FROM dub_outbox WHERE owner IS NOT NULL GROUP BY owner")
    return {owner: until <= now or until > now + FARTHEST for owner, until in found}


def reclaim(execute: Execute, owner: str, delay: float, now: float) -> int:
    """Take back what ``owner`` had in flight; return how many rows."""
    found = execute("SELECT count(*) FROM dub_outbox WHERE owner = ?", (owner,))
    execute(
        "UPDATE dub_outbox SET owner = NULL, ambiguous = 1, crashes = crashes + 1,"
        " next_at = ? + ? * (1 << crashes) WHERE owner = ?",
        (now, delay, owner),
    )
    return int(found[0][0])


def relinquish(execute: Execute, owner: str, destination: str, held: Sequence[int], due: float) -> int:
    """Take back what ``owner`` does not know that it holds; return how many rows."""
    in_flight = "SELECT seq FROM dub_outbox WHERE owner = ? AND destination = ?"
    lost = [seq for (seq,) in execute(in_flight, (owner, destination)) if seq not in held]
    if lost:
        marks = ", ".join("?" * len(lost))
        execute(
            f"UPDATE dub_outbox SET owner = NULL, ambiguous = 1, next_at = ? WHERE seq IN ({marks})",
            (due, *lost),
        )
    return len(lost)


def _leased(row: tuple[Any, ...], now: float) -> Leased:
    seq, id_, kind, key, payload, created_at, attempts, ambiguous, crashes, first = row
    age = 0.0 if first is None else max(0.0, now - first)
    return Leased(
        seq, id_, kind, key, bytes(payload), created_at, attempts + 1, bool(ambiguous), crashes, age
    )

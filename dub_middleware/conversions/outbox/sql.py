"""What the two backends share: the statements, written once with ``?`` as the placeholder."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from dub_middleware.conversions.outbox import guest
from dub_middleware.conversions.outbox.commit import GroupCommit
from dub_middleware.conversions.outbox.rows import FINAL, Leased, NewRow, RowState, Settlement, StoredRow
from dub_middleware.conversions.outbox.schema import VERSION, VERSION_TABLE, statements
from dub_middleware.errors import OutboxError

INSERT = (
    "INSERT INTO dub_outbox (id, destination, kind, key, payload, created_at, owner, next_at, attempts,"
    " first_attempt_at, ambiguous) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
# A due time further ahead than any delay we set was written by a clock that has been set back since.
FARTHEST = 900.0
FIRST_LEASE = 60.0
KEEP_PAYLOAD = ("pending", "unconfirmed", "not_attributed", "rejected", "expired", "dead")

Execute = Callable[..., list[tuple[Any, ...]]]


class SQLOutbox(ABC):
    """The outbox on a SQL database; a backend brings connections, transactions and its clock."""

    placeholder = "?"
    postgres = False
    lock_rows = ""

    def __init__(self, max_rows: int, clock: Callable[[], float] | None) -> None:
        self._clock = clock or time.time
        self._max_rows = max_rows
        self._counted_at = float("-inf")
        self._group = GroupCommit(self._insert)

    # -- the backend's part ------------------------------------------------------------------

    @abstractmethod
    def _front(self) -> AbstractContextManager[Execute]:
        """A committed-on-exit transaction for the callers of `put`."""

    @abstractmethod
    def _back(self) -> AbstractContextManager[Execute]:
        """A transaction for everybody else."""

    @abstractmethod
    def close(self) -> None: ...

    def _now(self, execute: Execute) -> float:
        return self._clock()

    def _before_lease(self, execute: Execute, destination: str) -> float:
        """Make sure that nobody leases rows of this destination at the same moment; return the time."""
        return self._now(execute)

    @abstractmethod
    def _check_guest(self, connection: Any) -> None:
        """Raise `OutboxError` for a connection to another database than the outbox's own."""

    # -- storing ----------------------------------------------------------------------------

    def put(self, rows: Sequence[NewRow]) -> None:
        self._group.put(rows)

    def put_in(self, connection: Any, rows: Sequence[NewRow]) -> None:
        self._check_guest(connection)
        execute = guest.executor(connection, self.placeholder)
        if not guest.has_tables(execute, postgres=self.postgres):
            self._migrate(execute, 0)
        for row in rows:
            execute(INSERT, _values(row, 0.0))

    def _insert(self, rows: Sequence[NewRow]) -> None:
        with self._front() as execute:
            self._check_room(execute)
            now = self._now(execute) if any(row.attempts for row in rows) else 0.0
            for row in rows:
                execute(INSERT, _values(row, now))

    def _check_room(self, execute: Execute) -> None:
        moment = time.monotonic()
        if moment - self._counted_at < 1:
            return
        # the distance between the newest and the oldest row is a quick upper bound
        ((span,),) = execute("SELECT (SELECT max(seq) FROM dub_outbox) - (SELECT min(seq) FROM dub_outbox)")
        if span is not None and span >= self._max_rows:
            ((count,),) = execute("SELECT count(*) FROM dub_outbox WHERE state = 'pending'")
            if count >= self._max_rows:
                raise OutboxError(
                    f"The outbox is full: {count:,} events wait, {self._max_rows:,} are allowed."
                )
        self._counted_at = moment

    # -- delivering --------------------------------------------------------------------------

    def lease(
        self, destination: str, owner: str, limit: int, seconds: float, *, whole_keys: bool = False
    ) -> list[Leased]:
        with self._back() as execute:
            now = self._before_lease(execute, destination)
            chosen = self._choose(execute, destination, limit, now, whole_keys)
            if not chosen:
                return []
            marks = ", ".join("?" * len(chosen))
            found = execute(
                "SELECT seq, id, kind, key, payload, created_at, attempts, ambiguous, crashes,"
                f" first_attempt_at FROM dub_outbox WHERE seq IN ({marks}) AND state = 'pending'"
                f" AND owner IS NULL ORDER BY seq{self.lock_rows}",
                chosen,
            )
            execute(
                "UPDATE dub_outbox SET owner = ?, next_at = ?, attempts = attempts + 1,"
                f" first_attempt_at = COALESCE(first_attempt_at, ?) WHERE seq IN ({marks})",
                (owner, now + seconds, now, *chosen),
            )
            return [_leased(row, now) for row in found]

    def _choose(
        self, execute: Execute, destination: str, limit: int, now: float, whole_keys: bool
    ) -> list[int]:
        """Walk the waiting rows from the oldest on; the keys met on the way say which later ones wait."""
        blocked = {
            key
            for (key,) in execute(
                "SELECT key FROM dub_outbox WHERE owner IS NOT NULL AND destination = ?", (destination,)
            )
        }
        chosen: list[int] = []
        after, page = -1, max(50, 2 * limit)
        while True:
            found = execute(
                "SELECT seq, key, next_at FROM dub_outbox WHERE destination = ? AND state = 'pending'"
                " AND seq > ? ORDER BY seq LIMIT ?",
                (destination, after, page),
            )
            for seq, key, next_at in found:
                if key in blocked:
                    continue
                is_due = next_at <= now or next_at > now + FARTHEST
                if not (is_due and whole_keys):
                    blocked.add(key)
                if is_due:
                    chosen.append(seq)
                    if len(chosen) == limit:
                        return chosen
            if len(found) < page:
                return chosen
            after, page = found[-1][0], 5000

    def settle(self, owner: str, settlements: Sequence[Settlement]) -> None:
        if not settlements:
            return
        with self._back() as execute:
            now = self._now(execute)
            for result in settlements:
                keep = "payload" if result.state in KEEP_PAYLOAD else "''"
                execute(
                    f"UPDATE dub_outbox SET state = ?, payload = {keep}, owner = NULL, next_at = ?,"
                    " attempts = ?, ambiguous = ?, crashes = ?, status = ?, message = ?, settled_at = ?"
                    " WHERE seq = ? AND owner = ? AND state = 'pending'",
                    (
                        result.state,
                        now + result.delay,
                        result.attempts,
                        int(result.ambiguous),
                        result.crashes,
                        result.status,
                        result.message[:1000].replace("\0", "\N{REPLACEMENT CHARACTER}"),
                        None if result.state == "pending" else now,
                        result.seq,
                        owner,
                    ),
                )

    def extend(self, owner: str, seconds: float) -> None:
        with self._back() as execute:
            execute(
                "UPDATE dub_outbox SET next_at = ? WHERE owner = ?", (self._now(execute) + seconds, owner)
            )

    def owners(self) -> dict[str, bool]:
        with self._back() as execute:
            now = self._now(execute)
            found = execute(
                "SELECT owner, min(next_at) FROM dub_outbox WHERE owner IS NOT NULL GROUP BY owner"
            )
            return {owner: until <= now or until > now + FARTHEST for owner, until in found}

    def reclaim(self, owner: str, delay: float) -> int:
        with self._back() as execute:
            found = execute("SELECT count(*) FROM dub_outbox WHERE owner = ?", (owner,))
            execute(
                "UPDATE dub_outbox SET owner = NULL, ambiguous = 1, crashes = crashes + 1, next_at = ?"
                " WHERE owner = ?",
                (self._now(execute) + delay, owner),
            )
            return int(found[0][0])

    # -- looking and tidying -------------------------------------------------------------------

    def pending(self, destinations: Sequence[str] = ()) -> int:
        where, values = _where(state="pending", destination=tuple(destinations))
        with self._back() as execute:
            return int(execute(f"SELECT count(*) FROM dub_outbox{where}", values)[0][0])

    def states(self, id: str) -> dict[str, RowState]:  # noqa: A002
        with self._back() as execute:
            return dict(execute("SELECT destination, state FROM dub_outbox WHERE id = ?", (id,)))

    def counts(self) -> dict[tuple[str, str], int]:
        with self._back() as execute:
            found = execute("SELECT destination, state, count(*) FROM dub_outbox GROUP BY destination, state")
            found += execute("SELECT destination, state, events FROM dub_outbox_purged")
        total: dict[tuple[str, str], int] = {}
        for destination, state, events in found:
            total[destination, state] = total.get((destination, state), 0) + int(events)
        return total

    def oldest(self) -> float | None:
        with self._back() as execute:
            # acceptance order, so the first is the oldest: no need to read them all
            found = execute("SELECT created_at FROM dub_outbox WHERE state = 'pending' ORDER BY seq LIMIT 1")
            return max(0.0, self._now(execute) - found[0][0]) if found else None

    def rows(
        self, *, state: str | None = None, destination: str | None = None, after: int = 0, limit: int = 100
    ) -> list[StoredRow]:
        where, values = _where(
            state=state or (), destination=destination or (), conditions=("seq > ?",), values=(after,)
        )
        with self._back() as execute:
            return [
                _stored(row)
                for row in execute(
                    f"SELECT {_COLUMNS}, NULL FROM dub_outbox{where} ORDER BY seq LIMIT ?", (*values, limit)
                )
            ]

    def find(self, id: str) -> list[StoredRow]:  # noqa: A002
        with self._back() as execute:
            found = execute(f"SELECT {_COLUMNS}, payload FROM dub_outbox WHERE id = ? ORDER BY seq", (id,))
            return [_stored(row) for row in found]

    def retry(self, *, ids: Iterable[str] = (), states: Iterable[str] = ()) -> int:
        chosen = tuple(state for state in states if state in FINAL)
        where, values = _where(id=tuple(ids), state=chosen)
        if not values:
            return 0
        where += " AND state <> 'pending' AND payload <> ''"
        with self._back() as execute:
            count = int(execute(f"SELECT count(*) FROM dub_outbox{where}", values)[0][0])
            execute(
                "UPDATE dub_outbox SET state = 'pending', next_at = 0, owner = NULL, attempts = 0,"
                f" crashes = 0, first_attempt_at = NULL, settled_at = NULL{where}",
                values,
            )
            return count

    def purge(self, *, states: Iterable[str], older_than: float = 0, limit: int = 1000) -> int:
        chosen = tuple(state for state in states if state in FINAL)
        if not chosen:
            return 0
        with self._back() as execute:
            where, values = _where(
                state=chosen, conditions=("settled_at <= ?",), values=(self._now(execute) - older_than,)
            )
            found = execute(
                f"SELECT seq, destination, state FROM dub_outbox{where} LIMIT ?{self.lock_rows}",
                (*values, limit),
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

    # -- the schema ----------------------------------------------------------------------------

    def _upgrade(self, execute: Execute) -> None:
        """Bring the tables to this release's version; the caller holds the lock that makes it exclusive."""
        execute(VERSION_TABLE)
        found = execute("SELECT version FROM dub_outbox_schema")
        version = int(found[0][0]) if found else 0
        if version > VERSION:
            raise OutboxError(
                f"The outbox was written by a newer release (schema {version}, this one knows {VERSION})."
            )
        self._migrate(execute, version)

    def _migrate(self, execute: Execute, version: int) -> None:
        if version == VERSION:
            return
        execute(VERSION_TABLE)
        for step in range(version + 1, VERSION + 1):
            for statement in statements(step, postgres=self.postgres):
                execute(statement)
        execute("DELETE FROM dub_outbox_schema")
        execute("INSERT INTO dub_outbox_schema (version) VALUES (?)", (VERSION,))


_COLUMNS = (
    "seq, id, destination, kind, key, state, created_at, attempts, ambiguous, next_at, owner, status,"
    " message, settled_at"
)


def _values(row: NewRow, now: float) -> tuple[Any, ...]:
    tried = now if row.attempts else None
    until = now + FIRST_LEASE if row.owner else 0.0  # 0 is due at once, whatever the clock says
    return (
        row.id, row.destination, row.kind, row.key, row.payload, row.created_at, row.owner, until,
        row.attempts, tried, int(row.ambiguous),
    )  # fmt: skip


def _leased(row: tuple[Any, ...], now: float) -> Leased:
    seq, id_, kind, key, payload, created_at, attempts, ambiguous, crashes, first = row
    age = 0.0 if first is None else max(0.0, now - first)
    return Leased(
        seq, id_, kind, key, bytes(payload), created_at, attempts + 1, bool(ambiguous), crashes, age
    )


def _stored(row: tuple[Any, ...]) -> StoredRow:
    *values, owner, status, message, settled_at, payload = row
    seq, id_, destination, kind, key, state, created_at, attempts, ambiguous, next_at = values
    return StoredRow(
        seq, id_, destination, kind, key, state, created_at, attempts, bool(ambiguous), next_at,
        owner is not None, status, message, settled_at, bytes(payload or b""),
    )  # fmt: skip


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

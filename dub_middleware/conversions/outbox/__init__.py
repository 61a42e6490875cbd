"""The durable queue: rows go in with one commit, come out under a lease, and stay until they are settled.

The rows are generic (destination, kind, key, payload), so conversions, the Segment gateway and outgoing
webhooks share it. `SQLiteOutbox` needs nothing but the standard library; `PostgresOutbox` serves several
machines. Times that an outbox compares are its own: SQLite's the clock of the machine, PostgreSQL's the clock
of the server, so callers speak in delays.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

from dub_middleware.conversions.outbox.rows import (
    FINAL,
    Leased,
    NewRow,
    RowState,
    Settlement,
    StoredRow,
    storable,
)
from dub_middleware.errors import ConfigError

__all__ = [
    "FINAL",
    "Leased",
    "NewRow",
    "Outbox",
    "RowState",
    "Settlement",
    "StoredRow",
    "open_outbox",
    "storable",
]

Durability = Literal["power", "process"]


@runtime_checkable
class Outbox(Protocol):
    """What both backends do. Every method raises `OutboxError` when the store cannot be used.

    An instance may be used from several threads and, after a fork, from the child as well.
    """

    def put(self, rows: Sequence[NewRow]) -> None:
        """Store the rows; they are committed when this returns. A row that is already there is left alone."""

    def put_in(self, connection: Any, rows: Sequence[NewRow]) -> None:
        """Store the rows in the transaction of the caller's own connection to the same database."""

    def lease(
        self, destination: str, owner: str, limit: int, seconds: float, *, whole_keys: bool = False
    ) -> list[Leased]:
        """Take up to ``limit`` due rows, oldest first, for ``seconds``; nobody else gets them meanwhile.

        A key whose oldest row is in flight or waits for its next attempt gives nothing. With ``whole_keys``
        several rows of one key may come, in order: they must then go into one request. A row that was in
        flight when a sender vanished comes alone.
        """

    def settle(self, owner: str, settlements: Sequence[Settlement]) -> None:
        """Say what became of leased rows; a row whose lease has gone to another owner is left alone."""

    def extend(self, owner: str, seconds: float) -> None:
        """Renew the leases of everything ``owner`` has in flight."""

    def owners(self) -> dict[str, bool]:
        """Return who has rows in flight, and whether one of those leases has run out."""

    def reclaim(self, owner: str, delay: float) -> int:
        """Give back what a vanished owner had in flight, as ambiguous, to be repeated after ``delay``.

        The delay doubles with each time this has happened to a row before.
        """

    def relinquish(self, owner: str, destination: str, held: Sequence[int], delay: float) -> int:
        """Give back, as ambiguous, what ``owner`` has in flight according to the outbox but not to itself.

        After a lost connection nobody knows whether the last transaction was committed. ``held`` are the
        ``seq`` that the owner knows of.
        """

    def pending(self, destinations: Sequence[str] = ()) -> int:
        """Return how many rows still wait or are in flight."""

    def has_pending(self, destinations: Sequence[str] = ()) -> bool:
        """Return whether any row still waits or is in flight; quick, however many there are."""

    def states(self, id: str) -> dict[str, RowState]:  # noqa: A002
        """Return the state of an event for each of its destinations."""

    def counts(self) -> dict[tuple[str, str], int]:
        """Return how many events of each (destination, state) there are and ever were."""

    def oldest(self) -> float | None:
        """Return the age in seconds of the oldest waiting row."""

    def rows(
        self, *, state: str | None = None, destination: str | None = None, after: int = 0, limit: int = 100
    ) -> list[StoredRow]:
        """Return rows in the order of their acceptance, without payloads; ``after`` pages by ``seq``."""

    def find(self, id: str) -> list[StoredRow]:  # noqa: A002
        """Return the rows of one event, with payloads."""

    def retry(
        self, *, ids: Iterable[str] = (), states: Iterable[str] = (), destinations: Iterable[str] = ()
    ) -> int:
        """Queue settled rows of these ids or states again as if they were new; return how many.

        ``destinations`` narrows the choice; without any, all are meant.
        """

    def purgeable(
        self, *, states: Iterable[str], destinations: Iterable[str] = (), older_than: float = 0
    ) -> int:
        """Return how many rows `purge` would delete in the end."""

    def purge(
        self,
        *,
        states: Iterable[str],
        destinations: Iterable[str] = (),
        older_than: float = 0,
        limit: int = 1000,
    ) -> int:
        """Delete up to ``limit`` settled rows; return how many. They stay in `counts`."""

    def is_crowded(self) -> bool:
        """Whether more than half of the space is used: then what has arrived goes before its time."""

    def close(self) -> None:
        """Close the connections; the next use opens new ones."""


def open_outbox(
    url: str | Outbox | None,
    *,
    durability: Durability = "power",
    max_rows: int = 1_000_000,
    max_bytes: int = 2**30,
    clock: Callable[[], float] | None = None,
) -> Outbox:
    """Return the outbox of a URL: ``sqlite:///relative.db``, ``sqlite:////absolute.db``, ``postgresql://…``.

    None keeps the rows in memory: they end with the process. An outbox is returned as it is.
    Nothing is opened before the first use.
    ``durability="power"`` waits for the disk at every commit and survives a power cut; ``"process"`` survives
    the death of the process, but a power cut may take the last commits.
    Beyond ``max_rows`` waiting rows, or ``max_bytes`` of file (SQLite), new rows are refused; nothing stored
    is ever dropped for them. Raises `ConfigError`.
    """
    if durability not in ("power", "process"):
        raise ConfigError("durability", f"durability must be 'power' or 'process', not {durability!r}.")
    if not isinstance(url, str | None):
        return _checked_outbox(url)
    if url is None or url.startswith("sqlite:"):
        from dub_middleware.conversions.outbox.sqlite import SQLiteOutbox

        path = ":memory:" if url is None else _sqlite_path(url)
        return SQLiteOutbox(path, durability=durability, max_rows=max_rows, max_bytes=max_bytes, clock=clock)
    if url.startswith(("postgresql:", "postgres:", "postgresql+psycopg:")):
        from dub_middleware.conversions.outbox.postgres import PostgresOutbox

        return PostgresOutbox(
            url.replace("+psycopg", "", 1), durability=durability, max_rows=max_rows, clock=clock
        )
    scheme = url.partition(":")[0]
    raise ConfigError(
        "outbox",
        f"outbox must be sqlite:///file.db, postgresql://… or None; {scheme!r} is not a database it knows.",
    )


def _checked_outbox(given: object) -> Outbox:
    if not isinstance(given, Outbox):
        raise ConfigError(
            "outbox",
            f"outbox must be a URL such as 'sqlite:///dub-outbox.db', None or an outbox, not {given!r}.",
        )
    return given


def _sqlite_path(url: str) -> str:
    path = url.removeprefix("sqlite:///")
    if path == url or not path or path == ":memory:":
        raise ConfigError(
            "outbox",
            f"outbox must name a file, as in 'sqlite:///dub-outbox.db', not {url!r}; None is memory.",
        )
    return os.path.abspath(path)  # a process may change its folder, and every one must mean the same file

"""The records that go into and come out of an outbox: named tuples where there is one for each event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

RowState = Literal[
    "pending",
    "delivered",
    "duplicate",
    "unconfirmed",
    "not_attributed",
    "rejected",
    "expired",  # no attempt succeeded while the far side would still recognise a repeat
    "dead",  # took its sender down again and again
]
#: the states in which nothing more happens to a row unless somebody asks for it, from good to bad
FINAL: tuple[RowState, ...] = get_args(RowState)[1:]


def storable(text: str) -> str:
    """Return ``text`` without what a database refuses: NUL, and halves of surrogate pairs."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


class NewRow(NamedTuple):
    """One event for one destination; ``id`` and ``destination`` together are unique."""

    id: str
    destination: str
    kind: str
    key: str
    payload: bytes
    created_at: float  # epoch seconds
    attempts: int = 0
    ambiguous: bool = False


class Leased(NamedTuple):
    """A row somebody holds the lease of; ``attempt`` counts the one that is about to be made."""

    seq: int
    id: str
    kind: str
    key: str
    payload: bytes
    created_at: float
    attempt: int
    ambiguous: bool
    crashes: int  # how often a sender vanished while it had this row in flight
    age: float  # seconds since the first attempt; 0 for the first


class Settlement(NamedTuple):
    """What became of one leased row: a final state, or ``pending`` and the ``delay`` to its next attempt."""

    seq: int
    state: RowState
    attempts: int
    delay: float = 0.0
    ambiguous: bool = False
    crashes: int = 0
    status: int | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A row as an operator sees it; ``payload`` is empty in lists, and after delivery."""

    seq: int
    id: str
    destination: str
    kind: str
    key: str
    state: RowState
    created_at: float
    attempts: int
    ambiguous: bool
    next_at: float
    in_flight: bool
    status: int | None
    message: str
    settled_at: float | None
    payload: bytes

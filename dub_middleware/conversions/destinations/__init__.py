"""What a destination is: the protocol, what it is given and what it answers.

A destination turns an accepted event into frozen bytes once (`Destination.prepare`) and hands those
same bytes to the far side as often as it takes (`Destination.send`). It knows nothing of queues, threads or
retries; it only says what became of each delivery. The implementations are modules of this package.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol, runtime_checkable

from dub_middleware.conversions.events import Lead, Sale

__all__ = ["Delivery", "Destination", "Outcome", "Sender", "State", "generated_invoice_id", "setting"]

State = Literal[
    "delivered",  # the far side took it and says what it did with it
    "duplicate",  # the far side had it already, from another sender
    "unconfirmed",  # accepted without proof, after an attempt that may have been the one that failed
    "not_attributed",  # accepted, but it belongs to no click: nothing was recorded
    "rejected",  # refused for good; sending the same bytes again cannot help
    "retry",  # certainly not taken; send it again
    "ambiguous",  # perhaps taken; send it again, but only after the first attempt must have ended
    "paused",  # refused because of the account, not of the event: keep the whole queue
]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One stored event on its way to one destination; frozen when it was accepted."""

    id: str
    """A UUID in hex; stable over all retries."""
    kind: str
    """``"lead"`` or ``"sale"``; other users of the outbox have kinds of their own."""
    key: str
    """What must stay in order (the customer). There are never two deliveries of one key in flight."""
    payload: bytes = field(repr=False)
    """What `Destination.prepare` returned at acceptance."""
    created_at: float
    """When it was accepted, in epoch seconds."""
    attempt: int = 1
    """1 for the first attempt."""
    ambiguous: bool = False
    """An earlier attempt may have arrived: its answer was lost, or it failed on the far side."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one delivery."""

    state: State
    status: int | None = None
    """The HTTP status, when there was an answer."""
    message: str = ""
    """Why, for a log or an operator; holds no payload and no key."""
    retry_after: float | None = None
    """Seconds the far side asked to wait, already between 1 and 300."""
    response: Any = field(default=None, repr=False)
    """The parsed answer, typed by the destination; None when there was none. It may name the customer."""


@runtime_checkable
class Sender(Protocol):
    """Where stored rows go. Implementations are safe to use from several threads and after a fork.

    One whose far side recognises repeats for less than a week says so with an attribute ``dedup_window``, in
    seconds: what may have arrived is not sent again after it.
    """

    name: str
    """Stored with each queued row, so it stays the same over releases: ``"dub"``, ``"segment"``."""
    max_batch: int
    """The most deliveries that one `send` takes; 1 means one request an event."""
    concurrency: int
    """How many `send` calls may run at once."""

    def send(self, batch: Sequence[Delivery]) -> Sequence[Outcome]:
        """Deliver and return one outcome for each delivery, in order.

        Never raises for trouble on the network or on the far side.
        """
        ...

    def close(self) -> None:
        """Give back sockets; safe to call twice."""
        ...


@runtime_checkable
class Destination(Sender, Protocol):
    """Where conversions go."""

    def prepare(self, event: Lead | Sale, *, id: str, timestamp: datetime) -> bytes:  # noqa: A002
        """Return the bytes to store for a `Lead` or `Sale`.

        Raises `EventError` for an event that this destination would never take.
        """
        ...


def setting(option: str, value: object, variable: str) -> tuple[str, Any]:
    """Return the name that an option was given by, its own or that of the variable, and its value."""
    return (option, value) if value is not None else (variable, os.environ.get(variable) or None)


def generated_invoice_id(id: str) -> str:  # noqa: A002
    """Return the invoice id of a sale accepted as ``id`` that came without one.

    Every destination uses the same, so that Dub recognises the sale when it arrives on two ways.
    """
    return f"dmw_{id}"

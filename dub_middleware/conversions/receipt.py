"""What `track_lead` and `track_sale` return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from dub_middleware.conversions.destinations import Outcome
from dub_middleware.conversions.outbox import FINAL, Outbox, RowState

Storage = Literal["stored", "in_transaction", "in_memory", "refused"]
ReceiptState = RowState | Literal["refused", "unknown"]


@dataclass(frozen=True, slots=True)
class Receipt:
    """An accepted event. ``id`` finds it again in the outbox and on the command line."""

    id: str
    storage: Storage
    """Where it is: committed in the outbox, in the caller's transaction, in memory because the outbox failed
    (then a crash would lose it), or nowhere because the memory was full too."""
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    """With ``mode="wait"``: what each destination answered in time."""
    _outbox: Outbox | None = field(default=None, repr=False, compare=False)

    @property
    def is_durable(self) -> bool:
        """Whether it survives the end of this process (for ``in_transaction``: once that commits)."""
        return self.storage in ("stored", "in_transaction")

    @property
    def response(self) -> Any:
        """The first parsed answer of ``mode="wait"``: Dub's, when Dub is a destination; None without one."""
        return next((o.response for o in self.outcomes.values() if o.response is not None), None)

    @property
    def states(self) -> dict[str, RowState]:
        """The state for each destination, as the outbox has it now. Raises `OutboxError`."""
        return self._outbox.states(self.id) if self._outbox is not None else {}

    @property
    def state(self) -> ReceiptState:
        """``pending`` while any destination is, ``delivered`` when all are, else the worst of their states.

        ``unknown`` when the outbox has no such row: not committed, or delivered so long ago that it was
        purged. Raises `OutboxError`.
        """
        if self.storage == "refused":
            return "refused"
        states = set(self.states.values())
        if not states:
            return "pending" if self.storage == "in_memory" else "unknown"
        if "pending" in states:
            return "pending"
        return max(states, key=FINAL.index)

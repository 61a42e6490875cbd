"""What is done now and then, by whichever lane comes first: leases and old rows."""

from __future__ import annotations

import threading
import time

from dub_middleware.conversions.outbox import FINAL, Outbox
from dub_middleware.conversions.outbox.owner import is_gone
from dub_middleware.conversions.worker.timing import Timing

RECLAIM_EVERY = 1.0
PURGE_EVERY = 10.0
PURGE_NEXT = 0.1  # to the next step; short, because who stores waits for it, and often, to keep up with them
PURGE_STEP = 1000
# nobody has to look at these; most events of a site whose customers come without a link are not attributed
ENDED_WELL = ("delivered", "duplicate", "not_attributed")
ENDED_BADLY = tuple(state for state in FINAL if state not in ENDED_WELL)


class Housekeeper:
    """Renew the leases of ``owner``, take over those of owners that are gone, delete what is old."""

    def __init__(self, outbox: Outbox, owner: str, timing: Timing) -> None:
        self._outbox = outbox
        self._owner = owner
        self._timing = timing
        self._busy = threading.Lock()
        self._renew_every = timing.lease / 3
        self._overdue: dict[str, float] = {}  # since when we have seen an owner's lease overdue
        now = time.monotonic()
        self._reclaim_at, self._renew_at, self._purge_at = now, now + self._renew_every, now + 1

    def __call__(self) -> None:
        """Do what is due; cheap when nothing is. Raises `OutboxError`."""
        now = time.monotonic()
        if now < min(self._reclaim_at, self._renew_at, self._purge_at):
            return
        if not self._busy.acquire(blocking=False):
            return
        try:
            if now >= self._renew_at:
                self._renew_at = now + self._renew_every
                self._outbox.extend(self._owner, self._timing.lease)
            if now >= self._reclaim_at:
                self._reclaim_at = now + RECLAIM_EVERY
                self._reclaim(now)
            if now >= self._purge_at:
                self._purge_at = now + (PURGE_NEXT if self._purge() else PURGE_EVERY)
        finally:
            self._busy.release()

    def _reclaim(self, now: float) -> None:
        owners = self._outbox.owners()
        overdue = {owner for owner, is_overdue in owners.items() if is_overdue and owner != self._owner}
        self._overdue = {owner: self._overdue.get(owner, now) for owner in overdue}
        for owner in owners:
            # A clock set forward makes every lease overdue at once: its bearer gets the time to renew it.
            silent = now - self._overdue.get(owner, now) > self._renew_every
            if owner != self._owner and (silent or is_gone(owner)):
                self._outbox.reclaim(owner, self._timing.ambiguous)

    def _purge(self) -> bool:
        """Delete a step's worth; return whether there is more."""
        keep = 0.0 if self._outbox.is_crowded() else self._timing.keep
        well = self._outbox.purge(states=ENDED_WELL, older_than=keep, limit=PURGE_STEP)
        badly = self._outbox.purge(states=ENDED_BADLY, older_than=self._timing.keep_failed, limit=PURGE_STEP)
        return PURGE_STEP in (well, badly)

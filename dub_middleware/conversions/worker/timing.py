"""The delays of delivery, each with its reason."""

from __future__ import annotations

import random
from dataclasses import dataclass

DAY = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """All in seconds. The defaults follow what Dub does; they are changed for tests and other far sides."""

    backoff: float = 1.0
    """The first retry comes within twice this, each further one within twice the one before."""
    backoff_cap: float = 300.0
    """No retry waits longer."""
    ambiguous: float = 90.0
    """An attempt whose answer was lost may still run on the far side, and two sales at once count twice."""
    hang: float = 120.0
    """A destination that has not returned by then is given up, and its events may have arrived."""
    horizon: float = 6.5 * DAY
    """Automatic retries end here, counted from the first attempt: Dub recognises a repeat for seven days.

    An event that may have arrived ends earlier where the far side recognises repeats for less long."""
    pause: float = 300.0
    """How often a destination that refuses the key is asked again."""
    open_after: int | None = 5
    """This many failed requests in a row mean that the far side is down (a number, not seconds).

    None: the destination stands for many far sides, and the failures of one say nothing of the others.
    """
    open_cap: float = 30.0
    """The longest wait between two probes of a far side that is down, and of the events sent as probes."""
    lease: float = 30.0
    """How long a row belongs to a sender that has gone silent. It is renewed while the sender lives."""
    poll: float = 0.5
    """How often the outbox is looked at for what other processes put there and for due retries."""
    keep: float = DAY
    """How long rows stay that ended well: for `Receipt.state`, operators, and to recognise what comes again.

    Shorter when more than half of the outbox is used."""
    keep_failed: float = 30 * DAY
    """How long rows stay that ended badly: so long somebody may look at them, and queue them again."""

    def retry_delay(self, attempt: int) -> float:
        """Return full jitter: anything from 0 to the capped exponential, so that no two meet again."""
        return random.uniform(0, min(self.backoff_cap, self.backoff * 2.0 ** min(attempt, 30)))

    def open_delay(self, failures: int) -> float:
        """Return the wait before the next probe; at least half of it, so that a probe is not a retry."""
        return random.uniform(0.5, 1) * min(self.open_cap, self.backoff * 2.0 ** min(failures, 30))

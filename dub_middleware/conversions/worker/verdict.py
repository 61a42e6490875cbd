"""What an outcome means for its row: settled, or to be sent again, and when. No I/O, no state."""

from __future__ import annotations

from dub_middleware.conversions.destinations import Outcome
from dub_middleware.conversions.outbox import Leased, RowState, Settlement
from dub_middleware.conversions.worker.timing import Timing

# Once in company, then alone and after growing delays: that row is what takes its sender down. Fewer would
# condemn the innocent where processes are short-lived.
MAX_CRASHES = 8

CRASHING = "It took its sender down again and again."
TOO_LATE = "It may have arrived, and the far side would no longer recognise a repeat."
GIVEN_UP = "No attempt of several days succeeded; the last one: "


def before_sending(row: Leased, timing: Timing, window: float, age: float) -> Settlement | None:
    """Settle a row that must not be sent any more; None for all others.

    ``window`` is how long, in seconds, the far side recognises a repeat; ``age`` the time since the row's
    first attempt, by a clock that does not jump.
    """
    if row.crashes >= MAX_CRASHES:
        return _unsent(row, "dead", CRASHING)
    if row.ambiguous and age > min(window, timing.horizon):
        return _unsent(row, "expired", TOO_LATE)
    return None


def after_sending(
    row: Leased, outcome: Outcome, timing: Timing, age: float, *, crashed: bool = False, is_down: bool = False
) -> Settlement:
    """Say what becomes of a row that was sent; ``crashed`` when the destination raised an exception.

    ``is_down``: everything fails, so it is not this row's fault, and it need not wait long.
    """
    crashes = row.crashes + crashed
    attempts, delay = row.attempt, 0.0
    message = outcome.message
    state: RowState
    if outcome.state == "retry" or outcome.state == "ambiguous":
        state = "pending"
        if crashes >= MAX_CRASHES:
            state = "dead"
        elif age > timing.horizon:
            # Judged by an attempt and not by the clock alone, which may have jumped.
            state, message = "expired", GIVEN_UP + message
        least = timing.ambiguous if outcome.state == "ambiguous" else 0.0
        own = timing.retry_delay(row.attempt)
        delay = max(least, outcome.retry_after or (min(own, timing.open_cap) if is_down else own))
    elif outcome.state == "paused":
        state = "pending"
        attempts -= 1  # the account's fault: it does not count against the event
    else:
        state = outcome.state
    ambiguous = row.ambiguous or _may_have_arrived(outcome)
    return Settlement(row.seq, state, attempts, delay, ambiguous, crashes, outcome.status, message)


def given_back(row: Leased) -> Settlement:
    """Return a row that nobody has begun to send."""
    return _unsent(row, "pending", "")


def _unsent(row: Leased, state: RowState, message: str) -> Settlement:
    return Settlement(row.seq, state, row.attempt - 1, 0, row.ambiguous, row.crashes, None, message)


def _may_have_arrived(outcome: Outcome) -> bool:
    # a server that breaks may break after it has recorded the event
    is_broken = outcome.state == "retry" and outcome.status is not None and outcome.status >= 500
    return outcome.state == "ambiguous" or is_broken

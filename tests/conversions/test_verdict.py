"""What an outcome means for a row, and what time means for it: pure functions, by tables."""

from __future__ import annotations

import time
from typing import Any

import pytest

from dub_middleware.conversions.destinations import Outcome
from dub_middleware.conversions.outbox import Leased
from dub_middleware.conversions.worker import Timing
from dub_middleware.conversions.worker.circuit import Circuit
from dub_middleware.conversions.worker.clock import JumpingClock
from dub_middleware.conversions.worker.verdict import after_sending, before_sending, given_back

HOUR, DAY = 3600.0, 86_400.0
TIMING = Timing()


def row(**fields: Any) -> Leased:
    values: dict[str, Any] = {"attempt": 1, "ambiguous": False, "crashes": 0, "age": 0.0}
    return Leased(7, "id", "sale", "42", b"{}", 0.0, **(values | fields))


@pytest.mark.parametrize(
    ("fields", "age", "window", "state"),
    [
        ({}, 0, 7 * DAY, None),
        ({"attempt": 9, "ambiguous": True}, 6 * DAY, 6.5 * DAY, None),
        ({"attempt": 2, "ambiguous": True}, 6.6 * DAY, 6.5 * DAY, "expired"),
        ({"attempt": 2, "ambiguous": True}, 21 * HOUR, 20 * HOUR, "expired"),
        ({"attempt": 2}, 300 * DAY, 20 * HOUR, None),
        ({"crashes": 7}, 0, DAY, None),
        ({"crashes": 8}, 0, DAY, "dead"),
    ],
    ids=[
        "new",
        "inside-dubs-window",
        "after-dubs-window",
        "after-segments-window",
        "surely-never-arrived-is-tried-once-more",
        "crashed-seven-times",
        "crashed-eight-times",
    ],
)
def test_before_sending(fields: dict[str, Any], age: float, window: float, state: str | None) -> None:
    settlement = before_sending(row(**fields), TIMING, window, age)
    assert (settlement and settlement.state) == state
    if settlement is not None:
        assert settlement.attempts == fields.get("attempt", 1) - 1  # the one that was not made


@pytest.mark.parametrize(
    ("outcome", "age", "state", "attempts", "ambiguous"),
    [
        (Outcome("delivered", 200), 0, "delivered", 3, False),
        (Outcome("rejected", 404), 0, "rejected", 3, False),
        (Outcome("paused", 401), 0, "pending", 2, False),
        (Outcome("retry"), 0, "pending", 3, False),
        (Outcome("retry", 404), 0, "pending", 3, False),
        (Outcome("retry", 429), 0, "pending", 3, False),
        (Outcome("retry", 500), 0, "pending", 3, True),
        (Outcome("ambiguous"), 0, "pending", 3, True),
        (Outcome("retry"), 7 * DAY, "expired", 3, False),
        (Outcome("delivered", 200), 7 * DAY, "delivered", 3, False),
    ],
    ids=lambda value: f"{value.state}-{value.status}" if isinstance(value, Outcome) else None,
)
def test_after_sending(outcome: Outcome, age: float, state: str, attempts: int, ambiguous: bool) -> None:
    settlement = after_sending(row(attempt=3), outcome, TIMING, age)
    assert (settlement.state, settlement.attempts, settlement.ambiguous) == (state, attempts, ambiguous)


def test_a_lost_answer_waits_until_the_attempt_must_have_ended() -> None:
    """Dub may still be recording the first sale: two at once count twice."""
    assert after_sending(row(), Outcome("ambiguous"), TIMING, 0).delay >= 90


def test_retries_spread_out_and_are_capped() -> None:
    """Full jitter: all of them between nothing and twice as much each time, never above five minutes."""
    delays = [
        [after_sending(row(attempt=n), Outcome("retry"), TIMING, 0).delay for _ in range(300)]
        for n in (1, 3, 20)
    ]
    assert [max(some) <= limit for some, limit in zip(delays, (2, 8, 300), strict=True)] == [True] * 3
    assert [max(some) > limit for some, limit in zip(delays, (1, 4, 150), strict=True)] == [True] * 3
    assert all(min(some) < max(some) / 4 for some in delays)


def test_an_event_sent_as_a_probe_waits_no_longer_than_the_next_probe() -> None:
    """When the far side is back, what was tried during the outage is not the last to arrive."""
    delays = [
        after_sending(row(attempt=20), Outcome("retry"), TIMING, 0, is_down=True).delay for _ in range(99)
    ]
    assert 0 < max(delays) <= 30


def test_the_far_sides_wish_comes_before_our_own() -> None:
    outcome = Outcome("retry", 429, retry_after=42.0)
    assert after_sending(row(), outcome, TIMING, 0).delay == 42.0


def test_what_was_not_begun_goes_back_as_it_was() -> None:
    settlement = given_back(row(attempt=4, ambiguous=True, crashes=1))
    assert (settlement.state, settlement.attempts, settlement.delay) == ("pending", 3, 0)
    assert (settlement.ambiguous, settlement.crashes) == (True, 1)


@pytest.mark.parametrize(
    ("jump", "age", "real_age"),
    [(10 * DAY, 10 * DAY + 5, 5), (10 * DAY, 5, 5), (-DAY, 5, 5), (30, 35, 35)],
    ids=["begun-before-the-jump", "begun-after-it", "set-back", "drift"],
)
def test_a_clock_set_forward_makes_nothing_older(
    monkeypatch: pytest.MonkeyPatch, jump: float, age: float, real_age: float
) -> None:
    clock = JumpingClock()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + jump)
    assert clock.real_age(age) == pytest.approx(real_age, abs=2)


def test_a_far_side_that_is_down_is_probed_and_then_not_stormed() -> None:
    """Five failures in a row: one request at a time, after a rest. Then each success doubles."""
    circuit = Circuit(TIMING, concurrency=8)
    for _ in range(4):
        circuit.learn([Outcome("delivered", 200)], 0.1)
    assert circuit.allowed == 8
    for _ in range(4):
        circuit.learn([Outcome("retry", 500)], 0.1)
    assert not circuit.is_open
    circuit.learn([Outcome("ambiguous")], 0.1)
    assert circuit.is_open
    assert 0 < circuit.wait() <= 30
    allowed = []
    for _ in range(5):
        allowed.append(circuit.allowed)
        circuit.learn([Outcome("delivered", 200)], 0.1)
        assert circuit.wait() == 0
    assert allowed == [1, 2, 4, 8, 8]

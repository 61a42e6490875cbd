"""Clocks that jump."""

from __future__ import annotations

import time

import pytest

from dub_middleware.conversions.outbox import open_outbox
from faults import Client, SlowSegment, Tally, arrivals
from stub_http import status
from waiting import wait_until

pytestmark = pytest.mark.faults

DAY = 86_400.0


@pytest.mark.parametrize("days", [-3650.0, -1 / 24, 1 / 24, 10.0], ids="{:+.2f} days".format)
def test_a_clock_that_jumps_holds_nothing_back_and_ends_nothing(
    segment: SlowSegment,
    outbox: str,
    client: Client,
    tally: Tally,
    monkeypatch: pytest.MonkeyPatch,
    days: float,
) -> None:
    """Rows that wait for a retry or are in flight at that moment arrive all the same, and once."""
    now = time.time
    web = client(segment, outbox=open_outbox(outbox, durability="process"))
    segment.permanent = status(500)
    ids = {web.track_lead(customer_external_id=str(n)).id for n in range(150)}
    segment.wait_for_requests(3)
    monkeypatch.setattr(time, "time", lambda: now() + days * DAY)
    ids |= {web.track_lead(customer_external_id=f"later-{n}").id for n in range(50)}
    seen = len(segment.requests)
    wait_until(lambda: len(segment.requests) > seen, what="a retry")
    segment.permanent = None
    assert web.flush(30)
    tally(ids, arrivals(segment))
    assert segment.repeats == []
    assert open_outbox(outbox).counts() == {("segment", "delivered"): 200}

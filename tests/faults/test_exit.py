"""Ends of a process that are no crash, and floods."""

from __future__ import annotations

import threading

import pytest

from faults import CLIENT, Client, SlowSegment, Tally, arrivals
from programs import Program, full_length
from stub_http import status

pytestmark = pytest.mark.faults

EXIT = f"""
{CLIENT}
for n in range(2000):
    track(n)
sys.exit(3)
"""


@pytest.mark.parametrize("server", ["slow", "failing", "hanging"])
def test_sys_exit_keeps_what_it_cannot_deliver(
    segment: SlowSegment, outbox: str, client: Client, tally: Tally, server: str
) -> None:
    """The end of the process waits two seconds at most; what is left is delivered by the next one."""
    if server == "failing":
        segment.permanent = status(500)
    segment.delay = {"slow": 1.0, "failing": 0.0, "hanging": 30.0}[server]
    with Program(EXIT, segment.url, outbox) as web:
        assert web.wait(60) == 3
    segment.permanent, segment.delay = None, 0.0
    assert client(segment).flush(60)
    tally(set(web.lines), arrivals(segment))


def test_a_loop_faster_than_the_server_loses_nothing(
    segment: SlowSegment, outbox: str, client: Client, tally: Tally
) -> None:
    """30,000 events against 200 ms a batch: the peers' queues of 10,000 are full after a second."""
    events = 30_000 if full_length() else 12_000
    segment.delay = 0.2
    web = client(segment, durability="process")
    ids = {web.track_lead(customer_external_id=str(n)).id for n in range(events)}
    assert len(ids) == events
    segment.delay = 0.0
    assert web.flush(60)
    tally(ids, arrivals(segment))
    assert segment.repeats == []


def test_a_far_side_that_is_down_for_a_while(segment: SlowSegment, client: Client, tally: Tally) -> None:
    """Fifty events a second while the far side answers 500; when it is back, everything arrives once."""
    seconds = 30 if full_length() else 3
    web = client(segment, durability="process")
    pace = threading.Event()
    segment.permanent = status(500)
    ids = set()
    for n in range(50 * (seconds + 1)):
        if n == 50 * seconds:
            segment.permanent = None
        ids.add(web.track_lead(customer_external_id=str(n)).id)
        pace.wait(1 / 50)
    assert web.flush(60)
    tally(ids, arrivals(segment))
    assert segment.repeats == []

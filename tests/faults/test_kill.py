"""kill -9: of the process that tracks, and of those that deliver."""

from __future__ import annotations

import random
import signal

import pytest

from dub_middleware.conversions import Conversions, DubAPI
from dub_middleware.conversions.outbox import open_outbox
from dub_stub import KEY, DubStub
from faults import CLIENT, FAST, Client, SlowSegment, Tally, arrivals
from programs import Program, full_length
from stub_http import Reply, Request
from waiting import wait_until

pytestmark = pytest.mark.faults


BURST = f"""
{CLIENT}
for n in range(5000):
    track(n)
threading.Event().wait()
"""


def test_a_burst_survives_the_kill_right_after_it(
    segment: SlowSegment, outbox: str, client: Client, tally: Tally
) -> None:
    """5,000 calls returned, then SIGKILL while the sender is at work: every event is on the disk."""
    segment.delay = 0.02
    with Program(BURST, segment.url, outbox) as web:
        web.wait_for_lines(5000)
        web.kill()
    segment.delay = 0.0
    assert client(segment).flush(60)
    tally(set(web.lines), arrivals(segment))


STEADY = f"""
{CLIENT}
pause = threading.Event()
for n in range(100_000):
    track(n)
    pause.wait(1 / 200)
"""


def test_steady_traffic_survives_the_kill_at_any_moment(
    segment: SlowSegment, outbox: str, client: Client, tally: Tally
) -> None:
    """200 events a second, killed again and again; the one in the middle of its call was not acknowledged."""
    acknowledged: set[str] = set()
    for _ in range(20 if full_length() else 4):
        with Program(STEADY, segment.url, outbox) as web:
            web.wait_for_lines(random.randint(50, 250))
        acknowledged.update(web.lines)
    assert client(segment).flush(60)
    tally(acknowledged, arrivals(segment))


DELIVER = """
import sys, threading
from dub_middleware.conversions import Conversions, DubAPI, Timing

url, outbox, key = sys.argv[1:]
timing = Timing(backoff=0.02, ambiguous=0.3, poll=0.05, lease=2.0)
Conversions(DubAPI(key, base_url=url), outbox=outbox, timing=timing).flush(600)
threading.Event().wait()
"""


class Watched(DubStub):
    """Each answer takes a moment; notes an invoice that is in flight twice at once."""

    def __init__(self) -> None:
        super().__init__()
        self.overlaps: list[str] = []
        self._busy: set[str] = set()

    def answer(self, request: Request) -> Reply:
        customer = request.json()["customerExternalId"]
        if customer in self._busy:
            self.overlaps.append(customer)
        self._busy.add(customer)
        try:
            self.stopping.wait(0.01)
            return super().answer(request)
        finally:
            self._busy.discard(customer)


def test_workers_that_are_killed_again_and_again_lose_no_sale(outbox: str, tally: Tally) -> None:
    """Two deliver, one is killed every second; what it had in flight is repeated under the same invoice id.

    The repeat waits until the first attempt must have ended: a sale is never in flight twice.
    """
    with Watched() as dub:
        web = Conversions(
            DubAPI(KEY, base_url=dub.url), outbox=outbox, durability="process", deliver=False, timing=FAST
        )
        sales = 4000 if full_length() else 1500
        for n in range(sales):
            dub.know(str(n), "cQ1tXYZ012345678")
            web.track_sale(customer_external_id=str(n), amount=4900, invoice_id=f"inv_{n}")
        workers = [Program(DELIVER, dub.url, outbox, KEY) for _ in range(2)]
        try:
            step = sales // 6
            for kill in range(1, 6):
                wait_until(lambda kill=kill: len(dub.sales) >= kill * step, 60)  # type: ignore[misc]
                workers.pop(0).kill()
                workers.append(Program(DELIVER, dub.url, outbox, KEY))
            wait_until(lambda: len(dub.sales) == sales, 60)
        finally:
            for worker in workers:
                worker.kill()
        assert dub.overlaps == []
        assert len(dub.sales) == sales  # Dub counts each invoice once
        sent = [request.json()["invoiceId"] for request in dub.requests]
        tally({f"inv_{n}" for n in range(sales)}, sent)


FATAL = """
import os, signal, sys
from dub_middleware.conversions import Conversions, Timing
from dub_middleware.testing import RecordingDestination

class Fatal(RecordingDestination):
    def send(self, batch):
        if any(b"poison" in delivery.payload for delivery in batch):
            os.kill(os.getpid(), signal.SIGKILL)
        outcomes = super().send(batch)
        os.write(1, "".join(delivery.id + "\\n" for delivery in batch).encode())
        return outcomes

timing = Timing(backoff=0.02, ambiguous=0.001, poll=0.02, lease=2.0)  # each crash doubles the wait
conversions = Conversions(Fatal(), outbox=sys.argv[1], timing=timing, deliver=False)
"""
TRACK = f"""
{FATAL}
for n in range(50):
    name = "poison" if n == 20 else "Ada"
    receipt = conversions.track_lead(customer_external_id=str(n), customer_name=name)
    os.write(1, f"{{receipt.id}}\\n".encode())
"""
FLUSH = f"""
{FATAL}
sys.exit(not conversions.flush(30))
"""


def test_an_event_that_kills_its_sender_is_put_aside(outbox: str, tally: Tally) -> None:
    """A native crash takes the whole process. After eight, seven of them alone, the event is dead."""
    with Program(TRACK, outbox) as web:
        assert web.wait() == 0
    arrived: list[str] = []
    statuses: list[int] = []
    while 0 not in statuses and len(statuses) < 20:
        with Program(FLUSH, outbox) as worker:
            statuses.append(worker.wait())
        arrived += worker.lines
    assert statuses == [-signal.SIGKILL] * 8 + [0]
    (dead,) = open_outbox(outbox).rows(state="dead")
    assert dead.id == web.lines[20]
    tally(set(web.lines) - {dead.id}, arrived)

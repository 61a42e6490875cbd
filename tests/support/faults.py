"""What the tests of faults share: short delays, a client program to kill, and counting what arrived."""

from __future__ import annotations

from collections.abc import Callable

from dub_middleware.conversions import Conversions, Timing
from segment_stub import SegmentStub
from stub_http import Reply, Request

#: short enough for tests; what is waited for stays the same
FAST = Timing(backoff=0.02, ambiguous=0.1, open_cap=0.1, pause=0.1, poll=0.05, lease=2.0)

Tally = Callable[[set[str], list[str]], None]
Client = Callable[..., Conversions]

#: the start of a program: a client, and `track`, which prints the id once the call has returned
CLIENT = """
import os, sys, threading
from dub_middleware.conversions import Conversions, Segment, Timing

host, outbox = sys.argv[1:3]
timing = Timing(backoff=0.02, ambiguous=0.1, open_cap=0.1, pause=0.1, poll=0.05, lease=2.0)
conversions = Conversions(
    Segment("stub_write_key", host=host), outbox=outbox, durability="process", timing=timing
)

def track(customer):
    receipt = conversions.track_lead(customer_external_id=str(customer), click_id="cQ1tXYZ012345678")
    assert receipt.is_durable, receipt
    os.write(1, f"{receipt.id}\\n".encode())
"""


class SlowSegment(SegmentStub):
    """Each request takes ``delay`` seconds more."""

    delay = 0.0

    def answer(self, request: Request) -> Reply:
        if self.delay:
            self.stopping.wait(self.delay)
        return super().answer(request)


def arrivals(segment: SegmentStub) -> list[str]:
    """The message ids that arrived, repeats included."""
    return [event["messageId"] for event in segment.events + segment.repeats]

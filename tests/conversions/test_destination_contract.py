"""What every destination promises, whoever is on the far side."""

from __future__ import annotations

import json
import multiprocessing
import pickle
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

import pytest

from dub_middleware.conversions.destinations import Delivery, Destination, Outcome
from dub_middleware.conversions.destinations.dub import DubAPI
from dub_middleware.conversions.destinations.segment import Segment
from dub_middleware.conversions.events import Lead, Sale
from dub_middleware.testing import RecordingDestination
from dub_stub import KEY, DubStub
from segment_stub import WRITE_KEY, SegmentStub

WHEN = datetime(2026, 11, 23, 20, 0, 0, 123456, tzinfo=timezone.utc)


def lead(customer: str = "42", **fields: object) -> Lead:
    return Lead(customer_external_id=customer, click_id="clk0123456789abc", **fields)  # type: ignore[arg-type]


def delivery(destination: Destination, event: Lead | Sale, **fields: object) -> Delivery:
    identifier = uuid.uuid4().hex
    payload = destination.prepare(event, id=identifier, timestamp=WHEN)
    options = {"attempt": 1, **fields}
    return Delivery(identifier, event.kind, event.key, payload, WHEN.timestamp(), **options)  # type: ignore[arg-type]


class DestinationContract:
    """Subclasses give `destination` and say how many events have arrived."""

    arrived: Callable[[], int]

    def test_is_a_destination(self, destination: Destination) -> None:
        assert isinstance(destination, Destination)
        assert destination.name.isidentifier()
        assert destination.max_batch >= 1
        assert destination.concurrency >= 1

    def test_prepares_the_same_bytes_for_the_same_event(self, destination: Destination) -> None:
        event = lead(metadata={"plan": "pro", "ünï": ["🎉", None, 1.5]})
        identifier = uuid.uuid4().hex
        first, second = (destination.prepare(event, id=identifier, timestamp=WHEN) for _ in range(2))
        assert first == second
        json.loads(first)

    def test_delivers_and_answers_in_order(self, destination: Destination) -> None:
        batch = [delivery(destination, lead(f"customer-{n}")) for n in range(destination.max_batch)]
        outcomes = destination.send(batch)
        assert [outcome.state for outcome in outcomes] == ["delivered"] * len(batch)
        assert self.arrived() == len(batch)

    def test_takes_an_empty_batch(self, destination: Destination) -> None:
        assert list(destination.send([])) == []

    def test_delivers_from_several_threads(self, destination: Destination) -> None:
        batches = [[delivery(destination, lead(f"customer-{n}"))] for n in range(40)]
        with ThreadPoolExecutor(8) as pool:
            outcomes = [outcome for result in pool.map(destination.send, batches) for outcome in result]
        assert {outcome.state for outcome in outcomes} == {"delivered"}
        assert self.arrived() == 40

    def test_works_on_after_close(self, destination: Destination) -> None:
        destination.close()
        destination.close()
        assert [o.state for o in destination.send([delivery(destination, lead())])] == ["delivered"]

    def test_outcomes_and_deliveries_are_plain_values(self, destination: Destination) -> None:
        item = delivery(destination, lead())
        assert pickle.loads(pickle.dumps(item)) == item


class RemoteContract(DestinationContract):
    """Additionally, for a destination behind a network: ``at(url)`` makes one for another address."""

    at: Callable[[str], Destination]

    def test_never_raises_when_nobody_listens(self, unused_port: int) -> None:
        outcomes = self.send_one(self.at(f"http://127.0.0.1:{unused_port}"))
        assert [outcome.state for outcome in outcomes] == ["retry"]

    def test_says_its_address_and_not_its_key(self, destination: Destination) -> None:
        assert KEY not in repr(destination)
        assert WRITE_KEY not in repr(destination)

    def test_delivers_in_a_forked_child_too(self, destination: Destination) -> None:
        destination.send([delivery(destination, lead("parent"))])
        context = multiprocessing.get_context("fork")
        child = context.Process(target=send_from_child, args=(destination,))
        child.start()
        child.join(60)
        assert child.exitcode == 0
        destination.send([delivery(destination, lead("parent again"))])
        assert self.arrived() == 3

    @staticmethod
    def send_one(destination: Destination) -> Sequence[Outcome]:
        outcomes = destination.send([delivery(destination, lead())])
        destination.close()
        return outcomes


def send_from_child(destination: Destination) -> None:
    (outcome,) = destination.send([delivery(destination, lead("child"))])
    raise SystemExit(0 if outcome.state == "delivered" else 1)


@pytest.fixture
def unused_port() -> Iterator[int]:
    import socket

    with socket.socket() as taken:  # bound but not listening, so nobody else gets it
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


class TestDubAPI(RemoteContract):
    @pytest.fixture
    def destination(self) -> Iterator[DubAPI]:
        with DubStub() as stub:
            self.arrived = lambda: len(stub.leads)
            made = DubAPI(KEY, base_url=stub.url)
            yield made
            made.close()

    @staticmethod
    def at(url: str) -> DubAPI:
        return DubAPI(KEY, base_url=url)


class TestSegment(RemoteContract):
    @pytest.fixture
    def destination(self) -> Iterator[Segment]:
        with SegmentStub() as stub:
            self.arrived = lambda: len(stub.events)
            made = Segment(WRITE_KEY, host=stub.url)
            yield made
            made.close()

    @staticmethod
    def at(url: str) -> Segment:
        return Segment(WRITE_KEY, host=url)


class TestRecordingDestination(DestinationContract):
    @pytest.fixture
    def destination(self, recording_destination: RecordingDestination) -> RecordingDestination:
        self.arrived = lambda: len(recording_destination.events)
        return recording_destination

    def test_gives_the_events_back(self, destination: RecordingDestination) -> None:
        events = [lead(metadata={"a": [1]}), Sale(customer_external_id="42", amount=4900)]
        destination.send([delivery(destination, event) for event in events])
        assert destination.events == events
        assert destination.leads == events[:1]
        assert destination.sales == events[1:]

    def test_fails_as_told_and_then_works(self, destination: RecordingDestination) -> None:
        destination.fail("retry", times=2, status=503, retry_after=1.0)
        states = [destination.send([delivery(destination, lead())])[0] for _ in range(3)]
        assert [outcome.state for outcome in states] == ["retry", "retry", "delivered"]
        assert states[0].status == 503
        assert len(destination.events) == 1
        destination.clear()
        assert destination.events == []

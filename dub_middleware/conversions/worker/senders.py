"""The threads that call a destination, and what is on its way through them."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from dub_middleware.conversions.destinations import Delivery, Outcome, Sender
from dub_middleware.conversions.outbox import Leased

logger = logging.getLogger("dub_middleware.conversions")

FAILED = Outcome("retry", message="The destination raised an exception.")
HUNG = Outcome("ambiguous", message="The destination did not return.")

Batch = list[Leased]


@dataclass(slots=True, eq=False)
class Flight:
    """A batch on its way: waiting for a thread, then being sent by it since ``begun``."""

    batch: Batch
    begun: float | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of a flight."""

    flight: Flight
    outcomes: Sequence[Outcome]
    seconds: float
    crashed: bool = False


class Senders:
    """Up to ``destination.concurrency`` threads, started when they are needed.

    ``landed`` receives a `Sent` for each batch. All methods belong to one thread, the lane's.
    """

    def __init__(self, destination: Sender, hang: float, landed: queue.SimpleQueue[Sent | None]) -> None:
        self.flights: list[Flight] = []
        self._destination = destination
        self._hang = hang
        self._landed = landed
        self._work: queue.SimpleQueue[Flight | None] = queue.SimpleQueue()
        self._threads = 0

    def send(self, batch: Batch) -> None:
        """Hand a batch to a thread."""
        flight = Flight(batch)
        self.flights.append(flight)
        self._work.put(flight)
        if self._threads < min(len(self.flights), self._destination.concurrency):
            self._start()

    def finish(self, sent: Sent) -> bool:
        """Forget a flight; False when it had been given up, and what came of it counts no more."""
        if sent.flight not in self.flights:
            return False
        self.flights.remove(sent.flight)
        return True

    def longest_running(self) -> float | None:
        """Return when the oldest request that is being made was begun."""
        return next((flight.begun for flight in self.flights if flight.begun is not None), None)

    def give_up_hung(self) -> list[Sent]:
        """Do without threads that have not come back for too long; their batches may have arrived."""
        now = time.monotonic()
        hung = [Sent(f, [HUNG] * len(f.batch), now - f.begun) for f in self.flights if f.begun is not None]
        hung = [sent for sent in hung if sent.seconds > self._hang]
        for _ in hung:
            logger.error("the destination %s does not return; a thread is given up", self._destination.name)
            self._threads -= 1
        return hung

    def recall(self) -> Batch:
        """Take back what no thread has begun."""
        rows: Batch = []
        while True:
            try:
                flight = self._work.get_nowait()
            except queue.Empty:
                return rows
            if flight is not None:
                self.flights.remove(flight)
                rows += flight.batch

    def stop(self) -> None:
        """Let the threads end."""
        for _ in range(self._threads):
            self._work.put(None)

    def _start(self) -> None:
        name = f"dub-{self._destination.name}-{self._threads + 1}"
        try:
            threading.Thread(target=self._run, name=name, daemon=True).start()
        except RuntimeError as error:  # too many, or the interpreter is ending: go on with those there are
            logger.warning("no thread for %s: %s", name, error)
        else:
            self._threads += 1

    def _run(self) -> None:
        while (flight := self._work.get()) is not None:
            batch = flight.batch
            flight.begun = begun = time.monotonic()
            try:
                outcomes = self._destination.send([_delivery(row) for row in batch])
                if len(outcomes) != len(batch):
                    raise RuntimeError(f"send returned {len(outcomes)} outcomes for {len(batch)} deliveries")
                sent = Sent(flight, outcomes, time.monotonic() - begun)
            except Exception:
                logger.exception("the destination %s raised", self._destination.name)
                sent = Sent(flight, [FAILED] * len(batch), time.monotonic() - begun, crashed=True)
            self._landed.put(sent)


def _delivery(row: Leased) -> Delivery:
    return Delivery(row.id, row.kind, row.key, row.payload, row.created_at, row.attempt, row.ambiguous)

"""One destination's part of the worker: lease, hand to the senders, settle."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence

from dub_middleware.conversions.destinations import Outcome, Sender
from dub_middleware.conversions.outbox import Leased, Outbox, Settlement
from dub_middleware.conversions.worker.circuit import Circuit
from dub_middleware.conversions.worker.clock import JumpingClock
from dub_middleware.conversions.worker.report import Reporter
from dub_middleware.conversions.worker.senders import Batch, Senders, Sent
from dub_middleware.conversions.worker.timing import Timing
from dub_middleware.conversions.worker.verdict import after_sending, before_sending, given_back
from dub_middleware.errors import DeliveryError, OutboxError

logger = logging.getLogger("dub_middleware.conversions")

BAD_ENDS = ("rejected", "expired", "dead", "unconfirmed")
OUTBOX_REST = 1.0  # seconds before an outbox that failed is asked again
# Seconds from a batch that was not full to the next: what comes in a row then shares a request and two
# transactions, and callers are seldom held up by them. The first event after a silence does not wait.
GATHER = 0.05

Result = tuple[Leased, Settlement, Outcome | None]
OnSettled = Callable[[str, Sequence[Result]], None]


class Lane:
    """Delivers to one destination from its own threads; lives in one process and never crosses a fork."""

    def __init__(
        self,
        outbox: Outbox,
        destination: Sender,
        owner: str,
        timing: Timing,
        report: Reporter,
        on_settled: OnSettled,
        housekeep: Callable[[], None],
        is_hurried: Callable[[], bool],
    ) -> None:
        self.destination = destination
        self.idle = threading.Event()  # the last look found nothing to do, and nothing is in flight
        self._outbox = outbox
        self._owner = owner
        self._timing = timing
        self._report = report
        self._on_settled = on_settled
        self._housekeep = housekeep
        self._is_hurried = is_hurried  # somebody waits for what is delivered
        self._gather_until = 0.0
        self._window = getattr(destination, "dedup_window", timing.horizon)
        self._circuit = Circuit(timing, destination.concurrency)
        self._clock = JumpingClock()
        self._events: queue.SimpleQueue[Sent | None] = queue.SimpleQueue()
        self._senders = Senders(destination, timing.hang, self._events)
        self._is_waiting = False
        self._is_wanted = False
        self._is_alone = False  # a row that may take its sender down is in flight, or shall be next
        self._results: list[Result] = []
        self._held: set[int] = set()  # the rows that are leased and not settled
        self._is_unsure = False  # the outbox failed: perhaps it has leased us rows that we never saw
        self._is_leaving = False
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name=f"dub-{destination.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self, *, hurried: bool = False) -> None:
        """Look at the outbox soon; cheap when the lane is busy anyway, or still gathers a batch.

        ``hurried`` ends the gathering, given that somebody waits.
        """
        self.idle.clear()
        self._is_wanted = True  # before the test: `_wait` does the same two things the other way round
        if self._is_waiting or hurried:
            self._is_waiting = False
            self._events.put(None)

    def stop(self, deadline: float | None, *, leaving: bool = False) -> None:
        """Start nothing that would not end by ``deadline`` (monotonic; None: start nothing at all).

        ``leaving``: and do not wait for an outbox that fails, unless it has yet to learn what was delivered.
        """
        self._circuit.deadline = deadline
        self._is_leaving = leaving
        if deadline is None:
            self._is_stopping = True
        self.wake(hurried=True)

    def join(self, timeout: float) -> bool:
        self._thread.join(timeout)
        return not self._thread.is_alive()

    # -- the loop ------------------------------------------------------------------------------

    def _run(self) -> None:
        while not (self._is_stopping and not self._senders.flights):
            try:
                self._step()
            except OutboxError as error:
                self._is_unsure = True
                self._report("outbox", error)
                if self._is_leaving and not self._results and not self._senders.flights:
                    self.idle.set()
                self._wait(OUTBOX_REST)
            except Exception:  # a thread that dies would stop delivery without a word
                logger.exception("delivery to %s failed and goes on", self.destination.name)
                self._wait(OUTBOX_REST)
            if self._is_stopping:
                self._give_back()
        self._senders.stop()

    def _step(self) -> None:
        for sent in self._senders.give_up_hung():
            self._finish(sent)
        self._settle()
        self._clock.look()
        self._is_wanted = False
        taken = 0
        gathering = self._gathering()
        if not self._is_stopping:
            self._housekeep()
            taken = 0 if gathering else self._take()
        if not taken and not gathering and not self._senders.flights:
            self.idle.set()
        else:
            self.idle.clear()
        if gathering:
            self._wait(gathering, wakes=False)
        else:
            self._wait(self._patience() if taken == 0 else 0)

    def _wait(self, seconds: float, *, wakes: bool = True) -> None:
        """Take in what the senders have finished; wait up to ``seconds`` for the first.

        Without ``wakes`` an ordinary `wake` does not end it.
        """
        try:
            self._is_waiting = wakes
            if wakes and self._is_wanted:
                seconds = 0
            event = self._events.get(timeout=seconds) if seconds > 0 else self._events.get_nowait()
            while True:
                if event is not None:
                    self._finish(event)
                event = self._events.get_nowait()
        except queue.Empty:
            pass
        finally:
            self._is_waiting = False

    def _gathering(self) -> float:
        """Return the seconds for which new rows are left to gather; 0 when somebody waits for them."""
        if not self._gather_until or self._circuit.deadline is not None or self._is_hurried():
            return 0.0
        return max(0.0, self._gather_until - time.monotonic())

    def _patience(self) -> float:
        rest = self._circuit.wait()
        return (
            min(self._timing.poll, max(0.001, rest))
            if rest and not self._senders.flights
            else self._timing.poll
        )

    # -- taking rows -----------------------------------------------------------------------------

    def _take(self) -> int:
        if self._is_unsure:
            name, held = self.destination.name, sorted(self._held)
            self._outbox.relinquish(self._owner, name, held, self._timing.ambiguous)
            self._is_unsure = False
        if self._is_alone and self._senders.flights:
            return 0
        self._is_alone = False
        if self._circuit.wait() or not self._circuit.has_time(self._senders.longest_running()):
            return 0
        if self._circuit.is_open:
            return self._lease(1) if not self._senders.flights else 0
        free = self._circuit.allowed - len(self._senders.flights)
        if self.destination.max_batch > 1:
            return self._lease_batches(free)
        # a row more than there are senders, so that none waits for the next look at the outbox
        spare = self._circuit.allowed if self._circuit.deadline is None else 0
        return self._lease(free + spare) if free + spare > 0 else 0

    def _lease_batches(self, count: int) -> int:
        taken = 0
        self._gather_until = 0.0
        for _ in range(count):
            leased = self._lease(self.destination.max_batch)
            taken += leased
            if leased < self.destination.max_batch or self._is_alone:
                self._gather_until = time.monotonic() + GATHER if leased else 0.0
                break
        return taken

    def _lease(self, limit: int) -> int:
        whole_keys = self.destination.max_batch > 1
        rows = self._outbox.lease(
            self.destination.name, self._owner, limit, self._timing.lease, whole_keys=whole_keys
        )
        self._held.update(row.seq for row in rows)
        good: Batch = []
        for row in rows:
            age = self._clock.real_age(row.age)
            settled = before_sending(row, self._timing, self._window, age)
            if settled is not None:
                self._results.append((row, settled, None))
            elif row.crashes:
                self._send_alone(row)
            else:
                good.append(row)
        for batch in [good] if whole_keys and good else [[row] for row in good]:
            self._senders.send(batch)
        return len(rows)

    def _send_alone(self, row: Leased) -> None:
        """Send a row that a sender vanished with; should it happen again, no other row is suspected too."""
        self._is_alone = True
        if self._senders.flights:  # it comes back when these have ended
            self._results.append((row, given_back(row), None))
            self._settle()
        else:
            self._senders.send([row])

    def _give_back(self) -> None:
        """Return rows that no sender has begun with."""
        self._results += [(row, given_back(row), None) for row in self._senders.recall()]
        try:
            self._settle()
        except OutboxError as error:
            self._report("outbox", error)

    # -- what came of it -------------------------------------------------------------------------

    def _finish(self, sent: Sent) -> None:
        if not self._senders.finish(sent):
            return
        self._circuit.learn(sent.outcomes, sent.seconds)
        for row, outcome in zip(sent.flight.batch, sent.outcomes, strict=True):
            age = self._clock.real_age(row.age)
            settlement = after_sending(
                row, outcome, self._timing, age, crashed=sent.crashed, is_down=self._circuit.is_open
            )
            self._results.append((row, settlement, outcome))
        paused = next((outcome for outcome in sent.outcomes if outcome.state == "paused"), None)
        if paused is not None:
            message = f"{paused.message.rstrip('.')}; its events are kept."
            error = DeliveryError(self.destination.name, "paused", None, message)
            self._report(f"paused {self.destination.name}", error)
        failed = next((outcome for outcome in sent.outcomes if _is_trouble(outcome)), None)
        if failed is not None:
            name = self.destination.name
            self._report.warn(
                f"failing {name}", f"Delivery to {name} fails and will be repeated: {failed.message}"
            )

    def _settle(self) -> None:
        if not self._results:
            return
        # kept until it succeeds: a result that is forgotten would be a second delivery
        self._outbox.settle(self._owner, [settlement for _, settlement, _ in self._results])
        results, self._results = self._results, []
        self._held.difference_update(row.seq for row, _, _ in results)
        name = self.destination.name
        for row, settlement, _ in results:
            if settlement.state in BAD_ENDS:
                error = DeliveryError(name, settlement.state, row.id, settlement.message)
                self._report(f"{settlement.state} {name}", error)
            elif settlement.state == "not_attributed":  # every customer who came without a link
                logger.info("event %s not attributed by %s: %s", row.id, name, settlement.message)
        self._on_settled(name, results)


def _is_trouble(outcome: Outcome) -> bool:
    """Whether the far side cannot be reached or is broken; 429 and a lead that lags are everyday life."""
    is_turned_away = outcome.status is not None and 400 <= outcome.status < 500
    return outcome.state in ("retry", "ambiguous") and not is_turned_away

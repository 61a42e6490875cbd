"""One destination's part of the worker: lease, send, settle, and wait when the far side needs it."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dub_middleware.conversions.destinations import Delivery, Outcome, Sender
from dub_middleware.conversions.outbox import Leased, Outbox, RowState, Settlement
from dub_middleware.conversions.worker.report import Reporter
from dub_middleware.conversions.worker.timing import Timing
from dub_middleware.errors import DeliveryError, OutboxError

logger = logging.getLogger("dub_middleware.conversions")

MAX_CRASHES = 3  # one in company, then two alone: that row is what takes the sender down
BAD_ENDS = ("rejected", "expired", "dead", "unconfirmed", "not_attributed")
OUTBOX_REST = 1.0  # seconds before an outbox that failed is asked again

Batch = list[Leased]
Result = tuple[Leased, Settlement, Outcome | None]
OnSettled = Callable[[str, Sequence[Result]], None]


@dataclass(frozen=True, slots=True)
class _Sent:
    batch: Batch
    outcomes: Sequence[Outcome]
    seconds: float
    crashed: bool = False


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
    ) -> None:
        self.destination = destination
        self.is_idle = False  # the last look found nothing to do, and nothing is in flight
        self._outbox = outbox
        self._owner = owner
        self._timing = timing
        self._report = report
        self._on_settled = on_settled
        self._housekeep = housekeep
        self._events: queue.SimpleQueue[_Sent | None] = queue.SimpleQueue()
        self._work: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self._is_waiting = False
        self._is_wanted = False
        self._senders = 0
        self._in_flight = 0
        self._started: deque[float] = deque()  # when the batches in flight were handed out
        self._suspects: deque[Leased] = deque()
        self._results: list[Result] = []
        self._failures = 0  # failed requests in a row
        # requests at once: doubles with each success, so that a recovery is no stampede
        self._allowed = destination.concurrency if timing.open_after is None else 1
        self._held_until = 0.0
        self._deadline: float | None = None
        self._slowest: deque[float] = deque([0.0], maxlen=32)
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name=f"dub-{destination.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Look at the outbox now; cheap when the lane is busy anyway."""
        self.is_idle = False
        self._is_wanted = True  # before the test: `_wait` does the same two things the other way round
        if self._is_waiting:
            self._is_waiting = False
            self._events.put(None)

    def stop(self, deadline: float | None) -> None:
        """Start nothing that would not end by ``deadline`` (monotonic; None: start nothing at all)."""
        self._deadline = deadline
        if deadline is None:
            self._is_stopping = True
        self.wake()

    def join(self, timeout: float) -> bool:
        self._thread.join(timeout)
        return not self._thread.is_alive()

    # -- the loop ------------------------------------------------------------------------------

    def _run(self) -> None:
        while not (self._is_stopping and self._in_flight == 0):
            try:
                self._step()
            except OutboxError as error:
                self._report("outbox", error)
                self._wait(OUTBOX_REST)
            except Exception:  # a thread that dies would stop delivery without a word
                logger.exception("delivery to %s failed and goes on", self.destination.name)
                self._wait(OUTBOX_REST)
            if self._is_stopping:
                self._give_back()
        for _ in range(self._senders):
            self._work.put(None)

    def _step(self) -> None:
        self._settle()
        self._is_wanted = False
        taken = 0
        if not self._is_stopping:
            self._housekeep()
            taken = self._take()
        self.is_idle = taken == 0 and self._in_flight == 0 and not self._suspects
        self._wait(self._patience() if taken == 0 else 0)

    def _wait(self, seconds: float) -> None:
        """Take in what the senders have finished; wait up to ``seconds`` for the first."""
        try:
            self._is_waiting = True
            if self._is_wanted:
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

    def _patience(self) -> float:
        if self._held_until and self._in_flight == 0:
            return min(self._timing.poll, max(0.001, self._held_until - time.monotonic()))
        return self._timing.poll

    # -- taking rows -----------------------------------------------------------------------------

    def _take(self) -> int:
        if self._suspects:
            return self._send_suspect()
        now = time.monotonic()
        if now < self._held_until or not self._has_time(now):
            return 0
        if self._is_open():
            return self._lease(1) if self._in_flight == 0 else 0
        if self.destination.max_batch > 1:
            return sum(self._lease(self.destination.max_batch) for _ in range(self._free()))
        # a row more than there are senders, so that none waits for the next look at the outbox
        spare = self._allowed if self._deadline is None else 0
        room = self._free() + spare
        return self._lease(room) if room > 0 else 0

    def _is_open(self) -> bool:
        return self._timing.open_after is not None and self._failures >= self._timing.open_after

    def _free(self) -> int:
        return min(self._allowed, self.destination.concurrency) - self._in_flight

    def _has_time(self, now: float) -> bool:
        if self._deadline is None:
            return True
        oldest = now - self._started[0] if self._started else 0.0
        return now + 1.25 * max(oldest, *self._slowest) < self._deadline

    def _lease(self, limit: int) -> int:
        whole_keys = self.destination.max_batch > 1
        rows = self._outbox.lease(
            self.destination.name, self._owner, limit, self._timing.lease, whole_keys=whole_keys
        )
        good: Batch = []
        for row in rows:
            if row.crashes >= MAX_CRASHES:
                self._end(row, "dead", "It took its sender down again and again.")
            elif row.attempt > 1 and row.age > self._timing.horizon:
                self._end(row, "expired", "The far side would no longer recognise it as a repeat.")
            elif row.crashes:
                self._suspects.append(row)
            else:
                good.append(row)
        if good and whole_keys:
            self._hand_out(good)
        elif good:
            for row in good:
                self._hand_out([row])
        return len(rows)

    def _send_suspect(self) -> int:
        if self._in_flight:
            return 0
        self._hand_out([self._suspects.popleft()])
        return 1

    def _hand_out(self, batch: Batch) -> None:
        self._in_flight += 1
        self._started.append(time.monotonic())
        self._work.put(batch)
        if self._senders < min(self._in_flight, self.destination.concurrency):
            self._senders += 1
            threading.Thread(
                target=self._send_all, name=f"dub-{self.destination.name}-{self._senders}", daemon=True
            ).start()

    def _give_back(self) -> None:
        """Return rows that no sender has begun with."""
        rows: Batch = list(self._suspects)
        self._suspects.clear()
        while True:
            try:
                batch = self._work.get_nowait()
            except queue.Empty:
                break
            if batch is not None:
                self._in_flight -= 1
                self._started.popleft()
                rows += batch
        for row in rows:
            unsent = Settlement(row.seq, "pending", row.attempt - 1, 0, row.ambiguous, row.crashes)
            self._results.append((row, unsent, None))
        try:
            self._settle()
        except OutboxError as error:
            self._report("outbox", error)

    # -- the senders -----------------------------------------------------------------------------

    def _send_all(self) -> None:
        while (batch := self._work.get()) is not None:
            begun = time.monotonic()
            try:
                outcomes = self.destination.send([_delivery(row) for row in batch])
                if len(outcomes) != len(batch):
                    raise RuntimeError(f"send returned {len(outcomes)} outcomes for {len(batch)} deliveries")
                sent = _Sent(batch, outcomes, time.monotonic() - begun)
            except Exception:
                logger.exception("the destination %s raised", self.destination.name)
                failed = Outcome("retry", message="The destination raised an exception.")
                sent = _Sent(batch, [failed] * len(batch), time.monotonic() - begun, crashed=True)
            self._events.put(sent)

    # -- what came of it -------------------------------------------------------------------------

    def _finish(self, sent: _Sent) -> None:
        self._in_flight -= 1
        self._started.popleft()
        self._slowest.append(sent.seconds)
        self._learn(sent.outcomes)
        for row, outcome in zip(sent.batch, sent.outcomes, strict=True):
            self._results.append((row, self._judge(row, outcome, sent.crashed), outcome))

    def _learn(self, outcomes: Sequence[Outcome]) -> None:
        """Open, probe, close: what this answer says about the far side as a whole."""
        if self._timing.open_after is None:
            return
        states = {outcome.state for outcome in outcomes}
        asked = max((outcome.retry_after or 0.0 for outcome in outcomes), default=0.0)
        if "paused" in states:
            self._hold(self._timing.pause)
            self._allowed = 1
            message = next(outcome.message for outcome in outcomes if outcome.state == "paused")
            self._report(
                f"paused {self.destination.name}",
                DeliveryError(self.destination.name, "paused", None, f"{message} All its events are kept."),
            )
        elif asked and states <= {"retry", "ambiguous"}:
            self._hold(asked)
        elif states <= {"retry", "ambiguous"} and not _is_about_the_event(outcomes):
            self._failures += 1
            if self._failures >= self._timing.open_after:
                self._allowed = 1
                self._hold(self._timing.open_delay(self._failures - self._timing.open_after))
        else:
            self._failures = 0
            self._held_until = 0.0
            self._allowed = min(self.destination.concurrency, self._allowed * 2)

    def _hold(self, seconds: float) -> None:
        self._held_until = max(self._held_until, time.monotonic() + seconds)

    def _judge(self, row: Leased, outcome: Outcome, crashed: bool) -> Settlement:
        ambiguous = row.ambiguous or outcome.state == "ambiguous"
        crashes = row.crashes + crashed
        attempts, delay = row.attempt, 0.0
        state: RowState
        if outcome.state == "retry" or outcome.state == "ambiguous":
            state = "pending" if crashes < MAX_CRASHES else "dead"
            wait = self._timing.ambiguous if outcome.state == "ambiguous" else 0.0
            delay = max(wait, outcome.retry_after or self._timing.retry_delay(row.attempt))
        elif outcome.state == "paused":
            state = "pending"
            attempts -= 1  # the account's fault: it does not count against the event
        else:
            state = outcome.state
        return Settlement(
            row.seq, state, attempts, delay, ambiguous, crashes, outcome.status, outcome.message
        )

    def _end(self, row: Leased, state: RowState, message: str) -> None:
        unsent = Settlement(row.seq, state, row.attempt - 1, 0, row.ambiguous, row.crashes, None, message)
        self._results.append((row, unsent, None))

    def _settle(self) -> None:
        if not self._results:
            return
        # kept until it succeeds: a result that is forgotten would be a second delivery
        self._outbox.settle(self._owner, [settlement for _, settlement, _ in self._results])
        results, self._results = self._results, []
        name = self.destination.name
        for row, settlement, _ in results:
            if settlement.state in BAD_ENDS:
                error = DeliveryError(name, settlement.state, row.id, settlement.message)
                self._report(f"{settlement.state} {name}", error)
        self._on_settled(name, results)


def _delivery(row: Leased) -> Delivery:
    return Delivery(row.id, row.kind, row.key, row.payload, row.created_at, row.attempt, row.ambiguous)


def _is_about_the_event(outcomes: Sequence[Outcome]) -> bool:
    """A 404 that is to be retried (a sale before its lead) says nothing against the far side."""
    return all(outcome.status is not None and 400 <= outcome.status < 408 for outcome in outcomes)

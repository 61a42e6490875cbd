"""Where accepted events go while the outbox cannot take them: memory, bounded, and said to be so."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence

from dub_middleware.conversions.destinations import Delivery, Sender
from dub_middleware.conversions.outbox import NewRow, Outbox
from dub_middleware.conversions.worker.report import Reporter
from dub_middleware.errors import DeliveryError, OutboxError
from dub_middleware.process import PerProcess

logger = logging.getLogger("dub_middleware.conversions")

MAX_ROWS = 1000
REST = 1.0  # seconds between two tries to write to an outbox that failed


class _Memory:
    """The rows of one process; those of a parent are the parent's to deliver."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.rows: deque[NewRow] = deque()
        self.thread: threading.Thread | None = None
        self.wake = threading.Event()

    def forget(self, rows: Sequence[NewRow]) -> None:
        gone = {(row.id, row.destination) for row in rows}
        with self.lock:
            self.rows = deque(row for row in self.rows if (row.id, row.destination) not in gone)

    def replace(self, old: NewRow, new: NewRow) -> None:
        with self.lock:
            self.rows = deque(new if row is old else row for row in self.rows)


class Spill:
    """Put each row into the outbox as soon as it takes it; meanwhile try once to deliver it directly."""

    def __init__(self, outbox: Outbox, destinations: Mapping[str, Sender], report: Reporter) -> None:
        self._outbox = outbox
        self._destinations = destinations
        self._report = report
        self._process = PerProcess(_Memory)

    @property
    def is_open(self) -> bool:
        """Whether rows wait here: the outbox failed a moment ago, and later rows must not overtake them."""
        return bool(self._process().rows)

    def add(self, rows: Sequence[NewRow]) -> bool:
        """Keep the rows in memory; False when there is no room, and they are lost to us."""
        memory = self._process()
        with memory.lock:
            if len(memory.rows) + len(rows) > MAX_ROWS:
                return False
            memory.rows.extend(rows)
            if memory.thread is None:
                memory.thread = self._thread(memory)
        return True

    def _thread(self, memory: _Memory) -> threading.Thread | None:
        thread = threading.Thread(target=self._run, args=(memory,), name="dub-spill", daemon=True)
        try:
            thread.start()
        except (
            RuntimeError
        ) as error:  # too many threads, or the interpreter is ending: the next event tries again
            self._report("threads", OutboxError(f"No thread can be started in this process: {error}."))
            return None
        return thread

    def wait(self, deadline: float) -> bool:
        """Return whether the spill ran empty by ``deadline`` (monotonic)."""
        memory = self._process()
        thread = memory.thread
        if memory.rows and thread is not None:
            memory.wake.set()
            thread.join(max(0.0, deadline - time.monotonic()))
        return not memory.rows

    def _run(self, memory: _Memory) -> None:
        while True:
            try:
                if not self._store(memory):
                    self._send_untried(memory)
            except Exception:  # a thread that dies would keep the rows for ever
                logger.exception("the events in memory could not be stored or sent; it goes on")
            with memory.lock:
                if not memory.rows:
                    memory.thread = None
                    return
            memory.wake.wait(REST)
            memory.wake.clear()

    def _store(self, memory: _Memory) -> bool:
        rows = list(memory.rows)
        try:
            self._outbox.put(rows)
        except OutboxError as error:
            self._report("outbox", error)
            return False
        memory.forget(rows)
        return True

    def _send_untried(self, memory: _Memory) -> None:
        for row in [row for row in memory.rows if not row.attempts]:
            delivery = Delivery(row.id, row.kind, row.key, row.payload, row.created_at)
            outcome = self._destinations[row.destination].send([delivery])[0]
            if outcome.state in ("retry", "paused"):
                return  # the far side is in trouble too: the others wait for the outbox
            if outcome.state in ("ambiguous", "not_attributed"):
                # not_attributed: what belongs before it may wait in the outbox that cannot be read
                is_ambiguous = outcome.state == "ambiguous"
                memory.replace(row, row._replace(attempts=1, ambiguous=is_ambiguous))
                continue
            if outcome.state not in ("delivered", "duplicate"):
                error = DeliveryError(row.destination, outcome.state, row.id, outcome.message)
                self._report(f"{outcome.state} {row.destination}", error)
            memory.forget([row])

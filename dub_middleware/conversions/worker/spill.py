"""Where accepted events go while the outbox cannot take them: memory, bounded, and said to be so."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace

from dub_middleware.conversions.destinations import Delivery, Sender
from dub_middleware.conversions.outbox import NewRow, Outbox
from dub_middleware.conversions.worker.report import Reporter
from dub_middleware.errors import DeliveryError, OutboxError

MAX_ROWS = 1000
REST = 1.0  # seconds between two tries to write to an outbox that failed


class Spill:
    """Put each row into the outbox as soon as it takes it; meanwhile try once to deliver it directly."""

    def __init__(self, outbox: Outbox, destinations: Mapping[str, Sender], report: Reporter) -> None:
        self._outbox = outbox
        self._destinations = destinations
        self._report = report
        self._start_process()

    def __len__(self) -> int:
        return len(self._rows) if self._pid == os.getpid() else 0

    def _start_process(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._rows: deque[NewRow] = deque()
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self.is_open = False  # the outbox failed a moment ago: do not make the next caller wait for it

    def add(self, rows: Sequence[NewRow]) -> bool:
        """Keep the rows in memory; False when there is no room, and they are lost to us."""
        if self._pid != os.getpid():  # the parent's rows are the parent's to deliver
            self._start_process()
        with self._lock:
            if len(self._rows) + len(rows) > MAX_ROWS:
                return False
            self._rows.extend(rows)
            self.is_open = True
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="dub-spill", daemon=True)
                self._thread.start()
        return True

    def wait(self, deadline: float) -> bool:
        """Return whether the spill ran empty by ``deadline`` (monotonic)."""
        thread = self._thread
        if len(self) and thread is not None:
            self._wake.set()
            thread.join(max(0.0, deadline - time.monotonic()))
        return len(self) == 0

    def _run(self) -> None:
        while True:
            self._wake.wait(REST if self._rows else 0)
            self._wake.clear()
            if not self._store():
                self._send_untried()
            with self._lock:
                if not self._rows:
                    self.is_open = False
                    self._thread = None
                    return

    def _store(self) -> bool:
        rows = list(self._rows)
        try:
            if rows:
                self._outbox.put(rows)
        except OutboxError as error:
            self._report("outbox", error)
            return False
        self._forget(rows)
        return True

    def _send_untried(self) -> None:
        for row in [row for row in self._rows if not row.attempts]:
            destination = self._destinations.get(row.destination)
            if destination is None:
                continue
            delivery = Delivery(row.id, row.kind, row.key, row.payload, row.created_at)
            try:
                outcome = destination.send([delivery])[0]
            except Exception as error:
                self._report("spill", OutboxError(f"{row.destination} raised {type(error).__name__}"))
                return
            if outcome.state in ("retry", "paused"):
                return  # the far side is in trouble too: the others wait for the outbox
            if outcome.state == "ambiguous":
                self._replace(row, replace(row, attempts=1, ambiguous=True))
                return
            if outcome.state not in ("delivered", "duplicate"):
                error_ = DeliveryError(row.destination, outcome.state, row.id, outcome.message)
                self._report(f"{outcome.state} {row.destination}", error_)
            self._forget([row])

    def _forget(self, rows: Sequence[NewRow]) -> None:
        gone = {(row.id, row.destination) for row in rows}
        with self._lock:
            self._rows = deque(row for row in self._rows if (row.id, row.destination) not in gone)

    def _replace(self, old: NewRow, new: NewRow) -> None:
        with self._lock:
            self._rows = deque(new if row is old else row for row in self._rows)

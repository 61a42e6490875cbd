"""Clicks that came while the store could not be written: kept for a while, and stored as soon as it can."""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime

from dub_middleware.errors import StoreError
from dub_middleware.server.store import Context, Link, Store

MAX_KEPT = 10_000  # clicks of a process
PAUSE = 0.2  # seconds between two attempts

_log = logging.getLogger("dub_middleware.server")


@dataclass(frozen=True, slots=True)
class LateClick:
    """What `Store.record_click` needs; the visitor has gone on with ``click_id``."""

    link: Link
    context: Context
    identity: str
    click_id: str
    at: datetime


class LateClicks:
    """Store clicks behind the visitors' backs, in their order.

    A visitor waits for a locked database once, not each of them: while clicks are kept, others join them.
    What a process keeps dies with it.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: deque[LateClick] = deque()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._pid = 0

    def __bool__(self) -> bool:
        return bool(self._kept)

    def keep(self, click: LateClick) -> None:
        """Store a click later; one too many is lost, and the log says so."""
        with self._lock:
            if len(self._kept) >= MAX_KEPT or self._closed.is_set():
                _log.error("a click on %s/%s is lost", click.link.domain, click.link.key)
                return
            self._kept.append(click)
            if self._pid != os.getpid():
                self._pid = os.getpid()
                self._thread = threading.Thread(target=self._run, name="dub-late-clicks", daemon=True)
                self._thread.start()

    def close(self, timeout: float = 5.0) -> None:
        """Stop after a last attempt."""
        self._closed.set()
        if self._thread is not None and self._pid == os.getpid():
            self._thread.join(timeout)
        if self._kept:
            _log.error("%d clicks are lost: the database could not be written", len(self._kept))

    def _run(self) -> None:
        while True:
            is_last = self._closed.wait(PAUSE)
            self._store_all()
            with self._lock:
                if is_last or not self._kept:
                    self._pid = 0  # the next click to be kept starts another thread
                    return

    def _store_all(self) -> None:
        number = 0
        try:
            while self._kept:
                self._record(self._kept[0])
                self._kept.popleft()
                number += 1
        except StoreError as error:
            _log.warning("%d clicks wait for the database: %s", len(self._kept), error)
        except Exception:
            click = self._kept.popleft()
            _log.exception("a click on %s/%s is lost", click.link.domain, click.link.key)
        if number:
            _log.warning("%d clicks that had to wait are stored", number)

    def _record(self, click: LateClick) -> None:
        known = self._store.record_click(
            click.link, click.context, identity=click.identity, click_id=click.click_id, at=click.at
        )
        if known.click_id != click.click_id:
            # the visitor's click of the hour has another id, and a lead would ask for the one given out
            self._store.record_click(click.link, click.context, click_id=click.click_id, at=click.at)

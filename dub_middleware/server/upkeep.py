"""The background thread that keeps the store in order."""

from __future__ import annotations

import logging
import os
import threading

from dub_middleware.errors import StoreError
from dub_middleware.server.store import Store

INTERVAL = 60.0  # seconds

_log = logging.getLogger("dub_middleware.server")


class Upkeep:
    """Run `Store.maintain` every minute, in every process that serves requests.

    The thread starts with a process's first request: one that was started before a server forked its workers
    would not be in them.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._pid = 0

    def ensure(self) -> None:
        """Make sure that this process has its thread; costs next to nothing when it has."""
        pid = os.getpid()
        if self._pid == pid or self._closed.is_set():
            return
        with self._lock:
            if self._pid != pid:
                self._pid = pid
                threading.Thread(target=self._run, name="dub-upkeep", daemon=True).start()

    def close(self) -> None:
        self._closed.set()

    def _run(self) -> None:
        while not self._closed.wait(INTERVAL):
            try:
                self._store.maintain()
            except StoreError as error:
                _log.warning("upkeep of the store has to wait: %s", error)
            except Exception:
                _log.exception("upkeep of the store failed")

"""Tell of trouble: ``on_error`` hears everything, the log one line a minute of each sort."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from dub_middleware.errors import ConfigError, DubError, EventError

logger = logging.getLogger("dub_middleware.conversions")

QUIET = 60.0  # seconds between two lines of one sort

OnError = Callable[[DubError], None]


class Reporter:
    """Never raises, never shows a payload or a key."""

    def __init__(self, on_error: OnError | None = None) -> None:
        if on_error is not None and not callable(on_error):
            raise ConfigError("on_error", f"on_error must be a function of an exception, not {on_error!r}.")
        self._on_error = on_error
        self._last: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def __call__(self, sort: str, error: DubError) -> None:
        """Report ``error``; errors of one ``sort`` share a line a minute."""
        self._log(sort, f"An event was refused: {error}" if isinstance(error, EventError) else error)
        if self._on_error is None:
            return
        try:
            self._on_error(error)
        except Exception:
            logger.exception("on_error itself failed")

    def warn(self, sort: str, message: str) -> None:
        """Log what is not lost yet; ``on_error`` hears of it when it is."""
        self._log(sort, message, logging.WARNING)

    def _log(self, sort: str, message: object, level: int = logging.ERROR) -> None:
        now = time.monotonic()
        if now - self._last.get(sort, float("-inf")) < QUIET:
            self._left_out[sort] = self._left_out.get(sort, 0) + 1
            return
        self._last[sort] = now
        left_out = self._left_out.pop(sort, 0)
        logger.log(level, "%s%s", message, f" ({left_out} more like it since)" if left_out else "")

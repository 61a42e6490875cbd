"""Where the gateway's events can go, besides Dub: to Segment, into a file, to a function."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from dub_middleware.conversions import http
from dub_middleware.conversions.destinations import Delivery, Outcome, Sender
from dub_middleware.conversions.destinations.segment import Segment
from dub_middleware.errors import DeliveryError, EventError
from dub_middleware.segment.gateway.events import Event

log = logging.getLogger("dub_middleware.segment")


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to deliver for an event. Items of one ``key`` are delivered in order."""

    kind: str
    key: str
    payload: bytes


@runtime_checkable
class EventDestination(Sender, Protocol):
    """Where events go: what it makes of an event is stored, and handed to `send` until it is done."""

    def items(self, event: Event) -> Iterable[Item | DeliveryError]:
        """Return what is to be delivered for ``event``: nothing, one thing or several. No I/O.

        A `DeliveryError` among them is told to the operator.
        """
        ...


class ForwardToSegment(Segment):
    """Forward every event to the real Segment, with its ids and its time; ``host`` as for `Segment`."""

    name = "forward-to-segment"

    def __init__(self, write_key: str, *, host: str = Segment.US) -> None:
        super().__init__(write_key, host=host)

    def items(self, event: Event) -> list[Item]:
        """Return the call. Segment corrects its time again, by the clock of this machine."""
        call = {name: value for name, value in event.data.items() if name not in _OURS}
        return [Item(event.data["type"], event.key, http.to_json(call))]


_OURS = ("originalTimestamp", "sentAt", "receivedAt")


_APPEND = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class JSONLines:
    """Append every event to a file, one JSON object a line; lines of several processes never mix.

    The file may be moved away at any time, as log rotation does: it is opened for each batch. Lines are on
    the disk before the outbox forgets them; after a crash in between they come again.
    """

    max_batch = 500
    concurrency = 1

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path).absolute()
        self.name = f"file:{self._path}"

    def items(self, event: Event) -> list[Item]:
        """Return the line."""
        return [Item(event.data["type"], event.key, event.json)]

    def send(self, batch: Sequence[Delivery]) -> list[Outcome]:
        """Append the lines, all or none."""
        try:
            self._append(b"".join(delivery.payload + b"\n" for delivery in batch))
        except OSError as error:
            return [Outcome("retry", message=f"{self._path}: {error.strerror}")] * len(batch)
        return [Outcome("delivered")] * len(batch)

    def close(self) -> None:
        """Do nothing: the file is open during `send` only."""

    def _append(self, lines: bytes) -> None:
        file = os.open(self._path, _APPEND, 0o600)  # whatever the umask: the events hold personal data
        try:
            _lock(file)
            size = os.lseek(file, 0, os.SEEK_END)
            if size and _last_byte(file) != b"\n":
                lines = b"\n" + lines  # a power cut has left half a line
            try:
                written = os.write(file, lines)
                while written < len(lines):
                    written += os.write(file, lines[written:])
                os.fsync(file)
            except OSError:
                os.ftruncate(file, size)
                raise
        finally:
            os.close(file)


def _lock(file: int) -> None:
    if sys.platform != "win32":  # there, one process may write
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX)


def _last_byte(file: int) -> bytes:
    os.lseek(file, -1, os.SEEK_END)
    return os.read(file, 1)


class CallFunction:
    """Call ``function(event)`` in the background with each event, a dict; a function given as a destination.

    When it raises, it is called again later, for days; `EventError` refuses the event for good.
    It may see an event twice, if the process ends between its return and our note of it.
    """

    max_batch = 1
    concurrency = 2

    def __init__(self, function: Callable[[dict[str, Any]], object]) -> None:
        self._function = function
        kind = type(function)
        self.name = f"call:{getattr(function, '__qualname__', f'{kind.__module__}.{kind.__qualname__}')}"

    def items(self, event: Event) -> list[Item]:
        """Return the event."""
        return [Item(event.data["type"], event.key, event.json)]

    def send(self, batch: Sequence[Delivery]) -> list[Outcome]:
        """Call the function."""
        return [self._call(delivery) for delivery in batch]

    def close(self) -> None:
        """Do nothing."""

    def _call(self, delivery: Delivery) -> Outcome:
        try:
            self._function(json.loads(delivery.payload))
        except EventError as error:
            return Outcome("rejected", message=str(error))
        except Exception as error:
            log.exception("The destination %s raised.", self.name)
            return Outcome("retry", message=type(error).__name__)
        return Outcome("delivered")

"""The tracking endpoint: a WSGI app that clients of Segment's HTTP API send their events to."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from werkzeug.http import HTTP_STATUS_CODES

from dub_middleware.conversions.outbox import Durability, NewRow, Outbox, open_outbox
from dub_middleware.conversions.worker import OnError, Reporter, Timing, Worker
from dub_middleware.conversions.worker.delivering import Delivering
from dub_middleware.cookies import click_id_cookie
from dub_middleware.errors import ConfigError, DeliveryError, EventError, OutboxError
from dub_middleware.segment.actions import DubActions
from dub_middleware.segment.gateway.destinations import CallFunction, EventDestination, Item
from dub_middleware.segment.gateway.dub import ToDub
from dub_middleware.segment.gateway.events import TYPES, Event, read_events
from dub_middleware.segment.gateway.request import (
    MAX_BATCH,
    MAX_CALL,
    Refusal,
    parse_body,
    read_body,
    write_key,
)
from dub_middleware.segment.gateway.settings import PATH, settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

#: path → type of call; analytics.js uses the first letters, older mobile clients ``import``
ROUTES = {
    **{f"/v1/{kind}": kind for kind in TYPES | {"batch"}},
    **{f"/v1/{kind[0]}": kind for kind in TYPES | {"batch"}},
    "/v1/import": "batch",
}
ACCEPTED = b'{"success": true}'
# A browser's write key is public, so every origin may send. Without credentials: see `_browser`.
CORS = [("Access-Control-Allow-Origin", "*"), ("Access-Control-Expose-Headers", "Retry-After")]
PREFLIGHT = [
    ("Access-Control-Allow-Methods", "POST"),
    ("Access-Control-Allow-Headers", "Authorization, Content-Encoding, Content-Type, X-Retry-Count"),
    ("Access-Control-Max-Age", "86400"),
]

log = logging.getLogger("dub_middleware.segment")

Response = tuple[int, bytes, Sequence[tuple[str, str]]]
Target = DubActions | EventDestination | Callable[[dict[str, Any]], object]


def create_gateway(
    destinations: Target | Iterable[Target],
    write_keys: str | Iterable[str],
    *,
    outbox: str | Outbox | None = "sqlite:///dub-outbox.db",
    durability: Durability = "power",
    on_error: OnError | None = None,
    timing: Timing | None = None,
) -> Gateway:
    """Return a WSGI app that takes what Segment's clients send and passes it on to ``destinations``.

    There is one or there are several: a `DubActions`, a `ForwardToSegment`, a `JSONLines`, a function of the
    event, or anything with the methods of `EventDestination`. ``write_keys`` is a key or several: events with
    another key are answered 200 and dropped, as by Segment. The other options are those of `Conversions`.
    Raises `ConfigError`.
    """
    return Gateway(
        _checked_destinations(destinations),
        _checked_keys(write_keys),
        open_outbox(outbox, durability=durability),
        on_error,
        timing,
    )


class Gateway(Delivering):
    """See `create_gateway`. Events are committed to the outbox before the 200, and delivered from there.

    What Segment would answer 200 to and drop is told to the log and to ``on_error``.
    """

    def __init__(
        self,
        destinations: Sequence[EventDestination],
        write_keys: frozenset[str],
        outbox: Outbox,
        on_error: OnError | None,
        timing: Timing | None,
    ) -> None:
        self._destinations = destinations
        self._write_keys = write_keys
        self._report = Reporter(on_error)
        self._outbox = outbox
        self._worker = Worker(outbox, destinations, timing=timing, report=self._report)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        try:
            self.start()
            status, body, headers = self._respond(environ)
        except Refusal as refusal:
            status, body, headers = refusal.status, _failure(refusal.code, str(refusal)), refusal.headers
        except OutboxError as error:
            self._report("outbox", error)
            # with Retry-After, Segment's clients keep their events for longer than without
            status, headers = 503, [("Retry-After", "1")]
            body = _failure("unavailable", "The events could not be stored; send them again.")
        except Exception:
            log.exception("A request to %r failed.", environ.get("PATH_INFO", ""))
            status, headers = 500, []
            body = _failure("internal_error", "Something failed here; send the events again.")
        if body:
            headers = [*headers, ("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response(f"{status} {HTTP_STATUS_CODES[status]}", [*CORS, *headers])
        return [body] if body else []

    def start(self) -> None:
        """Begin with what an earlier process has left, before the first request does; cheap when it runs."""
        self._worker.start()

    # -- inside --------------------------------------------------------------------------------

    def _respond(self, environ: WSGIEnvironment) -> Response:
        path = environ.get("PATH_INFO", "").rstrip("/")
        kind = ROUTES.get(path)
        if kind is None:
            project = PATH.fullmatch(path)
            if project and project[1] in self._write_keys and environ["REQUEST_METHOD"] == "GET":
                return 200, settings(environ, project[1]), [("Cache-Control", "no-store")]
            raise Refusal(404, "There is nothing here; events go to /v1/batch, /v1/track and the like.")
        if environ["REQUEST_METHOD"] == "OPTIONS":
            return 204, b"", PREFLIGHT
        if environ["REQUEST_METHOD"] != "POST":
            raise Refusal(405, "Only POST is allowed.", [("Allow", "POST, OPTIONS")])
        body = parse_body(read_body(environ, MAX_BATCH if kind == "batch" else MAX_CALL), kind)
        key = write_key(environ, body)
        if key in self._write_keys:
            self._accept(self._events(body, kind, environ))
        else:
            # it may be a typing error away from the right one, so nothing of it is told
            self._report("writeKey", EventError("writeKey", "…", "must be one of write_keys"))
        return 200, ACCEPTED, []

    def _events(self, body: dict[str, Any], kind: str, environ: WSGIEnvironment) -> list[Event]:
        events = []
        for event in read_events(body, kind, datetime.now(timezone.utc), **_browser(environ)):
            if isinstance(event, Event):
                events.append(event)
            else:
                self._report("dropped", event)
        return events

    def _accept(self, events: Sequence[Event]) -> None:
        """Store what the destinations make of the events, with one commit. Raises `OutboxError`."""
        now = time.time()
        rows: list[NewRow] = []
        for event in events:
            for destination in self._destinations:
                rows += self._rows(event, destination, now)
        if rows:
            self._outbox.put(rows)
            self._worker.wake()

    def _rows(self, event: Event, destination: EventDestination, now: float) -> list[NewRow]:
        items: list[Item] = []
        try:
            for item in destination.items(event):
                if isinstance(item, DeliveryError):
                    self._report(f"{item.state} {destination.name}", item)
                else:
                    items.append(item)
        except Exception as error:  # the other events and the other destinations go on
            log.exception("The destination %s failed on an event.", destination.name)
            failed = DeliveryError(
                destination.name, "dropped", event.id, f"It raised {type(error).__name__}."
            )
            self._report(f"dropped {destination.name}", failed)
            return []
        return [
            NewRow(_row_id(event, number), destination.name, item.kind, item.key, item.payload, now)
            for number, item in enumerate(items)
        ]


def _row_id(event: Event, number: int) -> str:
    # unique in the outbox, which so drops what comes again
    return f"{event.id}/{number}" if number else event.id


def _failure(code: str, message: str) -> bytes:
    # clients log code and message; RudderStack's takes an answer without a code for a failure of the network
    return json.dumps({"success": False, "code": code, "message": message}).encode()


def _browser(environ: WSGIEnvironment) -> dict[str, str | None]:
    """What a browser says of its visitor; of a server that sends for its visitors it would mean nothing.

    The cookie comes along when the endpoint is mounted in the site itself.
    """
    if "HTTP_ORIGIN" not in environ:
        return {}
    return {
        "ip": environ.get("REMOTE_ADDR"),
        "click_id": click_id_cookie(environ.get("HTTP_COOKIE", "")),
    }


def _checked_keys(write_keys: str | Iterable[str]) -> frozenset[str]:
    given: list[object] = [write_keys] if isinstance(write_keys, str) else list(write_keys or ())
    keys = [key for key in given if isinstance(key, str) and re.fullmatch(r"[!-9;-~]+", key)]
    if not keys or len(keys) < len(given):
        raise ConfigError(
            "write_keys",
            "write_keys must be one or more texts of printable ASCII characters without spaces and colons.",
        )
    return frozenset(keys)


def _checked_destinations(destinations: Target | Iterable[Target]) -> list[EventDestination]:
    checked: list[EventDestination] = []
    for destination in destinations if isinstance(destinations, Iterable) else [destinations]:
        if isinstance(destination, DubActions):
            checked.append(ToDub(destination))
        elif isinstance(destination, EventDestination):
            checked.append(destination)
        elif callable(destination):
            checked.append(CallFunction(destination))
        else:
            raise ConfigError(
                "destinations",
                f"{destination!r} is no function, and as a destination it lacks items, send, close or name.",
            )
    names = [destination.name for destination in checked]
    if not names or len(set(names)) < len(names):
        shown = ", ".join(names) or "none"
        raise ConfigError("destinations", f"destinations must be at least one, each once, not {shown}.")
    return checked

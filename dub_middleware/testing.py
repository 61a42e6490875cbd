"""Helpers for the tests of apps that use dub_middleware; `pytest_plugin` makes fixtures of them."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from dub_middleware.conversions.destinations import Delivery, Outcome, State
    from dub_middleware.conversions.events import Lead, Sale

__all__ = ["LocalDub", "RecordingDestination"]

_BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


class RecordingDestination:
    """A destination that keeps what it is sent, for the tests of an app.

    Give it to `Conversions` in place of the real one, run the app, call ``conversions.flush()`` and look at
    ``events``, ``leads`` and ``sales``: the very events the app tracked, in the order of their delivery.
    """

    name = "recording"
    max_batch = 100
    concurrency = 1

    def __init__(self) -> None:
        self.events: list[Lead | Sale] = []
        self.deliveries: list[Delivery] = []
        self.is_closed = False
        self._failures: deque[Outcome] = deque()
        self._lock = threading.Lock()

    @property
    def leads(self) -> list[Lead]:
        """The delivered leads."""
        from dub_middleware.conversions.events import Lead

        return [event for event in self.events if isinstance(event, Lead)]

    @property
    def sales(self) -> list[Sale]:
        """The delivered sales."""
        from dub_middleware.conversions.events import Sale

        return [event for event in self.events if isinstance(event, Sale)]

    def fail(self, state: State = "retry", *, times: int = 1, **details: Any) -> None:
        """Let the next deliveries come back with this outcome; ``details`` are fields of `Outcome`."""
        from dub_middleware.conversions.destinations import Outcome

        self._failures.extend([Outcome(state, **details)] * times)

    def clear(self) -> None:
        """Forget all events and failures."""
        with self._lock:
            self.events.clear()
            self.deliveries.clear()
            self._failures.clear()

    def prepare(self, event: Lead | Sale, *, id: str, timestamp: datetime) -> bytes:  # noqa: A002
        """Return the event as JSON."""
        return json.dumps({"kind": event.kind, "fields": dataclasses.asdict(event)}).encode()

    def send(self, batch: Sequence[Delivery]) -> list[Outcome]:
        """Keep the events, but for those that `fail` was called for."""
        with self._lock:
            return [self._take(delivery) for delivery in batch]

    def close(self) -> None:
        """Note that it was closed."""
        self.is_closed = True

    def _take(self, delivery: Delivery) -> Outcome:
        from dub_middleware.conversions.destinations import Outcome
        from dub_middleware.conversions.events import Lead, Sale

        if self._failures:
            return self._failures.popleft()
        stored = json.loads(delivery.payload)
        kind = {"lead": Lead, "sale": Sale}[stored["kind"]]
        self.events.append(kind(**stored["fields"]))
        self.deliveries.append(delivery)
        return Outcome("delivered", 200)


class LocalDub:
    """A Dub on this machine for one test, served by threads of this process; needs the extra ``server``.

    Point the app at ``api_url`` with ``api_key`` (and ``publishable_key`` for its script), let it track what
    comes of a `click`, and look at the `events` that Dub then has.
    """

    def __init__(self, folder: Path) -> None:
        from werkzeug.serving import WSGIRequestHandler, make_server
        from werkzeug.test import Client

        from dub_middleware.server import create_app

        class Quiet(WSGIRequestHandler):
            def log_request(self, *_: Any) -> None: ...

        self.server = create_app(f"sqlite:///{folder / 'dub.db'}", rate_limit=None, analytics_rate_limit=None)
        self._listener = make_server("127.0.0.1", 0, self.server, threaded=True, request_handler=Quiet)
        threading.Thread(target=self._listener.serve_forever, args=(0.02,), daemon=True).start()
        self._client = Client(self.server)
        self.api_url = f"http://127.0.0.1:{self._listener.server_port}/api"
        self.api_key = self.server.api_key or ""
        self.publishable_key = self.server.publishable_key or ""

    def click(self, url: str = "https://shop.test/") -> str:
        """Follow a new short link to ``url`` as a browser does; return the click id that it hands over."""
        link = self._call("POST", "/api/links", json={"url": url, "trackConversion": True})
        visitor = {"User-Agent": f"{_BROWSER} {link['key']}"}  # every click is somebody else's
        answer = self._client.get(f"/l/{link['key']}", headers=visitor)
        return parse_qs(urlsplit(answer.location or "").query)["dub_id"][0]

    def events(self, kind: Literal["clicks", "leads", "sales"]) -> list[dict[str, Any]]:
        """Return what was recorded, newest first, in the shape of Dub's ``GET /events``."""
        found = self._call("GET", "/api/events", query_string={"event": kind, "interval": "all"})
        assert isinstance(found, list)
        return found

    def close(self) -> None:
        """Stop serving."""
        self._listener.shutdown()
        self._listener.server_close()
        self.server.close()

    def _call(self, method: str, path: str, **request: Any) -> Any:
        key = {"Authorization": f"Bearer {self.api_key}"}
        answer = self._client.open(path, method=method, headers=key, **request)
        assert answer.status_code == 200, answer.text
        return answer.json

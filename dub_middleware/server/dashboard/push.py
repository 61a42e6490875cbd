"""Server-sent events, for servers with threads to spare: a stream tells that there is news, no more.

Pages ask for the news as they do without (`events.new`), only at once. A stream holds a thread for as long as
it lasts, so it ends itself, and there are never more of them than the option ``event_streams`` allows.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from flask import Blueprint, Response, abort, current_app, request

from dub_middleware.server.dashboard.pages import current_server
from dub_middleware.server.store import Store

blueprint = Blueprint("push", __name__)

LASTS = 55.0  # seconds; browsers come back by themselves
LOOKS_EVERY = 0.5
BEATS_EVERY = 5.0  # that nobody listens any more is noticed when something is written


@blueprint.get("/events/stream")
def stream() -> Response:
    """Tell each time that something was committed behind the cursor ``after``; 503 when too many listen."""
    server = current_server()
    most = server.options.event_streams
    if most is None:
        abort(404, "This server has no event streams; the option event_streams opens some.")
    places: threading.Semaphore = current_app.extensions.setdefault("dub_streams", threading.Semaphore(most))
    if not places.acquire(blocking=False):
        abort(503, f"{most} event streams are open, more are not allowed.")
    response = Response(_tell(server.store, request.args.get("after", "")), mimetype="text/event-stream")
    response.call_on_close(places.release)
    response.headers["X-Accel-Buffering"] = "no"
    response.cache_control.no_store = True
    return response


def _tell(store: Store, cursor: str) -> Iterator[str]:
    ends = time.monotonic() + LASTS
    beat = time.monotonic() + BEATS_EVERY
    yield ": here\n\n"
    while (now := time.monotonic()) < ends:
        if (latest := store.events.cursor()) != cursor:
            cursor = latest
            yield f"data: {cursor}\n\n"
        elif now > beat:
            beat = now + BEATS_EVERY
            yield ": still here\n\n"
        time.sleep(LOOKS_EVERY)

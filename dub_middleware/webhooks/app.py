"""A webhook endpoint: verifies, parses, drops repeats and hands the event to a function."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES
from werkzeug.wsgi import get_input_stream

from dub_middleware.errors import ConfigError, PayloadError, SignatureError
from dub_middleware.webhooks.events import WebhookEvent, parse
from dub_middleware.webhooks.seen import DAY, ReplayGuard, SeenEvents
from dub_middleware.webhooks.signature import checked_secrets, verify

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

MAX_BODY = 256 * 1024  # bytes; a webhook of Dub's has a few thousand
AHEAD = timedelta(minutes=5)  # how far a clock may be behind Dub's

log = logging.getLogger("dub_middleware.webhooks")


@dataclass(frozen=True, slots=True)
class WebhookResponse:
    """What to answer: an HTTP status and a small JSON object, already encoded."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...]


class WebhookApp:
    """A WSGI app that takes Dub's webhooks and calls ``on_event`` once for each event.

    ``secret`` is the signing secret or, while it is being replaced, a list of secrets. ``seen`` is a file for
    the ids of handled events, or a `ReplayGuard`; by default they are kept in memory, which a restart forgets
    and other processes do not share. Events older than ``max_age`` are refused; Dub repeats for about a day.

    Answers 200 when the event was handled or had been before, 401 for a wrong signature, 400 for a body that
    is no event of Dub's, 500 when ``on_event`` raised: Dub then sends it again, and it is new again.
    Return soon from ``on_event``: Dub waits for the answer. Raises `ConfigError` for a wrong option.
    """

    def __init__(
        self,
        secret: str | Sequence[str],
        on_event: Callable[[WebhookEvent], object],
        *,
        seen: ReplayGuard | str | os.PathLike[str] | None = None,
        max_age: timedelta = timedelta(hours=72),
    ) -> None:
        self._secrets = checked_secrets(secret)
        if not callable(on_event):
            raise ConfigError("on_event", f"on_event must be a function of an event, not {on_event!r}.")
        self._on_event = on_event
        if not isinstance(max_age, timedelta):
            raise ConfigError(
                "max_age", f"max_age must be a timedelta, such as timedelta(hours=72), not {max_age!r}."
            )
        if seen is None or isinstance(seen, (str, os.PathLike)):
            seen = SeenEvents(seen, keep=max(7 * DAY, max_age.total_seconds()))
        if not isinstance(seen, ReplayGuard):
            raise ConfigError(
                "seen", f"seen must be the path of a file, None or a ReplayGuard, not {seen!r}."
            )
        self._seen: ReplayGuard = seen
        self._max_age = max_age

    def handle(self, body: bytes, headers: Mapping[str, str]) -> WebhookResponse:
        """Handle one POST request of any framework and say what to answer; never raises.

        ``body`` is the bytes as received; names in ``headers`` may be in any case.
        """
        signature = next((value for name, value in headers.items() if name.lower() == "dub-signature"), None)
        if len(body) > MAX_BODY:
            return _answer(413, error=f"The body has more than {MAX_BODY} bytes.")
        try:
            verify(self._secrets, body, signature)
        except SignatureError as error:
            log.warning("Refused a webhook: %s", error)
            return _answer(401, error="The signature is missing or wrong.")
        try:
            event = parse(body)
            self._check_age(event)
        except PayloadError as error:
            log.warning("Refused a signed webhook: %s", error)
            return _answer(400, error=str(error))
        try:
            return self._handle_once(event)
        except Exception:
            log.exception("Handling the webhook %s (%s) failed.", event.id, event.type)
            return _answer(500, error="Handling the event failed.")

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request, whatever its path."""
        response = self._respond(environ)
        status = f"{response.status} {HTTP_STATUS_CODES[response.status]}"
        start_response(status, list(response.headers))
        return [response.body]

    def _respond(self, environ: WSGIEnvironment) -> WebhookResponse:
        if environ["REQUEST_METHOD"] != "POST":
            return _answer(405, error="Only POST is allowed.", headers=(("Allow", "POST"),))
        if not environ.get("CONTENT_LENGTH") and not environ.get("wsgi.input_terminated"):
            return _answer(411, error="A Content-Length is needed.")
        try:
            body = get_input_stream(environ, max_content_length=MAX_BODY).read(MAX_BODY + 1)
        except HTTPException as error:  # too large, or the client went away
            return _answer(error.code or 400, error=error.name)
        signature = environ.get("HTTP_DUB_SIGNATURE")
        return self.handle(body, {} if signature is None else {"dub-signature": signature})

    def _check_age(self, event: WebhookEvent) -> None:
        age = datetime.now(timezone.utc) - event.created_at
        if not -AHEAD <= age <= self._max_age:
            raise PayloadError(f"createdAt is {event.created_at.isoformat()}, too far from now.")

    def _handle_once(self, event: WebhookEvent) -> WebhookResponse:
        state = self._seen.begin(event.id)
        if state == "done":
            return _answer(200, status="duplicate")
        if state == "busy":
            # not 200: if that attempt fails, this delivery may have been the last
            return _answer(503, error="The event is being handled.", headers=(("Retry-After", "60"),))
        try:
            self._on_event(event)
        except BaseException:
            self._seen.forget(event.id)
            raise
        self._seen.finish(event.id)
        return _answer(200, status="ok")


def _answer(code: int, headers: tuple[tuple[str, str], ...] = (), **content: str) -> WebhookResponse:
    body = json.dumps(content).encode()
    entity = (("Content-Type", "application/json"), ("Content-Length", str(len(body))))
    return WebhookResponse(code, body, (*entity, *headers))

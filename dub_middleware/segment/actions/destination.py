"""`DubActions`: events in, requests to Dub's API out."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

from dub_middleware.conversions.destinations import Sender
from dub_middleware.conversions.destinations.dub import DUB, DubAPI
from dub_middleware.conversions.http import HTTPClient
from dub_middleware.conversions.outbox import NewRow, Outbox, open_outbox, storable
from dub_middleware.conversions.worker import OnError, Reporter, Timing, Worker
from dub_middleware.conversions.worker.delivering import Delivering
from dub_middleware.errors import MappingError
from dub_middleware.segment.actions.fields import NAME, default_mappings
from dub_middleware.segment.actions.mappings import ActionMapping, compile_mappings
from dub_middleware.segment.actions.outcomes import PlannedOutcome, Sent
from dub_middleware.segment.javascript import stringify, truthy, type_of

__all__ = ["DubActions", "Request", "as_request"]


class Request(NamedTuple):
    """A planned request. Those of one ``key``, the customer, are sent in order; ``kind`` ends the path."""

    kind: str
    key: str
    payload: bytes


class _Requests(DubAPI):
    """Dub's API, under a queue name of its own: the rows hold bodies that are ready to be sent."""

    def __init__(self, name: str, api_key: str | None, base_url: str, rate_limit: float | None) -> None:
        super().__init__(api_key, base_url=base_url, rate_limit=rate_limit)
        self.name = name
        # what Segment's destinations call themselves, so that the far side's logs and rules see no difference
        self._http = HTTPClient(connections=2 * self.concurrency, user_agent="Segment (Actions)")


class DubActions(Delivering):
    """Segment's destination Dub (Actions): events become leads and sales as Segment's cloud makes them.

    ``api_key``, ``base_url`` and ``rate_limit`` are those of `DubAPI`. ``mappings`` is a list such as
    `load_mappings` gives; None takes what Segment fills in, which lacks the payment processor of sales.
    ``outbox``, ``timing`` and ``on_error`` are those of `Conversions`; they are for `send`, and nothing is
    opened before it is called. ``name`` tells the rows of several such destinations in one outbox apart.

    It is safe to share between threads and to carry over a fork. Raises `ConfigError` for a wrong option, and
    `MappingError` with all that is wrong with the mappings.
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str = DUB,
        mappings: Sequence[dict[str, Any]] | None = None,
        *,
        name: str = "dub-actions",
        outbox: str | Outbox | None = "sqlite:///dub-outbox.db",
        rate_limit: float | None = None,
        on_error: OnError | None = None,
        timing: Timing | None = None,
    ) -> None:
        self.mappings: tuple[ActionMapping, ...] = tuple(
            compile_mappings(default_mappings() if mappings is None else mappings)
        )
        self._sender = _Requests(name, api_key, base_url, rate_limit)
        self._outbox = open_outbox(outbox)
        self._worker = Worker(self._outbox, [self._sender], timing=timing, report=Reporter(on_error))

    def __repr__(self) -> str:
        return f"DubActions(mappings={[mapping.name for mapping in self.mappings]})"

    @property
    def sender(self) -> Sender:
        """What delivers requests, for whoever keeps them in an outbox of their own."""
        return self._sender

    def plan(self, event: Any) -> list[PlannedOutcome]:
        """Return what becomes of an event, one outcome a mapping, in order; no network, no exception.

        The body of a ``sent`` outcome is exactly what would be sent. ``warnings`` name what Dub will refuse,
        and other known traps.
        """
        if not isinstance(event, dict):
            error = _not_an_object(event)
            return [
                {"outcome": "error", "action": mapping.slug, "error": error, "warnings": []}
                for mapping in self.mappings
            ]
        off = _switched_off(event)
        if off is not None:
            return [mapping.skip(off) for mapping in self.mappings]
        return [mapping.plan(event) for mapping in self.mappings]

    def send(self, event: Any) -> list[PlannedOutcome]:
        """Store the requests that an event gives, deliver them in the background, and return the plan.

        Outcomes that are ``sent`` have an ``id``, which finds the request in the outbox. An event with the
        ``messageId`` of an earlier one is not sent again. Raises `OutboxError` when nothing could be stored.
        """
        outcomes = self.plan(event)
        now = time.time()
        rows: list[NewRow] = []
        for number, outcome in enumerate(outcomes):
            if outcome["outcome"] == "sent":
                outcome["id"] = _id(event.get("messageId"), number)
                rows.append(NewRow(outcome["id"], self._sender.name, *as_request(outcome), now))
        if rows:
            self._outbox.put(rows)
            self._worker.wake()
        return outcomes


def _not_an_object(event: Any) -> str:
    try:
        return f"data must be an object, got {type_of(event)}"
    except MappingError as error:
        return str(error)


def _switched_off(event: dict[str, Any]) -> str | None:
    """Return why the switches in ``integrations`` keep an event from this destination, or None."""
    switches = event.get("integrations")
    if not isinstance(switches, dict):
        return None
    own = switches.get(NAME)
    if own is not None:
        return None if truthy(own) else f"integrations[{NAME!r}] is {own!r}."
    return "integrations.All is false." if switches.get("All") is False else None


def as_request(outcome: Sent) -> Request:
    """Return the request of an outcome."""
    kind = outcome["path"].rpartition("/")[2]
    body = outcome["body"]
    return Request(kind, storable(body["externalId"]), stringify(body).encode())


def _id(message_id: object, number: int) -> str:
    if not isinstance(message_id, str) or not message_id:
        return uuid.uuid4().hex
    return hashlib.sha256(f"{number} {message_id}".encode(errors="surrogatepass")).hexdigest()[:32]

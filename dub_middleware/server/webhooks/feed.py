"""From recorded events to queued webhooks: a cursor over the stream of commits."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from dub_middleware.server.objects import Objects
from dub_middleware.server.store import Event, Link, Store, Webhook
from dub_middleware.server.store.models import from_ms
from dub_middleware.server.webhooks.payloads import EVENT_TRIGGERS, Payload, event_payload

CURSOR = "webhook_cursor"
BATCH = 500  # events
IDLE = 60.0  # seconds between two notes of where the stream is while nobody listens

Put = Callable[[list[tuple[str, Payload]]], None]

_TRIGGER_OF = {kind: trigger for trigger, kind in EVENT_TRIGGERS.items()}


class Feed:
    """Queue webhooks for the events behind the cursor, then move it.

    Several processes may do so at once, and one may die between the two: ids follow from the events, and the
    outbox takes each once. Events are read before webhooks, so that one made meanwhile misses nothing.
    """

    def __init__(self, store: Store, objects: Objects, put: Put) -> None:
        self._store = store
        self._objects = objects
        self._put = put
        self._noted_at = time.monotonic()
        store.workspace.value(CURSOR, store.events.cursor)  # the first run begins here

    def step(self) -> int:
        """Handle the next events; return how many there were."""
        end = self._store.events.cursor() if time.monotonic() - self._noted_at >= IDLE else None
        if not self._webhooks():
            # near the end the first events of a webhook need not be searched among old ones
            self._note(end)
            return 0
        cursor = self._store.workspace.value(CURSOR, self._store.events.cursor)
        events, reached = self._store.events.after(cursor, limit=BATCH)
        if queued := self._addressed(events, self._webhooks()):
            self._put(queued)
        self._note(reached if reached != cursor else None)
        return len(events)

    def _webhooks(self) -> list[Webhook]:
        return [
            webhook
            for webhook in self._store.webhooks.all()
            if webhook.disabled_at is None and not EVENT_TRIGGERS.keys().isdisjoint(webhook.triggers)
        ]

    def _note(self, cursor: str | None) -> None:
        if cursor is not None:
            self._noted_at = time.monotonic()
            self._store.workspace.keep_value(CURSOR, cursor)

    def _addressed(self, events: Sequence[Event], webhooks: Sequence[Webhook]) -> list[tuple[str, Payload]]:
        queued = []
        now = from_ms(self._store.now())
        for event in events:
            trigger = _TRIGGER_OF[event.type]
            receivers = [webhook for webhook in webhooks if _wants(webhook, trigger, event)]
            payload = event_payload(trigger, event, self._objects, now) if receivers else None
            if payload is not None:
                queued += [(webhook.id, payload) for webhook in receivers]
        return queued


def _wants(webhook: Webhook, trigger: str, event: Event) -> bool:
    """Events from before the webhook are none of its business, also when they arrive late."""
    return (
        trigger in webhook.triggers
        and event.timestamp >= webhook.created_at
        and (webhook.link_ids is None or (event.link is not None and _covers(webhook, event.link)))
    )


def _covers(webhook: Webhook, link: Link) -> bool:
    return link.id in (webhook.link_ids or ()) or webhook.id in link.webhook_ids

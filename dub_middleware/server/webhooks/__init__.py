"""Webhooks out: what happens here, told to whoever asked for it, as Dub tells it.

Clicks, leads and sales are read from the store's stream of events behind a stored cursor, so recording one
costs nothing more, and a crash at any moment loses no webhook. What happens to links is put into the outbox
before the caller goes on. The outbox's worker signs, delivers and repeats; see `receiver`.
"""

from __future__ import annotations

import logging
import os
import threading
import uuid

from dub_middleware.conversions.http import to_json
from dub_middleware.conversions.outbox import NewRow, open_outbox
from dub_middleware.conversions.worker import Timing, Worker
from dub_middleware.server.objects import Objects
from dub_middleware.server.store import Link, Store
from dub_middleware.server.store.models import from_ms
from dub_middleware.server.webhooks.feed import BATCH, Feed
from dub_middleware.server.webhooks.payloads import TRIGGERS, LinkTrigger, Payload, link_payload
from dub_middleware.server.webhooks.receiver import NAME, Address, Pace, Receivers
from dub_middleware.server.webhooks.samples import sample

__all__ = ["TRIGGERS", "Webhooks"]

log = logging.getLogger("dub_middleware.server.webhooks")

FAILED_REST = 5.0  # seconds before a store that failed is asked again


class Webhooks:
    """Deliver the webhooks of ``store``. Recorded events need no call; what happens to links does.

    Nothing runs before `start`, so it may be built before a fork. ``allow_private`` lets receivers be on this
    machine or in a private network, for servers that nobody else can reach.
    """

    def __init__(
        self,
        store: Store,
        objects: Objects,
        *,
        allow_private: bool = False,
        timing: Timing | None = None,
    ) -> None:
        self._store = store
        self._objects = objects
        self._outbox = open_outbox(outbox_url(store, "webhooks"))
        self._receivers = Receivers(store, allow_private=allow_private)
        self._worker = Worker(self._outbox, [self._receivers], timing=timing or Pace())
        self._feed = Feed(store, self._objects, self._put)
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._pid = 0

    def start(self) -> None:
        """Start the threads of this process if they do not run yet; cheap when they do."""
        if self._pid == os.getpid() or self._closing.is_set():
            return
        with self._lock:
            if self._pid != os.getpid():
                self._pid = os.getpid()
                self._worker.start()
                self._thread = threading.Thread(target=self._run, name="dub-webhook-feed", daemon=True)
                self._thread.start()

    def link(self, trigger: LinkTrigger, link: Link) -> None:
        """Tell what happened to a link. Never raises: the link is there whatever becomes of its webhook."""
        try:
            webhooks = self._store.webhooks.wanting(trigger, link.id)
            if not webhooks:
                return
            payload = link_payload(trigger, link, self._objects, from_ms(self._store.now()))
            self._put([(webhook.id, payload) for webhook in webhooks])
        except Exception:
            log.exception("The webhooks for %s of %s could not be stored.", trigger, link.id)

    def catch_up(self) -> None:
        """Queue what has been recorded, before a link goes of which nobody could tell then. Never raises."""
        try:
            while self._feed.step() == BATCH:
                pass
        except Exception:
            log.exception("Events of a link could not be told before it was deleted.")

    def resend(self, delivery_pk: int) -> bool:
        """Deliver a logged webhook once more, even a disabled one; False when the log has no such entry."""
        delivery = self._store.webhooks.delivery(delivery_pk)
        if delivery is None:
            return False
        self._put_again(delivery.webhook_id, delivery.event_id, delivery.event, delivery.body.encode())
        return True

    def test(self, webhook_id: str, trigger: str) -> None:
        """Send a sample of an event, once. Raises `ValueError` for a trigger that there is not."""
        payload = sample(trigger, self._objects, from_ms(self._store.now()))
        self._put_again(webhook_id, payload["id"], trigger, to_json(payload))

    def pending(self) -> int:
        """How many deliveries wait or are in flight."""
        return self._outbox.pending([NAME])

    def close(self, timeout: float = 5.0) -> None:
        """Stop; what is not delivered yet is delivered by the next run."""
        self._closing.set()
        if self._pid == os.getpid():
            self._thread.join(timeout)
        self._worker.close(timeout)
        self._receivers.close()
        self._outbox.close()

    def _run(self) -> None:
        rest = 0.0
        while not self._closing.wait(rest):
            try:
                rest = 0.0 if self._feed.step() else self._worker.timing.poll
            except Exception:  # whatever it is, webhooks must not end with it
                log.exception("Looking for events to tell webhooks of failed; trying again.")
                rest = FAILED_REST

    def _put(self, webhooks: list[tuple[str, Payload]]) -> None:
        """Queue payloads for webhooks. What is queued already is left alone."""
        now = self._store.now() / 1000
        rows = []
        for webhook_id, payload in webhooks:
            address = str(Address(webhook_id, payload["id"]))
            rows.append(NewRow(address, NAME, payload["event"], address, to_json(payload), now))
        self._store_rows(rows)

    def _put_again(self, webhook_id: str, event_id: str, trigger: str, body: bytes) -> None:
        address = str(Address(webhook_id, event_id, uuid.uuid4().hex))
        self._store_rows([NewRow(address, NAME, trigger, address, body, self._store.now() / 1000)])

    def _store_rows(self, rows: list[NewRow]) -> None:
        self._outbox.put(rows)
        self.start()
        self._worker.wake()


def outbox_url(store: Store, purpose: str) -> str:
    """The same PostgreSQL database, or a file of its own beside the SQLite one."""
    url = store.database.url
    if store.database.is_sqlite:
        return f"sqlite:///{url.database}-{purpose}"
    return url.render_as_string(hide_password=False)

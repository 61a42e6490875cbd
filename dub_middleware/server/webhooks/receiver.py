"""The far side of outgoing webhooks: one signed POST to whoever asked for it, and a line in the log."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from dub_middleware.conversions.destinations import Delivery, Outcome
from dub_middleware.conversions.http import HTTPClient, TransportError
from dub_middleware.conversions.worker import Timing
from dub_middleware.server.addresses import is_public
from dub_middleware.server.store import Store, Webhook, WebhookDelivery
from dub_middleware.webhooks import sign

NAME = "webhooks"  # stored with each row of the outbox
DAY = 86_400.0
MAX_ATTEMPTS = 7
MAX_ANSWER = 1024 * 1024  # bytes read of an answer

#: nothing is left to do; what became of it is in the log of deliveries, which people look at
SETTLED = Outcome("delivered")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace(Timing):
    """Retries as Dub makes them: 12 s, 2 min 28 s, 30 min 8 s, 6 h 7 min, then daily, for three days.

    A repeat carries the id of the first attempt, so there is nothing to wait for after a lost answer; and as
    each webhook has a far side of its own, the failures of one say nothing about the others.
    """

    ambiguous: float = 0.0
    horizon: float = math.inf
    open_after: int | None = None

    def retry_delay(self, attempt: int) -> float:
        return min(DAY, math.exp(2.5 * min(attempt, 10)))


@dataclass(frozen=True, slots=True)
class Address:
    """Which event goes to which webhook: the key of its row in the outbox."""

    webhook_id: str
    event_id: str
    resent: str = ""  # what tells a delivery that somebody asked for from the first one

    def __str__(self) -> str:
        return "/".join(part for part in (self.webhook_id, self.event_id, self.resent) if part)

    @classmethod
    def parse(cls, key: str) -> Address:
        return cls(*key.split("/"))


class Receivers:
    """The `Sender` of every webhook. Never raises for trouble on the network or on the far side."""

    name = NAME
    max_batch = 1
    concurrency = 8

    def __init__(self, store: Store, *, allow_private: bool) -> None:
        self._store = store
        self._http = HTTPClient(
            connect=5.0,
            read=10.0,
            total=15.0,
            max_body=MAX_ANSWER,
            allow_address=None if allow_private else is_public,
        )

    def send(self, batch: Sequence[Delivery]) -> Sequence[Outcome]:
        return [self._deliver(delivery) for delivery in batch]

    def close(self) -> None:
        self._http.close()

    def _deliver(self, delivery: Delivery) -> Outcome:
        address = Address.parse(delivery.key)
        webhook = self._store.webhooks.get(address.webhook_id)
        if webhook is None or (webhook.disabled_at is not None and not address.resent):
            return SETTLED
        begun = time.monotonic()
        status, text = self._post(webhook, delivery.payload)
        succeeded = status is not None and 200 <= status < 300
        entry = WebhookDelivery(
            webhook_id=webhook.id,
            event_id=address.event_id,
            event=delivery.kind,
            url=webhook.url,
            body=delivery.payload.decode(),
            attempt=delivery.attempt,
            status=status,
            response=text,
            duration_ms=round((time.monotonic() - begun) * 1000),
        )
        now = self._store.webhooks.log(entry, succeeded=succeeded)
        is_over = now is None or now.disabled_at is not None or delivery.attempt >= MAX_ATTEMPTS
        # a delivery that somebody asked for is made once: they are looking at what comes of it
        if succeeded or is_over or address.resent:
            return SETTLED
        return Outcome("retry", status, "The receiver did not accept it.")

    def _post(self, webhook: Webhook, body: bytes) -> tuple[int | None, str]:
        headers = {"Content-Type": "application/json", "Dub-Signature": sign(webhook.secret, body)}
        try:
            answer = self._http.request("POST", webhook.url, headers, body)
        except TransportError as error:
            return None, str(error)
        return answer.status, answer.body.decode("utf-8", "replace").replace(
            "\0", "\N{REPLACEMENT CHARACTER}"
        )

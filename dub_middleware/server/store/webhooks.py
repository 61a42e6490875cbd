"""Receivers of events and the log of what they answered. Sending is the outbox's work."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping
from typing import Any

import sqlalchemy as sa

from dub_middleware.server.store.engine import Database
from dub_middleware.server.store.ids import new_id
from dub_middleware.server.store.models import Webhook, WebhookDelivery, from_ms
from dub_middleware.server.store.schema import webhook_deliveries as deliveries
from dub_middleware.server.store.schema import webhooks

MAX_FAILURES = 20  # in a row, then a webhook is disabled, as Dub does
MAX_RESPONSE = 2000  # characters of an answer worth keeping


class Webhooks:
    """The webhooks table and the log of deliveries."""

    def __init__(self, database: Database, now: Callable[[], int]) -> None:
        self._database = database
        self._now = now

    def create(
        self, name: str, url: str, triggers: Collection[str], *, link_ids: Collection[str] | None = None
    ) -> Webhook:
        """Add a receiver with a fresh secret."""
        row = {
            "id": new_id("wh"),
            "name": name,
            "url": url,
            "secret": f"whsec_{secrets.token_hex(16)}",
            "triggers": list(triggers),
            "link_ids": None if link_ids is None else list(link_ids),
            "created_at": self._now(),
        }
        with self._database.write() as connection:
            statement = sa.insert(webhooks).values(row).returning(webhooks)
            return _webhook(connection.execute(statement).mappings().one())

    def get(self, webhook_id: str) -> Webhook | None:
        with self._database.read() as connection:
            row = (
                connection.execute(sa.select(webhooks).where(webhooks.c.id == webhook_id)).mappings().first()
            )
        return None if row is None else _webhook(row)

    def all(self) -> list[Webhook]:
        statement = sa.select(webhooks).order_by(webhooks.c.created_at, webhooks.c.id)
        with self._database.read() as connection:
            return [_webhook(row) for row in connection.execute(statement).mappings()]

    def wanting(self, trigger: str, link_id: str | None = None) -> list[Webhook]:
        """The enabled webhooks that this event goes to."""
        return [
            webhook
            for webhook in self.all()
            if webhook.disabled_at is None
            and trigger in webhook.triggers
            and (webhook.link_ids is None or link_id is None or link_id in webhook.link_ids)
        ]

    def update(self, webhook_id: str, changes: Mapping[str, Any]) -> Webhook | None:
        """Change ``name``, ``url``, ``triggers`` or ``link_ids``; ``disabled`` False enables it again."""
        row = {name: changes[name] for name in ("name", "url") if name in changes}
        if "triggers" in changes:
            row["triggers"] = list(changes["triggers"])
        if "link_ids" in changes:
            row["link_ids"] = None if changes["link_ids"] is None else list(changes["link_ids"])
        if "disabled" in changes:
            row |= {"disabled_at": self._now() if changes["disabled"] else None, "failures": 0}
        if row:
            with self._database.write() as connection:
                connection.execute(sa.update(webhooks).where(webhooks.c.id == webhook_id).values(row))
        return self.get(webhook_id)

    def delete(self, webhook_id: str) -> bool:
        with self._database.write() as connection:
            connection.execute(sa.delete(deliveries).where(deliveries.c.webhook_id == webhook_id))
            return bool(connection.execute(sa.delete(webhooks).where(webhooks.c.id == webhook_id)).rowcount)

    def log(self, delivery: WebhookDelivery, *, succeeded: bool) -> Webhook | None:
        """Note one attempt; the twentieth failure in a row disables the webhook. Returns it as it is now."""
        now = self._now()
        row = {
            name: getattr(delivery, name)
            for name in ("webhook_id", "event_id", "event", "url", "body", "attempt", "status", "duration_ms")
        }
        row |= {"response": delivery.response[:MAX_RESPONSE], "ts": now}
        failures = webhooks.c.failures + 1
        change: dict[str, Any] = {"failures": 0}
        if not succeeded:
            disabled = sa.case((failures >= MAX_FAILURES, sa.func.coalesce(webhooks.c.disabled_at, now)))
            change = {"failures": failures, "last_failed_at": now}
            change["disabled_at"] = sa.func.coalesce(disabled, webhooks.c.disabled_at)
        with self._database.write(durable=False) as connection:
            connection.execute(sa.insert(deliveries).values(row))
            connection.execute(sa.update(webhooks).where(webhooks.c.id == delivery.webhook_id).values(change))
        return self.get(delivery.webhook_id)

    def deliveries(
        self, webhook_id: str, *, limit: int = 100, before: int | None = None
    ) -> list[WebhookDelivery]:
        """The attempts at one webhook, newest first; ``before`` is the last ``pk`` of the page before."""
        statement = sa.select(deliveries).where(deliveries.c.webhook_id == webhook_id)
        if before is not None:
            statement = statement.where(deliveries.c.pk < before)
        statement = statement.order_by(deliveries.c.pk.desc()).limit(limit)
        with self._database.read() as connection:
            return [_delivery(row) for row in connection.execute(statement).mappings()]

    def delivery(self, pk: int) -> WebhookDelivery | None:
        with self._database.read() as connection:
            statement = sa.select(deliveries).where(deliveries.c.pk == pk)
            row = connection.execute(statement).mappings().first()
        return None if row is None else _delivery(row)


def _webhook(row: Mapping[Any, Any]) -> Webhook:
    values = dict(row) | {"triggers": tuple(row["triggers"])}
    if row["link_ids"] is not None:
        values["link_ids"] = tuple(row["link_ids"])
    for name in ("last_failed_at", "disabled_at", "created_at"):
        if values[name] is not None:
            values[name] = from_ms(values[name])
    return Webhook(**values)


def _delivery(row: Mapping[Any, Any]) -> WebhookDelivery:
    values = {name: row[name] for name in row if name != "ts"}
    return WebhookDelivery(**values, timestamp=from_ms(row["ts"]))

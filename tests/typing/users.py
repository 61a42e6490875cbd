"""Code of users, read by mypy alone: what is right passes, and what is wrong is told at the right place."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import flask
from typing_extensions import assert_type

from dub_middleware import Config, DubError, DubMiddleware, Visit, current_visit
from dub_middleware.conversions import (
    Conversions,
    DubAPI,
    Lead,
    LeadResult,
    Receipt,
    Sale,
    Segment,
    from_settings,
)
from dub_middleware.conversions.destinations import Delivery, Destination, Outcome
from dub_middleware.django import DubRequest
from dub_middleware.flask import Dub, webhook_blueprint
from dub_middleware.records import Customer
from dub_middleware.segment import DubActions, create_gateway
from dub_middleware.segment.gateway import ForwardToSegment
from dub_middleware.testing import RecordingDestination
from dub_middleware.webhooks import LeadCreated, SaleCreated, WebhookApp, WebhookEvent


def visits(app: flask.Flask) -> None:
    DubMiddleware(app.wsgi_app, Config(domains={"refer": "go.acme.com"}, query_params=["ref"]))
    assert_type(current_visit(), Visit)
    assert_type(current_visit().click_id, str | None)


def conversions(on_error: Any) -> None:
    def told(error: DubError) -> None: ...

    client = Conversions(DubAPI(), Segment(revenue="major"), outbox=None, durability="process", on_error=told)
    receipt = client.track_lead(customer_external_id="42", mode="wait", metadata={"plan": "pro"})
    assert_type(receipt, Receipt)
    assert receipt.state != "deliverd"  # type: ignore[comparison-overlap]
    assert receipt.states["dub"] == "delivered"
    if isinstance(receipt.response, LeadResult):
        assert_type(receipt.response.customer, Customer | None)
    client.track_lead(customer_external_id=42)  # type: ignore[arg-type]
    client.track_sale(customer_external_id="42", amount=49.0)  # type: ignore[arg-type]
    client.track_sale(customer_external_id="42", amount=1, payment_processor="paypal")  # type: ignore[arg-type]
    client.track(Lead(customer_external_id="42"))
    client.track(Sale(customer_external_id="42", amount=4900))
    Segment(revenue="cents")  # type: ignore[arg-type]


async def in_a_thread() -> Receipt:
    return await asyncio.to_thread(from_settings().track_lead, customer_external_id="42")


def in_flask(app: flask.Flask) -> None:
    dub = Dub(app)
    assert_type(dub.track_lead(customer_external_id="42", customer_email=None), Receipt)
    dub.track_lead(customer_external_id=42)  # type: ignore[arg-type]
    dub.track_lead(customer_externalid="42")  # type: ignore[call-arg]
    dub.track_sale(customer_external_id="42")  # type: ignore[call-arg]
    dub.track_sale(customer_external_id="42", amount=1, payment_processor="paypal")  # type: ignore[arg-type]
    app.register_blueprint(webhook_blueprint(("whsec_new", "whsec_old"), on_event))


def in_django(dub: DubRequest) -> None:
    assert_type(dub.click_id, str | None)
    assert_type(dub.track_sale(customer_external_id="42", amount=4900), Receipt)
    dub.track_sale(customer_external_id="42", amount="4900")  # type: ignore[arg-type]


def on_event(event: WebhookEvent) -> None:
    if isinstance(event, LeadCreated):
        assert_type(event.customer, Customer)
    elif isinstance(event, SaleCreated):
        assert_type(event.sale.amount, int | None)


class Mine:
    name = "mine"
    max_batch = 10
    concurrency = 1

    def prepare(self, event: Lead | Sale, *, id: str, timestamp: datetime) -> bytes:  # noqa: A002
        return b""

    def send(self, batch: Sequence[Delivery]) -> Sequence[Outcome]:
        return [Outcome("delivered")] * len(batch)

    def close(self) -> None: ...


def destinations() -> None:
    mine: Destination = Mine()
    recording: Destination = RecordingDestination()
    Conversions(mine, recording)
    Outcome("done")  # type: ignore[arg-type]


def segment() -> None:
    actions = DubActions("dub_x", outbox=None)
    for outcome in actions.plan({"type": "track"}):
        if outcome["outcome"] == "sent":
            assert_type(outcome["body"], dict[str, Any])
        elif outcome["outcome"] == "error":
            assert_type(outcome["error"], str)
        else:
            outcome["error"]  # type: ignore[typeddict-item]
    WebhookApp("whsec_x", on_event)
    create_gateway([actions, ForwardToSegment("wk"), lambda event: print(event)], write_keys=["a", "b"])

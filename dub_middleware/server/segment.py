"""Segment on one machine: what its clients send to ``/v1/…`` becomes leads and sales of this server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from werkzeug.test import Client

from dub_middleware.conversions.destinations.dub import DubAPI
from dub_middleware.conversions.http import Answer, HTTPClient
from dub_middleware.segment.actions import DubActions, load_mappings
from dub_middleware.segment.actions.fields import default_mappings
from dub_middleware.segment.gateway import Gateway, ToDub, create_gateway
from dub_middleware.server.api import Api
from dub_middleware.server.services import Services
from dub_middleware.server.store import random_text
from dub_middleware.server.webhooks import outbox_url

_DUB_ID = {"@path": "$.integrations.Dub (Actions).dub_id"}


def usual_mappings() -> list[dict[str, Any]]:
    """Return Segment's defaults, completed as everybody has to: with a payment processor for sales.

    The click id is also found where Dub's guide for Segment puts it, among the traits.
    """
    lead, sale = default_mappings()
    lead["mapping"]["clickId"] = {
        "@if": {"exists": _DUB_ID, "then": _DUB_ID, "else": {"@path": "$.context.traits.clickId"}}
    }
    sale["mapping"]["paymentProcessor"] = {"@path": "$.properties.payment_processor"}
    return [lead, sale]


def create_segment(server: Services, api: Api, write_key: str) -> Gateway:
    """Return Segment's tracking API, with Dub (Actions) behind it and the API behind that."""
    options = server.options
    key = server.store.workspace.value("segment_api_key", lambda: f"dub_{random_text(24)}")
    server.store.keys.create("secret", name="Segment", key=key, scopes=["conversions.write"])
    path = options.segment_mappings
    actions = DubActions(key, mappings=usual_mappings() if path is None else load_mappings(path), outbox=None)
    return create_gateway(
        [ToDub(actions, _OwnAPI(key, api))],
        write_keys=write_key,
        outbox=outbox_url(server.store, "segment"),
    )


class _OwnAPI(DubAPI):
    name = "dub-actions"

    def __init__(self, api_key: str, app: Api) -> None:
        super().__init__(api_key, base_url="http://localhost")
        self._http = _InProcess(app)


class _InProcess(HTTPClient):
    """Ask a WSGI app of this process: it needs neither a port nor to know its own address."""

    def __init__(self, app: Any) -> None:
        super().__init__()
        self._client = Client(app, use_cookies=False)

    def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        response = self._client.open(url, method=method, headers=dict(headers), data=body, buffered=True)
        received = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, received, response.get_data())

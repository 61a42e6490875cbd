"""Leads and sales tracked from Flask and Django views, and webhooks taken by both."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpResponse, JsonResponse
from django.test import Client as DjangoClient
from django.test import override_settings
from django.urls import path
from flask import Flask, jsonify

from django_settings import OURS
from dub_middleware import ConfigError, EventError
from dub_middleware.conversions import Conversions
from dub_middleware.django import conversions, webhook_view
from dub_middleware.flask import Dub, webhook_blueprint
from dub_middleware.testing import RecordingDestination
from dub_middleware.webhooks import WebhookEvent, sign
from dub_stub import KEY, DubStub

SECRET = "whsec_0123456789abcdef0123456789abcdef"
events: list[WebhookEvent] = []

Shop = Callable[..., Callable[[str], int]]


def sign_up(track_lead: Callable[..., Any], email: str | None) -> str:
    metadata = {"rates": [1.0, float("nan")]} if email == "nan@example.com" else {"plan": "pro"}
    receipt = track_lead(customer_external_id="42", customer_email=email, metadata=metadata)
    return str(receipt.storage)


def flask_shop(dub: Dub | None = None, **config: Any) -> Flask:
    app = Flask("shop")
    app.config.update(config)
    dub = dub or Dub()
    dub.init_app(app)

    @app.get("/signup/<email>")
    def signup(email: str) -> Any:
        return jsonify(sign_up(dub.track_lead, email))

    @app.get("/buy")
    def buy() -> Any:
        return jsonify(dub.track_sale(customer_external_id="42", amount=4900, invoice_id="inv_1").storage)

    @app.get("/nobody")
    def nobody() -> Any:
        return jsonify(dub.track_lead(customer_external_id="").storage)

    app.register_blueprint(webhook_blueprint(SECRET, events.append))
    return app


def django_signup(request: Any, email: str) -> HttpResponse:
    return JsonResponse(sign_up(request.dub.track_lead, email), safe=False)


def django_buy(request: Any) -> HttpResponse:
    receipt = request.dub.track_sale(customer_external_id="42", amount=4900, invoice_id="inv_1")
    return JsonResponse(receipt.storage, safe=False)


def django_nobody(request: Any) -> HttpResponse:
    return JsonResponse(request.dub.track_lead(customer_external_id="").storage, safe=False)


urlpatterns = [
    path("signup/<email>", django_signup),
    path("buy", django_buy),
    path("nobody", django_nobody),
    path("webhooks/dub", webhook_view(SECRET, events.append)),
]


class FlaskSite:
    """One of the two ways to ask the same shop."""

    def __init__(self, **options: Any) -> None:
        names = {name: f"DUB_{name.upper()}" for name in options}
        self.app = flask_shop(**{names[name]: value for name, value in options.items()})
        self.app.testing = False
        self.client = self.app.test_client()

    def get(self, where: str) -> Any:
        response = self.client.get(where)
        assert response.status_code == 200
        return response.json

    def post(self, where: str, body: bytes, **headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(where, data=body, headers=named).status_code

    def conversions(self) -> Conversions:
        with self.app.app_context():
            found: Conversions = Dub().conversions
            return found


class DjangoSite:
    def __init__(self, **options: Any) -> None:
        self.settings = override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=[OURS], DUB=options, DEBUG=False)
        self.settings.enable()
        self.client = DjangoClient()

    def get(self, where: str) -> Any:
        response = self.client.get(where)
        assert response.status_code == 200
        return response.json()

    def post(self, where: str, body: bytes, **headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.client.post(where, body, content_type="application/json", headers=named)
        return int(answer.status_code)

    def conversions(self) -> Conversions:
        return conversions()


@pytest.fixture(params=[FlaskSite, DjangoSite], ids=["Flask", "Django"])
def site(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """A function that opens the shop with these options."""
    opened: list[Any] = []

    def open_site(**options: Any) -> Any:
        opened.append(request.param(**options))
        return opened[-1]

    yield open_site
    for one in opened:
        if isinstance(one, DjangoSite):
            one.settings.disable()


@pytest.fixture
def recording() -> Iterator[tuple[RecordingDestination, Conversions]]:
    destination = RecordingDestination()
    with Conversions(destination, outbox=None) as client:
        yield destination, client


def test_the_settings_alone_bring_lead_and_sale_to_dub_with_the_click(
    site: Callable[..., Any], tmp_path: Path
) -> None:
    with DubStub() as dub:
        shop = site(api_key=KEY, base_url=dub.url, outbox=f"sqlite:///{tmp_path}/outbox.db")
        assert shop.get("/signup/ada@example.com?dub_id=abc") == "stored"
        assert shop.get("/buy") == "stored"
        assert shop.conversions().flush()
        [lead], [sale] = dub.leads, dub.sales
    assert (lead["clickId"], lead["customerEmail"]) == ("abc", "ada@example.com")
    assert (sale["clickId"], sale["amount"], sale["invoiceId"]) == ("abc", 4900, "inv_1")


def test_a_client_of_ones_own_takes_the_place_of_the_settings(
    site: Callable[..., Any], recording: tuple[RecordingDestination, Conversions]
) -> None:
    destination, client = recording
    shop = site(conversions=client)
    assert shop.conversions() is client
    shop.get("/signup/ada@example.com?dub_id=abc")
    assert client.flush()
    assert [lead.click_id for lead in destination.leads] == ["abc"]


def test_what_a_visitor_typed_never_fails_his_request_nor_loses_the_lead(
    site: Callable[..., Any],
    recording: tuple[RecordingDestination, Conversions],
    caplog: pytest.LogCaptureFixture,
) -> None:
    destination, client = recording
    shop = site(conversions=client)
    assert shop.get("/signup/no-address") == "stored"
    assert shop.get("/nobody") == "refused"
    assert shop.get("/signup/nan@example.com") == "stored"
    assert client.flush()
    kept = [(lead.customer_email, lead.metadata) for lead in destination.leads]
    assert kept == [(None, {"plan": "pro"}), ("nan@example.com", None)]
    told = [record.getMessage() for record in caplog.records if record.name.startswith("dub_middleware")]
    assert len(told) == 3
    assert "without its metadata: metadata.rates[1] must be a finite number" in told[2]
    assert "without its customer_email" in told[0]
    assert "customer_external_id" in told[1]
    assert "no-address" not in caplog.text


def test_in_development_the_error_is_raised(recording: tuple[RecordingDestination, Conversions]) -> None:
    app = flask_shop(Dub(conversions=recording[1]))
    app.testing = True
    with pytest.raises(EventError, match="customer_email"):
        app.test_client().get("/signup/no-address")
    debug = override_settings(
        ROOT_URLCONF=__name__, MIDDLEWARE=[OURS], DUB={"conversions": recording[1]}, DEBUG=True
    )
    with debug, pytest.raises(EventError, match="customer_email"):
        DjangoClient().get("/signup/no-address")


def test_without_a_key_the_shop_works_and_the_log_says_what_is_missing(
    site: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("DUB_API_KEY", raising=False)
    monkeypatch.setattr("dub_middleware.conversions.app._clients", {})  # its log line comes once a minute
    shop = site()
    with caplog.at_level(logging.ERROR):
        assert shop.get("/signup/ada@example.com?dub_id=abc") == "stored"
        shop.conversions().flush()
    assert "set DUB_API_KEY, SEGMENT_WRITE_KEY or both" in caplog.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"api_key": "dub_pk_0123456789abcdef"}, "publishable key"),
        ({"api_key": KEY, "outbox": "mysql://x"}, "'mysql' is not a database"),
        ({"api_key": KEY, "base_urls": "x"}, r"(?i)did you mean .*base_url.\?"),
        ({"conversions": "dub"}, "is not a Conversions"),
    ],
    ids=["publishable", "outbox", "slip", "client"],
)
def test_a_wrong_setting_stops_the_start(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        flask_shop(**{f"DUB_{name.upper()}": value for name, value in options.items()})
    from django.core.checks import run_checks

    with override_settings(DUB=options):
        [error] = run_checks()
        assert error.id == "dub.E001"
        with pytest.raises(ConfigError, match=message):
            DjangoClient().get("/")


def test_apps_with_the_same_settings_share_one_client(tmp_path: Path) -> None:
    outbox = f"sqlite:///{tmp_path}/outbox.db"
    one, two, other = (
        FlaskSite(api_key=KEY, base_url="http://127.0.0.1:9", outbox=url).conversions()
        for url in (outbox, outbox, "none")
    )
    assert one is two
    assert one is not other


def test_webhooks_are_verified_and_handed_over_once(site: Callable[..., Any]) -> None:
    events.clear()
    shop = site()
    body = json.dumps(
        {
            "id": f"evt_{id(shop):025d}",
            "event": "link.deleted",
            "createdAt": datetime.now(timezone.utc).isoformat(),
            "data": {"id": "link_1", "domain": "go.shop.test", "key": "launch"},
        }
    ).encode()
    signature = sign(SECRET, body)
    assert shop.post("/webhooks/dub", body, Dub_Signature=signature) == 200
    assert shop.post("/webhooks/dub", body, Dub_Signature=signature) == 200
    assert shop.post("/webhooks/dub", body, Dub_Signature="0" * 64) == 401
    assert shop.post("/webhooks/dub", b"{}", Dub_Signature=sign(SECRET, b"{}")) == 400
    assert [event.type for event in events] == ["link.deleted"]
    assert shop.client.get("/webhooks/dub").status_code == 405

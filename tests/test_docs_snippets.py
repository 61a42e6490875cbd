"""The snippets of docs/ that users copy run as they stand, against servers on this machine."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import flask
import httpx
import pytest
from django.http import HttpResponse
from django.test import RequestFactory
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from werkzeug.test import Client

import django_settings  # noqa: F401  configures Django
from dub_middleware.conversions import Conversions, DubAPI
from dub_middleware.flask import Dub
from dub_middleware.testing import LocalDub, RecordingDestination
from dub_middleware.webhooks import LinkCreated, sign
from dub_stub import KEY, DubStub
from segment_stub import WRITE_KEY, SegmentStub

DOCS = Path(__file__).parents[1] / "docs"
CLICK = "cQ1tXYZ012345678"


def snippets(page: str, language: str = "python") -> list[str]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def run(code: str, **names: Any) -> dict[str, Any]:
    exec(compile(code, "docs", "exec"), names)
    return names


@pytest.fixture
def dub() -> Iterator[DubStub]:
    with DubStub() as stub:
        yield stub


@pytest.fixture
def segment() -> Iterator[SegmentStub]:
    with SegmentStub() as stub:
        yield stub


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, dub: DubStub, segment: SegmentStub) -> None:
    """An empty folder, since the outbox is a file, and the keys in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DUB_API_KEY", KEY)
    monkeypatch.setenv("DUB_BASE_URL", dub.url)
    monkeypatch.setenv("SEGMENT_WRITE_KEY", WRITE_KEY)
    monkeypatch.setenv("SEGMENT_HOST", segment.url)


def test_delivery(dub: DubStub, segment: SegmentStub) -> None:
    dub.know("42", CLICK)
    names = run(snippets("delivery.md")[0])
    assert names["receipt"].is_durable
    assert names["conversions"].flush()
    assert names["receipt"].state == "delivered"
    names["conversions"].close()


def test_conversions(dub: DubStub, capsys: pytest.CaptureFixture[str]) -> None:
    both, refused, waits = snippets("conversions.md")
    names = run(both)
    person = SimpleNamespace(id="42", name="Ada", email="ada@example.com", user_id="42", number="inv_1")
    dub.know("42", CLICK, leads=0)
    names["signed_up"](person)
    names["paid"](person)
    assert names["conversions"].flush()
    assert [body["metadata"] for body in dub.leads] == [{"plan": "pro"}]
    assert [(body["amount"], body["currency"], body["invoiceId"]) for body in dub.sales] == [
        (4900, "eur", "inv_1")
    ]
    dub.forget()
    dub.know("42", CLICK, leads=0)
    run(waits, **names)
    run(refused, **names)
    link, said = capsys.readouterr().out.splitlines()
    assert link == "https://go.localhost/spring"
    assert said.startswith("amount must be an integer from 0 to ")
    assert said.endswith("(in the minor unit, so 49.00 usd is 4900)")
    names["conversions"].close()


def test_destinations() -> None:
    both, to_dub, to_segment, _ = snippets("destinations.md")
    names = run(both)
    run(to_dub.replace("…", "x"), **names)
    run(to_segment.replace("…", "x"), **names)
    names["conversions"].close()


def test_webhooks() -> None:
    app, beside_flask, in_django, in_starlette, parts = snippets("webhooks.md")
    names = run(app)
    names = run(beside_flask, **names, flask_app=flask.Flask("shop"))
    event = {
        "id": "evt_1",
        "event": "link.created",
        "createdAt": datetime.now(timezone.utc).isoformat(),
        "data": {"id": "link_1"},
    }
    body = json.dumps(event).encode()
    signed = {"Dub-Signature": sign("whsec_…", body)}
    client = names["flask_app"].test_client()
    answers = [client.post("/webhooks/dub", data=body, headers=headers) for headers in ({}, signed)]
    assert [answer.status_code for answer in answers] == [401, 200]
    view = run(in_django, **names, HttpResponse=HttpResponse)["dub_webhook"]
    again = view(RequestFactory().post("/", body, "application/json", headers=signed))
    assert json.loads(again.content) == {"status": "duplicate"}
    route = run(in_starlette, **names, asyncio=asyncio, Response=Response)["dub_webhook"]
    starlette = Starlette(routes=[Route("/", route, methods=["POST"])])

    async def post(**headers: str) -> httpx.Response:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(starlette), base_url="http://shop"
        ) as http:
            return await http.post("/", content=body, headers=headers)

    assert [asyncio.run(post(**headers)).status_code for headers in ({}, signed)] == [401, 200]
    rotated = parts.replace('verify("whsec_…"', 'verify("whsec_new"')
    assert isinstance(run(rotated, body=body, signature=sign("whsec_new", body))["event"], LinkCreated)


def test_segment(dub: DubStub, segment: SegmentStub) -> None:
    to_actions, source, endpoint = snippets("segment.md")
    Path("mappings.json").write_text(snippets("segment.md", "json")[0], encoding="utf-8")
    dub.know("42", "clk_1")
    names = run(to_actions.replace('DubActions("dub_…"', f"DubActions({KEY!r}, {dub.url!r}"))
    assert names["actions"].flush()
    assert [body["customerEmail"] for body in dub.leads] == ["ada@example.com"]
    names["actions"].close()
    run(source)["source"].close()
    here = endpoint.replace('DubActions("dub_…")', f"DubActions({KEY!r}, {dub.url!r})")
    real = f"ForwardToSegment({WRITE_KEY!r}, host={segment.url!r})"
    gateway = run(here.replace('ForwardToSegment("real-write-key")', real))["app"]
    event = {**names["event"], "writeKey": "my-write-key"}
    assert Client(gateway).post("/v1/track", json=event).json == {"success": True}
    assert gateway.flush()
    assert [event["messageId"] for event in segment.events] == ["m-1"]
    assert len(Path("events.jsonl").read_text().splitlines()) == 1
    gateway.close()


def customer(_: Any) -> Any:
    return SimpleNamespace(id="42", email="ada@example.com", customer_id="42", cents=4900, number="inv_1")


def shop(config: dict[str, Any]) -> flask.Flask:
    app = flask.Flask("shop")
    app.config.update(config)
    given = {"app": app, "request": flask.request, "redirect": flask.redirect, "on_event": print}
    run(snippets("frameworks.md")[0], **given, create_customer=customer, charge=customer)
    return app


def test_flask_and_its_tests(local_dub: LocalDub) -> None:
    names = run(snippets("frameworks.md")[-2].replace("{...}", "{}"), create_app=shop)
    client = shop({"DUB_CONVERSIONS": names["client"]}).test_client()
    assert client.post("/checkout").location == "/thanks"
    assert names["client"].flush()
    assert [sale.invoice_id for sale in names["destination"].sales] == ["inv_1"]
    given = {"create_app": shop, "Conversions": Conversions, "DubAPI": DubAPI}
    run(snippets("frameworks.md")[-1].replace("{...}", "{}"), **given)["test_a_sign_up_is_a_lead"](local_dub)


def test_behind_a_proxy() -> None:
    """The other way round the app would be told too late, and the cookie would not be Secure."""
    app = flask.Flask("shop")
    app.add_url_rule("/", view_func=lambda: "")
    run(snippets("frameworks.md")[4], app=app, dub=Dub())
    client = app.test_client()
    client.get("/?dub_id=test", headers={"X-Forwarded-Proto": "https"})
    cookie = client.get_cookie("dub_id")
    assert cookie is not None
    assert cookie.secure


def test_any_other_app(dub: DubStub) -> None:
    names = run(snippets("frameworks.md")[3], app=lambda environ, start_response: [])
    names["signup"]({}, None)
    assert names["conversions"].flush()
    assert [request.path for request in dub.requests] == ["/track/lead"]
    names["conversions"].close()


def test_a_fixture(recording_destination: RecordingDestination) -> None:
    test = snippets("destinations.md")[3].replace(
        "    ...\n", '    conversions.track_lead(customer_external_id="42")\n    conversions.flush()\n'
    )
    run(test, Conversions=Conversions)["test_sign_up_tracks_a_lead"](None, recording_destination)

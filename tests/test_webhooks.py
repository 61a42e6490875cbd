"""Webhooks from Dub: forged, damaged, late and repeated requests, through a real WSGI server."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.validate import validator

import pytest
from werkzeug.test import EnvironBuilder, run_wsgi_app

from dub_middleware.errors import ConfigError, PayloadError, SignatureError
from dub_middleware.webhooks import (
    EVENT_TYPES,
    LeadCreated,
    LinkClicked,
    LinkCreated,
    PartnerEnrolled,
    SaleCreated,
    SeenEvents,
    WebhookApp,
    WebhookEvent,
    parse,
    sign,
    verify,
)

SECRET = "whsec_0123456789abcdef0123456789abcdef"
CLICK = {"id": "clk0123456789abc", "country": "DE", "region": "DE-BE", "qr": False, "refererUrl": "(direct)"}
LINK = {"id": "link_1", "shortLink": "https://dub.sh/x", "utm_source": "news", "saleAmount": 4900, "new": 1}
CUSTOMER = {"id": "cus_1", "externalId": "42", "name": "Ada", "email": None}
SALE = {"amount": 4900, "currency": "usd", "paymentProcessor": "stripe", "invoiceId": "inv_1"}
PARTNER = {"id": "pn_1", "name": "Grace", "totalSaleAmount": 7, "groupId": "grp_1"}
CONVERSION = {"eventName": "Sign Up", "customer": CUSTOMER, "click": CLICK, "link": LINK}
DATA: dict[str, dict[str, Any]] = {
    "link.created": LINK,
    "link.updated": LINK,
    "link.deleted": LINK,
    "link.clicked": {"click": CLICK, "link": LINK},
    "lead.created": {**CONVERSION, "metadata": {"plan": "pro"}, "partner": PARTNER},
    "sale.created": {**CONVERSION, "sale": SALE, "metadata": None},
    "partner.enrolled": {**PARTNER, "links": [{"id": "link_1", "clicks": 2}, {"id": "link_2"}]},
}


def envelope(name: str = "lead.created", **fields: Any) -> dict[str, Any]:
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    data = DATA.get(name, {"id": "x_1"})
    return {"id": "evt_1", "event": name, "createdAt": now, "data": data, **fields}


def encoded(*args: Any, **fields: Any) -> bytes:
    return json.dumps(envelope(*args, **fields)).encode()


class TestVerify:
    def test_takes_what_dub_signs(self) -> None:
        body = b'{"id":"evt_1"}'
        signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        verify(SECRET, body, signature)
        verify(SECRET, body, signature.upper())
        assert sign(SECRET, body) == signature

    def test_takes_the_old_and_the_new_secret_while_one_is_replaced(self) -> None:
        verify(["whsec_new", SECRET], b"x", sign(SECRET, b"x"))
        with pytest.raises(SignatureError):
            verify(["whsec_new", "whsec_newer"], b"x", sign(SECRET, b"x"))

    @pytest.mark.parametrize(
        "signature",
        [
            pytest.param(None, id="missing"),
            pytest.param("", id="empty"),
            pytest.param("0" * 64, id="zeros"),
            pytest.param(sign("whsec_other", b"x"), id="other-secret"),
            pytest.param(sign(SECRET, b"x "), id="other-body"),
            pytest.param(sign(SECRET, b"x")[:63], id="short"),
            pytest.param(sign(SECRET, b"x") + "\n", id="newline-after"),
            pytest.param(" " + sign(SECRET, b"x"), id="space-before"),
            pytest.param("sha256=" + sign(SECRET, b"x"), id="prefix"),
            pytest.param("é" * 64, id="non-ascii"),
            pytest.param("٣" * 64, id="other-digits"),
            pytest.param("g" * 64, id="not-hex"),
        ],
    )
    def test_refuses_anything_else(self, signature: str | None) -> None:
        with pytest.raises(SignatureError, match=r"^The Dub-Signature header "):
            verify(SECRET, b"x", signature)

    @pytest.mark.parametrize("secret", ["", "  ", [], [""], [SECRET, ""], None, [None]], ids=repr)
    def test_refuses_to_work_without_a_secret(self, secret: Any) -> None:
        with pytest.raises(ConfigError, match=r"whsec_"):
            verify(secret, b"x", sign("", b"x"))

    def test_says_that_parsed_json_will_not_do(self) -> None:
        with pytest.raises(TypeError, match=r"bytes as received, not str"):
            verify(SECRET, "{}", sign(SECRET, b"{}"))  # type: ignore[arg-type]


class TestParse:
    @pytest.mark.parametrize("name", EVENT_TYPES)
    def test_every_type_has_its_class(self, name: str) -> None:
        event = parse(encoded(name))
        assert type(event) is EVENT_TYPES[name]
        assert (event.id, event.type) == ("evt_1", name)
        assert event.created_at.tzinfo is not None
        assert event.data == envelope(name)["data"]

    def test_there_are_fifteen_types(self) -> None:
        assert len(EVENT_TYPES) == len(set(EVENT_TYPES.values())) == 15

    def test_a_lead(self) -> None:
        event = parse(envelope("lead.created"))
        assert isinstance(event, LeadCreated)
        assert event.event_name == "Sign Up"
        assert (event.customer.external_id, event.customer.email) == ("42", None)
        assert (event.click.id, event.click.referer_url) == ("clk0123456789abc", "(direct)")
        assert (event.link.short_link, event.link.utm_source) == ("https://dub.sh/x", "news")
        assert event.link.raw["new"] == 1
        assert event.partner is not None
        assert event.partner.total_sale_amount == 7
        assert event.metadata == {"plan": "pro"}

    def test_a_sale(self) -> None:
        event = parse(envelope("sale.created"))
        assert isinstance(event, SaleCreated)
        assert (event.sale.amount, event.sale.currency, event.sale.invoice_id) == (4900, "usd", "inv_1")
        assert event.partner is None
        assert event.metadata is None

    def test_a_click_a_link_and_a_partner(self) -> None:
        click, link, partner = (
            parse(envelope(n)) for n in ("link.clicked", "link.created", "partner.enrolled")
        )
        assert isinstance(click, LinkClicked)
        assert (click.click.region, click.link.id) == ("DE-BE", "link_1")
        assert isinstance(link, LinkCreated)
        assert link.link.sale_amount == 4900
        assert isinstance(partner, PartnerEnrolled)
        assert (partner.partner.name, [each.id for each in partner.links]) == ("Grace", ["link_1", "link_2"])

    def test_a_type_of_tomorrow_still_comes_through(self) -> None:
        event = parse(envelope("refund.created"))
        assert type(event) is WebhookEvent
        assert event.data == {"id": "x_1"}

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            (b"", "The body is not JSON"),
            (b"\xff\xfe", "The body is not JSON"),
            (b"[" * 100_000, "The body is not JSON"),
            (b'{"id": NaN}', "The body is not JSON"),
            (b"[]", "must be a JSON object, not a list"),
            (encoded(id=None), "id must be a string"),
            (encoded(id="e" * 256), "id must be a string"),
            (encoded(event=7), "event must be a string"),
            (encoded(createdAt="yesterday"), "createdAt must be a date and time in ISO 8601, not"),
            (encoded(createdAt=1795467469498), "createdAt must be a string"),
            (encoded(data=["ada@example.com"]), "data must be an object, not a list"),
            (encoded(data={}), r"data\.eventName must be a string"),
            (encoded(data={"eventName": "x"}), r"data\.click must be an object, not None"),
            (encoded("sale.created", data=CONVERSION), r"data\.sale must be an object"),
        ],
        ids=[
            "empty", "not-utf8", "nested", "nan", "array", "no-id", "long-id", "event-number",
            "created-words", "created-number", "data-array", "data-empty", "no-click", "no-sale",
        ],
    )  # fmt: skip
    def test_says_what_is_wrong(self, body: bytes, message: str) -> None:
        with pytest.raises(PayloadError, match=message):
            parse(body)


class TestSeenEvents:
    @pytest.fixture(params=["memory", "file"])
    def seen(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SeenEvents]:
        made = SeenEvents(tmp_path / "seen.db" if request.param == "file" else None)
        yield made
        made.close()

    def test_an_event_is_new_then_busy_then_done(self, seen: SeenEvents) -> None:
        assert [seen.begin("a"), seen.begin("a"), seen.begin("b")] == ["new", "busy", "new"]
        seen.finish("a")
        assert [seen.begin("a"), seen.begin("b")] == ["done", "busy"]

    def test_a_forgotten_event_is_new_again(self, seen: SeenEvents) -> None:
        seen.begin("a")
        seen.forget("a")
        assert seen.begin("a") == "new"

    def test_one_of_many_threads_gets_an_event(self, seen: SeenEvents) -> None:
        with ThreadPoolExecutor(8) as pool:
            states = list(pool.map(seen.begin, ["a"] * 64))
        assert sorted(states) == ["busy"] * 63 + ["new"]

    def test_a_claim_of_a_dead_process_is_given_up(self, tmp_path: Path) -> None:
        seen = SeenEvents(tmp_path / "seen.db", patience=0.0)
        assert [seen.begin("a"), seen.begin("a")] == ["new", "new"]
        seen.close()

    def test_a_file_outlives_the_process_and_is_shared(self, tmp_path: Path) -> None:
        first, second = (SeenEvents(tmp_path / "seen.db") for _ in range(2))
        assert first.begin("a") == "new"
        first.finish("a")
        assert second.begin("a") == "done"
        child = os.fork()
        if child == 0:  # pragma: no cover
            os._exit(0 if second.begin("a") == "done" and second.begin("b") == "new" else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert first.begin("b") == "busy"
        first.close()
        second.close()

    def test_old_and_surplus_ids_are_dropped(self) -> None:
        seen = SeenEvents(limit=50)
        for number in range(301):
            seen.begin(str(number))
        assert seen.begin("0") == "new"
        assert seen.begin("300") == "busy"
        seen.close()


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


class Receiver:
    """A webhook app behind a real server, and a client for it."""

    def __init__(self, **options: Any) -> None:
        self.events: list[WebhookEvent] = []
        self.error: Exception | None = None
        self.app = WebhookApp(SECRET, self._take, **options)
        self._server = make_server("127.0.0.1", 0, validator(self.app), handler_class=Quiet)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def _take(self, event: WebhookEvent) -> None:
        if self.error is not None:
            raise self.error
        self.events.append(event)

    def post(self, body: bytes, *, method: str = "POST", **headers: str) -> tuple[int, Any]:
        headers.setdefault("signature", sign(SECRET, body))
        names = {"Dub-Signature": headers["signature"], "Content-Type": "application/json"}
        connection = http.client.HTTPConnection("127.0.0.1", self._server.server_port, timeout=60)
        connection.request(method, "/hook", body, names)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response.status, json.loads(content) if content else None

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


class TestApp:
    def test_hands_an_event_over_once_however_often_it_comes(self, receiver: Receiver) -> None:
        body = encoded()
        assert receiver.post(body) == (200, {"status": "ok"})
        assert receiver.post(body) == (200, {"status": "duplicate"})
        assert [event.id for event in receiver.events] == ["evt_1"]

    def test_answers_a_forgery_with_401_and_no_hint(self, receiver: Receiver) -> None:
        answers = [receiver.post(encoded(), signature=signature) for signature in ("0" * 64, "junk", "")]
        assert answers == [(401, {"error": "The signature is missing or wrong."})] * 3
        assert receiver.events == []

    def test_answers_a_signed_body_that_is_no_event_with_400(self, receiver: Receiver) -> None:
        status, answer = receiver.post(b"{}")
        assert status == 400
        assert answer["error"].startswith("id must be a string")

    @pytest.mark.parametrize(
        "age",
        [timedelta(hours=73), timedelta(minutes=-6)],
        ids=["old", "from-the-future"],
    )
    def test_refuses_an_event_from_another_time(self, receiver: Receiver, age: timedelta) -> None:
        created = (datetime.now(timezone.utc) - age).isoformat()
        status, answer = receiver.post(encoded(createdAt=created))
        assert status == 400
        assert "too far from now" in answer["error"]

    def test_lets_dub_try_again_when_the_handler_fails(
        self, receiver: Receiver, caplog: pytest.LogCaptureFixture
    ) -> None:
        receiver.error = RuntimeError("no database")
        assert receiver.post(encoded())[0] == 500
        assert "evt_1" in caplog.text
        receiver.error = None
        assert receiver.post(encoded()) == (200, {"status": "ok"})

    def test_lets_dub_try_again_while_an_event_is_being_handled(self) -> None:
        entered, leave = threading.Event(), threading.Event()

        def slow(event: WebhookEvent) -> None:
            entered.set()
            leave.wait(60)

        app = WebhookApp(SECRET, slow)
        body = encoded()
        headers = {"DUB-SIGNATURE": sign(SECRET, body)}
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(app.handle, body, headers)
            assert entered.wait(60)
            second = app.handle(body, headers)
            leave.set()
            assert first.result(60).status == 200
        assert second.status == 503
        assert ("Retry-After", "60") in second.headers
        assert json.loads(app.handle(body, headers).body) == {"status": "duplicate"}

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
    def test_takes_post_only(self, receiver: Receiver, method: str) -> None:
        assert receiver.post(encoded(), method=method)[0] == 405

    def test_refuses_a_huge_body_before_reading_it(self) -> None:
        app = WebhookApp(SECRET, print)
        environ = EnvironBuilder(method="POST", data=b"x").get_environ()
        environ["CONTENT_LENGTH"] = "300000"
        environ["wsgi.input"] = None
        assert run_wsgi_app(app, environ)[1] == "413 Request Entity Too Large"
        assert app.handle(b"x" * 300_000, {}).status == 413

    def test_refuses_a_body_of_unknown_length(self) -> None:
        builder = EnvironBuilder(method="POST", headers={"Transfer-Encoding": "chunked"})
        environ = builder.get_environ()
        environ.pop("CONTENT_LENGTH", None)
        _, status, _ = run_wsgi_app(WebhookApp(SECRET, print), environ)
        assert status == "411 Length Required"

    def test_a_file_is_shared_by_processes(self, tmp_path: Path) -> None:
        body = encoded()
        headers = {"Dub-Signature": sign(SECRET, body)}
        events: list[WebhookEvent] = []
        for _ in range(2):
            assert (
                WebhookApp(SECRET, events.append, seen=tmp_path / "seen.db").handle(body, headers).status
                == 200
            )
        assert len(events) == 1

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"secret": ""}, "secret must be"),
            ({"on_event": None}, "on_event must be a function of an event, not None"),
            (
                {"seen": "/no/such/folder/x.db"},
                "/x.db cannot be used .*: the folder /no/such/folder does not exist",
            ),
            ({"seen": 5}, "seen must be the path of a file, None or a ReplayGuard, not 5"),
            ({"max_age": 3600}, "max_age must be a timedelta"),
        ],
        ids=["secret", "function", "folder", "guard", "age"],
    )
    def test_a_wrong_option_is_told_at_construction(self, options: dict[str, Any], message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            WebhookApp(**{"secret": SECRET, "on_event": print, **options})

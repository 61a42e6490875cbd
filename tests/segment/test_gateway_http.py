"""The tracking endpoint over HTTP: what it accepts, what it answers, and that nothing it accepted is lost."""

from __future__ import annotations

import base64
import gzip
import http.client
import io
import json
import random
import socket
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

import httpx
import pytest
from werkzeug.exceptions import NotFound
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from dub_middleware.conversions import Timing
from dub_middleware.errors import ConfigError, DubError, EventError
from dub_middleware.segment import DubActions
from dub_middleware.segment.gateway import ForwardToSegment, Gateway, JSONLines, create_gateway
from segment_stub import WRITE_KEY, SegmentStub
from strict_server import request
from stub_http import status
from waiting import wait_until
from wsgi_server import serving

KEY = "wk_test"
OK = {"success": True}
ORIGIN = {"Origin": "https://shop.test"}
CLIENT = httpx.Client(timeout=60)  # one for all: each makes a TLS context
EVENT = {"userId": "42", "event": "Sign Up", "messageId": "m1"}


class Endpoint:
    """A running gateway, what arrived behind it and what it complained of."""

    def __init__(self, directory: Path) -> None:
        self.events: list[dict[str, Any]] = []
        self.errors: list[DubError] = []
        self.gateway = create_gateway(
            [self.events.append],
            write_keys=[KEY, "wk_other"],
            outbox=f"sqlite:///{directory / 'outbox.db'}",
            on_error=self.errors.append,
        )
        self.url = ""

    def post(self, path: str, body: Any, **options: Any) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return CLIENT.post(self.url + path, content=content, **options)

    def arrived(self) -> list[dict[str, Any]]:
        assert self.gateway.flush()
        return self.events


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[Endpoint]:
    running = Endpoint(tmp_path)
    with serving(running.gateway) as url, running.gateway:
        running.url = url
        yield running


def basic(text: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


AUTHENTICATION = {
    "basic": (basic(f"{KEY}:"), {}),
    "basic-without-colon": (basic(KEY), {}),
    "body": ({}, {"writeKey": KEY}),
    "bearer-and-body": ({"Authorization": "Bearer eyJ0b2tlbg"}, {"writeKey": KEY}),
    "basic-and-body": (basic(f"{KEY}:"), {"writeKey": KEY}),
    "another-key": ({}, {"writeKey": "wk_other"}),
    "broken-basic-and-body": ({"Authorization": "Basic ==="}, {"writeKey": KEY}),
}


@pytest.mark.parametrize(("headers", "fields"), AUTHENTICATION.values(), ids=AUTHENTICATION)
def test_ways_of_authentication(endpoint: Endpoint, headers: dict[str, str], fields: dict[str, Any]) -> None:
    answer = endpoint.post("/v1/track", {**EVENT, **fields}, headers=headers)
    assert (answer.status_code, answer.json()) == (200, OK)
    (event,) = endpoint.arrived()
    assert event["messageId"] == "m1"
    assert "writeKey" not in event


@pytest.mark.parametrize(
    "headers", [{}, basic(":"), {"Authorization": "Basic ===="}, {"Authorization": "Bearer x"}]
)
def test_a_request_without_a_write_key_is_refused(endpoint: Endpoint, headers: dict[str, str]) -> None:
    for fields in ({}, {"writeKey": ""}, {"writeKey": 7}):
        answer = endpoint.post("/v1/track", {**EVENT, **fields}, headers=headers)
        assert answer.status_code == 400
        assert answer.json()["success"] is False
    assert endpoint.arrived() == []


def test_an_unknown_write_key_is_answered_as_by_segment_and_told_to_the_operator(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    answer = endpoint.post("/v1/track", {**EVENT, "writeKey": "somebody-elses"})
    assert (answer.status_code, answer.json()) == (200, OK)
    assert endpoint.arrived() == []
    (error,) = endpoint.errors
    assert "writeKey" in str(error)
    assert caplog.messages == [f"An event was refused: {error}"]
    assert "some" not in str(error)  # nor a part of it: it may be a slip away from the right one


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        *((f"/v1/{kind}", kind) for kind in ("track", "identify", "page", "screen", "group", "alias")),
        ("/v1/t", "track"), ("/v1/i", "identify"), ("/v1/p", "page"), ("/v1/s", "screen"), ("/v1/g", "group"),
        ("/v1/a", "alias"), ("/v1/track/", "track"),
    ],
)  # fmt: skip
def test_each_type_of_call_has_its_path(endpoint: Endpoint, path: str, kind: str) -> None:
    assert endpoint.post(path, EVENT, headers=basic(KEY)).status_code == 200
    assert [event["type"] for event in endpoint.arrived()] == [kind]


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/import", "/v1/b"])
def test_a_batch(endpoint: Endpoint, path: str) -> None:
    items = [{"type": "track", **EVENT}, {"type": "identify", "userId": "42", "messageId": "m2"}]
    body = {"writeKey": KEY, "batch": items, "context": {"locale": "de"}, "sentAt": "2020-01-01T00:00:00Z"}
    assert endpoint.post(path, body).json() == OK
    arrived = endpoint.arrived()
    assert [event["messageId"] for event in arrived] == ["m1", "m2"]
    assert [event["context"] for event in arrived] == [{"locale": "de"}] * 2


def test_one_bad_event_takes_no_other_with_it(endpoint: Endpoint) -> None:
    items = [{"type": "track", **EVENT}, {"type": "track", "userId": "42"}, None, {"type": "nope"}]
    assert endpoint.post("/v1/batch", {"writeKey": KEY, "batch": items}).json() == OK
    assert [event["messageId"] for event in endpoint.arrived()] == ["m1"]
    assert len(endpoint.errors) == 3
    assert all(isinstance(error, EventError) for error in endpoint.errors)


REFUSED = {
    "not-json": (b"{", {}),
    "nothing": (b"", {}),
    "nan": (b'{"userId":"1","event":"e","properties":{"a":NaN}}', {}),
    "text": (b'"track"', {}),
    "list": (b"[]", {}),
    "deep": (b'{"a":' * 100_000, {}),
    "not-utf-8": (b'{"userId":"\xff"}', {}),
    "number-of-5000-digits": (b'{"userId":"1","event":"e","properties":{"a":' + b"1" * 5000 + b"}}", {}),
    "not-gzip": (b"{}", {"Content-Encoding": "gzip"}),
    "half-of-a-gzip": (gzip.compress(json.dumps(EVENT).encode())[:-9], {"Content-Encoding": "gzip"}),
    "another-coding": (b"{}", {"Content-Encoding": "br"}),
    "too-large": (json.dumps({**EVENT, "properties": {"a": "x" * 33_000}}).encode(), {}),
    "bomb": (gzip.compress(b" " * 50_000_000), {"Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize(("body", "headers"), REFUSED.values(), ids=REFUSED)
def test_malformed_and_large_bodies_are_refused(
    endpoint: Endpoint, body: bytes, headers: dict[str, str]
) -> None:
    answer = endpoint.post("/v1/track", body, headers={**basic(KEY), **headers})
    assert answer.status_code == 400
    assert answer.json()["success"] is False
    assert endpoint.arrived() == []


def test_a_batch_may_have_500_kilobytes_and_needs_a_list(endpoint: Endpoint) -> None:
    items = [
        {"type": "track", **EVENT, "messageId": str(n), "properties": {"a": "x" * 31_000}} for n in range(17)
    ]
    headers = basic(KEY)
    assert endpoint.post("/v1/batch", {"batch": items[:16]}, headers=headers).status_code == 200
    assert endpoint.post("/v1/batch", {"batch": items}, headers=headers).status_code == 400
    assert endpoint.post("/v1/batch", {"batch": {}}, headers=headers).status_code == 400
    assert endpoint.post("/v1/batch", EVENT, headers=headers).status_code == 400
    assert len(endpoint.arrived()) == 16


def test_a_client_hears_of_a_body_that_is_too_large_before_it_has_hung_up(endpoint: Endpoint) -> None:
    assert endpoint.post("/v1/batch", b" " * 3_000_000, headers=basic(KEY)).status_code == 400


def test_gzip_and_chunked_bodies(endpoint: Endpoint) -> None:
    packed = gzip.compress(json.dumps({**EVENT, "writeKey": KEY}).encode())
    assert endpoint.post("/v1/track", packed, headers={"Content-Encoding": "gzip"}).status_code == 200
    body = json.dumps({**EVENT, "messageId": "m2", "writeKey": KEY}).encode()
    answer = CLIENT.post(endpoint.url + "/v1/track", content=iter([body[:10], body[10:]]))
    assert answer.status_code == 200
    assert [event["messageId"] for event in endpoint.arrived()] == ["m1", "m2"]


def test_a_body_cut_short_is_no_event(endpoint: Endpoint) -> None:
    body = json.dumps({**EVENT, "writeKey": KEY}).encode()
    with socket.create_connection(("127.0.0.1", int(endpoint.url.rpartition(":")[2]))) as client:
        client.sendall(b"POST /v1/track HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n" + body)
        client.shutdown(socket.SHUT_WR)
        assert b" 400 " in client.recv(1000)
    assert endpoint.arrived() == []


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/", "/v2/track", "/v1/track/x", "/v1/tracks", "/V1/track"])
def test_other_paths_are_not_found(endpoint: Endpoint, path: str) -> None:
    assert endpoint.post(path, EVENT, headers=basic(KEY)).status_code == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_only_post_is_allowed(endpoint: Endpoint, method: str) -> None:
    answer = CLIENT.request(method, endpoint.url + "/v1/track")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST, OPTIONS")


class TestRepeats:
    def test_a_message_id_is_one_event(self, endpoint: Endpoint) -> None:
        for _ in range(3):
            assert endpoint.post("/v1/track", EVENT, headers=basic(KEY)).json() == OK
        same = {"type": "track", **EVENT, "messageId": "m2"}
        assert endpoint.post("/v1/batch", {"batch": [same, same]}, headers=basic(KEY)).json() == OK
        assert [event["messageId"] for event in endpoint.arrived()] == ["m1", "m2"]
        assert endpoint.post("/v1/track", EVENT, headers=basic(KEY)).json() == OK
        assert len(endpoint.arrived()) == 2

    def test_events_without_a_message_id_are_all_different(self, endpoint: Endpoint) -> None:
        for _ in range(2):
            assert endpoint.post("/v1/track", {**EVENT, "messageId": None}, headers=basic(KEY)).json() == OK
        assert len({event["messageId"] for event in endpoint.arrived()}) == 2

    def test_a_restart_forgets_nothing(self, tmp_path: Path) -> None:
        for _ in range(2):
            running = Endpoint(tmp_path)
            with serving(running.gateway) as running.url, running.gateway:
                assert running.post("/v1/track", EVENT, headers=basic(KEY)).json() == OK
                arrived = running.arrived()
        assert arrived == []

    def test_many_clients_that_send_the_same_at_once(self, endpoint: Endpoint) -> None:
        items = [{"type": "track", **EVENT, "messageId": str(number)} for number in range(50)]

        def send() -> None:
            while endpoint.post("/v1/batch", {"batch": items}, headers=basic(KEY)).status_code == 503:
                pass  # the outbox was busy for 250 ms

        threads = [threading.Thread(target=send) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(int(event["messageId"]) for event in endpoint.arrived()) == list(range(50))


class TestDurability:
    def test_an_outbox_that_fails_is_never_a_200(self, tmp_path: Path) -> None:
        folder = tmp_path / "missing"
        running = Endpoint(folder)
        with serving(running.gateway) as running.url, running.gateway:
            answer = running.post("/v1/track", EVENT, headers=basic(KEY))
            assert answer.status_code == 503
            assert answer.headers["Retry-After"] == "1"
            assert answer.json()["success"] is False
            folder.mkdir()
            assert running.post("/v1/track", EVENT, headers=basic(KEY)).status_code == 200
            assert [event["messageId"] for event in running.arrived()] == ["m1"]

    def test_accepted_events_survive_the_process(self, tmp_path: Path) -> None:
        hold = threading.Event()

        def stuck(event: dict[str, Any]) -> None:
            hold.wait(30)
            raise RuntimeError("the process ends here")

        url = f"sqlite:///{tmp_path / 'o.db'}"
        timing = Timing(backoff=0.01, poll=0.02)
        gateway = create_gateway([stuck], write_keys=KEY, outbox=url, timing=timing)
        with serving(gateway) as base:
            answer = CLIENT.post(base + "/v1/track", json=EVENT, headers=basic(KEY))
            assert answer.json() == OK
        hold.set()
        gateway.close(5)

        arrived: list[dict[str, Any]] = []

        def works(event: dict[str, Any]) -> None:
            arrived.append(event)

        works.__qualname__ = stuck.__qualname__  # the same function, mended
        with create_gateway([works], write_keys=KEY, outbox=url, timing=timing) as later:
            wait_until(lambda: later.flush(1), what="the delivery after the restart")
        assert [event["messageId"] for event in arrived] == ["m1"]


class TestBrowsers:
    def test_a_preflight_is_answered(self, endpoint: Endpoint) -> None:
        asked = {
            **ORIGIN,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type,x-retry-count",
        }
        answer = CLIENT.options(endpoint.url + "/v1/t", headers=asked)
        assert (answer.status_code, answer.content) == (204, b"")
        allowed = answer.headers["Access-Control-Allow-Headers"].lower()
        assert all(name in allowed for name in ("authorization", "content-type", "x-retry-count"))
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "POST" in answer.headers["Access-Control-Allow-Methods"]

    def test_every_answer_may_be_read_by_the_page(self, endpoint: Endpoint) -> None:
        for path, body in (("/v1/t", EVENT), ("/v1/t", b"{"), ("/nowhere", EVENT)):
            answer = endpoint.post(path, body, headers={**basic(KEY), **ORIGIN})
            assert answer.headers["Access-Control-Allow-Origin"] == "*"

    def test_a_beacon_is_text_and_brings_the_visitors_address(self, endpoint: Endpoint) -> None:
        headers = {"Content-Type": "text/plain;charset=UTF-8", **ORIGIN}
        assert endpoint.post("/v1/t", {**EVENT, "writeKey": KEY}, headers=headers).json() == OK
        assert endpoint.arrived()[0]["context"] == {"ip": "127.0.0.1"}

    @pytest.mark.parametrize("mount", ["", "/segment"])
    def test_analytics_js_is_told_to_send_here(self, endpoint: Endpoint, mount: str) -> None:
        site = DispatcherMiddleware(NotFound(), {mount: endpoint.gateway})
        with serving(site) as url:
            answer = CLIENT.get(f"{url}{mount}/v1/projects/{KEY}/settings", headers=ORIGIN)
            assert answer.json()["integrations"]["Segment.io"] == {
                "apiKey": KEY,
                "apiHost": f"{url.removeprefix('http://')}{mount}/v1",
                "protocol": "http",
            }
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            assert CLIENT.get(f"{url}{mount}/v1/projects/unknown/settings").status_code == 404

    def test_the_cookie_of_the_site_is_the_click(self, endpoint: Endpoint) -> None:
        for number, headers in enumerate(
            [{**ORIGIN, "Cookie": "a=b; dub_id=clk_1"}, {"Cookie": "dub_id=clk_1"}]
        ):
            event = {**EVENT, "messageId": str(number)}
            assert endpoint.post("/v1/t", event, headers={**basic(KEY), **headers}).json() == OK
        first, second = endpoint.arrived()
        assert first["integrations"] == {"Dub (Actions)": {"dub_id": "clk_1"}}
        assert "integrations" not in second  # no browser: somebody's cookie jar


class TestDestinations:
    def test_they_are_independent(self, tmp_path: Path) -> None:
        arrived: list[Any] = []

        def broken(event: dict[str, Any]) -> None:
            raise RuntimeError("down")

        file = tmp_path / "events.jsonl"
        gateway = create_gateway(
            [broken, JSONLines(file), arrived.append],
            write_keys=KEY,
            outbox=f"sqlite:///{tmp_path / 'o.db'}",
        )
        with serving(gateway) as url:
            for number in range(5):
                event = {**EVENT, "messageId": str(number)}
                assert CLIENT.post(f"{url}/v1/track", json=event, headers=basic(KEY)).json() == OK
            wait_until(lambda: len(arrived) == 5, what="the events at the function")
            wait_until(lambda: file.exists() and len(file.read_bytes().splitlines()) == 5)
        gateway.close(0.1)

    def test_a_destination_that_cannot_read_an_event_harms_no_other(self, tmp_path: Path) -> None:
        class Picky(JSONLines):
            def items(self, event: Any) -> Any:
                if event.id == "m1":
                    raise KeyError("userId")
                return super().items(event)

        picky, other = Picky(tmp_path / "picky"), JSONLines(tmp_path / "other")
        errors: list[DubError] = []
        options: dict[str, Any] = {"write_keys": KEY, "outbox": None, "on_error": errors.append}
        with create_gateway([picky, other], **options) as gateway, serving(gateway) as url:
            items = [{"type": "track", **EVENT}, {"type": "track", **EVENT, "messageId": "m2"}]
            assert CLIENT.post(f"{url}/v1/batch", json={"batch": items}, headers=basic(KEY)).json() == OK
            assert gateway.flush()
        assert len((tmp_path / "picky").read_text().splitlines()) == 1
        assert len((tmp_path / "other").read_text().splitlines()) == 2
        assert "KeyError" in str(errors[0])

    def test_a_function_may_refuse_an_event_for_good(self, tmp_path: Path) -> None:
        errors: list[DubError] = []

        def refuse(event: dict[str, Any]) -> None:
            raise EventError("event", event["event"], "is of no use here")

        options: dict[str, Any] = {"write_keys": KEY, "outbox": None, "on_error": errors.append}
        with create_gateway([refuse], **options) as gateway, serving(gateway) as url:
            CLIENT.post(f"{url}/v1/track", json=EVENT, headers=basic(KEY))
            assert gateway.flush()
        assert "is of no use here" in str(errors[0])

    def test_events_are_forwarded_to_segment_with_their_id_and_time(self, tmp_path: Path) -> None:
        with SegmentStub() as segment:
            segment.fail(status(503))
            gateway = create_gateway(
                [ForwardToSegment(WRITE_KEY, host=segment.url)],
                write_keys=KEY,
                outbox=None,
                timing=Timing(backoff=0.01, poll=0.02),
            )
            body = {**EVENT, "timestamp": "2026-11-24T10:59:30Z", "sentAt": "2026-11-24T11:00:00Z"}
            with gateway, serving(gateway) as url:
                assert CLIENT.post(f"{url}/v1/track", json=body, headers=basic(KEY)).json() == OK
                assert gateway.flush(20)
        (event,) = segment.events
        assert not segment.dropped
        assert (event["messageId"], event["type"], event["event"]) == ("m1", "track", "Sign Up")
        sent = datetime.fromisoformat(event["timestamp"].replace("Z", "+00:00"))
        assert (
            timedelta(0) <= datetime.now(timezone.utc) - timedelta(seconds=30) - sent < timedelta(seconds=60)
        )
        assert not {"receivedAt", "sentAt", "originalTimestamp", "writeKey"} & event.keys()

    def test_the_file_may_be_rotated(self, tmp_path: Path) -> None:
        file = tmp_path / "events.jsonl"
        with (
            create_gateway([JSONLines(file)], write_keys=KEY, outbox=None) as gateway,
            serving(gateway) as url,
        ):
            for number in range(3):
                event = {**EVENT, "messageId": str(number), "properties": {"text": "ä\nb"}}
                CLIENT.post(f"{url}/v1/track", json=event, headers=basic(KEY))
                assert gateway.flush()
                if number == 1:
                    file.rename(tmp_path / "events.jsonl.1")
                    file.write_text('{"half a line')  # of a power cut
        old = [
            json.loads(line)["messageId"] for line in (tmp_path / "events.jsonl.1").read_text().splitlines()
        ]
        assert old == ["0", "1"]
        torn, whole = file.read_text().splitlines()
        assert torn == '{"half a line'
        assert json.loads(whole)["properties"] == {"text": "ä\nb"}
        assert (tmp_path / "events.jsonl.1").stat().st_mode & 0o777 == 0o600

    def test_a_file_that_cannot_be_written_keeps_its_events(self, tmp_path: Path) -> None:
        file = tmp_path / "later" / "events.jsonl"
        timing = Timing(backoff=0.01, open_cap=0.02, poll=0.01)
        gateway = create_gateway([JSONLines(file)], write_keys=KEY, outbox=None, timing=timing)
        with gateway, serving(gateway) as url:
            CLIENT.post(f"{url}/v1/track", json=EVENT, headers=basic(KEY))
            assert not gateway.flush(0.2)
            file.parent.mkdir()
            assert gateway.flush()
        assert len(file.read_text().splitlines()) == 1

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
    def test_a_full_disk_is_not_a_delivery(self) -> None:
        from dub_middleware.conversions.destinations import Delivery

        (outcome,) = JSONLines("/dev/full").send([Delivery("m1", "track", "42", b"{}", 0.0)])
        assert outcome.state == "retry"


WRONG: dict[str, tuple[Any, Any, str]] = {
    "no-destination": ([], KEY, "destinations must be at least one"),
    "no-function": (["https://example.com"], KEY, "is no function"),
    "nothing-like-it": (7, KEY, "is no function"),
    "twice": ([print, print], KEY, "each once"),
    "no-key": ([print], [], "write_keys must be"),
    "none-for-a-key": ([print], None, "write_keys must be"),
    "empty-key": ([print], "", "write_keys must be"),
    "key-of-another-type": ([print], [7], "write_keys must be"),
    "key-with-colon": ([print], ["a:b"], "write_keys must be"),
}


@pytest.mark.parametrize(("destinations", "keys", "message"), WRONG.values(), ids=WRONG)
def test_wrong_options_are_told_at_construction(destinations: Any, keys: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        create_gateway(destinations, write_keys=keys, outbox=None)


def test_random_requests_never_give_a_500() -> None:
    """Bytes, JSON and half-right calls over one connection, from a fixed seed, with Dub (Actions) behind."""
    source = random.Random(7)
    event = {
        "type": "track",
        "userId": "42",
        "event": "Sign Up",
        "context": {"traits": {}},
        "integrations": {"Dub (Actions)": {"dub_id": "c"}},
    }
    valid = json.dumps({"writeKey": KEY, "batch": [event], "context": {}}).encode()
    arrived: list[Any] = []
    actions = DubActions("dub_0123456789abcdef", "http://127.0.0.1:9", outbox=None)
    gateway = create_gateway([actions, arrived.append], KEY, outbox=None)
    seen = set()
    with gateway, serving(gateway) as url:
        connection = http.client.HTTPConnection("127.0.0.1", int(url.rpartition(":")[2]))
        for _ in range(800):
            path = source.choice(["/v1/batch", "/v1/track", "/v1/t", "/v1/import", "/v1/identify"])
            headers = source.choice(
                [{}, basic(KEY), {"Authorization": "Basic é"}, {"Content-Encoding": "gzip"}]
            )
            connection.request("POST", path, _damaged(source, valid), headers)
            answer = connection.getresponse()
            answer.read()
            seen.add(answer.status)
        connection.close()
        wait_until(lambda: len(arrived) > 20, what="the events that were left whole enough")
        gateway.close(0.1)  # nobody is there to take what goes to Dub
    assert seen == {200, 400}


def _damaged(source: random.Random, valid: bytes) -> bytes:
    kind = source.randrange(5)
    if kind == 0:
        return source.randbytes(source.randrange(200))
    if kind == 1:
        return json.dumps(_value(source, 3)).encode()
    if kind == 2:
        call = json.loads(valid)
        part = source.choice([call, call["batch"][0], call["batch"][0]["context"]])
        part[source.choice([*part, "timestamp", "messageId"])] = _value(source, 2)
        return json.dumps(call).encode()
    body = bytearray(valid)
    for _ in range(source.randrange(1, 4)):
        body[source.randrange(len(body))] = source.randrange(256)
    return bytes(body) if kind == 3 else gzip.compress(bytes(body))[: source.randrange(20, 200)]


def _value(source: random.Random, depth: int) -> Any:
    if depth == 0 or source.random() < 0.2:
        return source.choice([None, True, 0, -1.5, 1e300, "", "track", "\ud800", "42"])
    if source.random() < 0.3:
        return [_value(source, depth - 1) for _ in range(source.randrange(4))]
    names = ["batch", "type", "userId", "event", "context", "integrations", "writeKey", "messageId", "sentAt"]
    return {source.choice(names): _value(source, depth - 1) for _ in range(source.randrange(6))}


@pytest.mark.parametrize(("method", "code"), [("POST", "200 OK"), ("OPTIONS", "204 No Content")])
def test_the_gateway_keeps_to_the_protocol(method: str, code: str) -> None:
    body = json.dumps({**EVENT, "writeKey": KEY}).encode()
    options = {"CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": "text/plain", "wsgi.input": io.BytesIO(body)}
    with create_gateway([print], write_keys=KEY, outbox=None) as gateway:
        exchange = request(validator(gateway), path="/v1/t", method=method, **options)
    assert exchange.error is None
    assert exchange.status == code


def test_the_gateway_can_be_mounted(tmp_path: Path) -> None:
    arrived: list[Any] = []
    gateway: Gateway = create_gateway(arrived.append, KEY, outbox=None)
    with gateway, serving(DispatcherMiddleware(NotFound(), {"/segment": gateway})) as url:
        assert CLIENT.post(f"{url}/segment/v1/track", json=EVENT, headers=basic(KEY)).json() == OK
        assert gateway.flush()
    assert len(arrived) == 1


@pytest.mark.postgres
def test_postgresql_takes_whatever_text_json_can_say(postgres_url: str) -> None:
    odd = "\ud800\0ä'\\"
    arrived: list[Any] = []
    gateway = create_gateway([arrived.append], KEY, outbox=postgres_url)
    items = [
        {"type": "track", "userId": odd, "event": odd, "messageId": odd, "properties": {odd: odd}},
        {"type": "track", "userId": odd, "event": odd, "messageId": "m" * 5000},
    ]
    with gateway, serving(gateway) as url:
        for _ in range(2):
            body = json.dumps({"writeKey": KEY, "batch": items}).encode()
            assert CLIENT.post(f"{url}/v1/b", content=body).json() == OK
            assert gateway.flush()
    assert [event["userId"] for event in arrived] == ["?\0ä'\\"] * 2

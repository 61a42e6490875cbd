"""The relay: what it lets through to Dub, what it lets back, and what happens when Dub is not there."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from dub_middleware.config import Config
from dub_middleware.relay import Relay, RelayResponse, limits
from dub_middleware.relay.limits import Breaker, TokenBuckets
from dub_stub import refuse
from stub_http import Fault, Reply, Request, StubServer, raw, status

KEY = "dub_pk_0123456789abcdef01234567"
VISITOR = "203.0.113.7"  # a documentation address, so not a public one
PUBLIC = "8.8.8.8"
HOST = "shop.example"
LEAD = "/track/lead/client"
HEADERS = {
    "content-type": "application/json",
    "sec-fetch-site": "same-origin",
    "origin": f"https://{HOST}",
    "referer": f"https://{HOST}/pricing",
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64)",
    "accept": "*/*",
    "accept-language": "de",
}


def options(api_host: str, relay: Any = "conversions", publishable_key: str | None = KEY) -> Config:
    return Config(api_host=api_host, relay=relay, publishable_key=publishable_key)


class Upstream(StubServer):
    """Answers every track path with a click id."""

    def answer(self, request: Request) -> Reply:
        if request.path.endswith("/client"):
            return Reply.of({"click": {"id": "clk0123456789abc"}, "link": None, "customer": {"name": "Ada"}})
        return Reply.of({"clickId": "clk0123456789abc"})


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as running:
        yield running


@pytest.fixture
def relay(upstream: Upstream) -> Iterator[Relay]:
    made = Relay(options(upstream.url))
    yield made
    made.close()


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the requests take, the limits give nothing back meanwhile."""
    monkeypatch.setattr(limits, "time", SimpleNamespace(monotonic=lambda: 0.0))


def send(
    relay: Relay,
    path: str = LEAD,
    body: Any = b'{"clickId":"clk0123456789abc"}',
    *,
    method: str = "POST",
    client: str | None = VISITOR,
    scheme: str = "https",
    host: str = HOST,
    headers: dict[str, str | None] | None = None,
) -> RelayResponse:
    merged = {**HEADERS, **(headers or {})}
    present = {name: value for name, value in merged.items() if value is not None}
    return relay.handle(method, path, present, body, client, scheme, host)


def code(response: RelayResponse) -> int:
    return int(response.status.split()[0])


def error(response: RelayResponse) -> dict[str, str]:
    return json.loads(response.body)["error"]  # type: ignore[no-any-return]


class TestForwarding:
    def test_builds_the_request_anew_from_what_dub_needs(self, upstream: Upstream, relay: Relay) -> None:
        secrets: dict[str, str | None] = {
            "cookie": "session=1; dub_id=x",
            "authorization": "Bearer dub_secretsecretsecretsecret",
            "x-forwarded-for": "6.6.6.6",
            "forwarded": "for=6.6.6.6",
            "x-vercel-forwarded-for": "6.6.6.6",
            "x-middleware-subrequest": "1",
            "connection": "keep-alive, x-hop",
            "transfer-encoding": "chunked",
            "x-api-key": "1",
            "accept-encoding": "gzip",
        }
        response = send(relay, headers=secrets)
        assert response.status == "200 OK"
        (request,) = upstream.requests
        assert (request.method, request.path) == ("POST", LEAD)
        assert request.body == b'{"clickId":"clk0123456789abc"}'
        assert request.headers == {
            "host": f"127.0.0.1:{upstream.port}",
            "content-type": "application/json",
            "content-length": "30",
            "accept-encoding": "identity",
            "authorization": f"Bearer {KEY}",
            "origin": f"https://{HOST}",
            "referer": f"https://{HOST}/pricing",
            "user-agent": "Mozilla/5.0 (X11; Linux x86_64)",
            "accept": "*/*",
            "accept-language": "de",
            "x-forwarded-for": VISITOR,
        }

    def test_answers_with_listed_headers_only(self, upstream: Upstream, relay: Relay) -> None:
        body = {"click": {"id": "clk0123456789abc"}}
        extra = {
            "Set-Cookie": "a=1",
            "Access-Control-Allow-Origin": "*",
            "Strict-Transport-Security": "max-age=1",
            "Clear-Site-Data": '"*"',
            "Link": "</x>",
            "Retry-After": "1795467469498",
        }
        upstream.fail(Fault("reply", reply=Reply(200, json.dumps(body).encode(), extra)))
        response = send(relay)
        assert json.loads(response.body) == body
        assert response.headers == [
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(response.body))),
        ]

    @pytest.mark.parametrize(
        ("mode", "paths"),
        [
            ("conversions", {"track/lead/client", "track/sale/client"}),
            (
                "all",
                {"track/lead/client", "track/sale/client", "track/click", "track/visit", "track/open"},
            ),
            (None, set()),
        ],
        ids=["conversions", "all", "none"],
    )
    def test_knows_exact_paths_only(self, upstream: Upstream, mode: Any, paths: set[str]) -> None:
        relay = Relay(options(upstream.url, mode))
        tried = [
            *("track/lead/client", "track/sale/client", "track/click", "track/visit", "track/open"),
            *("track/lead", "track/sale", "track/lead/", "track/lead/client/", "track//lead/client", "track"),
            *("track/lead/client/../../links", "track/lead%2Fclient", "track\\lead\\client", "//track/click"),
            *("track/lead/client\0", "TRACK/CLICK", "links", "", "track/click?x", "track/click;x"),
        ]
        assert {path for path in tried if code(send(relay, path)) == 200} == paths
        assert {code(send(relay, "/" + path)) for path in paths} <= {200}
        relay.close()

    def test_takes_the_publishable_key_of_the_page_before_its_own(
        self, upstream: Upstream, relay: Relay
    ) -> None:
        other = "Bearer dub_pk_fedcba9876543210fedcba98"
        send(relay, headers={"authorization": other})
        assert upstream.requests[0].headers["authorization"] == other

    def test_sends_no_authorization_without_a_publishable_key(self, upstream: Upstream) -> None:
        relay = Relay(options(upstream.url, publishable_key=None))
        send(relay, headers={"authorization": "Bearer dub_secretsecretsecretsecret"})
        relay.close()
        assert "authorization" not in upstream.requests[0].headers

    def test_sends_clicks_without_a_key_and_never_a_python_user_agent(self, upstream: Upstream) -> None:
        relay = Relay(options(upstream.url, "all"))
        send(relay, "/track/click", headers={"user-agent": None})
        relay.close()
        assert not {"authorization", "user-agent"} & set(upstream.requests[0].headers)

    @pytest.mark.parametrize(
        "value",
        ["a\r\nx: y", "a\nb", "a\0b", "€", "a" * 3000],
        ids=["crlf", "lf", "nul", "beyond-latin1", "long"],
    )
    def test_drops_a_header_that_could_not_be_sent_as_it_is(
        self, upstream: Upstream, relay: Relay, value: str
    ) -> None:
        assert code(send(relay, headers={"referer": value})) == 200
        assert "referer" not in upstream.requests[0].headers
        assert "x" not in upstream.requests[0].headers

    def test_keeps_connections_open(self, upstream: Upstream, relay: Relay) -> None:
        for _ in range(3):
            send(relay)
        assert len({request.peer for request in upstream.requests}) == 1

    def test_works_in_a_forked_child(self, upstream: Upstream, relay: Relay) -> None:
        send(relay)
        child = os.fork()
        if child == 0:  # pragma: no cover
            os._exit(0 if code(send(relay)) == 200 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert len({request.peer for request in upstream.requests}) == 2


class TestClickId:
    @pytest.mark.parametrize(
        ("body", "found"),
        [
            ({"clickId": "clk0123456789abc"}, "clk0123456789abc"),
            ({"click": {"id": "clk0123456789abc"}, "link": None}, "clk0123456789abc"),
            ({"clickId": None}, None),
            ({"clickId": "a; Domain=evil"}, None),
            ({"clickId": "a" * 65}, None),
            ({"clickId": "abcdefgh\n"}, None),
            ({"clickId": 7}, None),
            ({"click": "x"}, None),
            ({"eventName": "Purchase", "customer": None, "sale": None}, None),
        ],
        ids=["click", "lead", "null", "semicolon", "long", "newline", "number", "no-object", "sale"],
    )
    def test_is_taken_from_a_success(
        self, upstream: Upstream, relay: Relay, body: Any, found: str | None
    ) -> None:
        upstream.fail(status(200, body))
        assert send(relay).click_id == found

    @pytest.mark.parametrize(
        ("page", "found"),
        [
            (f"https://{HOST}/?via=ada", "clk0123456789abc"),
            (f"https://{HOST}/?via=ada&dub_id=landed", None),
            (f"https://{HOST}/?via=ada&dub_id=no;id", "clk0123456789abc"),
            ("http://[", "clk0123456789abc"),
            (7, "clk0123456789abc"),
        ],
        ids=["none", "another click", "no click id", "no address", "number"],
    )
    def test_stands_behind_the_click_of_the_pages_own_address(
        self, upstream: Upstream, page: Any, found: str | None
    ) -> None:
        body = json.dumps({"domain": "go.shop.test", "key": "ada", "url": page}).encode()
        assert send(Relay(options(upstream.url, relay="all")), "track/click", body).click_id == found

    def test_is_not_taken_from_a_refusal(self, upstream: Upstream, relay: Relay) -> None:
        upstream.fail(status(404, {"clickId": "clk0123456789abc"}))
        assert send(relay).click_id is None


def origin_only(origin: str | None) -> dict[str, str | None]:
    """The headers of a browser that does not send Sec-Fetch-Site."""
    return {"sec-fetch-site": None, "origin": origin}


class TestRefusals:
    def test_a_preflight_is_answered_here_and_grants_nothing(self, upstream: Upstream, relay: Relay) -> None:
        response = send(relay, method="OPTIONS")
        assert response.status == "204 No Content"
        assert ("Allow", "POST, OPTIONS") in response.headers
        assert not [name for name, _ in response.headers if name.lower().startswith("access-control")]
        assert upstream.requests == []

    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "TRACE", "post"])
    def test_other_methods(self, upstream: Upstream, relay: Relay, method: str) -> None:
        response = send(relay, method=method)
        assert code(response) == 405
        assert ("Allow", "POST, OPTIONS") in response.headers
        assert upstream.requests == []

    @pytest.mark.parametrize(
        ("headers", "allowed"),
        [
            pytest.param(
                {"sec-fetch-site": "same-origin", "origin": "http://10.0.0.1:8000"}, True, id="browser"
            ),
            pytest.param({"sec-fetch-site": "same-site"}, False, id="same-site"),
            pytest.param({"sec-fetch-site": "cross-site"}, False, id="cross-site"),
            pytest.param({"sec-fetch-site": "none"}, False, id="none"),
            pytest.param(origin_only(f"https://{HOST}"), True, id="own-origin"),
            pytest.param(origin_only("http://SHOP.example:80"), True, id="default-port"),
            pytest.param(origin_only("https://shop.example:444"), False, id="other-port"),
            pytest.param(origin_only("https://evil.example"), False, id="other-host"),
            pytest.param(origin_only("https://shop.example.evil"), False, id="suffix"),
            pytest.param(origin_only("null"), False, id="null"),
            pytest.param(origin_only("https://["), False, id="junk"),
            pytest.param(origin_only(None), True, id="no-browser"),
        ],
    )
    def test_other_origins(self, relay: Relay, headers: dict[str, str | None], allowed: bool) -> None:
        assert code(send(relay, headers=headers)) == (200 if allowed else 403)

    @pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", None])
    def test_bodies_that_a_plain_form_could_send(self, relay: Relay, kind: str | None) -> None:
        assert code(send(relay, headers={"content-type": kind})) == 415

    def test_a_charset_does_no_harm(self, relay: Relay) -> None:
        assert code(send(relay, headers={"content-type": "Application/JSON; charset=utf-8"})) == 200

    @pytest.mark.parametrize(
        ("body", "length", "expected"),
        [
            pytest.param(b"x" * 16_384, None, 200, id="bytes-at-the-limit"),
            pytest.param(b"x" * 16_385, None, 413, id="bytes-beyond"),
            pytest.param(io.BytesIO(b"x" * 16_384), "16384", 200, id="reader-at-the-limit"),
            pytest.param(None, "16385", 413, id="reader-beyond-is-not-read"),
            pytest.param(None, "9" * 30, 411, id="absurd-length"),
            pytest.param(None, "+5", 411, id="signed-length"),
            pytest.param(None, None, 411, id="reader-without-length"),
            pytest.param(io.BytesIO(b"{}"), "5", 400, id="reader-cut-short"),
        ],
    )
    def test_bodies_out_of_bounds(self, relay: Relay, body: Any, length: str | None, expected: int) -> None:
        assert code(send(relay, body=body, headers={"content-length": length})) == expected

    def test_a_body_in_pieces_is_put_together(self, upstream: Upstream, relay: Relay) -> None:
        class Dribble(io.BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                return super().read(1)

        send(relay, body=Dribble(b'{"a":1}trailing'), headers={"content-length": "7"})
        assert upstream.requests[0].body == b'{"a":1}'

    def test_every_refusal_speaks_dubs_envelope(self, relay: Relay) -> None:
        body = error(send(relay, "/track/lead"))
        assert body == {
            "code": "not_found",
            "message": "Nothing is relayed here.",
            "doc_url": "https://dub.co/docs/api-reference/errors#not-found",
        }


class TestUpstreamTrouble:
    @pytest.mark.parametrize(
        "fault",
        [
            pytest.param(Fault("reset"), id="reset"),
            pytest.param(Fault("close"), id="closed"),
            pytest.param(raw(200, b"x" * 70_000), id="huge"),
            pytest.param(raw(200, b"<html>"), id="html"),
            pytest.param(raw(200, b"[]"), id="array"),
            pytest.param(status(302, Location="https://evil.example/"), id="redirect"),
            pytest.param(status(304), id="not-modified"),
            pytest.param(refuse(500), id="500"),
            pytest.param(status(503), id="503"),
        ],
    )
    def test_is_a_502_in_dubs_envelope(self, upstream: Upstream, relay: Relay, fault: Fault) -> None:
        upstream.fail(fault)
        response = send(relay)
        assert response.status == "502 Bad Gateway"
        assert error(response)["code"] == "internal_server_error"
        assert code(send(relay)) == 200

    def test_ends_at_the_deadline(self, upstream: Upstream, relay: Relay) -> None:
        upstream.fail(Fault("hang"))
        upstream.fail(Fault("trickle_body"))
        with ThreadPoolExecutor(2) as pool:  # their seconds pass at the same time
            answers = [pool.submit(send, relay) for _ in range(2)]
            assert [code(answer.result(60)) for answer in answers] == [502, 502]

    @pytest.mark.parametrize("number", [400, 401, 403, 404, 409, 422, 499])
    def test_a_refusal_of_dubs_comes_through(self, upstream: Upstream, relay: Relay, number: int) -> None:
        upstream.fail(refuse(number, "Because."))
        response = send(relay)
        assert code(response) == number
        assert error(response)["message"] == "Because."

    def test_a_rate_limit_of_dubs_comes_through_in_seconds(self, upstream: Upstream, relay: Relay) -> None:
        upstream.fail(refuse(429, "Too many requests.", Retry_After="9999999999999"))
        assert ("Retry-After", "300") in send(relay).headers

    @pytest.mark.usefixtures("still")
    def test_is_asked_no_more_after_five_failures(self, upstream: Upstream, relay: Relay) -> None:
        upstream.permanent = Fault("close")
        assert [code(send(relay)) for _ in range(8)] == [502] * 8
        assert len(upstream.requests) == 5


class TestLimits:
    @pytest.mark.usefixtures("still")
    def test_a_visitor_may_send_thirty_at_once(self, relay: Relay) -> None:
        codes = [code(send(relay, client=PUBLIC)) for _ in range(31)]
        assert codes == [200] * 30 + [429]
        refused = send(relay, client=PUBLIC)
        assert error(refused)["code"] == "rate_limit_exceeded"
        assert 1 <= int(dict(refused.headers)["Retry-After"]) <= 2
        assert code(send(relay, client="8.8.4.4")) == 200

    def test_visitors_behind_an_undeclared_proxy_do_not_share_one_visitors_limit(self, relay: Relay) -> None:
        assert [code(send(relay, client="127.0.0.1")) for _ in range(40)] == [200] * 40

    @pytest.mark.usefixtures("still")
    def test_all_visitors_together_keep_below_the_limit_of_the_key(self, relay: Relay) -> None:
        codes = [code(send(relay, client=f"8.8.{n}.1")) for n in range(200)]
        assert codes[:80] == [200] * 80
        assert 429 in codes

    def test_no_more_than_eight_are_in_flight(self, upstream: Upstream, relay: Relay) -> None:
        upstream.fail(Fault("hang"), times=8)
        with ThreadPoolExecutor(8) as pool:
            waiting = [pool.submit(send, relay) for _ in range(8)]
            upstream.wait_for_requests(8)
            response = send(relay)
            upstream.stopping.set()
            assert {code(future.result(60)) for future in waiting} == {502}
        assert code(response) == 503
        assert ("Retry-After", "1") in response.headers


class TestTokenBuckets:
    def test_refill_at_their_rate(self) -> None:
        buckets = TokenBuckets(rate=2.0, burst=3)
        assert [buckets.take("a", now=0.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
        assert buckets.take("a", now=0.5) == 0.0
        assert buckets.take("a", now=0.5) == 0.5
        assert [buckets.take("a", now=100.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]

    def test_are_one_for_each_key(self) -> None:
        buckets = TokenBuckets(rate=1.0, burst=1)
        assert [buckets.take(key, now=0.0) for key in "aba"] == [0.0, 0.0, 1.0]

    def test_forget_the_key_unused_for_longest(self) -> None:
        buckets = TokenBuckets(rate=1.0, burst=1, size=2)
        for key in "abac":
            buckets.take(key, now=0.0)
        assert len(buckets) == 2
        assert buckets.take("a", now=0.0) == 1.0
        assert buckets.take("b", now=0.0) == 0.0


def test_a_breaker_opens_lets_one_try_and_closes() -> None:
    breaker = Breaker(failures=2, pause=5.0)
    for _ in range(2):
        assert breaker.admits(now=0.0)
        breaker.note(failed=True, now=0.0)
    assert not breaker.admits(now=4.9)
    assert breaker.admits(now=5.0)
    assert not breaker.admits(now=5.0)
    breaker.note(failed=False, now=5.1)
    assert breaker.admits(now=5.1)

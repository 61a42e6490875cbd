"""The HTTP client: what it says about a request that failed, and that no peer can hold it up."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from certificates import self_signed
from dub_middleware.conversions import http
from dub_middleware.conversions.http import HTTPClient, TransportError, connections
from dub_middleware.errors import ConfigError
from stub_http import Fault, StubServer, raw, status

NOW = 1_795_467_000.0


@pytest.fixture
def server() -> Iterator[StubServer]:
    with StubServer() as running:
        yield running


@pytest.fixture
def client() -> Iterator[HTTPClient]:
    made = HTTPClient(read=0.3, total=0.6, max_body=1000)
    yield made
    made.close()


def post(client: HTTPClient, url: str, body: bytes = b"{}") -> http.Answer:
    return client.request("POST", url, {"Content-Type": "application/json"}, body)


def failure(client: HTTPClient, url: str, body: bytes = b"{}") -> TransportError:
    with pytest.raises(TransportError) as caught:
        post(client, url, body)
    return caught.value


class TestConnections:
    def test_are_kept_alive(self, server: StubServer, client: HTTPClient) -> None:
        for _ in range(5):
            assert post(client, f"{server.url}/a").json() == {"ok": True}
        assert len({request.peer for request in server.requests}) == 1

    def test_are_kept_alive_after_an_error_answer(self, server: StubServer, client: HTTPClient) -> None:
        server.fail(status(503), status(404))
        assert [post(client, server.url).status for _ in range(3)] == [503, 404, 200]
        assert len({request.peer for request in server.requests}) == 1

    def test_are_not_used_again_after_long_idleness(
        self, server: StubServer, client: HTTPClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        post(client, server.url)
        monkeypatch.setattr(connections, "MAX_IDLE", 0.0)
        post(client, server.url)
        assert len({request.peer for request in server.requests}) == 2

    def test_that_the_server_closed_are_noticed_before_sending(
        self, server: StubServer, client: HTTPClient
    ) -> None:
        post(client, server.url)
        server.drop_connections()
        assert post(client, server.url).status == 200
        assert len(server.requests) == 2

    def test_are_one_a_thread_when_used_at_once(self, server: StubServer, client: HTTPClient) -> None:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: post(client, server.url), range(64)))
        assert {answer.status for answer in answers} == {200}
        assert len({request.peer for request in server.requests}) <= 8

    def test_are_not_shared_with_a_forked_child(self, server: StubServer, client: HTTPClient) -> None:
        post(client, server.url)
        child = os.fork()
        if child == 0:  # pragma: no cover
            os._exit(0 if post(client, server.url).status == 200 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        post(client, server.url)
        first, of_child, second = (request.peer for request in server.requests)
        assert first == second != of_child

    def test_may_be_closed_and_used_again(self, server: StubServer, client: HTTPClient) -> None:
        post(client, server.url)
        client.close()
        client.close()
        assert post(client, server.url).status == 200


class TestRequests:
    def test_carry_what_they_were_given_and_nothing_of_the_machine(
        self, server: StubServer, client: HTTPClient
    ) -> None:
        client.request("POST", f"{server.url}/x?y=1", {"X-One": "1"}, b"body")
        (request,) = server.requests
        assert request.path == "/x?y=1"
        assert request.body == b"body"
        assert request.headers == {
            "host": f"127.0.0.1:{server.port}",
            "accept-encoding": "identity",
            "user-agent": "dub-middleware",
            "x-one": "1",
            "content-length": "4",
        }

    @pytest.mark.parametrize(
        ("tail", "path"),
        [
            ("", "/"),
            ("/", "/"),
            ("?a=b", "/?a=b"),
            ("/a//b", "/a//b"),
            ("/a?b=http://c/d", "/a?b=http://c/d"),
        ],
    )
    def test_go_to_the_path_that_was_asked_for(
        self, server: StubServer, client: HTTPClient, tail: str, path: str
    ) -> None:
        post(client, server.url + tail)
        assert server.requests[0].path == path

    def test_may_go_without_a_user_agent(self, server: StubServer) -> None:
        client = HTTPClient(user_agent=None)
        client.request("GET", server.url, {})
        client.close()
        assert "user-agent" not in server.requests[0].headers

    @pytest.mark.parametrize("code", [301, 302, 307, 308])
    def test_follow_no_redirect(self, server: StubServer, client: HTTPClient, code: int) -> None:
        server.fail(status(code, Location=f"{server.url}/elsewhere"))
        assert post(client, server.url).status == code
        assert len(server.requests) == 1


class TestFailures:
    def test_a_refused_connection_was_never_sent(self, client: HTTPClient) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            error = failure(client, f"http://127.0.0.1:{unused.getsockname()[1]}/")
        assert not error.sent
        assert "refused" in str(error)
        assert not any(part in str(error) for part in ("0x", "_Connection("))

    def test_an_unknown_host_was_never_sent(self, client: HTTPClient) -> None:
        assert not failure(client, "http://no-such-host.invalid/").sent

    def test_a_certificate_nobody_signed_was_never_sent(self, client: HTTPClient, tmp_path: Path) -> None:
        with tls_server(tmp_path) as url:
            error = failure(client, url)
        assert not error.sent
        assert "CERTIFICATE_VERIFY_FAILED" in str(error)

    @pytest.mark.parametrize(
        "fault",
        [
            pytest.param(Fault("reset"), id="reset"),
            pytest.param(Fault("close"), id="closed-without-answer"),
            pytest.param(Fault("hang"), id="no-answer"),
            pytest.param(Fault("trickle_head"), id="header-byte-by-byte"),
            pytest.param(Fault("trickle_body"), id="body-byte-by-byte"),
            pytest.param(raw(200, b"short", Content_Length="50"), id="truncated-body"),
            pytest.param(raw(200, b"x" * 1001), id="body-too-large"),
            pytest.param(raw(200, b"x", X_Long="y" * 70_000), id="header-too-large"),
        ],
    )
    def test_what_fails_after_sending_may_have_arrived(
        self, server: StubServer, client: HTTPClient, fault: Fault
    ) -> None:
        server.fail(fault)
        assert failure(client, server.url).sent
        assert post(client, server.url).status == 200  # and the next request is none the worse

    def test_a_body_of_exactly_the_limit_is_taken(self, server: StubServer, client: HTTPClient) -> None:
        server.fail(raw(200, b"x" * 1000))
        assert len(post(client, server.url).body) == 1000

    def test_a_peer_that_never_reads_gets_no_whole_request(self, client: HTTPClient) -> None:
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.bind(("127.0.0.1", 0))
            deaf.listen(1)
            error = failure(client, f"http://127.0.0.1:{deaf.getsockname()[1]}/", b"x" * 20_000_000)
        assert not error.sent


class tls_server:
    """A TLS listener with a certificate of its own making."""

    def __init__(self, folder: Path) -> None:
        context = self_signed(folder)
        self._server = StubServer()
        self._server._server.socket = context.wrap_socket(self._server._server.socket, server_side=True)

    def __enter__(self) -> str:
        self._server.__enter__()
        return f"https://localhost:{self._server.port}/"

    def __exit__(self, *_: object) -> None:
        self._server.close()


@pytest.fixture(autouse=True)
def _fresh_tls_context() -> Iterator[None]:
    yield
    connections.tls_context.cache_clear()


def test_tls_answers_end_at_the_deadline_too(
    client: HTTPClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = tls_server(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    connections.tls_context.cache_clear()
    with server as url:
        server._server.fail(Fault("trickle_head"))
        assert failure(client, url).sent
        assert [post(client, url).status for _ in range(2)] == [200, 200]
        assert len({request.peer for request in server._server.requests}) == 2


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        pytest.param(None, None, id="absent"),
        pytest.param("7", 7.0, id="seconds"),
        pytest.param(" 7 ", 7.0, id="space-around"),
        pytest.param("2.5", 2.5, id="fraction"),
        pytest.param("0", 1.0, id="zero"),
        pytest.param("-3", 1.0, id="negative"),
        pytest.param("86400", 300.0, id="a-day"),
        pytest.param("1795467010", 10.0, id="epoch-seconds"),
        pytest.param("1795467010000", 10.0, id="epoch-milliseconds"),
        pytest.param("1795466000000", 1.0, id="epoch-past"),
        pytest.param("9" * 400, 300.0, id="beyond-every-number"),
        pytest.param("Mon, 23 Nov 2026 20:50:10 GMT", 10.0, id="http-date"),
        pytest.param("Monday, 23-Nov-26 20:50:10 GMT", 10.0, id="rfc850-date"),
        pytest.param("Mon, 23 Nov 1926 20:50:10 GMT", 1.0, id="date-past"),
        pytest.param("Mon, 99 Nov 2026 20:50:10 GMT", None, id="no-such-day"),
        pytest.param("soon", None, id="words"),
        pytest.param("nan", None, id="nan"),
        pytest.param("inf", None, id="inf"),
        pytest.param("٧", None, id="other-digits"),
        pytest.param("", None, id="empty"),
    ],
)
def test_retry_after_reads_every_form_and_stays_within_bounds(
    value: str | None, seconds: float | None
) -> None:
    assert http.retry_after(value, now=NOW) == seconds


@pytest.mark.parametrize(
    ("codes", "state"),
    [
        ([200, 201, 204], "delivered"),
        ([408, 425, 429, 500, 502, 503, 507, 521, 522], "retry"),
        ([504, 520, 524], "ambiguous"),
        ([401, 402, 403], "paused"),
        ([301, 302, 304, 400, 404, 409, 410, 413, 422, 501, 505], "rejected"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_verdict(codes: list[int], state: str) -> None:
    assert {code: http.verdict(code) for code in codes} == dict.fromkeys(codes, state)


def test_a_success_asks_for_no_wait_whatever_its_header(server: StubServer, client: HTTPClient) -> None:
    server.fail(status(200, Retry_After="1795467469498"), status(429, Retry_After="1795467469498"))
    assert post(client, server.url).retry_after is None
    assert post(client, server.url).retry_after is not None


@pytest.mark.parametrize(
    "url",
    ["api.dub.co", "ftp://api.dub.co", "https://", "https://user:pw@api.dub.co", "https://api.dub.co?x=1",
     "https://api.dub.co#x", "https://api dub.co", "https://api.dub.co:99999", "https://a\\b", "", None, 7],
)  # fmt: skip
def test_a_base_url_that_is_none_is_refused_by_name(url: object) -> None:
    with pytest.raises(ConfigError, match=r"^base_url must be an http or https URL") as caught:
        http.base_url("base_url", url, "https://api.dub.co")  # type: ignore[arg-type]
    assert repr(url) in str(caught.value)


def test_a_base_url_keeps_its_path() -> None:
    assert http.base_url("base_url", "http://127.0.0.1:8000/api/", "") == "http://127.0.0.1:8000/api"


def test_importing_the_client_starts_nothing() -> None:
    before = threading.active_count()
    HTTPClient()
    assert threading.active_count() == before

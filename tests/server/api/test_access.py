"""Keys, scopes and rate limits, and requests that reach no operation."""

from __future__ import annotations

import socket
from datetime import timedelta
from typing import Any

import httpx
import pytest
from dub import Dub
from dub.models import errors

from api_client import PLAIN
from databases import ON_SQLITE
from dub_middleware.server import Server
from standing_clock import Clock

pytestmark = ON_SQLITE

SECRET = "dub_secretsecretsecretsecret"
PUBLISHABLE = "dub_pk_publicpublicpublic"
SALE = {"customerExternalId": "42", "amount": 1}


@pytest.fixture
def server_options() -> dict[str, Any]:
    return {
        "api_key": SECRET,
        "publishable_key": PUBLISHABLE,
        "rate_limit": 3,
        "publishable_rate_limit": 2,
    }


@pytest.fixture
def http(base_url: str) -> httpx.Client:
    return httpx.Client(base_url=f"{base_url}/api", **PLAIN)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.mark.parametrize(
    ("path", "authorization", "status", "code", "message"),
    [
        pytest.param("/track/sale", None, 401, "unauthorized", "Missing Authorization header.", id="none"),
        pytest.param(
            "/track/sale",
            SECRET,
            400,
            "bad_request",
            "Misconfigured authorization header. Did you forget to add 'Bearer '? "
            "Learn more: https://d.to/auth",
            id="no-bearer",
        ),
        pytest.param(
            "/track/sale",
            "Bearer sk_1",
            404,
            "not_found",
            "Workspace ID not found. Did you forget to include a `workspaceId` query parameter? It looks "
            "like you might be using personal API keys, we also recommend refactoring to workspace API keys: "
            "https://d.to/keys",
            id="personal-key",
        ),
        pytest.param(
            "/track/sale", "Bearer dub_x", 401, "unauthorized", "Unauthorized: Invalid API key.", id="unknown"
        ),
        pytest.param(
            "/track/sale",
            f"Bearer {PUBLISHABLE}",
            401,
            "unauthorized",
            "Unauthorized: Invalid API key.",
            id="publishable-instead-of-secret",
        ),
        pytest.param(
            "/track/sale/client", None, 401, "unauthorized", "Missing publishable key.", id="client-none"
        ),
        pytest.param(
            "/track/sale/client",
            f"Bearer {SECRET}",
            400,
            "bad_request",
            "Invalid or missing publishable key.",
            id="secret-instead-of-publishable",
        ),
        pytest.param(
            "/track/sale/client",
            PUBLISHABLE,
            400,
            "bad_request",
            "Invalid or missing publishable key.",
            id="client-no-bearer",
        ),
        pytest.param(
            "/track/sale/client",
            "Bearer dub_pk_unknownunknownunknown",
            401,
            "unauthorized",
            "Invalid publishable key.",
            id="client-unknown",
        ),
    ],
)
def test_who_may_not_call(
    http: httpx.Client, path: str, authorization: str | None, status: int, code: str, message: str
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = http.post(path, json=SALE, headers=headers)
    assert answer.status_code == status
    doc_url = f"https://dub.co/docs/api-reference/errors#{code.replace('_', '-', 1)}"
    assert answer.json() == {"error": {"code": code, "message": message, "doc_url": doc_url}}


def test_keys_expire(http: httpx.Client, server: Server, clock: Clock) -> None:
    key, _ = server.store.keys.create(expires_at=server.queries.now() + timedelta(hours=1))
    assert http.get("/links", headers=bearer(key)).status_code == 200
    clock.advance(hours=2)
    answer = http.get("/links", headers=bearer(key))
    assert (answer.status_code, answer.json()["error"]["message"]) == (
        401,
        "Unauthorized: Access token expired.",
    )


@pytest.mark.parametrize(
    ("scopes", "may_read", "may_write"),
    [
        pytest.param(["links.read"], True, False, id="read"),
        pytest.param(["links.write"], True, True, id="write-reads-too"),
        pytest.param(["apis.read"], True, False, id="read-all"),
        pytest.param(["apis.all"], True, True, id="all"),
        pytest.param(["tags.write"], False, False, id="something-else"),
        pytest.param(None, True, True, id="unlimited"),
    ],
)
def test_a_key_opens_what_its_scopes_name(
    http: httpx.Client, server: Server, scopes: list[str] | None, may_read: bool, may_write: bool
) -> None:
    key, _ = server.store.keys.create(scopes=scopes)
    assert http.get("/links", headers=bearer(key)).is_success is may_read
    answer = http.post("/links", json={"url": "https://shop.test"}, headers=bearer(key))
    assert answer.is_success is may_write
    if not may_write:
        workspace = server.store.workspace.settings().workspace_id
        assert answer.json()["error"]["message"] == (
            "The provided key does not have the required permissions for this endpoint on the workspace "
            f"'{workspace}'. Having the 'links.write' permission would allow this request to continue."
        )
    # no scope keeps a key from tracking
    assert http.post("/track/sale", json=SALE, headers=bearer(key)).status_code == 200


def test_limits_are_told_and_kept(http: httpx.Client, clock: Clock) -> None:
    told = []
    for _ in range(4):
        answer = http.post("/track/sale", json=SALE, headers=bearer(SECRET))
        told.append((answer.status_code, answer.headers["x-ratelimit-remaining"]))
    assert told == [(200, "2"), (200, "1"), (200, "0"), (429, "0")]
    assert answer.json()["error"]["code"] == "rate_limit_exceeded"
    assert answer.json()["error"]["doc_url"].endswith("#rate-limit_exceeded")
    assert answer.headers["x-ratelimit-limit"] == "3"
    assert answer.headers["x-ratelimit-reset"] == str(int(clock.now) + 60)
    assert answer.headers["retry-after"] == "60"
    clock.advance(seconds=60)
    # the window slides: a moment later the three of the minute before still count in full
    assert http.post("/track/sale", json=SALE, headers=bearer(SECRET)).status_code == 429
    clock.advance(seconds=30)
    assert http.post("/track/sale", json=SALE, headers=bearer(SECRET)).status_code == 200
    clock.advance(minutes=5)
    fresh = http.post("/track/sale", json=SALE, headers=bearer(SECRET))
    assert fresh.headers["x-ratelimit-remaining"] == "2"
    assert "retry-after" not in fresh.headers


def test_guessing_publishable_keys_is_limited_too(http: httpx.Client) -> None:
    codes = [
        http.post("/track/sale/client", json=SALE, headers=bearer("dub_pk_guess")).status_code
        for _ in range(3)
    ]
    assert codes == [401, 401, 429]
    assert http.post("/track/sale/client", json=SALE, headers=bearer(PUBLISHABLE)).status_code == 200


def test_the_official_client_knows_the_error(base_url: str) -> None:
    with Dub(token=SECRET, server_url=f"{base_url}/api") as dub:
        for _ in range(3):
            dub.track.sale(request={"customer_external_id": "42", "amount": 1})
        with pytest.raises(errors.RateLimitExceeded) as caught:
            dub.track.sale(request={"customer_external_id": "42", "amount": 1})
    assert caught.value.headers["retry-after"] == "60"


class TestFaithful:
    @pytest.fixture
    def server_options(self, server_options: dict[str, Any]) -> dict[str, Any]:
        return server_options | {"faithful": True}

    def test_resets_are_epoch_milliseconds(self, http: httpx.Client, clock: Clock) -> None:
        reset = str(int(clock.now + 60) * 1000)
        answer = http.post("/track/sale/client", json=SALE, headers=bearer(PUBLISHABLE))
        assert (answer.headers["retry-after"], answer.headers["x-ratelimit-reset"]) == (reset, reset)
        good = http.post("/track/sale", json=SALE, headers=bearer(SECRET))
        assert "retry-after" not in good.headers, "Dub's handler does not pass them on"
        bad = http.post("/track/sale", json={}, headers=bearer(SECRET))
        assert (bad.status_code, bad.headers["retry-after"]) == (422, reset)


@pytest.mark.parametrize(
    ("method", "path", "content", "status", "message"),
    [
        pytest.param("POST", "/track/nothing", b"{}", 404, "No endpoint POST /track/nothing;", id="path"),
        pytest.param("GET", "", b"", 404, "No endpoint GET /; /openapi.json lists", id="no-path"),
        pytest.param("PUT", "/links", b"{}", 405, "allowed: GET, HEAD, OPTIONS, POST.", id="method"),
        pytest.param("POST", "/track/click", b"", 400, "Invalid JSON format", id="empty"),
        pytest.param("POST", "/track/click", b'{"a": NaN}', 400, "Invalid JSON format", id="nan"),
        pytest.param("POST", "/track/click", b"[" * 100_000, 400, "Invalid JSON format", id="deep"),
        pytest.param(
            "POST", "/track/click", b'{"a":' + b"1" * 5000 + b"}", 400, "Invalid JSON format", id="digits"
        ),
        pytest.param("POST", "/track/click", b"\xff\xfe\x00", 400, "Invalid JSON format", id="binary"),
        pytest.param("POST", "/track/click", b" " * 4_600_000, 413, "larger than 4500000 bytes", id="large"),
    ],
)
def test_requests_that_reach_nothing(
    http: httpx.Client, method: str, path: str, content: bytes, status: int, message: str
) -> None:
    answer = http.request(method, path, content=content)
    assert answer.status_code == status
    assert message in answer.json()["error"]["message"]


def test_a_body_of_unknown_length_is_bounded_too(http: httpx.Client) -> None:
    answer = http.post("/track/click", content=(b" " * 50_000 for _ in range(92)))
    assert answer.status_code == 413
    assert "larger than 4500000 bytes" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", id="no-chunk"),
        pytest.param(b"Content-Length: 100\r\n\r\n{}", id="too-short"),
    ],
)
def test_a_body_that_does_not_arrive_whole_is_the_callers_error(base_url: str, rest: bytes) -> None:
    port = httpx.URL(base_url).port
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(b"POST /api/track/click HTTP/1.1\r\nHost: 127.0.0.1\r\n" + rest)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"did not arrive whole" in answer


def test_a_wrong_method_is_told_the_right_ones(http: httpx.Client) -> None:
    answer = http.get("/track/sale")
    assert (answer.status_code, answer.headers["allow"]) == (405, "OPTIONS, POST")
    assert answer.json()["error"]["code"] == "bad_request"
    assert http.get("/track/click").headers["access-control-allow-origin"] == "*"
    asked = http.options("/track/sale")
    assert (asked.status_code, asked.content) == (204, b"")
    assert "access-control-allow-origin" not in asked.headers


def test_a_head_request_has_the_headers_alone(http: httpx.Client) -> None:
    answer = http.head("/links", headers=bearer(SECRET))
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == "2"


def test_a_broken_store_is_an_error_of_ours_in_dubs_words(
    http: httpx.Client, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with server.store.database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE customers RENAME TO gone")
    answer = http.post("/track/sale", json=SALE, headers=bearer(SECRET))
    assert answer.status_code == 500
    assert answer.json() == {
        "error": {
            "code": "internal_server_error",
            "message": "An internal server error occurred. "
            "Please contact our support if the problem persists.",
            "doc_url": "https://dub.co/docs/api-reference/errors#internal-server-error",
        }
    }
    assert "POST '/track/sale' failed" in caplog.text

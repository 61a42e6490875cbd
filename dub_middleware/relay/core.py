"""The relay without a protocol: a request's parts in, an answer out.

The rules are those of a proxy that strangers can reach: exact paths, listed headers, a request built anew,
bounded bodies, a deadline for the whole, and no credentials of ours but the publishable key.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import math
import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import urlsplit

from dub_middleware.capture import query_click_id
from dub_middleware.config import Config
from dub_middleware.conversions.http import Answer, HTTPClient
from dub_middleware.cookies import CLICK_ID
from dub_middleware.errors import TransportError
from dub_middleware.relay.limits import Breaker, TokenBuckets

MAX_BODY = 16 * 1024  # bytes; Dub takes metadata of 10,000 characters
MAX_HEADER = 2048
IN_FLIGHT = 8
VISITOR_RATE, VISITOR_BURST = 0.5, 30  # requests a second
KEY_RATE, KEY_BURST = 8.0, 80  # for all visitors: they share one publishable key, which has 600 a minute

CONVERSIONS = frozenset({"track/lead/client", "track/sale/client"})
CLICKS = frozenset({"track/click", "track/visit", "track/open"})
FORWARDED = ("accept", "accept-language", "origin", "referer", "user-agent")

_PUBLISHABLE = re.compile(r"Bearer dub_pk_[A-Za-z0-9_-]{16,64}")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_DEFAULT_PORTS = {"http": "80", "https": "443"}

log = logging.getLogger("dub_middleware.relay")


class Reader(Protocol):
    """A request body that is read in pieces, such as ``wsgi.input``."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class RelayResponse:
    """What to answer. ``click_id`` is one that the answer carries, to be stored as a cookie by the server."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes
    click_id: str | None = None


class Relay:
    """Forward the script's requests to ``config.api_host``; safe to share between threads and over a fork.

    ``relay="conversions"`` forwards leads and sales. ``"all"`` adds clicks, visits and opens, for a server
    that honours ``X-Forwarded-For``: hosted Dub knows a visitor by the connecting address, and would take
    all visitors behind one relay for one.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._host = config.api_host.rstrip("/")
        self._routes = {None: frozenset[str](), "conversions": CONVERSIONS, "all": CONVERSIONS | CLICKS}[
            config.relay
        ]
        self._http = HTTPClient(connect=1.0, read=3.0, total=4.0, connections=IN_FLIGHT, user_agent=None)
        self._limits: dict[int, _Limits] = {}  # by process id

    def handle(
        self,
        method: str,
        path_tail: str,
        headers: Mapping[str, str],
        body: bytes | Reader,
        client: str | None,
        scheme: str,
        host: str,
    ) -> RelayResponse:
        """Answer one request below ``config.path``; takes at most about four seconds.

        ``path_tail`` is the decoded path behind ``config.path``; ``headers`` have lower-case names;
        ``client`` is the visitor's address as your proxy settings make it; ``host`` is the Host header.
        A query string is not looked at.
        """
        route = path_tail.removeprefix("/")
        if route not in self._routes:
            return _refuse(404, "not_found", "Nothing is relayed here.")
        if method == "OPTIONS":
            return _respond(204, b"", allow="POST, OPTIONS")
        if method != "POST":
            return _refuse(405, "bad_request", "Only POST is allowed.", allow="POST, OPTIONS")
        if not _is_same_origin(headers, scheme, host):
            return _refuse(403, "forbidden", "Only pages of this site may use the relay.")
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return _refuse(415, "bad_request", "The body must be application/json.")
        limits = self._limits_of_process()
        if wait := limits.wait(client, route):
            message = "Too many requests."
            return _refuse(429, "rate_limit_exceeded", message, retry_after=str(math.ceil(wait)))
        content = _read(body, headers)
        if isinstance(content, RelayResponse):
            return content
        if not limits.slots.acquire(blocking=False):
            return _refuse(503, "internal_server_error", "The relay is busy.", retry_after="1")
        try:
            return self._forward(route, headers, content, client, limits.breaker)
        finally:
            limits.slots.release()

    def close(self) -> None:
        """Close the idle connections."""
        self._http.close()

    def _forward(
        self, route: str, headers: Mapping[str, str], body: bytes, client: str | None, breaker: Breaker
    ) -> RelayResponse:
        if not breaker.admits():
            return _unreachable()
        try:
            answer = self._http.request(
                "POST", f"{self._host}/{route}", self._headers(route, headers, client), body
            )
        except TransportError as error:
            breaker.note(failed=True)
            log.warning("Relaying %s to %s failed: %s", route, self._host, error)
            return _unreachable()
        breaker.note(failed=answer.status >= 500)
        content = answer.json()
        if not 200 <= answer.status < 500 or 300 <= answer.status < 400 or not isinstance(content, dict):
            log.warning("Relaying %s to %s was answered %d.", route, self._host, answer.status)
            return _unreachable()
        wait = answer.retry_after
        extra = {} if wait is None else {"retry_after": str(math.ceil(wait))}
        return _respond(answer.status, answer.body, click_id=_click_id(route, body, answer, content), **extra)

    def _headers(self, route: str, received: Mapping[str, str], client: str | None) -> dict[str, str]:
        headers = {
            name: received[name] for name in FORWARDED if name in received and _is_clean(received[name])
        }
        headers["content-type"] = "application/json"
        if client and _is_clean(client):
            headers["x-forwarded-for"] = client
        if route in CONVERSIONS:
            given = received.get("authorization", "")
            if _PUBLISHABLE.fullmatch(given):
                headers["authorization"] = given
            elif self._config.publishable_key:
                headers["authorization"] = f"Bearer {self._config.publishable_key}"
        return headers

    def _limits_of_process(self) -> _Limits:
        # a lock that another thread held at a fork would stay held in the child for ever
        limits = self._limits.get(os.getpid())
        return limits or self._limits.setdefault(os.getpid(), _Limits())


class _Limits:
    def __init__(self) -> None:
        self.visitors = TokenBuckets(VISITOR_RATE, VISITOR_BURST)
        self.key = TokenBuckets(KEY_RATE, KEY_BURST, size=1)
        self.slots = threading.BoundedSemaphore(IN_FLIGHT)
        self.breaker = Breaker()

    def wait(self, client: str | None, route: str) -> float:
        network = _network(client)
        wait = self.visitors.take(network) if network else 0.0
        if not wait and route in CONVERSIONS:
            wait = self.key.take("")
        return wait


def _network(client: str | None) -> str | None:
    """What counts as one visitor: an IPv4 address, or the /64 that an IPv6 subscriber is given.

    None for an address that is not public: it is a proxy's, behind which all visitors look the same.
    """
    try:
        address = ipaddress.ip_address((client or "").partition("%")[0])
    except ValueError:
        return None
    if not address.is_global:
        return None
    return str(address) if address.version == 4 else str(int(address) >> 64)


def _is_same_origin(headers: Mapping[str, str], scheme: str, host: str) -> bool:
    # The browser's own word; and it knows the real host, where a proxy may have replaced ours.
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get("origin")
    if origin is None:
        return True  # no browser sends a cross-origin POST without one
    return _authority(origin) == _authority(f"{scheme}://{host}")


def _authority(url: str) -> str | None:
    # without the scheme: behind a proxy that ends TLS the app may only see http
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not parts.netloc:
        return None
    return parts.netloc.lower().removesuffix(":" + _DEFAULT_PORTS[parts.scheme])


def _read(body: bytes | Reader, headers: Mapping[str, str]) -> bytes | RelayResponse:
    too_large = _refuse(413, "bad_request", f"The body must have at most {MAX_BODY} bytes.")
    if isinstance(body, bytes):
        return body if len(body) <= MAX_BODY else too_large
    length = headers.get("content-length", "")
    if not re.fullmatch(r"[0-9]{1,18}", length):
        return _refuse(411, "bad_request", "A Content-Length is needed.")
    if int(length) > MAX_BODY:
        return too_large
    content = b""
    while len(content) < int(length):
        piece = body.read(int(length) - len(content))
        if not piece:
            return _refuse(400, "bad_request", "The body is shorter than its Content-Length.")
        content += piece
    return content


def _is_clean(value: str) -> bool:
    return len(value) <= MAX_HEADER and bool(_HEADER_VALUE.fullmatch(value))


def _click_id(route: str, body: bytes, answer: Answer, content: Mapping[str, Any]) -> str | None:
    """The click id that an answer brings; none where the page's own address brought one, which stands."""
    if not 200 <= answer.status < 300 or (route in CLICKS and _has_click(body)):
        return None
    click = content.get("click")
    found = content.get("clickId", click.get("id") if isinstance(click, dict) else None)
    return found if isinstance(found, str) and CLICK_ID.fullmatch(found) else None


def _has_click(body: bytes) -> bool:
    """Whether the page that asked for a click, by the ``url`` it sent, was reached by another one."""
    try:
        return query_click_id(urlsplit(json.loads(body)["url"]).query) is not None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return False


def _unreachable() -> RelayResponse:
    return _refuse(502, "internal_server_error", "The Dub API could not be reached.")


def _refuse(status: int, code: str, message: str, **headers: str) -> RelayResponse:
    doc_url = f"https://dub.co/docs/api-reference/errors#{code.replace('_', '-', 1)}"
    error = {"code": code, "message": message, "doc_url": doc_url}
    return _respond(status, json.dumps({"error": error}).encode(), **headers)


def _respond(status: int, body: bytes, *, click_id: str | None = None, **headers: str) -> RelayResponse:
    names = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    if status != 204:
        names |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    names |= {name.replace("_", "-").title(): value for name, value in headers.items()}
    return RelayResponse(f"{status} {_phrase(status)}", list(names.items()), body, click_id)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:  # servers make up numbers
        return "Unknown"

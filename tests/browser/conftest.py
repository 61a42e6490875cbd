"""Sites for the script to run on, and a tracking API behind their relay."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from dub_middleware import DubMiddleware
from stub_http import Reply, Request, StubServer
from wsgi_server import serving

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

PARTNER = {
    "id": "pn_1",
    "name": 'Jane, "JD" Doe; é',
    "image": "https://a.test/?b=c;d",
}


HOME = "<!doctype html><title>A shop</title><main>Hello</main>"


class TrackingAPI(StubServer):
    """Dub's ``/track/*`` for browsers: a click id for each link, ``jane`` being a partner's."""

    def answer(self, request: Request) -> Reply:
        body = request.json()
        if request.path in ("/track/click", "/track/visit"):
            key = body.get("key", "visit")
            discount = {"id": "disc_1", "amount": 20, "type": "percentage", "maxDuration": None}
            partner = {"partner": PARTNER, "discount": discount} if key == "jane" else {}
            return Reply.of({"clickId": f"click-of-{key}", **partner})
        return Reply.of({"click": {"id": body["clickId"]}, "customer": None})

    def bodies(self, path: str) -> list[Any]:
        return [request.json() for request in self.requests if request.path == f"/track/{path}"]


@pytest.fixture
def api() -> Iterator[TrackingAPI]:
    with TrackingAPI() as server:
        yield server


class Site:
    """A site that Chromium in the tests finds under every host name."""

    def __init__(self, base: str) -> None:
        self._port = base.rpartition(":")[2]

    def url(self, host: str = "www.shop.test") -> str:
        return f"http://{host}:{self._port}"


Serve = Callable[..., Site]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A function that serves one HTML page at every address, wrapped with the given options."""
    with ExitStack() as stack:

        def start(html: str = HOME, **options: Any) -> Site:
            def app(environ: Any, start_response: Any) -> list[bytes]:
                start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
                return [html.encode()]

            return Site(stack.enter_context(serving(DubMiddleware(app, **options))))

        yield start


@pytest.fixture
def jar(context: BrowserContext) -> Callable[[], dict[str, list[str]]]:
    """A function that returns the values of each cookie, by name; two of one name are two scopes."""

    def read() -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for cookie in context.cookies():
            found.setdefault(cookie["name"], []).append(cookie["value"])
        return found

    return read

"""One request through a WSGI app, by a server that takes PEP 3333 at its word."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

Headers = list[tuple[str, str]]
App = Callable[..., Any]


@dataclass
class Exchange:
    """What the server saw and sent."""

    status: str = ""
    headers: Headers = field(default_factory=list)
    #: bytes in the order they went out, by write() or by iteration; empty items too
    items: list[bytes] = field(default_factory=list)
    result: Any = None
    #: an exception the app let through
    error: BaseException | None = None
    are_headers_sent: bool = False

    @property
    def body(self) -> bytes:
        return b"".join(self.items)

    def get(self, name: str) -> list[str]:
        """Every value of a header, in order."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def start_response(self, status: str, headers: Headers, exc_info: Any = None) -> Callable[[bytes], None]:
        if exc_info is not None:
            if self.are_headers_sent:
                raise exc_info[1].with_traceback(exc_info[2])
        elif self.status:
            raise AssertionError("the server has its headers already")
        self.status, self.headers = status, list(headers)
        return self.send

    def send(self, data: bytes) -> None:
        assert self.status, "bytes before start_response"
        self.items.append(data)
        self.are_headers_sent = self.are_headers_sent or bool(data)


def environ(path: str = "/", query: str = "", method: str = "GET", **more: Any) -> dict[str, Any]:
    result: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "HTTP_HOST": "shop.example.com",
        **more,
    }
    setup_testing_defaults(result)
    return result


def request(app: App, *, stop_after: int | None = None, **options: Any) -> Exchange:
    """Send one request; *stop_after* items the client is gone. close() is called as PEP 3333 says."""
    exchange = Exchange()
    result = None
    try:
        result = exchange.result = app(environ(**options), exchange.start_response)
        for number, item in enumerate(result, 1):
            exchange.send(item)
            if number == stop_after:
                break
    except Exception as error:
        exchange.error = error
    finally:
        if hasattr(result, "close"):
            result.close()
    return exchange


def checked_request(wrap: Callable[[App], App], app: App, **options: Any) -> Exchange:
    """Send one request with `wsgiref.validate` on both sides of the middleware that *wrap* makes."""
    return request(validator(wrap(validator(app))), **options)


class Counted:
    """An iterable that counts its close() calls."""

    def __init__(self, items: Any) -> None:
        self._items = items
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._items)

    def close(self) -> None:
        self.closed += 1

"""One response between an app and its server, step by step as PEP 3333 lets the app take them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextvars import Token
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

from dub_middleware.capture import query_click_id
from dub_middleware.inject import (
    NOT_HTML,
    Headers,
    Page,
    Rewriting,
    page,
    with_cookies,
    with_weak_validator,
)
from dub_middleware.site import INJECT_KEY
from dub_middleware.visit import ENVIRON_KEY, Visit, leave

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from dub_middleware.wsgi import DubMiddleware

    Write = Callable[[bytes], object]

logger = logging.getLogger("dub_middleware")

#: what `Exchange.page` is to begin with
NOT_BEGUN: Page | Literal[False] | None = None


class Exchange:
    """One response on its way from the app to the server; the headers of a page wait for its first bytes.

    `begin` and `write` are what the app calls (PEP 3333: ``start_response`` and "The write() Callable").
    """

    __slots__ = (
        "_exc_info",
        "_headers",
        "_rewriting",
        "_status",
        "_tag",
        "_write",
        "environ",
        "middleware",
        "page",
        "query",
        "start_response",
    )

    middleware: DubMiddleware
    environ: WSGIEnvironment
    query: str
    start_response: StartResponse  # the server's
    #: None: not started; False: not ours to touch
    page: Page | Literal[False] | None

    _status: str
    _headers: Headers
    _exc_info: Any
    _tag: bytes
    _rewriting: Rewriting | None  # None: the server does not have the headers of the page yet
    _write: Write  # what the server gave for them

    def begin(self, status: str, headers: Headers, exc_info: Any = None) -> Write:
        # most of what is no page can be told at a glance
        if headers and exc_info is None and not self.page and not self.query:
            name, value = headers[0]
            if value in NOT_HTML and name == "Content-Type":
                self.page = False
                start_response = self.start_response  # self.start_response() would look for a method first
                return start_response(status, headers)
        is_told = False
        if self.page is not None:
            if self.page and exc_info is None:
                raise AssertionError("start_response was called a second time without exc_info")
            # it is the server that knows whether the first headers are out
            is_told = self.page is False or self._rewriting is not None
        self.page = False
        environ = self.environ
        found = tag = None
        try:
            if self.query:
                headers = _with_click(environ, headers)
            found = page(status, headers)
            if found is not None:
                tag = self.middleware.constant_tag
                if tag is None or not found.is_plain:
                    tag = self.middleware.tag_for(environ, found, headers)
            elif status.startswith("304"):
                headers = with_weak_validator(headers, environ.get("HTTP_IF_NONE_MATCH", ""))
        except Exception:
            logger.exception("A response passes as it is.")
            tag = None
        self._status, self._headers, self._exc_info = status, headers, exc_info
        if found is None or tag is None:
            return self._commit(headers)
        self._tag = tag
        self._rewriting = None
        if is_told or environ["REQUEST_METHOD"] == "HEAD":  # the headers cannot wait for bytes
            if environ.get(INJECT_KEY) is False:
                return self._commit(headers)
            write = self._commit(found.rewritten(headers, None))
            if environ["REQUEST_METHOD"] == "HEAD":
                return write
            self._rewrite(found)
        self.page = found
        return self.write

    def write(self, data: bytes) -> None:
        out = self.feed(data) if self.page else data
        self._write(out)

    def feed(self, data: bytes) -> bytes:
        """Return what goes out for *data*; before the first bytes go the headers."""
        if self._rewriting is not None:
            return self._rewriting.feed(data)
        assert self.page
        rewriting = self._rewrite(self.page)
        if self.environ.get(INJECT_KEY) is False:  # the view said so while it rendered the page
            rewriting.skip()
        out = rewriting.feed(data)
        self._commit(rewriting.headers())
        return out

    def finish(self) -> bytes:
        """Return what goes out when the page has ended."""
        if self._rewriting is not None:
            return self._rewriting.close()
        self._commit(self._headers)
        return b""

    @property
    def is_settled(self) -> bool:
        """Whether the bytes that follow need nothing of us."""
        return not self.page or (self._rewriting is not None and self._rewriting.is_settled)

    def settle(self, items: list[bytes] | tuple[bytes, ...]) -> list[bytes] | tuple[bytes, ...]:
        """Return the whole of a page that is all there, as many items as the app's: servers count them."""
        found, is_first = self.page, self._rewriting is None
        assert found
        if is_first and self.environ.get(INJECT_KEY) is False:
            self.let_go()
            return items
        if is_first and found.is_plain and len(items) == 1 and self._exc_info is None:
            # the common case, and a short cut through `Rewriting`
            data, headers, out = items[0], self._headers, None
            try:
                out = self.middleware.injection.beginnings.insert(data, self._tag)
                if out is not None and out is not data:
                    headers = found.rewritten(headers, len(out))
            except Exception:
                logger.exception("A page goes the long way.")
                out = None
            if out is not None:
                start_response = self.start_response
                start_response(self._status, headers)
                return [out]
        rewriting = self._rewriting or self._rewrite(found)
        parts = [rewriting.feed(item) for item in items]
        tail = rewriting.close()
        if tail:
            parts[-1:] = [b"".join((*parts[-1:], tail))]
        if is_first:
            self._commit(rewriting.headers(sum(map(len, parts))))
        return parts

    def let_go(self) -> None:
        """Send the headers of a page as they are, for the page is not to be touched."""
        if self._rewriting is None:
            self._commit(self._headers)
            self.page = False

    def _rewrite(self, found: Page) -> Rewriting:
        rewriting = Rewriting(self.middleware.injection, found, self._headers, self._tag)
        self._rewriting = rewriting
        return rewriting

    def _commit(self, headers: Headers) -> Write:
        """Call the server's start_response."""
        exc_info, self._exc_info = self._exc_info, None
        if exc_info is None:
            self._write = self.start_response(self._status, headers)
        else:
            self._write = self.start_response(self._status, headers, exc_info)
        return self._write


class Body:
    """The app's iterable, one item out per item in; the visit is the current one until it is closed."""

    __slots__ = ("_exchange", "_result", "_token")

    def __init__(self, result: Iterable[bytes], exchange: Exchange, token: Token[Visit]) -> None:
        self._result = result
        self._exchange = exchange
        self._token = token

    def __iter__(self) -> Iterator[bytes]:
        # `chain` walks the app's own iterator where nothing is left to do for us, at the speed of C
        return chain.from_iterable(self._parts())

    def _parts(self) -> Iterator[Iterable[bytes]]:
        exchange = self._exchange
        items = iter(self._result)
        for item in items:
            yield (exchange.feed(item) if exchange.page else item,)
            if exchange.is_settled:
                yield items
        if exchange.page:
            tail = exchange.finish()
            if tail:
                yield (tail,)

    def close(self) -> None:
        try:
            close = getattr(self._result, "close", None)
            if close is not None:
                close()
        finally:
            try:  # noqa: SIM105 - suppress() would be the dearest line of a stream
                leave(self._token)
            except ValueError:  # closed in another context than it was made in
                pass


def _with_click(environ: WSGIEnvironment, headers: Headers) -> Headers:
    """Return the headers with the cookies of a click that the query brings."""
    if query_click_id(environ["QUERY_STRING"]) is None:
        return headers
    cookies = environ[ENVIRON_KEY].capture.cookies
    return with_cookies(headers, cookies) if cookies else headers

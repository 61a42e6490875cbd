"""The middleware for WSGI apps, exactly as PEP 3333 wants it.

Responses that are not ours to touch pass as the same objects, so that servers keep their fast paths
(``wsgi.file_wrapper``, ``len()`` of a list). Inside a visitor's request a failure of our own is logged and
never becomes the app's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from contextvars import Token
from itertools import chain
from types import GeneratorType
from typing import TYPE_CHECKING, Any, Literal

from dub_middleware.capture import query_click_id
from dub_middleware.config import Config
from dub_middleware.inject import (
    NOT_HTML,
    Headers,
    Page,
    Rewriting,
    page,
    with_cookies,
    with_weak_validator,
)
from dub_middleware.site import INJECT_KEY, Site
from dub_middleware.visit import ENVIRON_KEY, Arriving, Visit, enter, leave

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    Write = Callable[[bytes], object]

logger = logging.getLogger("dub_middleware")

_NOT_BEGUN: Page | Literal[False] | None = None


class DubMiddleware:
    """Wrap a WSGI app: keep the click id, put the script into its pages, serve both from its own origin.

    *options* are the fields of `Config`; given beside *config* they are laid over it.

    Raises:
        ConfigError: an option is unknown or wrong.
    """

    def __init__(self, app: WSGIApplication, config: Config | None = None, **options: Any) -> None:
        self.app = app
        self.config = Config.of(config, options)
        self.site = Site(self.config)
        self.script = self.site.script
        self.injection = self.site.injection
        self._prefix = self.site.prefix
        #: for a page about which there is nothing to ask
        self.constant_tag = self.injection.tag if self.config.inject is True else None

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            path = environ["SCRIPT_NAME"] + environ["PATH_INFO"]  # mounted or not, what the browser asks for
            query = environ["QUERY_STRING"]
        except KeyError:  # a server may leave out what is empty
            path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
            query = environ.get("QUERY_STRING", "")
        if self._prefix in path and path.startswith(self._prefix):  # nothing there reaches the app
            return self._answer(environ, start_response, path[len(self._prefix) :])
        app = self.app
        visit = Arriving()
        visit._environ = environ if query else None
        visit._cookies = environ.get("HTTP_COOKIE", "")
        visit._config = self.config
        if environ.setdefault(ENVIRON_KEY, visit) is not visit:  # another one is around us and does it all
            return app(environ, start_response)
        exchange = _Exchange()  # filled here: every request makes one, and a call costs as much again
        exchange.environ = environ
        exchange.start_response = start_response
        exchange.middleware = self
        exchange.query = query
        exchange.page = _NOT_BEGUN
        token = enter(visit)
        try:
            result = app(environ, exchange.begin)
        except BaseException:
            leave(token)
            raise
        if type(result) is list or type(result) is tuple:
            leave(token)
            return exchange.settle(result) if exchange.page else result
        if exchange.page is False and type(result) is not GeneratorType:
            leave(token)
            return result
        return _Body(result, exchange, token)

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse, tail: str) -> list[bytes]:
        """Answer for the script and the relay."""
        status, headers, body = self.site.answer(environ, tail, environ["wsgi.input"])
        start_response(status, list(headers))
        return [body]

    def tag_for(self, environ: WSGIEnvironment, found: Page, headers: Headers) -> bytes | None:
        """Return the tag for a page of *headers*, None when it is to go without."""
        if not self.site.wants_tag(environ):
            return None
        return self.injection.tag_for(found, headers, lambda: _origin(environ))


class _Exchange:
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
                start_response = self.start_response
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
                if tag is None or not found.is_plain or environ.get(INJECT_KEY) is False:
                    tag = self.middleware.tag_for(environ, found, headers)
            elif status.startswith("304"):
                headers = with_weak_validator(headers, environ.get("HTTP_IF_NONE_MATCH", ""))
        except Exception:
            logger.exception("A response passes as it is.")
            tag = None
        self._status, self._headers, self._exc_info = status, headers, exc_info
        if found is None or tag is None:
            return self._commit(headers)
        if environ["REQUEST_METHOD"] == "HEAD":  # there will be no first bytes
            return self._commit(found.rewritten(headers, None))
        self.page = found
        self._tag = tag
        self._rewriting = None
        if is_told:
            self._commit(self._rewrite().headers())
        return self.write

    def write(self, data: bytes) -> None:
        if self.page:
            out = self.feed(data)
            self._write(out)

    def feed(self, data: bytes) -> bytes:
        """Return what goes out for *data*; before the first bytes go the headers."""
        if self._rewriting is not None:
            return self._rewriting.feed(data)
        rewriting = self._rewrite()
        self._heed_view(rewriting)
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

    def settle(self, items: list[bytes] | tuple[bytes, ...]) -> list[bytes]:
        """Return the whole of a page that is all there, as many items as the app's: servers count them."""
        found, is_first = self.page, self._rewriting is None
        if found and found.is_plain and is_first and len(items) == 1 and self._exc_info is None:
            # the common case, and a short cut through `Rewriting`
            data, headers, out = items[0], self._headers, None
            try:
                if self.environ.get(INJECT_KEY) is not False:
                    out = self.middleware.injection.at_once(data, self._tag)
                    if out is not None and out is not data:
                        headers = found.rewritten(headers, len(out))
            except Exception:
                logger.exception("A page goes the long way.")
                out = None
            if out is not None:
                start_response = self.start_response
                start_response(self._status, headers)
                return [out]
        rewriting = self._rewriting or self._rewrite()
        if is_first:
            self._heed_view(rewriting)
        parts = [rewriting.feed(item) for item in items]
        tail = rewriting.close()
        if tail:
            parts[-1:] = [b"".join((*parts[-1:], tail))]
        if is_first:
            self._commit(rewriting.headers(sum(map(len, parts))))
        return parts

    def _heed_view(self, rewriting: Rewriting) -> None:
        """Leave the page alone if the view said so while it was rendered."""
        if self.environ.get(INJECT_KEY) is False:
            rewriting.skip()

    def _rewrite(self) -> Rewriting:
        assert self.page
        rewriting = Rewriting(self.middleware.injection, self.page, self._headers, self._tag)
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


class _Body:
    """The app's iterable, one item out per item in; the visit is the current one until it is closed."""

    __slots__ = ("_exchange", "_result", "_token")

    def __init__(self, result: Iterable[bytes], exchange: _Exchange, token: Token[Visit]) -> None:
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
            with suppress(ValueError):  # closed in another context than it was made in
                leave(self._token)


def _with_click(environ: WSGIEnvironment, headers: Headers) -> Headers:
    """Return the headers with the cookies of a click that the query brings."""
    if query_click_id(environ["QUERY_STRING"]) is None:
        return headers
    cookies = environ[ENVIRON_KEY].capture.cookies
    return with_cookies(headers, cookies) if cookies else headers


def _origin(environ: WSGIEnvironment) -> str:
    host = environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
    return f"{environ['wsgi.url_scheme']}://{host}"

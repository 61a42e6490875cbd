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
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from dub_middleware.capture import query_click_id
from dub_middleware.config import Config
from dub_middleware.inject import (
    NOT_HTML,
    Headers,
    Injection,
    Page,
    Rewriting,
    page,
    with_cookies,
    with_weak_validator,
)
from dub_middleware.site import INJECT_KEY, Site
from dub_middleware.visit import ENVIRON_KEY, Visit, enter, leave

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    Write = Callable[[bytes], object]
    # a page whose headers wait for its first bytes: status, headers, what they say, the tag, exc_info
    Waiting = tuple[str, Headers, Page, bytes, Any]
    # not started; not ours to touch; a page that waits; a page on its way
    Response: TypeAlias = "Literal[False] | Waiting | _Page | None"

logger = logging.getLogger("dub_middleware")


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
        self._prefix = self.site.prefix
        self._injection = self.site.injection
        self._injects_always = self.config.inject is True

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if environ.get("SCRIPT_NAME"):  # mounted: the browser knows the whole path
            path = environ["SCRIPT_NAME"] + path
        if self._prefix in path and path.startswith(self._prefix):
            # for the script and the relay; nothing below `Config.path` reaches the app
            tail = path[len(self._prefix) :]
            status, headers, body = self.site.answer(environ, tail, environ["wsgi.input"])
            start_response(status, list(headers))
            return [body]
        visit = Visit(environ, self.config)
        if environ.setdefault(ENVIRON_KEY, visit) is not visit:  # another one is around us and does it all
            return self.app(environ, start_response)
        query = environ.get("QUERY_STRING")
        response: Response = None

        def begin(status: str, headers: Headers, exc_info: Any = None) -> Write:
            nonlocal response
            is_told = False
            if response is not None:
                if exc_info is None and response is not False:
                    raise AssertionError("start_response was called a second time without exc_info")
                is_told = response is False or (isinstance(response, _Page) and response.is_committed)
            response = False
            try:
                if query:
                    headers = _with_click(environ, headers)
                # most of what is no page can be told at a glance
                if headers and headers[0] not in NOT_HTML and (found := page(status, headers)) is not None:
                    tag = self._tag_for(environ, found, headers)
                    if tag is not None:
                        response = status, headers, found, tag, exc_info
                elif status != "200 OK" and status[:3] == "304":
                    headers = with_weak_validator(headers, environ.get("HTTP_IF_NONE_MATCH", ""))
            except Exception:
                logger.exception("A response passes as it is.")
            if response is False:
                if exc_info is None:
                    return start_response(status, headers)
                return start_response(status, headers, exc_info)
            if environ["REQUEST_METHOD"] == "HEAD":  # there will be no first bytes
                head, response = response, False
                return _Page(self._injection, environ, start_response, head).commit()
            if is_told:  # it is the server that knows whether the first headers are out
                response = _Page(self._injection, environ, start_response, response)
                response.commit()

            def write(data: bytes) -> None:
                nonlocal response
                response = self._begun(environ, start_response, response)
                if response:
                    response.write(data)

            return write

        token = enter(visit)
        try:
            result = self.app(environ, begin)
        except BaseException:
            leave(token)
            raise
        if type(result) is list or type(result) is tuple:
            leave(token)
            if not response:
                return result
            if not isinstance(response, _Page):
                status, headers, found, _, exc_info = response
                if len(result) == 1 and found.is_plain and exc_info is None:
                    whole = self._injection.at_once(found, headers, result[0])
                    if whole is not None and environ.get(INJECT_KEY) is not False:
                        start_response(status, whole[0])
                        return [whole[1]]
                response = _Page(self._injection, environ, start_response, response)
            return response.settle(result)
        if response is False and type(result) is not GeneratorType:
            leave(token)
            return result

        def current() -> _Page | None:
            nonlocal response
            response = self._begun(environ, start_response, response)
            return response or None

        return _Body(result, current, token)

    def _begun(
        self, environ: WSGIEnvironment, start_response: StartResponse, response: Response
    ) -> _Page | Literal[False] | None:
        """Return *response* with a page that waits put on its way."""
        if isinstance(response, tuple):
            return _Page(self._injection, environ, start_response, response)
        return response

    def _tag_for(self, environ: WSGIEnvironment, found: Page, headers: Headers) -> bytes | None:
        if found.is_plain and self._injects_always and environ.get(INJECT_KEY) is not False:
            return self._injection.tag
        if not self.site.wants_tag(environ):
            return None
        return self._injection.tag_for(found, headers, lambda: _origin(environ))


class _Page(Rewriting):
    """A page between the app and the server; its headers wait for its first bytes."""

    is_committed = False

    def __init__(
        self,
        injection: Injection,
        environ: WSGIEnvironment,
        start_response: StartResponse,
        waiting: Waiting,
    ) -> None:
        self._status, headers, found, tag, self._exc_info = waiting
        super().__init__(injection, found, headers, tag)
        self._environ = environ
        self._start_response = start_response

    def heed_view(self) -> None:
        """Leave the page alone if the view said so while it was rendered; before the first `feed`."""
        if not self.is_committed and self._environ.get(INJECT_KEY) is False:
            self.skip()

    def commit(self, length: int | None = None) -> Write:
        """Call the server's start_response, once; *length* is that of the whole page if known."""
        if not self.is_committed:
            self.is_committed = True
            headers = self.headers(length)
            exc_info, self._exc_info = self._exc_info, None
            if exc_info is None:
                self._write: Write = self._start_response(self._status, headers)
            else:
                self._write = self._start_response(self._status, headers, exc_info)
        return self._write

    def write(self, data: bytes) -> None:
        """The callable that start_response returns to the app (PEP 3333, "The write() Callable")."""
        self.heed_view()
        out = self.feed(data)
        self.commit()(out)

    def settle(self, items: list[bytes] | tuple[bytes, ...]) -> list[bytes]:
        """Return the whole of a body that is all there, as many items as the app's: servers count them."""
        self.heed_view()
        out = [self.feed(item) for item in items]
        tail = self.close()
        if tail:
            out[-1:] = [b"".join((*out[-1:], tail))]
        self.commit(sum(map(len, out)))
        return out


class _Body:
    """The app's iterable, one item out per item in; the visit is the current one until it is closed."""

    __slots__ = ("_page", "_result", "_token")

    def __init__(
        self, result: Iterable[bytes], page: Callable[[], _Page | None], token: Token[Visit]
    ) -> None:
        self._result = result
        self._page = page
        self._token = token

    def __iter__(self) -> Iterator[bytes]:
        items = iter(self._result)
        for item in items:
            page = self._page()
            if page is None:  # not ours to touch
                yield item
            else:
                page.heed_view()
                out = page.feed(item)
                page.commit()
                yield out
            if page is None or page.is_settled:
                # `chain` has no close(): the app's is called by ours, once, and not by the generator as well
                yield from chain(items)
        page = self._page()
        if page is not None:
            tail = page.close()
            page.commit()
            if tail:
                yield tail

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

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
from typing import TYPE_CHECKING, Any

from dub_middleware.capture import query_click_id
from dub_middleware.config import Config
from dub_middleware.inject import Headers, Injection, Page, Rewriting, page, with_cookies, with_weak_validator
from dub_middleware.site import INJECT_KEY, Site
from dub_middleware.visit import ENVIRON_KEY, Visit, enter, leave

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    Write = Callable[[bytes], object]
    # a page whose headers wait for its first bytes: status, headers, what they say, the tag, exc_info
    Pending = tuple[str, Headers, Page, bytes, Any]

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
        if self._prefix in path and path.startswith(self._prefix):
            return self._answer(environ, start_response, path[len(self._prefix) :])
        if ENVIRON_KEY in environ:  # another one is around us and does it all
            return self.app(environ, start_response)
        visit = environ[ENVIRON_KEY] = Visit(environ, self.config)
        query: str | None = environ.get("QUERY_STRING")
        brings_click = query and query_click_id(query) is not None
        pending: Pending | None = None
        answer: _Answer | None = None
        is_started = False

        def begin(status: str, headers: Headers, exc_info: Any = None) -> Write:
            nonlocal pending, answer, is_started
            is_told = False
            if is_started:
                if exc_info is None and pending is not None:
                    raise AssertionError("start_response was called a second time without exc_info")
                is_told = pending is None or (answer is not None and answer.is_committed)
            is_started = True
            pending = answer = None
            try:
                if brings_click and visit.capture.cookies:
                    headers = with_cookies(headers, visit.capture.cookies)
                found = page(status, headers)
                if found is not None:
                    tag = self._tag_for(environ, found, headers)
                    if tag is not None:
                        pending = status, headers, found, tag, exc_info
                elif status != "200 OK" and status[:3] == "304":
                    headers = with_weak_validator(headers, environ.get("HTTP_IF_NONE_MATCH", ""))
            except Exception:
                logger.exception("A response passes as it is.")
            if pending is None:
                if exc_info is None:
                    return start_response(status, headers)
                return start_response(status, headers, exc_info)
            waiting = pending
            if environ["REQUEST_METHOD"] == "HEAD":
                pending = None
                return _Answer(self._injection, environ, start_response, waiting).commit()

            def write(data: bytes) -> None:
                nonlocal answer
                answer = answer or _Answer(self._injection, environ, start_response, waiting)
                answer.write(data)

            if is_told:  # it is the server that knows whether the first headers are out
                answer = _Answer(self._injection, environ, start_response, waiting)
                answer.commit()
            return write

        token = enter(visit)
        try:
            result = self.app(environ, begin)
        except BaseException:
            leave(token)
            raise
        if type(result) is list or type(result) is tuple:
            leave(token)
            if pending is None:
                return result
            if answer is None and len(result) == 1:
                at_once = self._at_once(environ, start_response, pending, result[0])
                if at_once is not None:
                    return at_once
            answer = answer or _Answer(self._injection, environ, start_response, pending)
            return answer.settle(result)
        if pending is None and is_started and type(result) is not GeneratorType:
            leave(token)
            return result

        def current() -> _Answer | None:
            """Return the page on its way, None when the response is not ours to touch."""
            nonlocal answer
            if answer is None and pending is not None:
                answer = _Answer(self._injection, environ, start_response, pending)
            return answer

        return _Body(result, current, token)

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse, tail: str) -> Iterable[bytes]:
        """Answer for the script and the relay; nothing below `Config.path` reaches the app."""
        status, headers, body = self.site.answer(environ, tail, environ["wsgi.input"])
        start_response(status, headers)
        return [body]

    def _tag_for(self, environ: WSGIEnvironment, found: Page, headers: Headers) -> bytes | None:
        if found.is_plain and self._injects_always and environ.get(INJECT_KEY) is not False:
            return self._injection.tag
        if not self.site.wants_tag(environ):
            return None
        return self._injection.tag_for(found, headers, lambda: _origin(environ))

    def _at_once(
        self, environ: WSGIEnvironment, start_response: StartResponse, pending: Pending, data: bytes
    ) -> list[bytes] | None:
        """Answer with a page of one item that begins as a known one does; None when it has to be scanned."""
        status, headers, found, _, exc_info = pending
        if not found.is_plain or exc_info is not None or environ.get(INJECT_KEY) is False:
            return None
        try:
            whole = self._injection.at_once(found, headers, data)
        except Exception:
            logger.exception("A page passes as it is.")
            return None
        if whole is None:
            return None
        headers, out = whole
        start_response(status, headers)
        return [out]


class _Answer(Rewriting):
    """A page between the app and the server; its headers wait for its first bytes."""

    is_committed = False

    def __init__(
        self,
        injection: Injection,
        environ: WSGIEnvironment,
        start_response: StartResponse,
        pending: Pending,
    ) -> None:
        self._status, headers, found, tag, self._exc_info = pending
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

    __slots__ = ("_answer", "_result", "_token")

    def __init__(
        self, result: Iterable[bytes], answer: Callable[[], _Answer | None], token: Token[Visit]
    ) -> None:
        self._result = result
        self._answer = answer
        self._token = token

    def __iter__(self) -> Iterator[bytes]:
        items = iter(self._result)
        for item in items:
            answer = self._answer()
            if answer is None:
                yield item
            else:
                answer.heed_view()
                out = answer.feed(item)
                answer.commit()
                yield out
            if answer is None or answer.is_settled:
                # `chain` has no close(): the app's is called by ours, once, and not by the generator as well
                yield from chain(items)
        answer = self._answer()
        if answer is not None:
            tail = answer.close()
            answer.commit()
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


def _origin(environ: WSGIEnvironment) -> str:
    host = environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
    return f"{environ['wsgi.url_scheme']}://{host}"

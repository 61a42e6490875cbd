"""The middleware for ASGI apps: pure ASGI, so that streams stream and context variables reach the app."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from dub_middleware.config import Config
from dub_middleware.inject import Headers, Rewriting, page, with_cookies, with_weak_validator
from dub_middleware.site import INJECT_KEY, Site
from dub_middleware.visit import ENVIRON_KEY, Visit, enter, environ_of_scope, leave

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

#: bytes of a request body that are read for the relay, which refuses more than 16 KiB
_MOST = 16 * 1024 + 1

logger = logging.getLogger("dub_middleware")


class DubMiddleware:
    """Wrap an ASGI app: keep the click id, put the script into its pages, serve both from its own origin.

    *options* are the fields of `Config`; they are laid over *config*, or without one over the
    environment. Callables among them get the WSGI view of the request. Websockets and lifespan pass by.

    Raises:
        ConfigError: an option is unknown or wrong.
    """

    def __init__(self, app: ASGIApp, config: Config | None = None, **options: Any) -> None:
        self.app = app
        self.site = Site(Config.of(config, options))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or ENVIRON_KEY in scope:  # another one is around us and does it all
            await self.app(scope, receive, send)
            return
        environ = environ_of_scope(scope)
        path, root = scope["path"], scope.get("root_path", "")
        if not path.startswith(root):  # servers of before ASGI 2.5 leave it out
            path = root + path
        if path.startswith(self.site.prefix):
            await self._answer(environ, path[len(self.site.prefix) :], receive, send)
            return
        visit = Visit(environ, self.site.config)
        scope = {**scope, ENVIRON_KEY: visit}
        response = _Response(self.site, environ, scope, visit, send)
        token = enter(visit)
        try:
            await self.app(scope, receive, response.send)
        finally:
            leave(token)

    async def _answer(self, environ: dict[str, Any], tail: str, receive: Receive, send: Send) -> None:
        body = io.BytesIO(await _read(receive) if environ["REQUEST_METHOD"] == "POST" else b"")
        status, headers, content = await asyncio.to_thread(self.site.answer, environ, tail, body)
        await send({"type": "http.response.start", "status": int(status[:3]), "headers": _as_bytes(headers)})
        await send({"type": "http.response.body", "body": content})


class _Response:
    """A response between the app and the server; a page's start waits for its first bytes."""

    def __init__(self, site: Site, environ: dict[str, Any], scope: Scope, visit: Visit, send: Send) -> None:
        self._site = site
        self._environ = environ
        self._scope = scope
        self._visit = visit
        self._send = send
        self._start: Message | None = None
        self._page: Rewriting | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._begin(message)
        elif self._page is None:
            await self._send(message)
        elif message["type"] == "http.response.body":
            await self._body(self._page, message)
        else:
            await self._commit(self._page)  # what else may come says nothing about the bytes of the page
            await self._send(message)

    async def _begin(self, message: Message) -> None:
        try:
            message = self._stored(message)
            self._page = self._rewriting(message)
        except Exception:
            logger.exception("A response passes as it is.")
        if self._page is None:
            await self._send(message)
            return
        self._start = message
        if self._environ["REQUEST_METHOD"] == "HEAD":
            await self._commit(self._page)
            self._page = None

    async def _body(self, rewriting: Rewriting, message: Message) -> None:
        if self._start is not None and self._scope.get(INJECT_KEY) is False:
            rewriting.skip()
        is_last = not message.get("more_body", False)
        body = rewriting.feed(message.get("body", b""))
        if is_last:
            body += rewriting.close()
        await self._commit(rewriting, len(body) if is_last else None)
        await self._send({**message, "body": body})

    async def _commit(self, rewriting: Rewriting, length: int | None = None) -> None:
        """Send the start, once; *length* is that of the whole page where one message brought it all."""
        start, self._start = self._start, None
        if start is not None:
            await self._send({**start, "headers": _as_bytes(rewriting.headers(length))})

    def _stored(self, message: Message) -> Message:
        """Return the start of the response with what it must store."""
        cookies = self._visit.capture.cookies if self._environ["QUERY_STRING"] else ()
        if not cookies and message["status"] != 304:
            return message
        headers = _as_text(message.get("headers", ()))
        if message["status"] == 304:
            headers = with_weak_validator(headers, self._environ.get("HTTP_IF_NONE_MATCH", ""))
        if cookies:
            headers = with_cookies(headers, cookies)
        return {**message, "headers": _as_bytes(headers)}

    def _rewriting(self, message: Message) -> Rewriting | None:
        headers = _as_text(message.get("headers", ()))
        found = page(str(message["status"]), headers)
        if found is None or not self._site.wants_tag({**self._environ, **self._opt_out()}):
            return None
        tag = self._site.injection.tag_for(found, headers, self._origin)
        return None if tag is None else Rewriting(self._site.injection, found, headers, tag)

    def _opt_out(self) -> dict[str, Any]:
        return {INJECT_KEY: self._scope[INJECT_KEY]} if INJECT_KEY in self._scope else {}

    def _origin(self) -> str:
        return f"{self._environ['wsgi.url_scheme']}://{self._environ.get('HTTP_HOST', '')}"


async def _read(receive: Receive) -> bytes:
    body = b""
    while len(body) < _MOST:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return body[:_MOST]


def _as_text(headers: Any) -> Headers:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]


def _as_bytes(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]

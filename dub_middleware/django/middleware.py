"""The middleware for Django, sync and async: the WSGI class's work on Django's own requests and responses."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from http.cookies import Morsel
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from dub_middleware.django import conf
from dub_middleware.django.nonce import nonce_of
from dub_middleware.django.request import DubRequest
from dub_middleware.inject import Headers, Rewriting, page, with_cookies, with_weak_validator
from dub_middleware.visit import ENVIRON_KEY, Visit, enter, leave

logger = logging.getLogger("dub_middleware")


class DubMiddleware:
    """Give views ``request.dub``, keep the click id, put the script into pages, and serve it.

    Raises:
        ConfigError: ``settings.DUB`` is wrong.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.site = conf.site()
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)
        if self.site.config.nonce is not None and self.site.config.inject is not False:
            # Django looks for this name on the object, and calls it in the handler's own mode
            self.process_view = _aclaim_nonce if self.is_async else _claim_nonce

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self.is_async:
            return self.__acall__(request)
        if request.path.startswith(self.site.prefix):
            return self._answer(request)
        if _is_wrapped(request):
            return self.get_response(request)  # type: ignore[no-any-return]
        visit = self._begin(request)
        token = enter(visit)
        try:
            response = self.get_response(request)
        finally:
            leave(token)
        return self._finish(request, response, visit)

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path.startswith(self.site.prefix):
            return await sync_to_async(self._answer, thread_sensitive=False)(request)
        if _is_wrapped(request):
            return await self.get_response(request)  # type: ignore[no-any-return]
        visit = self._begin(request)
        token = enter(visit)
        try:
            response = await self.get_response(request)
        finally:
            leave(token)
        return self._finish(request, response, visit)

    def _begin(self, request: HttpRequest) -> DubRequest:
        visit = DubRequest(_environ(request), self.site.config)
        request.META[ENVIRON_KEY] = visit
        request.dub = visit  # type: ignore[attr-defined]
        return visit

    def _answer(self, request: HttpRequest) -> HttpResponse:
        tail = request.path[len(self.site.prefix) :]
        status, headers, body = self.site.answer(_environ(request), tail, request)
        response = HttpResponse(body, status=int(status[:3]))
        _set_headers(response, [header for header in headers if header[0] != "Set-Cookie"])
        _set_cookies(response, [value for name, value in headers if name == "Set-Cookie"])
        return response

    def _finish(self, request: HttpRequest, response: HttpResponseBase, visit: Visit) -> HttpResponseBase:
        """Put cookies and the script into *response*; a failure of ours leaves it as it is."""
        try:
            cookies = visit.capture.cookies
            if cookies:
                _set_headers(response, with_cookies(list(response.items()), ()))
                _set_cookies(response, cookies)
            self._inject(request, response)
        except Exception:
            logger.exception("A response passes as it is.")
        return response

    def _inject(self, request: HttpRequest, response: HttpResponseBase) -> None:
        status, headers = f"{response.status_code} {response.reason_phrase}", list(response.items())
        if response.status_code == 304:
            _set_headers(response, with_weak_validator(headers, request.META.get("HTTP_IF_NONE_MATCH", "")))
            return
        found = page(status, headers)
        if found is None or not self.site.wants_tag(request.META):
            return
        tag = self.site.injection.tag_for(found, headers, lambda: f"{request.scheme}://{request.get_host()}")
        nonce = nonce_of(request) if self.site.config.nonce and not found.has_policies else None
        if nonce:
            tag = self.site.script.tag(nonce)
        if tag is None:
            return
        rewriting = Rewriting(self.site.injection, found, headers, tag)
        if isinstance(response, StreamingHttpResponse):
            _stream(response, rewriting)
        elif isinstance(response, HttpResponse):
            body = rewriting.feed(response.content) + rewriting.close()
            if rewriting.is_injected:
                response.content = body
                _set_headers(response, rewriting.headers(len(body)))


def _is_wrapped(request: HttpRequest) -> bool:
    """Whether the WSGI or ASGI class is around Django and does it all; then its visit is the request's."""
    outer = request.META.get(ENVIRON_KEY) or getattr(request, "scope", {}).get(ENVIRON_KEY)
    if outer is None:
        return False
    request.META[ENVIRON_KEY] = request.dub = DubRequest.of(outer)  # type: ignore[attr-defined]
    return True


def _claim_nonce(request: HttpRequest, *_: Any) -> None:
    """Ask for the nonce before the view: a middleware below ours writes the policy before we see the page."""
    nonce_of(request)


async def _aclaim_nonce(request: HttpRequest, *_: Any) -> None:
    nonce_of(request)


class _Ready(Morsel):  # type: ignore[type-arg]
    """A cookie that is written already: Django asks for its text only."""

    def __init__(self, text: str) -> None:
        super().__init__()
        name, _, rest = text.partition("=")
        value = rest.partition(";")[0]
        self.set(name, value, value)
        self._text = text

    def OutputString(self, attrs: Any = None) -> str:
        return self._text


def _environ(request: HttpRequest) -> dict[str, Any]:
    """Return the request's WSGI environ, with the scheme as Django's proxy settings make it."""
    return {**request.META, "REQUEST_METHOD": request.method, "wsgi.url_scheme": request.scheme}


def _set_headers(response: HttpResponseBase, headers: Headers) -> None:
    kept = {name.lower() for name, _ in headers}
    for name in [name for name, _ in response.items() if name.lower() not in kept]:
        del response[name]
    for name, value in headers:
        response[name] = value


def _set_cookies(response: HttpResponseBase, cookies: Any) -> None:
    for index, text in enumerate(cookies):
        # two cookies of one name and different scope have no place in a dictionary by name
        key = text.partition("=")[0] if index == 0 else f"{text.partition('=')[0]};{index}"
        dict.__setitem__(response.cookies, key, _Ready(text))


def _stream(response: StreamingHttpResponse, rewriting: Rewriting) -> None:
    content = response.streaming_content
    response.streaming_content = (
        _rewritten_async(content, rewriting) if response.is_async else _rewritten(content, rewriting)  # type: ignore[arg-type]
    )
    # nothing was sent yet and the decision is open: what speaks of the old bytes has to go
    _set_headers(response, rewriting.headers())


def _rewritten(content: Iterator[bytes], rewriting: Rewriting) -> Iterator[bytes]:
    for item in content:
        yield rewriting.feed(item)
    if tail := rewriting.close():
        yield tail


async def _rewritten_async(content: AsyncIterator[bytes], rewriting: Rewriting) -> AsyncIterator[bytes]:
    async for item in content:
        yield rewriting.feed(item)
    if tail := rewriting.close():
        yield tail

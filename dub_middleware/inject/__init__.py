"""Put the script's tag into HTML responses: bytes and headers in, bytes and headers out.

Free of protocols: no WSGI, no ASGI, no framework. An adapter makes one `Injection`. For each response it asks
`page` whether this may be one and `Injection.tag_for` for its tag, feeds the body through a `Rewriting`, and
sends `Rewriting.headers` with the first bytes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from dub_middleware.inject.coding import CODINGS, Recoder
from dub_middleware.inject.csp import permission
from dub_middleware.inject.eligible import NOT_HTML, Headers, Page, page
from dub_middleware.inject.headers import with_cookies, with_weak_validator
from dub_middleware.inject.injector import Beginnings, Injector

__all__ = [
    "NOT_HTML",
    "Headers",
    "Injection",
    "Page",
    "Rewriting",
    "page",
    "with_cookies",
    "with_weak_validator",
]

logger = logging.getLogger("dub_middleware")


class Injection:
    """How one middleware puts its tag into pages; shared by all requests and threads.

    *tag* builds the tag for a nonce or None; *src* is the URL in it; *marker* is what a tag that the template
    already has contains.
    """

    def __init__(
        self, tag: Callable[[str | None], bytes], src: str, *, marker: bytes = b"", use_nonce: bool = True
    ) -> None:
        self._build = tag
        #: for pages without a policy
        self.tag = tag(None)
        self._src = src
        self._use_nonce = use_nonce
        self._warned: set[str] = set()
        self.marker = marker
        self.beginnings = Beginnings(marker)

    def tag_for(self, page: Page, headers: Headers, origin: Callable[[], str]) -> bytes | None:
        """Return the tag that *page* is to get, or None when it must go without: then the log says why, once.

        *origin* is asked for ``scheme://host[:port]`` when there is a policy to read.
        """
        if page.coding and page.coding not in CODINGS:
            self._warn(
                f"coding {page.coding}",
                "A page with Content-Encoding %r goes out without the script: only gzip and deflate can be "
                "opened here. Wrap the app before it is compressed, or compress in front of the app server.",
                page.coding,
            )
            return None
        if not page.has_policies:
            return self.tag
        permitted = permission(page.policies(headers), self._src, origin(), use_nonce=self._use_nonce)
        if permitted.is_allowed:
            return self._build(permitted.nonce) if permitted.nonce else self.tag
        self._warn(
            "policy",
            "The Content-Security-Policy of a page blocks %s, so the page goes out without the script. "
            "Let the policy say: %s",
            self._src,
            permitted.advice,
        )
        return None

    def _warn(self, about: str, message: str, *args: object) -> None:
        """Log once per process and subject."""
        if about not in self._warned and len(self._warned) < 16:
            self._warned.add(about)
            logger.warning(message, *args)


class Rewriting:
    """One page on its way: `feed` its bytes in order, then `close`; `headers` with the first bytes.

    *tag* is what `Injection.tag_for` returned for the page.
    """

    _stream: Injector | Recoder | None = None
    #: decided: all further bytes may bypass `feed`
    is_settled = False
    #: the bytes returned so far are not the app's
    is_injected = False

    def __init__(self, injection: Injection, page: Page, headers: Headers, tag: bytes) -> None:
        self._injection = injection
        self._page = page
        self._headers = headers
        self._tag = tag

    def feed(self, data: bytes) -> bytes:
        """Return what may be sent for *data*; empty while a token is incomplete.

        A failure of ours is logged, and the page goes on without the script.
        """
        if self.is_settled:
            return data
        try:
            if self._stream is None:
                if self._page.is_plain:
                    injection = self._injection
                    out = injection.beginnings.insert(data, self._tag)
                    if out is not None:
                        self.is_settled = True
                        self.is_injected = out is not data
                        return out
                self._stream = self._new_stream()
            return self._through(self._stream, data)
        except Exception:
            logger.exception("A page goes on without the script.")
            self.is_settled = True
            return data

    def close(self) -> bytes:
        """Return the bytes that were still held; the page has ended."""
        self.is_settled = True
        try:
            return self._stream.close() if self._stream is not None else b""
        except Exception:
            logger.exception("A page ends without the script.")
            return b""

    def skip(self) -> None:
        """Leave the rest of the page alone."""
        self.is_settled = True

    def headers(self, length: int | None = None) -> Headers:
        """Return the headers that go with what is known by now; best asked after the first `feed`.

        The page is untouched: the app's own list. It has the tag: Content-Length follows. Undecided:
        Content-Length is removed. *length* is that of the whole page, for one that was fed completely.
        """
        page = self._page
        if self.is_settled and not self.is_injected:
            return self._headers
        if length is None and self.is_settled and not page.coding:
            announced = page.length(self._headers)
            length = None if announced is None else announced + len(self._tag)
        return page.rewritten(self._headers, length)

    def _through(self, stream: Injector | Recoder, data: bytes) -> bytes:
        out = stream.feed(data)
        self.is_settled = stream.settled
        self.is_injected = stream.injected
        return out

    def _new_stream(self) -> Injector | Recoder:
        injection, page = self._injection, self._page
        injector = Injector(
            self._tag,
            marker=injection.marker,
            sniffed=not page.has_charset,
            beginnings=injection.beginnings if page.is_plain else None,
        )
        return Recoder(injector, page.coding) if page.coding else injector

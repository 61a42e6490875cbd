"""Put the script's tag into HTML responses: bytes and headers in, bytes and headers out.

Free of protocols: no WSGI, no ASGI, no framework. An adapter makes one `Injection`, asks it to `begin` each
response, feeds the body through the `Rewriting` it gets, and sends `Rewriting.headers` with the first bytes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from dub_middleware.inject.coding import CODINGS, Recoder
from dub_middleware.inject.csp import permission
from dub_middleware.inject.eligible import Headers, Page, page
from dub_middleware.inject.headers import with_cookies, with_weak_validator
from dub_middleware.inject.injector import Injector, Prefixes

__all__ = ["Headers", "Injection", "Injector", "Prefixes", "Rewriting", "with_cookies", "with_weak_validator"]

logger = logging.getLogger("dub_middleware")


class Rewriting:
    """One page on its way: `feed` its bytes in order, then `close`."""

    __slots__ = ("_added", "_page", "_stream", "close", "feed")

    def __init__(self, page: Page, tag: bytes, stream: Injector | Recoder) -> None:
        self._page = page
        self._added = 0 if page.coding else len(tag)
        self._stream = stream
        #: bytes in, bytes out; empty while a token is incomplete
        self.feed = stream.feed
        #: the bytes that were still held when the page ended
        self.close = stream.close

    @property
    def is_settled(self) -> bool:
        """Decided, and all further bytes may bypass `feed`."""
        return self._stream.settled

    def headers(self, *, length: int | None = None) -> Headers:
        """Return the headers that go with what is known by now; best asked after the first `feed`.

        The page is untouched: the app's own list. It has the tag: Content-Length follows. Undecided:
        Content-Length is removed. *length* is that of the whole page, for one that was fed completely.
        """
        page, stream = self._page, self._stream
        if stream.settled and not stream.injected:
            return page.headers
        if length is None and stream.settled and self._added:
            announced = page.length
            length = None if announced is None else announced + self._added
        return page.rewritten(length)


class Injection:
    """How one middleware puts its tag into pages; shared by all requests and threads.

    *tag* builds the tag for a nonce or None; *src* is the URL in it; *marker* is what a tag that the template
    already has contains.
    """

    def __init__(
        self, tag: Callable[[str | None], bytes], src: str, *, marker: bytes = b"", use_nonce: bool = True
    ) -> None:
        self._build = tag
        self._tag = tag(None)
        self._src = src
        self._marker = marker
        self._use_nonce = use_nonce
        self._prefixes = Prefixes()
        self._warned: set[str] = set()

    def begin(self, status: str, headers: Headers, origin: Callable[[], str]) -> Rewriting | None:
        """Return the rewriting of a response that may be a page, or None to leave it alone.

        *status* is like ``"200 OK"``; *origin* is asked for ``scheme://host[:port]`` when a policy is there.
        """
        found = page(status, headers)
        if found is None:
            return None
        if found.coding and found.coding not in CODINGS:
            self._warn(
                f"coding {found.coding}",
                "A page with Content-Encoding %r goes out without the script: only gzip and deflate can be "
                "opened here. Wrap the app before it is compressed, or compress in front of the app server.",
                found.coding,
            )
            return None
        tag = self._tag
        if found.policies:
            nonced = self._nonced(found.policies, origin())
            if nonced is None:
                return None
            tag = nonced
        injector = Injector(tag, marker=self._marker, sniffed=not found.has_charset, prefixes=self._prefixes)
        return Rewriting(found, tag, Recoder(injector, found.coding) if found.coding else injector)

    def _nonced(self, policies: list[str], origin: str) -> bytes | None:
        permitted = permission(policies, self._src, origin, use_nonce=self._use_nonce)
        if permitted.is_allowed:
            return self._build(permitted.nonce) if permitted.nonce else self._tag
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

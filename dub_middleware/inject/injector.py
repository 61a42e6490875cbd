"""Put one tag into one stream of HTML: bytes in, bytes out, nothing held but an unfinished token."""

from __future__ import annotations

from dub_middleware.inject.charset import behind_late_charset
from dub_middleware.inject.scanner import Scanner, Verdict

#: how far behind the place a tag that the template already has is looked for; bytes.find is the dearest
#: step of all, and the script itself does not run twice
MARKER_WINDOW = 2048

#: below this, two copies of the page cost less than setting up one
_COPY_TWICE = 8192


class Prefixes:
    """Remember how the last few pages began: pages of one template share the bytes that decide.

    Sound because a verdict depends on nothing behind the decisive token. Shared by all threads: the tuple
    is replaced as a whole.
    """

    __slots__ = ("known",)
    LIMIT = 8
    MAX_BYTES = 1024

    def __init__(self) -> None:
        #: bytes up to and including the decisive token, and the offset of the place among them
        self.known: tuple[tuple[bytes, int], ...] = ()

    def add(self, prefix: bytes, at: int) -> None:
        if len(prefix) <= self.MAX_BYTES:
            self.known = ((prefix, at), *self.known[: self.LIMIT - 1])


class Injector:
    """Add *tag* where the head of one page begins.

    *marker* is what a tag already present contains (empty: do not look). *sniffed* says that the browser has
    to find the charset in the page, whose ``<meta charset>`` must then stay within the first 1024 bytes.
    """

    __slots__ = ("_held", "_marker", "_prefixes", "_scanner", "_sniffed", "_tag", "injected", "settled")

    def __init__(
        self, tag: bytes, *, marker: bytes = b"", sniffed: bool = False, prefixes: Prefixes | None = None
    ) -> None:
        self._tag = tag
        self._marker = marker
        self._sniffed = sniffed
        self._prefixes = prefixes
        self._scanner: Scanner | None = None
        self._held = b""
        #: decided: all further bytes may bypass `feed`
        self.settled = False
        #: the tag is in the bytes returned so far
        self.injected = False

    def feed(self, data: bytes) -> bytes:
        """Return what may be sent for *data*; empty while the first token is incomplete."""
        if self.settled:
            return data
        if self._scanner is None:
            if self._prefixes is not None and not self._sniffed:
                for prefix, at in self._prefixes.known:
                    if data.startswith(prefix):
                        return self._insert(data, at)
            self._scanner = Scanner()
        return self._scan(data)

    def close(self) -> bytes:
        """Return what is still held; the page has ended."""
        held, self._held = self._held, b""
        self.settled = True
        return held

    def _scan(self, data: bytes) -> bytes:
        scanner = self._scanner
        assert scanner is not None
        is_first = scanner.is_fresh
        if self._held:
            data = self._held + data
        verdict = scanner.scan(data)
        if verdict is Verdict.MORE:
            self._held = data[scanner.at :]
            return data[: scanner.at]
        self._held = b""
        self.settled = True
        if verdict is Verdict.LEAVE:
            return data
        if self._sniffed:
            return self._insert(data, behind_late_charset(data, scanner.at, len(self._tag)))
        if is_first and self._prefixes is not None:
            self._prefixes.add(data[: scanner.end], scanner.at)
        return self._insert(data, scanner.at)

    def _insert(self, data: bytes, at: int) -> bytes:
        self.settled = True
        if self._marker and data.find(self._marker, at, at + MARKER_WINDOW) >= 0:
            return data
        self.injected = True
        if len(data) < _COPY_TWICE:
            return data[:at] + self._tag + data[at:]
        return b"".join((data[:at], self._tag, memoryview(data)[at:]))

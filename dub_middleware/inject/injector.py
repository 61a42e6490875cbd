"""Put one tag into one stream of HTML: bytes in, bytes out, nothing held but an unfinished token."""

from __future__ import annotations

from dub_middleware.inject.charset import behind_late_charset
from dub_middleware.inject.scanner import Scanner, Verdict

#: how far behind the place a tag that the template already has is looked for: bytes.find is the dearest
#: step of all, and the script itself does not run twice
MARKER_WINDOW = 1024

#: below this, two copies of the page cost less than setting up one
_COPY_TWICE = 8192


class Beginning:
    """How pages of one template begin: the bytes that decide, and the place among them.

    Sound because a verdict depends on nothing behind the decisive token.
    """

    __slots__ = ("_clean", "_start", "at", "prefix")

    def __init__(self, prefix: bytes, at: int) -> None:
        #: everything up to and including the decisive token
        self.prefix = prefix
        self.at = at
        self._clean: bytes | None = None  # the start of the last page that had no tag of its own
        self._start: tuple[bytes, bytes] = (b"", b"")  # the last tag, and the bytes up to its end

    def insert(self, data: bytes, tag: bytes, marker: bytes) -> bytes:
        """Return *data*, a page that begins so, with *tag*; the same object when it has one already."""
        at = self.at
        if self._clean is None or not data.startswith(self._clean):
            end = at + MARKER_WINDOW
            if marker and data.find(marker, at, end) >= 0:
                return data
            if len(data) >= end:
                self._clean = data[:end]
        last, start = self._start
        if tag is not last:
            start = data[:at] + tag
            self._start = tag, start
        if len(data) < _COPY_TWICE:
            return start + data[at:]
        return b"".join((start, memoryview(data)[at:]))


class Beginnings:
    """Remember how the last few pages began; shared by all threads, the tuple is replaced as a whole."""

    __slots__ = ("known",)
    LIMIT = 8
    MAX_BYTES = 1024

    def __init__(self) -> None:
        self.known: tuple[Beginning, ...] = ()

    def add(self, beginning: Beginning) -> None:
        """Remember *beginning* in the place of the oldest one."""
        if len(beginning.prefix) <= self.MAX_BYTES:
            self.known = (beginning, *self.known[: self.LIMIT - 1])


class Injector:
    """Add *tag* where the head of one page begins.

    *marker* is what a tag already present contains (empty: do not look). *sniffed* says that the browser has
    to find the charset in the page, whose ``<meta charset>`` must then stay within the first 1024 bytes.
    *beginnings* learns how the page began.
    """

    __slots__ = ("_beginnings", "_held", "_marker", "_scanner", "_sniffed", "_tag", "injected", "settled")

    def __init__(
        self, tag: bytes, *, marker: bytes = b"", sniffed: bool = False, beginnings: Beginnings | None = None
    ) -> None:
        self._tag = tag
        self._marker = marker
        self._sniffed = sniffed
        self._beginnings = beginnings
        self._scanner = Scanner()
        self._held = b""
        #: decided: all further bytes may bypass `feed`
        self.settled = False
        #: the tag is in the bytes returned so far
        self.injected = False

    def feed(self, data: bytes) -> bytes:
        """Return what may be sent for *data*; empty while the first token is incomplete."""
        if self.settled:
            return data
        scanner = self._scanner
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
        beginning = Beginning(data[: scanner.end], scanner.at)
        if self._sniffed:
            beginning.at = behind_late_charset(data, scanner.at, len(self._tag))
        elif is_first and self._beginnings is not None:
            self._beginnings.add(beginning)
        out = beginning.insert(data, self._tag, self._marker)
        self.injected = out is not data
        return out

    def close(self) -> bytes:
        """Return what is still held; the page has ended."""
        held, self._held = self._held, b""
        self.settled = True
        return held

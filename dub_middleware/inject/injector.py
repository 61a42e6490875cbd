"""Put one tag into one stream of HTML: bytes in, bytes out, nothing held but an unfinished token."""

from __future__ import annotations

from dub_middleware.inject.charset import behind_late_charset
from dub_middleware.inject.scanner import Scanner, Verdict

#: how far behind the place a tag that the template already has is looked for; the script does not run twice
MARKER_WINDOW = 1024


def has_tag(data: bytes, at: int, marker: bytes) -> bool:
    """Return whether *marker*, which every tag contains, stands soon behind *at*; never for an empty one."""
    return bool(marker) and marker in data[at : at + MARKER_WINDOW]


class Beginning:
    """How pages of one template begin: the bytes that decide, and the place among them.

    Sound because a verdict depends on nothing behind the decisive token.
    """

    __slots__ = ("at", "last", "prefix", "until")

    def __init__(self, prefix: bytes, at: int) -> None:
        #: everything up to and including the decisive token
        self.prefix = prefix
        self.at = at
        #: how far a tag that the template already has is looked for
        self.until = at + MARKER_WINDOW
        #: a tag, and the prefix with that tag in it
        self.last = b"", prefix

    def tagged(self, tag: bytes) -> bytes:
        """Return the prefix with *tag* in it."""
        at, prefix = self.at, self.prefix
        self.last = tag, prefix[:at] + tag + prefix[at:]
        return self.last[1]


class Beginnings:
    """Remember how the last few pages began; shared by all threads, the tuple is replaced as a whole."""

    __slots__ = ("_marker", "_seldom", "known")
    LIMIT = 8
    MAX_BYTES = 1024

    def __init__(self, marker: bytes = b"") -> None:
        self.known: tuple[Beginning, ...] = ()
        self._marker = marker
        # one byte is found many times as fast as several; `_` is in most markers and seldom in markup
        self._seldom = ord("_") if b"_" in marker else marker[0] if marker else 0

    def add(self, beginning: Beginning) -> None:
        """Remember *beginning* in the place of the oldest one."""
        if len(beginning.prefix) <= self.MAX_BYTES:
            self.known = (beginning, *self.known[: self.LIMIT - 1])

    def insert(self, data: bytes, tag: bytes) -> bytes | None:
        """Return *data* with *tag*, the same object when it has one already; None if its beginning is new."""
        for beginning in self.known:
            prefix = beginning.prefix
            size = len(prefix)
            if data[:size] == prefix:  # startswith() takes longer to read its arguments
                at = beginning.at
                if self._seldom in data[at : beginning.until] and has_tag(data, at, self._marker):
                    return data
                last, tagged = beginning.last
                if last is not tag:
                    tagged = beginning.tagged(tag)
                return data.replace(prefix, tagged, 1)  # with a single copy of the page
        return None


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
        at = scanner.at
        if self._sniffed:
            at = behind_late_charset(data, at, len(self._tag))
        elif is_first and self._beginnings is not None:
            self._beginnings.add(Beginning(data[: scanner.end], at))
        if has_tag(data, at, self._marker):
            return data
        self.injected = True
        return b"".join((data[:at], self._tag, memoryview(data)[at:]))

    def close(self) -> bytes:
        """Return what is still held; the page has ended."""
        held, self._held = self._held, b""
        self.settled = True
        return held

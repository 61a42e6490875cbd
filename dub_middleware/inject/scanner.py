"""Find where an HTML parser creates ``head``, reading no further than that.

In the tree construction of the HTML standard, ``head`` is created by the first token that is not white
space, a comment, a doctype, ``<html>`` or an end tag the parser ignores. So the place is decided inside a
small grammar at the very start of the page; scripts, attributes and text behind it can never matter.

Sources: https://html.spec.whatwg.org/multipage/parsing.html, sections 13.2.5 (tokens) and 13.2.6.4.1 to
13.2.6.4.3 (the insertion modes "initial", "before html" and "before head").
"""

from __future__ import annotations

import re
from enum import Enum

#: bytes of one unfinished tag that are held back before the page is given up
MAX_HELD = 8192

_SPACE = re.compile(rb"[\t\n\f\r ]*")
_COMMENT = re.compile(rb"<!--(?:-?>|.*?--!?>)", re.S)
_COMMENT_END = re.compile(rb"--!?>")
_COMMENT_END_BEGUN = re.compile(rb"--?!?\Z")
_BOGUS_END = re.compile(rb">")
_TAG_NAME = re.compile(rb"[A-Za-z][^\t\n\f\r />]*")
_SEPARATORS = re.compile(rb"[\t\n\f\r /]*")
_ATTRIBUTE_NAME = re.compile(rb"[^\t\n\f\r />][^\t\n\f\r />=]*")
_EQUALS = re.compile(rb"[\t\n\f\r ]*=[\t\n\f\r ]*")
_UNQUOTED = re.compile(rb"[^\t\n\f\r >]*")

# ⚡ with and without the variation selector; AMP pages may carry no script but AMP's own
_AMP = re.compile(rb"(?:amp|\xe2\x9a\xa1(?:\xef\xb8\x8f)?)(?:4email|4ads)?", re.I)

_BOM = b"\xef\xbb\xbf"
_LT, _GT, _BANG, _SLASH, _QUESTION = b"<>!/?"
_QUOTES = b"\"'"
_IMPLY_HEAD = frozenset((b"head", b"body", b"html", b"br"))  # end tags that are not ignored


class Verdict(Enum):
    """What the bytes read so far say about the page."""

    PLACE = "the tag goes to `at`"
    LEAVE = "no place: a fragment, AMP, or not HTML at all"
    MORE = "undecided; bytes before `at` may be passed on, the rest must be seen again"


class Scanner:
    """Read the start of one HTML page in pieces of any size."""

    __slots__ = ("_is_document", "_skip_to", "at", "end", "is_fresh")

    def __init__(self) -> None:
        self.is_fresh = True  # nothing was read yet
        self._is_document = False  # a doctype, <html>, <head> or <body> was seen
        self._skip_to: re.Pattern[bytes] | None = None  # inside a comment or doctype: what ends it
        self.at = 0
        #: after PLACE: the verdict depends on the bytes before this offset alone
        self.end = 0

    def scan(self, data: bytes) -> Verdict:
        """Read *data*: what was held back the last time, then the new bytes. Sets `at`."""
        verdict = self._scan(data)
        if verdict is Verdict.MORE and len(data) - self.at > MAX_HELD:
            return Verdict.LEAVE
        return verdict

    def _scan(self, data: bytes) -> Verdict:
        size = len(data)
        pos = 0
        if self.is_fresh and size:
            if size < 3 and _BOM.startswith(data):
                return self._more(0)
            self.is_fresh = False
            pos = 3 if data.startswith(_BOM) else 0
        while True:
            if self._skip_to is not None:
                found = self._skip_to.search(data, pos)
                if found is None:
                    return self._more(self._skipped(data, pos))
                pos = found.end()
                self._skip_to = None
            pos = _SPACE.match(data, pos).end()  # type: ignore[union-attr]
            if pos == size:
                return self._more(pos)
            if data[pos] != _LT:
                return self._before(pos, pos + 1)
            if pos + 1 == size:
                return self._more(pos)
            kind = data[pos + 1]
            if kind == _BANG:
                after = self._declaration(data, pos)
            elif kind == _QUESTION:
                after, self._skip_to = pos + 2, _BOGUS_END
            elif kind == _SLASH:
                after = self._end_tag(data, pos)
            elif _TAG_NAME.match(data, pos + 1):
                after = self._start_tag(data, pos)
            else:
                return self._before(pos, pos + 2)
            if isinstance(after, Verdict):
                return after
            pos = after

    def _more(self, at: int) -> Verdict:
        self.at = at
        return Verdict.MORE

    def _before(self, at: int, end: int, *, is_body: bool = False) -> Verdict:
        """Head is implied here: by text or a tag that cannot stand before it."""
        self.at, self.end = at, end
        return Verdict.PLACE if self._is_document or is_body else Verdict.LEAVE

    def _skipped(self, data: bytes, pos: int) -> int:
        if self._skip_to is _COMMENT_END:
            begun = _COMMENT_END_BEGUN.search(data, max(pos, len(data) - 3))
            return begun.start() if begun else len(data)
        return len(data)

    def _declaration(self, data: bytes, pos: int) -> int | Verdict:
        """Comment, doctype, or what the tokenizer calls a bogus comment (``<!x>``, CDATA)."""
        rest = data[pos : pos + 9].lower()
        if rest.startswith(b"<!--"):
            whole = _COMMENT.match(data, pos)
            if whole:
                return whole.end()
            if len(data) - pos < 8:  # could still be <!--> or <!--->
                return self._more(pos)
            self._skip_to = _COMMENT_END
            return max(pos + 4, len(data) - 3)
        if rest == b"<!doctype":
            self._is_document = True
        elif b"<!doctype".startswith(rest) or rest == b"<!-":
            return self._more(pos)
        self._skip_to = _BOGUS_END
        return pos + 2

    def _end_tag(self, data: bytes, pos: int) -> int | Verdict:
        name = _TAG_NAME.match(data, pos + 2)
        if name is None:
            if pos + 2 == len(data):
                return self._more(pos)
            self._skip_to = _BOGUS_END  # `</>` vanishes, `</ x>` is a comment
            return pos + 2
        if name.end() == len(data):
            return self._more(pos)
        if name[0].lower() in _IMPLY_HEAD:
            return self._before(pos, name.end() + 1)
        after = tag_end(data, name.end())
        return after if after > 0 else self._more(pos)

    def _start_tag(self, data: bytes, pos: int) -> int | Verdict:
        name = _TAG_NAME.match(data, pos + 1)
        assert name is not None
        tag = name[0].lower()
        if name.end() == len(data) and any(known.startswith(tag) for known in (b"html", b"head", b"body")):
            return self._more(pos)
        if tag == b"html":
            names: list[bytes] = []
            after = tag_end(data, name.end(), names)
            if after < 0:
                return self._more(pos)
            if any(map(_AMP.fullmatch, names)):
                return Verdict.LEAVE
            self._is_document = True
            return after
        if tag == b"head":
            after = tag_end(data, name.end())
            if after < 0:
                return self._more(pos)
            self.at = self.end = after
            return Verdict.PLACE
        return self._before(pos, name.end() + 1, is_body=tag == b"body")


def tag_end(data: bytes, pos: int, names: list[bytes] | None = None) -> int:
    """Return the offset behind the ``>`` of the tag whose name ends at *pos*, or -1 when it is not there yet.

    A quote opens a string only right after ``=``; a name may begin with ``=`` and contain quotes and ``<``.
    Attribute names are added to *names*.
    """
    size = len(data)
    while True:
        pos = _SEPARATORS.match(data, pos).end()  # type: ignore[union-attr]
        if pos >= size:
            return -1
        if data[pos] == _GT:
            return pos + 1
        name = _ATTRIBUTE_NAME.match(data, pos)
        assert name is not None
        if names is not None:
            names.append(name[0])
        pos = name.end()
        equals = _EQUALS.match(data, pos)
        if equals is None:
            continue
        pos = equals.end()
        if pos >= size:
            return -1
        if data[pos] in _QUOTES:
            pos = data.find(data[pos : pos + 1], pos + 1) + 1
            if not pos:
                return -1
        else:
            pos = _UNQUOTED.match(data, pos).end()  # type: ignore[union-attr]

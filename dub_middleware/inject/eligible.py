"""Decide from status and headers whether a response may be an HTML page to touch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

Headers = list[tuple[str, str]]

# 1xx, 204, 205 and 304 have no body, 206 is a part of one, and nobody sees the body of a redirect
_NO_PAGE = frozenset(("204", "205", "206", "301", "302", "303", "304", "307", "308"))

_CHARSET = re.compile(r";\s*charset\s*=\s*(?:\"([^\"]*)\"?|([^;\s]*))", re.I)
# stateful 7-bit encodings: `<` may be half of a character there, though Python encodes it as itself
_STATEFUL = re.compile(r"(?:cs)?iso-?2022|hz\b|hz-gb|u7|(?:.*-)?utf-?7", re.I)
_NO_TRANSFORM = re.compile(r"(?:^|[,\s])no-transform(?:$|[,\s])", re.I)

_OTHER, _TYPE, _LENGTH, _CODING, _CACHE, _DISPOSITION, _RANGE, _POLICY, _VALIDATOR = range(9)
_KINDS = {
    "content-type": _TYPE,
    "content-length": _LENGTH,
    "content-encoding": _CODING,
    "cache-control": _CACHE,
    "content-disposition": _DISPOSITION,
    "content-range": _RANGE,
    "content-security-policy": _POLICY,
    # what speaks of the bytes as they were: a validator, an offer of ranges,
    # digests (RFC 9530, RFC 3230, RFC 1864)
    "etag": _VALIDATOR,
    "content-digest": _VALIDATOR,
    "repr-digest": _VALIDATOR,
    "unencoded-digest": _VALIDATOR,
    "digest": _VALIDATOR,
    "content-md5": _VALIDATOR,
    "accept-ranges": _VALIDATOR,
}


class _Spellings(dict[str, int]):
    """Kinds of header names as apps spell them: one look-up instead of lower() for every header."""

    LIMIT = 1024

    def __missing__(self, name: str) -> int:
        kind = _KINDS.get(name.lower(), _OTHER)
        if len(self) < self.LIMIT:
            self[name] = kind
        return kind


_spellings = _Spellings()


class MediaType(NamedTuple):
    """What a Content-Type says about injection."""

    is_html: bool  # `text/html` in an encoding in which `<` is the byte 3C
    has_charset: bool


@dataclass(slots=True)
class Page:
    """An HTML response that may be touched."""

    headers: Headers
    has_charset: bool
    #: Content-Encoding, lower case; "" for none
    coding: str
    #: enforced Content-Security-Policy values
    policies: list[str] | None
    #: where Content-Length stands among the headers, -1 for none or no number
    length_at: int
    #: an ETag, digest or Accept-Ranges is there, or a Content-Length that cannot be kept
    has_validators: bool

    def rewritten(self, length: int | None) -> Headers:
        """Return the headers for bytes that change or may change; apps may reuse their list, so a new one.

        *length* is the new Content-Length where there was one; None removes it.
        """
        if self.has_validators or (length is None and self.length_at >= 0):
            return self._follow(length)
        headers = self.headers.copy()
        if self.length_at >= 0:
            headers[self.length_at] = (headers[self.length_at][0], str(length))
        return headers

    @property
    def length(self) -> int | None:
        """The announced Content-Length."""
        return int(self.headers[self.length_at][1]) if self.length_at >= 0 else None

    def _follow(self, length: int | None) -> Headers:
        headers: Headers = []
        for index, (name, value) in enumerate(self.headers):
            kind = _spellings[name]
            if kind == _LENGTH:
                if index == self.length_at and length is not None:
                    headers.append((name, str(length)))
            elif kind != _VALIDATOR:
                headers.append((name, value))
            elif name.lower() == "etag":
                headers.append((name, weak(value)))
        return headers


@lru_cache(maxsize=128)
def media_type(value: str) -> MediaType:
    """Read a Content-Type (RFC 9110 §8.3.1): the media type before ``;``, then the charset."""
    if value.partition(";")[0].strip().lower() != "text/html":
        return MediaType(False, False)
    found = _CHARSET.search(value)
    label = ((found[1] or found[2] or "") if found else "").strip()
    return MediaType(_is_ascii_compatible(label), bool(label))


def page(status: str, headers: Headers) -> Page | None:
    """Return the page that a response of *status* (``"200 OK"``) may be, or None to leave it alone."""
    media: MediaType | None = None
    coding = ""
    policies: list[str] | None = None
    length_at, has_validators = -1, False
    for index, (name, value) in enumerate(headers):
        kind = _spellings[name]
        if kind == _OTHER:
            continue
        if kind == _TYPE:
            if media is not None:
                return None  # two: nobody knows which one a browser takes
            media = media_type(value)
            if not media.is_html:
                return None
        elif kind == _LENGTH:
            if length_at < 0 and value.isdecimal() and value.isascii():
                length_at = index
            else:
                has_validators = True  # several, or no number: not to be kept beside changed bytes
        elif kind == _VALIDATOR:
            has_validators = True
        elif kind == _CODING:
            token = value.strip().lower()
            coding = f"{coding}, {token}" if coding and token else coding or token
        elif kind == _POLICY:
            policies = [*(policies or ()), value]
        elif kind == _RANGE or _forbids(kind, value):
            return None
    code = status[:3]
    if media is None or code in _NO_PAGE or code[:1] == "1":
        return None
    return Page(
        headers,
        media.has_charset,
        "" if coding == "identity" else coding,
        policies,
        length_at,
        has_validators,
    )


def _forbids(kind: int, value: str) -> bool:
    if kind == _DISPOSITION:
        return value.lstrip()[:10].lower() == "attachment"
    return _NO_TRANSFORM.search(value) is not None  # RFC 9111 §5.2.2.6


def _is_ascii_compatible(label: str) -> bool:
    if not label:
        return True
    if _STATEFUL.match(label):
        return False
    try:
        return "<script>".encode(label) == b"<script>"
    except (LookupError, ValueError):
        return True  # browsers ignore a label they do not know


def weak(etag: str) -> str:
    """Return *etag* as a weak validator; anything that is no strong one comes back as it is."""
    return f"W/{etag}" if etag[:1] == '"' else etag

"""Decide from status and headers whether a response may be an HTML page to touch."""

from __future__ import annotations

import re
from dataclasses import dataclass

Headers = list[tuple[str, str]]

# 1xx, 204, 205 and 304 have no body, 206 is a part of one, and nobody sees the body of a redirect
_NO_PAGE = re.compile(r"1|20[456]|30[123478]")

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


# Header names as apps spell them: one look-up instead of lower() for every header.
_dull: set[str] = set()  # names that say nothing here
_spellings: dict[str, int] = {}
_MAX_SPELLINGS = 1024


def _learn(name: str) -> int:
    kind = _KINDS.get(name.lower(), _OTHER)
    if len(_spellings) < _MAX_SPELLINGS:
        _spellings[name] = kind
        if kind == _OTHER:
            _dull.add(name)
    return kind


@dataclass(slots=True)
class Page:
    """What the headers of an HTML response say; responses of one shape share one."""

    has_charset: bool
    #: Content-Encoding, lower case; "" for none
    coding: str
    #: where Content-Length stands among the headers, -1 for none
    length_at: int
    #: an ETag, digest or Accept-Ranges is there, or a second Content-Length
    has_validators: bool
    #: a Content-Security-Policy is enforced
    has_policies: bool
    #: nothing but the place of head decides: a charset, no coding, no policy
    is_plain: bool

    def rewritten(self, headers: Headers, length: int | None) -> Headers:
        """Return the headers for bytes that change or may change; a new list, for apps reuse theirs.

        *length* is the new Content-Length where there was one; None removes it.
        """
        at = self.length_at
        if self.has_validators or (length is None and at >= 0):
            return self._follow(headers, length)
        result = list(headers)
        if at >= 0:
            result[at] = (result[at][0], str(length))
        return result

    def length(self, headers: Headers) -> int | None:
        """Return the announced Content-Length, None when there is none or it is no number."""
        value = headers[self.length_at][1] if self.length_at >= 0 else ""
        return int(value) if value.isdecimal() and value.isascii() else None

    def policies(self, headers: Headers) -> list[str]:
        """Return the values of every Content-Security-Policy that is enforced."""
        return [value for name, value in headers if _learn(name) == _POLICY]

    def _follow(self, headers: Headers, length: int | None) -> Headers:
        result: Headers = []
        for index, (name, value) in enumerate(headers):
            kind = _learn(name)
            if kind == _LENGTH:
                if index == self.length_at and length is not None:
                    result.append((name, str(length)))
            elif kind != _VALIDATOR:
                result.append((name, value))
            elif name.lower() == "etag":
                result.append((name, weak(value)))
        return result


# one for each shape of a response without a coding; few, as Content-Length stands in few places
_pages: dict[int, Page] = {}
_MAX_PAGES = 1024
_CHARSET_KNOWN, _VALIDATED, _POLICED = 1, 2, 4  # the low bits of a shape; above them, where Content-Length is
#: Content-Type headers that were seen and are not HTML: an answer at a glance, not a complete one
NOT_HTML: set[tuple[str, str]] = set()
# Content-Type → does it name a charset; None: not HTML
_media: dict[str, bool | None] = {}
_MAX_MEDIA = 256


def page(status: str, headers: Headers) -> Page | None:
    """Return the page that a response of *status* (``"200 OK"``) may be, or None to leave it alone."""
    has_charset = None
    coding = ""
    length_at = -1
    flags = 0
    for header in headers:
        name = header[0]
        if name in _dull:
            continue
        value = header[1]
        kind = _spellings[name] if name in _spellings else _learn(name)
        if kind == _TYPE:
            if has_charset is not None:
                return None  # two: nobody knows which one a browser takes
            has_charset = _media[value] if value in _media else _read_media(value)
            if has_charset is None:
                return None
        elif kind == _LENGTH:
            if length_at < 0:
                length_at = headers.index(header)
            else:
                flags |= _VALIDATED
        elif kind == _VALIDATOR:
            flags |= _VALIDATED
        elif kind == _CODING:
            token = value.strip().lower()
            coding = f"{coding}, {token}" if coding and token else coding or token
        elif kind == _POLICY:
            flags |= _POLICED
        elif kind == _RANGE or (kind != _OTHER and _forbids(kind, value)):
            return None
    if has_charset is None or (status != "200 OK" and _NO_PAGE.match(status)):
        return None
    if has_charset:
        flags |= _CHARSET_KNOWN
    if coding and coding != "identity":
        return _new_page(length_at, flags, coding)
    return _pages.get(length_at << 3 | flags) or _new_page(length_at, flags)


def _new_page(length_at: int, flags: int, coding: str = "") -> Page:
    has_charset, has_policies = bool(flags & _CHARSET_KNOWN), bool(flags & _POLICED)
    found = Page(
        has_charset=has_charset,
        coding=coding,
        length_at=length_at,
        has_validators=bool(flags & _VALIDATED),
        has_policies=has_policies,
        is_plain=has_charset and not coding and not has_policies,
    )
    if not coding and len(_pages) < _MAX_PAGES:
        _pages[length_at << 3 | flags] = found
    return found


def _read_media(value: str) -> bool | None:
    """Read a Content-Type (RFC 9110 §8.3.1): the media type before ``;``, then the charset."""
    has_charset = None
    if value.partition(";")[0].strip().lower() == "text/html":
        found = _CHARSET.search(value)
        label = ((found[1] or found[2] or "") if found else "").strip()
        has_charset = bool(label) if _is_ascii_compatible(label) else None
    if len(_media) < _MAX_MEDIA:
        _media[value] = has_charset
        if has_charset is None:
            NOT_HTML.add(("Content-Type", value))
    return has_charset


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

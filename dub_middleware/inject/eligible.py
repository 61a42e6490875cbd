"""Decide from status and headers whether a response may be an HTML page to touch."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from operator import itemgetter

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
        if length is None or self.has_validators:
            return self._follow(headers, length)
        result = [*headers]
        at = self.length_at
        if at >= 0:
            result[at] = (headers[at][0], str(length))
        return result

    def length(self, headers: Headers) -> int | None:
        """Return the announced Content-Length, None when there is none or it is no number."""
        value = headers[self.length_at][1] if self.length_at >= 0 else ""
        return int(value) if value.isdecimal() and value.isascii() else None

    def policies(self, headers: Headers) -> list[str]:
        """Return the values of every Content-Security-Policy that is enforced."""
        return [value for name, value in headers if _kind(name) == _POLICY]

    def _follow(self, headers: Headers, length: int | None) -> Headers:
        result: Headers = []
        for index, (name, value) in enumerate(headers):
            kind = _kind(name)
            if kind == _LENGTH:
                if index == self.length_at and length is not None:
                    result.append((name, str(length)))
            elif kind != _VALIDATOR:
                result.append((name, value))
            elif name.lower() == "etag":
                result.append((name, weak(value)))
        return result


def _kind(name: str) -> int:
    return _KINDS.get(name.lower(), _OTHER)


class _Shape:
    """What the names of a response's headers tell, in their order."""

    __slots__ = ("others", "pages", "told", "type_at", "untold")

    def __init__(self, kinds: list[int]) -> None:
        self.type_at = kinds.index(_TYPE)
        #: the page whose Content-Type names a charset, and the one whose does not
        self.told, self.untold = (
            Page(
                has_charset=has_charset,
                coding="",
                length_at=kinds.index(_LENGTH) if _LENGTH in kinds else -1,
                has_validators=_VALIDATOR in kinds or kinds.count(_LENGTH) > 1,
                has_policies=_POLICY in kinds,
                is_plain=has_charset and _POLICY not in kinds,
            )
            for has_charset in (True, False)
        )
        #: by the whole Content-Type; None: not HTML
        self.pages: dict[str, Page | None] = {}
        #: kind and place of the headers whose values decide too
        self.others = [(kind, at) for at, kind in enumerate(kinds) if kind in (_CODING, _CACHE, _DISPOSITION)]


# Apps answer in few shapes, and their pages have few types: two look-ups for all headers of a response.
# None: never a page.
_shapes: dict[tuple[str, ...], _Shape | None] = {}
_MAX_SHAPES = 1024
_MAX_TYPES = 64
_name = itemgetter(0)
#: values of Content-Type that were seen and are not HTML: an answer at a glance, not a complete one
NOT_HTML: set[str] = set()


def page(status: str, headers: Headers) -> Page | None:
    """Return the page that a response of *status* (``"200 OK"``) may be, or None to leave it alone."""
    names = tuple(map(_name, headers))
    try:
        shape = _shapes[names]
    except KeyError:
        shape = _learn_shape(names)
    if shape is None:
        return None
    value = headers[shape.type_at][1]
    try:
        found = shape.pages[value]
    except KeyError:
        found = _learn_type(shape, value)
    if found is None or (status != "200 OK" and _NO_PAGE.match(status)):
        return None
    if not shape.others:
        return found
    codings: list[str] = []
    for kind, at in shape.others:
        value = headers[at][1]
        if kind == _CODING:
            codings += filter(None, (token.strip().lower() for token in value.split(",")))
        elif _forbids(kind, value):
            return None
    coding = ", ".join(codings)
    if not coding or coding == "identity":
        return found
    return replace(found, coding=coding, is_plain=False)


def _learn_shape(names: tuple[str, ...]) -> _Shape | None:
    kinds = [_kind(name) for name in names]
    # with two types nobody knows which one a browser takes
    shape = None if kinds.count(_TYPE) != 1 or _RANGE in kinds else _Shape(kinds)
    if len(_shapes) < _MAX_SHAPES:
        _shapes[names] = shape
    return shape


def _learn_type(shape: _Shape, value: str) -> Page | None:
    """Read a Content-Type (RFC 9110 §8.3.1): the media type before ``;``, then the charset."""
    found = None
    if value.partition(";")[0].strip().lower() == "text/html":
        charset = _CHARSET.search(value)
        label = ((charset[1] or charset[2] or "") if charset else "").strip()
        if _is_ascii_compatible(label):
            found = shape.told if label else shape.untold
    if len(shape.pages) < _MAX_TYPES:
        shape.pages[value] = found
    if found is None and len(NOT_HTML) < _MAX_TYPES:
        NOT_HTML.add(value)
    return found


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

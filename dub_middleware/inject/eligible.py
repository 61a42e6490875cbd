"""Decide from status and headers whether a response may be an HTML page to touch."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

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

    #: what each header is, in their order
    kinds: tuple[int, ...]
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
        return [value for kind, (_, value) in zip(self.kinds, headers, strict=True) if kind == _POLICY]

    def _follow(self, headers: Headers, length: int | None) -> Headers:
        result: Headers = []
        for index, (kind, (name, value)) in enumerate(zip(self.kinds, headers, strict=True)):
            if kind == _LENGTH:
                if index == self.length_at and length is not None:
                    result.append((name, str(length)))
            elif kind != _VALIDATOR:
                result.append((name, value))
            elif name.lower() == "etag":
                result.append((name, weak(value)))
        return result


@dataclass(slots=True)
class _Shape:
    """What the names of a response's headers tell, in their order; an app has few of them."""

    type_at: int
    #: with a charset in the Content-Type
    told: Page
    #: without
    untold: Page
    #: kind and place of the headers whose values decide too
    others: tuple[tuple[int, int], ...]


class _Shapes(dict[tuple[str, ...], "_Shape | None"]):
    """Shapes by the names as apps spell them, None for what is never a page: one look-up for all headers."""

    MOST = 1024

    def __missing__(self, names: tuple[str, ...]) -> _Shape | None:
        shape = _read_names(names)
        if len(self) < self.MOST:
            self[names] = shape
        return shape


def _read_names(names: tuple[str, ...]) -> _Shape | None:
    kinds = tuple(_KINDS.get(name.lower(), _OTHER) for name in names)
    if kinds.count(_TYPE) != 1 or _RANGE in kinds:
        return None  # with two types nobody knows which one a browser takes
    length_at = kinds.index(_LENGTH) if _LENGTH in kinds else -1
    has_validators, has_policies = _VALIDATOR in kinds or kinds.count(_LENGTH) > 1, _POLICY in kinds
    told, untold = (
        Page(
            kinds=kinds,
            has_charset=has_charset,
            coding="",
            length_at=length_at,
            has_validators=has_validators,
            has_policies=has_policies,
            is_plain=has_charset and not has_policies,
        )
        for has_charset in (True, False)
    )
    others = tuple((kind, at) for at, kind in enumerate(kinds) if kind in (_CODING, _CACHE, _DISPOSITION))
    return _Shape(kinds.index(_TYPE), told, untold, others)


_shapes = _Shapes()


class _Media(dict[str, "bool | None"]):
    """Content-Type → whether it names a charset; None: not HTML."""

    MOST = 256

    def __missing__(self, value: str) -> bool | None:
        has_charset = _read_media(value)
        if len(self) < self.MOST:
            self[value] = has_charset
            if has_charset is None:
                NOT_HTML.add(value)
        return has_charset


_media = _Media()
#: values of Content-Type that were seen and are not HTML: an answer at a glance, not a complete one
NOT_HTML: set[str] = set()


def page(status: str, headers: Headers) -> Page | None:
    """Return the page that a response of *status* (``"200 OK"``) may be, or None to leave it alone."""
    shape = _shapes[tuple([header[0] for header in headers])]
    if shape is None:
        return None
    has_charset = _media[headers[shape.type_at][1]]
    if has_charset is None or (status != "200 OK" and _NO_PAGE.match(status)):
        return None
    found = shape.told if has_charset else shape.untold
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


def _read_media(value: str) -> bool | None:
    """Read a Content-Type (RFC 9110 §8.3.1): the media type before ``;``, then the charset."""
    if value.partition(";")[0].strip().lower() != "text/html":
        return None
    found = _CHARSET.search(value)
    label = ((found[1] or found[2] or "") if found else "").strip()
    return bool(label) if _is_ascii_compatible(label) else None


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

"""Destination URLs: which ones a link may lead to, and their query parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote_plus, urlsplit

from werkzeug.urls import iri_to_uri

MAX_URL = 32_000  # characters
UTM = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")

_UNSAFE = "about blob data file filesystem jar javascript vbscript view-source ws wss"
#: schemes that run code or read files where the link is opened, and those that no page has
UNSAFE_SCHEMES = frozenset(_UNSAFE.split())

_LINE_ENDS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_CONTROL = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]")
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!#$%&'()*+,./0-9:;=?@A-Z_a-z~-]*")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_HOST_AND_REST = re.compile(r"[^\s/:?#@]+\.[^\s/:?#@]+(:\d{1,5})?([/?#].*)?", re.DOTALL)


def clean_url(text: str) -> str | None:
    """Return the URL that a text means, ``https://`` put before a bare host; None if it is none or unsafe.

    Browsers drop tabs and line ends inside a URL and trim it, so that ``java\\nscript:`` would be a scheme:
    what holds such characters is refused.
    """
    text = text.strip(" ")
    if not text or len(text) > MAX_URL or _LINE_ENDS.search(text):
        return None
    if _HOST_AND_REST.fullmatch(text):
        text = f"https://{text}"
    scheme = _SCHEME.match(text)
    if scheme is None or scheme[1].lower() in UNSAFE_SCHEMES:
        return None
    return text if _is_absolute(text) and location(text) is not None else None


def location(url: str) -> str | None:
    """Return the URL as it may stand in a Location header, in plain ASCII; None if it cannot.

    Hosts become punycode, other letters percent-escapes; what is escaped already stays as it is.
    """
    if _PLAIN.fullmatch(url):
        return url
    try:
        ascii_url = iri_to_uri(_CONTROL.sub(lambda match: quote(match[0]), url))
    except ValueError:
        return None
    return ascii_url if ascii_url.isascii() and not _CONTROL.search(ascii_url) else None


def is_web(url: str) -> bool:
    """Return whether a browser can be redirected there; other schemes open apps."""
    return url[:8].lower().startswith(("http://", "https://"))


def parameters(url: str) -> dict[str, str]:
    """Return the query parameters, the first of each name."""
    found: dict[str, str] = {}
    for pair in _split(url)[1].split("&"):
        name, _, value = pair.partition("=")
        if name:
            found.setdefault(unquote_plus(name), unquote_plus(value))
    return found


def with_parameters(url: str, changes: Mapping[str, str | None]) -> str:
    """Return ``url`` with these parameters set, or removed where None.

    One that is there already keeps its place, further ones of its name go; all others stay as they are
    written, which frameworks that sign their URLs rely on.
    """
    if not changes:
        return url
    base, query, fragment = _split(url)
    left = dict(changes)
    pairs = []
    for pair in query.split("&") if query else []:
        name = unquote_plus(pair.partition("=")[0])
        if name not in changes:
            pairs.append(pair)
        elif name in left:
            pairs += _pair(name, left.pop(name))
    for name, value in left.items():
        pairs += _pair(name, value)
    return base + (f"?{'&'.join(pairs)}" if pairs else "") + fragment


def _pair(name: str, value: str | None) -> list[str]:
    return [] if value is None else [f"{quote(name, safe='')}={quote(value, safe='')}"]


def _split(url: str) -> tuple[str, str, str]:
    rest, mark, fragment = url.partition("#")
    base, _, query = rest.partition("?")
    return base, query, mark + fragment


def _is_absolute(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    if parts.scheme in ("http", "https"):
        host = parts.hostname or ""
        # a backslash is a slash to browsers, so that the host would be another one than it seems
        return bool(host) and port != 0 and not re.search(r"[\s\\<>\"^`{|}%]", parts.netloc)
    return bool(parts.netloc or parts.path or parts.query)

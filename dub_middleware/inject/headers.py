"""Headers of responses whose bytes stay: the weak validator of a 304, and cookies kept out of shared caches.

Every function returns a new list: apps may reuse theirs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from dub_middleware.inject.eligible import Headers, weak

# what outranks Cache-Control at a shared cache (RFC 9213 and its forerunners)
_CDN_CONTROL = frozenset(
    ("cdn-cache-control", "surrogate-control", "cloudflare-cdn-cache-control", "vercel-cdn-cache-control")
)
_SHARED_ONLY = frozenset(("public", "private", "s-maxage", "proxy-revalidate"))
_DIRECTIVE = re.compile(r"\s*([^,=\s]+)\s*(=\s*(?:\"(?:[^\"\\]|\\.)*\"|[^,\"]*))?\s*(?:,|$)")


def with_weak_validator(headers: Headers, if_none_match: str) -> Headers:
    """Return the headers of a 304 with its ETag weak where the client has the weak one of an injected page.

    A client that asks with ``W/"x"`` was given that, and must not be told that what it stores has the strong
    validator ``"x"`` (RFC 9111 §4.3.4). With no such ETag the same list comes back.
    """
    for index, (name, value) in enumerate(headers):
        if name.lower() == "etag" and value[:1] == '"' and f"W/{value}" in if_none_match:
            return [*headers[:index], (name, weak(value)), *headers[index + 1 :]]
    return headers


def with_cookies(headers: Headers, cookies: Iterable[str]) -> Headers:
    """Return the headers with one Set-Cookie line for each of *cookies*, and no shared cache allowed.

    A Set-Cookie does not stop a cache from storing (RFC 9111 §7.3): ``Cache-Control`` becomes ``private``,
    and what speaks to shared caches alone is removed. ``no-store`` and the browser's own lifetime stay.
    """
    result: Headers = []
    directives = ["private"]
    at, spelling = -1, "Cache-Control"
    for name, value in headers:
        lower = name.lower()
        if lower == "cache-control":
            directives += _for_browsers(value)
            if at < 0:
                at, spelling = len(result), name
        elif lower not in _CDN_CONTROL:
            result.append((name, value))
    result.insert(at if at >= 0 else len(result), (spelling, ", ".join(directives)))
    result.extend(("Set-Cookie", cookie) for cookie in cookies)
    return result


def _for_browsers(value: str) -> list[str]:
    return [
        found[1] + (found[2] or "").strip()
        for found in _DIRECTIVE.finditer(value)
        if found[1].lower() not in _SHARED_ONLY
    ]

"""Read Content-Security-Policy as a browser does before it loads an external script.

Source: https://www.w3.org/TR/CSP3/, sections 6.7.1 (script directives pre-request check) and 6.7.2
(matching). A policy is read, never edited.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

_NONCE = re.compile(r"'nonce-([A-Za-z0-9+/_-]+={0,2})'", re.I)
_HOST_SOURCE = re.compile(
    r"(?:(?P<scheme>[a-z][a-z0-9+.-]*)://)?(?P<host>\*|(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)"
    r"(?P<port>:(?:\d+|\*))?(?P<path>/[^?#]*)?",
    re.I,
)
_NOWHERE = urlsplit("https://invalid")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_UPGRADES = {"http": ("http", "https"), "https": ("https",)}


@dataclass(frozen=True, slots=True)
class Permission:
    """Whether the tag may run, with which nonce, and if not, what the policy lacks."""

    is_allowed: bool
    nonce: str | None = None
    advice: str = ""


def permission(policies: Iterable[str], src: str, origin: str, *, use_nonce: bool = True) -> Permission:
    """Ask all enforced *policies* (header values) about ``<script src=…>`` on a page of *origin*.

    *src* is an absolute URL or a path from the root; *origin* is ``scheme://host[:port]``. The nonce is one
    that every policy with nonces has: all policies must agree.
    """
    page = _split(origin)
    url = urlsplit(src) if "://" in src else page._replace(path=src)
    common: list[str] | None = None  # nonces that stand in every policy that has some
    needing: list[list[str]] = []  # nonces of each policy that nothing else satisfies
    for policy in (part for value in policies for part in value.split(",")):
        directives = _directives(policy)
        if "sandbox" in directives and "allow-scripts" not in directives["sandbox"]:
            return Permission(False, advice="sandbox allow-scripts")
        name = next((n for n in ("script-src-elem", "script-src", "default-src") if n in directives), None)
        if name is None:
            continue
        sources = directives[name]
        nonces = [found[1] for source in sources if (found := _NONCE.fullmatch(source))]
        if nonces:
            common = nonces if common is None else [nonce for nonce in common if nonce in nonces]
        if not _allows_url(sources, url, page):
            if not (nonces and use_nonce):
                return Permission(False, advice=_advice(name, sources, url, page))
            needing.append(nonces)
    shared = common or next(iter(needing), [])
    nonce = next((n for n in shared if all(n in nonces for nonces in needing)), None)
    if needing and nonce is None:
        return Permission(False, advice="script-src with one nonce that is the same in every policy")
    return Permission(True, nonce if use_nonce else None)


def _directives(policy: str) -> dict[str, list[str]]:
    """Return the directives of one policy, names in lower case; the first of a name counts."""
    directives: dict[str, list[str]] = {}
    for directive in policy.split(";"):
        name, *values = directive.split() or [""]
        directives.setdefault(name.lower(), values)
    return directives


def _allows_url(sources: list[str], url: SplitResult, page: SplitResult) -> bool:
    lower = [source.lower() for source in sources]
    if "'strict-dynamic'" in lower:
        return False  # what the parser inserts needs a nonce then
    return any(_matches(source, url, page) for source in lower)


def _matches(source: str, url: SplitResult, page: SplitResult) -> bool:
    if source == "'self'":
        return (
            url.hostname == page.hostname
            and (_port(url) == _port(page) or _are_default(url, page))
            and url.scheme in _UPGRADES.get(page.scheme, ())
        )
    if source == "*":
        return url.scheme in ("http", "https")
    if source.endswith(":") and source[:-1].isalpha():
        return url.scheme in _UPGRADES.get(source[:-1], (source[:-1],))
    found = _HOST_SOURCE.fullmatch(source)
    if found is None:
        return False
    scheme = found["scheme"] or page.scheme
    return (
        url.scheme in _UPGRADES.get(scheme, (scheme,))
        and _matches_host(found["host"], url.hostname or "")
        and _matches_port(found["port"], scheme, url)
        and _matches_path(found["path"], url.path)
    )


def _split(origin: str) -> SplitResult:
    """Split *origin*; a Host that is no host matches no host source, and itself."""
    try:
        parts = urlsplit(origin)
        return parts if parts.port is None or parts.hostname else _NOWHERE
    except ValueError:
        return _NOWHERE


def _matches_host(pattern: str, host: str) -> bool:
    if pattern == "*":
        return True
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


def _matches_port(port: str | None, scheme: str, url: SplitResult) -> bool:
    if port == ":*":
        return True
    wanted = int(port[1:]) if port else _DEFAULT_PORTS.get(scheme)
    return wanted == _port(url) or (wanted == 80 and _port(url) == 443)


def _matches_path(pattern: str | None, path: str) -> bool:
    if not pattern:
        return True
    return path.startswith(pattern) if pattern.endswith("/") else path == pattern


def _port(url: SplitResult) -> int | None:
    return url.port or _DEFAULT_PORTS.get(url.scheme)


def _are_default(url: SplitResult, page: SplitResult) -> bool:
    return not (url.port or page.port)


def _advice(name: str, sources: list[str], url: SplitResult, page: SplitResult) -> str:
    """Return the directive as it would have to read."""
    is_strict = any(s.lower() == "'strict-dynamic'" for s in sources)
    own = url.hostname == page.hostname
    lacking = "'nonce-…'" if is_strict else "'self'" if own else f"{url.scheme}://{url.netloc}"
    kept = [_NONCE.sub("'nonce-…'", source) for source in sources if source.lower() != "'none'"]
    return " ".join([name if name != "default-src" else "script-src", *dict.fromkeys([*kept, lacking])])

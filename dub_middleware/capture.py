"""Decide what a request brings and what its response must store; no I/O."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from urllib.parse import unquote_plus

from itsdangerous import BadSignature, TimestampSigner

from dub_middleware.config import Config
from dub_middleware.cookies import (
    CLICK_ID,
    CLICK_ID_COOKIE,
    SEAL_COOKIE,
    click_id_cookie,
    cookie_domain,
    first_cookie,
    set_cookie,
)

logger = logging.getLogger("dub_middleware")

# the first parameter whose decoded name is dub_id, in one linear pass
# (WHATWG URL, application/x-www-form-urlencoded: only & separates, names are decoded too)
_PARAMETER = re.compile(
    r"(?:^|&)(?:d|%64)(?:u|%75)(?:b|%62)(?:_|%5[fF])(?:i|%69)(?:d|%64)(?:=([^&]*))?(?=&|$)"
)
_LONGEST = 3 * 64  # a click id with every character percent-encoded
_SPECULATIVE = ("HTTP_SEC_PURPOSE", "HTTP_PURPOSE", "HTTP_X_MOZ", "HTTP_X_PURPOSE")
_SPECULATION = re.compile(r"prefetch|prerender|preview", re.I)


@dataclass(frozen=True, slots=True)
class Capture:
    """What one request brings: the click id that counts, where it came from, and the cookies to set."""

    click_id: str | None
    source: Literal["query", "cookie"] | None
    #: the visitor's cookie did not hold this click yet
    is_new: bool
    #: Set-Cookie values for the response, whatever its status
    cookies: tuple[str, ...] = ()


def query_click_id(query: str) -> str | None:
    """Return the click id of a query string as ``URLSearchParams.get("dub_id")`` reads it, or None.

    The first occurrence decides; a value that is no click id counts as absent and is not looked at further.
    """
    if "=" not in query:
        return None
    found = _PARAMETER.search(query)
    if found is None:
        return None
    value = found[1] or ""
    if len(value) <= _LONGEST:
        click_id = unquote_plus(value)
        if CLICK_ID.fullmatch(click_id):
            return click_id
    logger.debug("A dub_id of %d characters in the query is no click id and is ignored.", len(value))
    return None


def capture(environ: Mapping[str, Any], config: Config) -> Capture:
    """Return what the request of a WSGI *environ* brings and what its response must store."""
    brought = query_click_id(environ.get("QUERY_STRING", ""))
    cookies = environ.get("HTTP_COOKIE", "")
    kept = click_id_cookie(cookies)
    first_wins = config.attribution_model == "first-click" and kept is not None
    if brought is None or first_wins or brought == kept:
        return Capture(kept, "cookie" if kept else None, is_new=False)
    if not (is_landing(environ) and has_consent(environ, config)):
        return Capture(brought, "query", is_new=True)
    return Capture(brought, "query", is_new=True, cookies=_cookies(brought, environ, config))


def is_landing(environ: Mapping[str, Any]) -> bool:
    """Return whether a person may be looking at the answer.

    It takes a GET that is no prefetch, and across sites a page: cross-site images, frames and fetches
    with a click id are cookie stuffing, and Fetch Metadata tells them.
    """
    if environ.get("REQUEST_METHOD") != "GET":
        return False
    if any(_SPECULATION.search(environ[name]) for name in _SPECULATIVE if name in environ):
        return False
    if environ.get("HTTP_SEC_FETCH_SITE") != "cross-site":
        return True
    destination = environ.get("HTTP_SEC_FETCH_DEST", "")
    return destination == "document" or (not destination and environ.get("HTTP_SEC_FETCH_MODE") == "navigate")


def has_consent(environ: Mapping[str, Any], config: Config) -> bool:
    """Return whether storing is allowed; a consent callable that fails counts as a no and is logged."""
    if config.respect_gpc and environ.get("HTTP_SEC_GPC") == "1":
        return False
    if config.consent is None:
        return True
    try:
        return bool(config.consent(dict(environ)))
    except Exception:
        logger.exception("The consent callable failed; nothing is stored for this request.")
        return False


def click_cookies(click_id: str, environ: Mapping[str, Any], config: Config) -> tuple[str, ...]:
    """Return the Set-Cookie values for a click id that the server learnt from a relayed answer.

    Empty without consent, when *click_id* is none, when the cookie already holds it, or another one that
    was first and counts.
    """
    kept = click_id_cookie(environ.get("HTTP_COOKIE", ""))
    first_wins = config.attribution_model == "first-click" and kept is not None
    if first_wins or kept == click_id or not CLICK_ID.fullmatch(click_id):
        return ()
    return () if not has_consent(environ, config) else _cookies(click_id, environ, config)


def sealed_at(cookies: str, click_id: str, config: Config) -> datetime | None:
    """Return when the seal of *click_id* was made (UTC); None if missing, forged, expired or another's."""
    seal = first_cookie(cookies, SEAL_COOKIE)
    if seal is None or config.secret_key is None:
        return None
    try:
        value, made = _signer(config).unsign(seal, max_age=config.cookie_max_age, return_timestamp=True)
    except BadSignature:
        return None
    return made if value == click_id.encode() else None


def _signer(config: Config) -> TimestampSigner:
    # itsdangerous signs with the last key, we with the first
    return TimestampSigner(list(reversed(config.secret_key or ())), salt="dub_middleware.capture")  # type: ignore[arg-type]


def _cookies(click_id: str, environ: Mapping[str, Any], config: Config) -> tuple[str, ...]:
    domain = cookie_domain(config, environ.get("HTTP_HOST", ""))
    is_https = environ.get("wsgi.url_scheme") == "https"
    secure = is_https if config.cookie_secure == "auto" else config.cookie_secure
    secure = secure or config.cookie_samesite == "None"

    def cookie(name: str, value: str, *, max_age: int, domain: str | None, http_only: bool = False) -> str:
        return set_cookie(
            name,
            value,
            max_age=max_age,
            path=config.cookie_path,
            domain=domain,
            same_site=config.cookie_samesite,
            secure=secure,
            http_only=http_only,
        )

    result = [cookie(CLICK_ID_COOKIE, click_id, max_age=config.cookie_max_age, domain=domain)]
    if domain and f"{CLICK_ID_COOKIE}=" in environ.get("HTTP_COOKIE", ""):
        # an older host-only twin would be sent first and hide the new click
        result.append(cookie(CLICK_ID_COOKIE, "", max_age=0, domain=None))
    if config.secret_key is not None:
        seal = _signer(config).sign(click_id).decode("ascii")
        result.append(cookie(SEAL_COOKIE, seal, max_age=config.cookie_max_age, domain=domain, http_only=True))
    return tuple(result)

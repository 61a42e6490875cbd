"""The gate before a link with a password."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from itsdangerous import BadSignature, TimestampSigner

from dub_middleware.cookies import first_cookie
from dub_middleware.server.api.limits import RateLimit
from dub_middleware.server.store import Link

MAX_AGE = 24 * 60 * 60  # seconds that a visitor need not say the password again
MAX_FORM = 4096  # bytes
TRIES, PER = 10, 60  # tries of one address on one link, seconds


class Gate:
    """Ask for passwords; remember in a signed cookie who has said them. ``clock`` gives epoch seconds."""

    def __init__(self, secret: str, clock: Callable[[], float]) -> None:
        self._secret = secret
        self._tries = RateLimit(TRIES, PER, clock)

    def is_open(self, link: Link, cookies: str) -> bool:
        """Return whether this visitor has said the password that the link has now."""
        token = first_cookie(cookies, cookie_name(link))
        if not token:
            return False
        try:
            return self._signer(link).unsign(token, max_age=MAX_AGE) == b"1"
        except BadSignature:
            return False

    def try_password(self, link: Link, address: str, said: str) -> bool | None:
        """Return whether it is right; None when this address has tried too often."""
        if not self._tries.take(f"{link.id} {address}").allowed:
            return None
        return hmac.compare_digest(said.encode(), (link.password or "").encode())

    def token(self, link: Link) -> str:
        """Return the cookie's value for who has said it."""
        return self._signer(link).sign("1").decode()

    def _signer(self, link: Link) -> TimestampSigner:
        # another password is another key: whoever knew the old one is asked again
        salt = hashlib.sha256(f"{link.id}:{link.password}".encode()).hexdigest()
        return TimestampSigner(self._secret, salt=salt, digest_method=hashlib.sha256)


def cookie_name(link: Link) -> str:
    return f"dub_password_{link.id}"


def posted_password(environ: dict[str, Any]) -> str:
    """Return what the form says."""
    try:
        length = int(environ.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return ""
    if not 0 < length <= MAX_FORM:
        return ""
    body: bytes = environ["wsgi.input"].read(length)
    return dict(parse_qsl(body.decode("utf-8", "replace"), max_num_fields=None)).get("password", "")


def is_own_form(environ: dict[str, Any]) -> bool:
    """Return whether the form was sent by a page of this host, as far as the browser tells."""
    if site := environ.get("HTTP_SEC_FETCH_SITE"):
        return site in ("same-origin", "none")
    origin = environ.get("HTTP_ORIGIN")
    return origin is None or urlsplit(origin).netloc.lower() == environ.get("HTTP_HOST", "").lower()

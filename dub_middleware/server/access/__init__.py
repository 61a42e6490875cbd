"""Who may open the dashboard, and from where.

Without a password the dashboard is for this machine alone: the peer and the ``Host`` must both be loopback,
which also ends DNS rebinding. With one, every page but the login needs a session. Either way a request that
changes something must come from a page of the dashboard itself.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from werkzeug import Request

from dub_middleware.server.access.sessions import LIFETIME, Sessions
from dub_middleware.server.addresses import is_loopback
from dub_middleware.server.api.limits import RateLimit
from dub_middleware.server.store import Store

__all__ = ["Access"]

ATTEMPTS = 5  # logins a minute from one address
ATTEMPTS_OF_ALL = 30  # and from all of them, in each process
PROXIED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")
SAFE = frozenset(["GET", "HEAD", "OPTIONS"])


class Access:
    """Answer whether a request may pass; ``client`` tells the address a WSGI environ comes from."""

    def __init__(
        self, store: Store, password: str | None, base_url: str, client: Callable[[dict[str, Any]], str]
    ) -> None:
        def clock() -> float:
            return store.now() / 1000

        self.needs_login = password is not None
        self._sessions = Sessions(store, password)
        self._client = client
        self._is_https = urlsplit(base_url).scheme == "https"
        self._limit = RateLimit(ATTEMPTS, 60, clock)
        self._limit_of_all = RateLimit(ATTEMPTS_OF_ALL, 60, clock)

    def is_from_here(self, request: Request) -> bool:
        """The request was made on this machine, to a name that only this machine can mean, by no proxy."""
        return (
            is_loopback(self._client(request.environ))
            and is_loopback(_name(request.host))
            and not any(name in request.headers for name in PROXIED)
        )

    def is_same_site(self, request: Request) -> bool:
        """The request changes nothing, or was made by a page of this server, or by no browser.

        Browsers tell by ``Sec-Fetch-Site``, older ones by ``Origin``; what sends neither keeps no cookies of
        ours that another site could use.
        """
        if request.method in SAFE:
            return True
        site = request.headers.get("Sec-Fetch-Site")
        if site is not None:
            return site in ("same-origin", "none")
        origin = request.headers.get("Origin")
        return origin is None or urlsplit(origin).netloc == request.host

    def is_logged_in(self, request: Request) -> bool:
        return self._sessions.find(request.cookies.get(self._cookie(request), "")) is not None

    def login(self, request: Request, password: str) -> LoginResult:
        """Try a password. Guessing is slow: so many a minute from one address, and from all."""
        mine = self._limit.take(self._client(request.environ))
        if not mine.allowed or not self._limit_of_all.take("").allowed:
            return LoginResult(wait=60)
        if not self._sessions.accepts(password):
            return LoginResult()
        return LoginResult(cookie=self._set_cookie(request, self._sessions.begin(), LIFETIME))

    def logout(self, request: Request) -> dict[str, Any]:
        """End the session everywhere, and return what `Response.set_cookie` takes to forget it."""
        self._sessions.end(request.cookies.get(self._cookie(request), ""))
        return self._set_cookie(request, "", timedelta())

    def _is_secure(self, request: Request) -> bool:
        return self._is_https or request.scheme == "https"

    def _cookie(self, request: Request) -> str:
        return "__Host-dub_session" if self._is_secure(request) else "dub_session"

    def _set_cookie(self, request: Request, value: str, lifetime: timedelta) -> dict[str, Any]:
        return {
            "key": self._cookie(request),
            "value": value,
            "max_age": lifetime,
            "path": "/",
            "secure": self._is_secure(request),
            "httponly": True,
            "samesite": "Lax",
        }


class LoginResult:
    """``cookie`` is what `Response.set_cookie` takes, None when refused; ``wait`` the seconds to wait."""

    def __init__(self, cookie: dict[str, Any] | None = None, wait: int = 0) -> None:
        self.cookie = cookie
        self.wait = wait


def _name(host: str) -> str:
    """The name in a ``Host`` header."""
    return host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]

"""The request helper: what Dub knows of this visitor, read when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from datetime import datetime, timezone
from typing import Any, Literal

from dub_middleware.capture import Capture, capture, sealed_at
from dub_middleware.config import Config
from dub_middleware.cookies import partner_cookie

#: where the visit lives in a WSGI environ and in an ASGI scope
ENVIRON_KEY = "dub_middleware.visit"

_DEFAULTS = Config()


class Visit:
    """One visitor's click, as far as this request tells; true when there is a click id.

    Nothing is read before an attribute is asked for, and each is read once.
    """

    __slots__ = ("_capture", "_config", "_cookies", "_environ", "_partner", "_seal")

    _config: Config
    _environ: Mapping[str, Any] | None
    _cookies: str
    # set by the first look
    _capture: Capture
    _partner: dict[str, Any]
    _seal: tuple[datetime | None, bool]

    def __init__(self, environ: Mapping[str, Any], config: Config = _DEFAULTS) -> None:
        # Without a query only cookies matter, and the environ, which holds the visit, is freed with its last
        # user: a reference cycle in every request would wait for the garbage collector.
        self._environ = environ if environ.get("QUERY_STRING") else None
        self._cookies = environ.get("HTTP_COOKIE", "")
        self._config = config

    @property
    def capture(self) -> Capture:
        """The decision about this request: click id, source, and the cookies its response sets."""
        if not hasattr(self, "_capture"):
            self._capture = capture(self._environ or {"HTTP_COOKIE": self._cookies}, self._config)
        return self._capture

    @property
    def click_id(self) -> str | None:
        """The click id that counts for this request: 1 to 64 of ``A-Z a-z 0-9 _ -``, or None.

        It comes from the visitor: pass it on to Dub, but never grant anything on it.
        """
        return self.capture.click_id

    @property
    def source(self) -> Literal["query", "cookie"] | None:
        """Where the click id came from."""
        return self.capture.source

    @property
    def is_new(self) -> bool:
        """Whether the click was not yet in the visitor's cookie: this is the landing request."""
        return self.capture.is_new

    @property
    def partner(self) -> dict[str, Any] | None:
        """The partner that Dub's script learnt for this visitor: id, name, image."""
        return self._partner_data("partner")

    @property
    def discount(self) -> dict[str, Any] | None:
        """The partner's discount for this visitor: id, amount, type, maxDuration, couponId."""
        return self._partner_data("discount")

    @property
    def captured_at(self) -> datetime | None:
        """When the click was captured (UTC); None without a valid seal (option ``secret_key``)."""
        return self._sealed()[0]

    @property
    def is_sealed(self) -> bool:
        """Whether our signature shows that this server captured this click id."""
        return self._sealed()[1]

    def __bool__(self) -> bool:
        return self.capture.click_id is not None

    def __repr__(self) -> str:
        return f"<Visit click_id={self.click_id!r} source={self.source!r} is_new={self.is_new}>"

    def _partner_data(self, key: str) -> dict[str, Any] | None:
        if not hasattr(self, "_partner"):
            self._partner = partner_cookie(self._cookies) or {}
        value = self._partner.get(key)
        return value if isinstance(value, dict) else None

    def _sealed(self) -> tuple[datetime | None, bool]:
        if not hasattr(self, "_seal"):
            self._seal = self._read_seal()
        return self._seal

    def _read_seal(self) -> tuple[datetime | None, bool]:
        click_id = self.click_id
        if click_id is None or self._config.secret_key is None:
            return None, False
        if self.capture.cookies:  # sealed by this very response
            return datetime.now(timezone.utc), True
        made = sealed_at(self._cookies, click_id, self._config)
        return made, made is not None


class Arriving(Visit):
    """A visit that is made without a call: its maker sets ``_config``, ``_environ`` and ``_cookies``.

    Every request has one, few look at it, and an ``__init__`` in Python is half of what one costs.
    """

    __slots__ = ()
    __init__ = object.__init__


_NOBODY = Visit({})
_current: ContextVar[Visit] = ContextVar(ENVIRON_KEY, default=_NOBODY)


def current_visit() -> Visit:
    """Return the visit of the request being handled; outside of one, a visit without a click id."""
    return _current.get()


def get_visit(request: Any) -> Visit:
    """Return the visit of *request*.

    That is a WSGI environ, an ASGI scope, or a Werkzeug, Django or Starlette request.
    A request that did not pass the middleware is read with the default options.

    Raises:
        TypeError: *request* is none of these.
    """
    environ = _environ_of(request)
    visit = environ.get(ENVIRON_KEY)
    if visit is None:
        visit = environ[ENVIRON_KEY] = Visit(environ_of_scope(environ) if "type" in environ else environ)
    return visit


def _environ_of(request: Any) -> dict[str, Any]:
    if isinstance(request, dict) and ("REQUEST_METHOD" in request or "type" in request):
        return request
    for attribute in ("environ", "META", "scope"):
        found = getattr(request, attribute, None)
        if isinstance(found, dict):
            return found
    raise TypeError(
        f"get_visit() cannot read a {type(request).__name__}. Pass a WSGI environ, an ASGI scope, "
        "or a Werkzeug, Django or Starlette request."
    )


def environ_of_scope(scope: Mapping[str, Any]) -> dict[str, Any]:
    """Return the WSGI view of an ASGI http scope: method, query, scheme, host and headers."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope.get("method", "GET"),
        "PATH_INFO": scope.get("path", ""),
        "SCRIPT_NAME": scope.get("root_path", ""),
        "QUERY_STRING": scope.get("query_string", b"").decode("latin-1"),
        "wsgi.url_scheme": scope.get("scheme", "http"),
    }
    for name, value in scope.get("headers", ()):
        key = f"HTTP_{name.decode('latin-1').upper().replace('-', '_')}"
        text = value.decode("latin-1")
        if key in environ:
            # RFC 9113 §8.2.3: several Cookie fields are one, joined by a semicolon
            text = f"{environ[key]}{'; ' if key == 'HTTP_COOKIE' else ', '}{text}"
        environ[key] = text
    return environ


#: make a visit the current one; the adapters call it, and `leave` with what it returned
enter: Callable[[Visit], Token[Visit]] = _current.set
#: undo `enter`
leave: Callable[[Token[Visit]], None] = _current.reset

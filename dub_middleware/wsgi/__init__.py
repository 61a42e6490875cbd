"""The middleware for WSGI apps, exactly as PEP 3333 wants it.

Responses that are not ours to touch pass as the same objects, so that servers keep their fast paths
(``wsgi.file_wrapper``, ``len()`` of a list). Inside a visitor's request a failure of our own is logged and
never becomes the app's.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from dub_middleware.config import Config
from dub_middleware.inject import Headers, Page
from dub_middleware.site import INJECT_KEY, Site
from dub_middleware.visit import ENVIRON_KEY, Arriving, enter, leave
from dub_middleware.wsgi.exchange import NOT_BEGUN, Body, Exchange

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class DubMiddleware:
    """Wrap a WSGI app: keep the click id, put the script into its pages, serve both from its own origin.

    *options* are the fields of `Config`; they are laid over *config*, or without one over the environment.

    Raises:
        ConfigError: an option is unknown or wrong.
    """

    def __init__(self, app: WSGIApplication, config: Config | None = None, **options: Any) -> None:
        self.app = app
        self.config = Config.of(config, options)
        self.site = Site(self.config)
        self.script = self.site.script
        self.injection = self.site.injection
        self._prefix = self.site.prefix
        #: for a page about which there is nothing to ask
        self.constant_tag = self.injection.tag if self.config.inject is True else None

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            path = environ["SCRIPT_NAME"] + environ["PATH_INFO"]  # mounted or not, what the browser asks for
            query = environ["QUERY_STRING"]
        except KeyError:  # a server may leave out what is empty
            path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
            query = environ.get("QUERY_STRING", "")
        if self._prefix in path and path.startswith(self._prefix):  # nothing there reaches the app
            return self._answer(environ, start_response, path[len(self._prefix) :])
        app = self.app
        visit = Arriving()
        visit._environ = environ if query else None
        visit._cookies = environ.get("HTTP_COOKIE", "")
        visit._config = self.config
        if environ.setdefault(ENVIRON_KEY, visit) is not visit:  # another one is around us and does it all
            return app(environ, start_response)
        exchange = Exchange()  # filled here, like the visit: a call of a constructor costs as much again
        exchange.environ = environ
        exchange.start_response = start_response
        exchange.middleware = self
        exchange.query = query
        exchange.page = NOT_BEGUN
        token = enter(visit)
        try:
            result = app(environ, exchange.begin)
        except BaseException:
            leave(token)
            raise
        if type(result) is list or type(result) is tuple:
            leave(token)
            return exchange.settle(result) if exchange.page else result
        if exchange.page and environ.get(INJECT_KEY) is False:
            exchange.let_go()
        if exchange.page is False and type(result) is not GeneratorType:
            leave(token)
            return result
        return Body(result, exchange, token)

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse, tail: str) -> list[bytes]:
        """Answer for the script and the relay."""
        status, headers, body = self.site.answer(environ, tail, environ["wsgi.input"])
        start_response(status, list(headers))
        return [body]

    def tag_for(self, environ: WSGIEnvironment, found: Page, headers: Headers) -> bytes | None:
        """Return the tag for a page of *headers*, None when it is to go without."""
        if not self.site.wants_tag(environ):
            return None
        return self.injection.tag_for(found, headers, lambda: _origin(environ))


def _origin(environ: WSGIEnvironment) -> str:
    host = environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
    return f"{environ['wsgi.url_scheme']}://{host}"

"""Dub for Flask: an extension that wraps the app and gives handlers and templates what they need.

::

    from dub_middleware.flask import Dub

    dub = Dub(app)                  # or Dub() and dub.init_app(app) in a factory
    dub.visit.click_id              # inside a request

Options are those of `dub_middleware.Config`, as keywords or as ``DUB_*`` keys of ``app.config``.
"""

from __future__ import annotations

from typing import Any, cast

from dub_middleware.config import Config
from dub_middleware.errors import MissingDependencyError
from dub_middleware.visit import Visit, get_visit
from dub_middleware.wsgi import DubMiddleware

try:
    import flask
    from markupsafe import Markup
except ImportError as error:
    raise MissingDependencyError("Flask", "flask") from error

#: DUB_* keys that belong to other parts
_OTHERS = frozenset({"api_key", "segment_write_key", "outbox"})


class Dub:
    """Wrap Flask apps; one object may serve several apps in a process.

    Raises:
        ConfigError: an option is unknown or wrong.
    """

    def __init__(self, app: flask.Flask | None = None, **options: Any) -> None:
        self._options = options
        Config.of(None, options)  # a wrong option is told here, not at the first init_app
        if app is not None:
            self.init_app(app)

    def init_app(self, app: flask.Flask) -> None:
        """Wrap *app*; its ``DUB_*`` keys are read now, and the keywords of the constructor win over them."""
        config = Config.of(Config.from_mapping(app.config, prefix="DUB_", ignore=_OTHERS), self._options)
        middleware = DubMiddleware(app.wsgi_app, config)
        app.wsgi_app = middleware  # type: ignore[method-assign]
        app.extensions["dub"] = middleware
        app.jinja_env.globals["dub_script"] = dub_script
        app.context_processor(lambda: {"dub_visit": self.visit})

    @property
    def visit(self) -> Visit:
        """The visit of the current request."""
        return get_visit(flask.request.environ)


def dub_script(nonce: str | None = None) -> Markup:
    """Return the script element, for templates that place it themselves: ``{{ dub_script() }}``.

    The middleware adds no second one. *nonce* is that of the page's Content-Security-Policy.
    """
    middleware = cast(DubMiddleware, flask.current_app.extensions["dub"])
    return Markup(middleware.script.markup(nonce))

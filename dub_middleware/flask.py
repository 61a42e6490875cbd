"""Dub for Flask: an extension that wraps the app and gives handlers and templates what they need.

::

    from dub_middleware.flask import Dub

    dub = Dub(app)                  # or Dub() and dub.init_app(app) in a factory

    dub.visit.click_id              # inside a request
    dub.track_lead(customer_external_id="42", customer_email="ada@example.com")
    dub.track_sale(customer_external_id="42", amount=4900, invoice_id="inv_1")

Options are those of `dub_middleware.Config`, as keywords, ``DUB_*`` keys of ``app.config`` or environment
variables; those of conversions (``DUB_API_KEY``, ``DUB_OUTBOX``, …) are in ``app.config`` or the environment.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from dub_middleware.config import CONVERSION_NAMES, Config
from dub_middleware.errors import MissingDependencyError
from dub_middleware.visit import Visit, get_visit
from dub_middleware.wsgi import DubMiddleware

try:
    import flask
    from markupsafe import Markup
except ImportError as error:
    raise MissingDependencyError("Flask", "flask") from error

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from dub_middleware.conversions import Conversions, Receipt
    from dub_middleware.conversions.app import AppConversions
    from dub_middleware.conversions.fields import LeadFields, SaleFields
    from dub_middleware.webhooks import WebhookEvent

#: DUB_* keys that are no options of the middleware; DUB_CONVERSIONS is a client of one's own
_OTHERS = frozenset(
    name.removeprefix("DUB_").lower() for name in CONVERSION_NAMES.values() if name.startswith("DUB_")
) | {"conversions"}


class Dub:
    """Wrap Flask apps; one object may serve several apps in a process.

    ``conversions`` is a client of your own in place of the one that the settings describe.

    Raises:
        ConfigError: an option is unknown or wrong.
    """

    def __init__(
        self, app: flask.Flask | None = None, *, conversions: Conversions | None = None, **options: Any
    ) -> None:
        self._options = options
        self._conversions = conversions
        Config.of(Config(), options)  # a wrong option is told here, not at the first init_app
        if app is not None:
            self.init_app(app)

    def init_app(self, app: flask.Flask) -> None:
        """Wrap *app*; its ``DUB_*`` keys are read now. They win over the environment, keywords over them."""
        if self._conversions is not None:
            app.config["DUB_CONVERSIONS"] = self._conversions
        given = Config.from_mapping(app.config, prefix="DUB_", ignore=_OTHERS, base=Config.from_env())
        config = Config.of(given, self._options)
        middleware = DubMiddleware(app.wsgi_app, config)
        app.wsgi_app = middleware  # type: ignore[method-assign]
        app.extensions["dub"] = middleware
        app.jinja_env.globals["dub_script"] = dub_script
        app.context_processor(lambda: {"dub_visit": self.visit})
        names = CONVERSION_NAMES.values()
        if "DUB_CONVERSIONS" in app.config or any(it in app.config or it in os.environ for it in names):
            _conversions_of(app)  # a wrong setting stops the start, not a visitor's first purchase

    @property
    def visit(self) -> Visit:
        """The visit of the current request."""
        return get_visit(flask.request.environ)

    @property
    def conversions(self) -> Conversions:
        """The client of the current app: to flush, to ask for receipts, to track without softening."""
        return _conversions_of(flask.current_app).client

    def track_lead(self, **fields: Unpack[LeadFields]) -> Receipt:
        """Accept a lead and return at once; the fields are those of `Conversions.track_lead`.

        The click id is the current visit's. A field that breaks a rule raises `EventError` in debug and
        testing; to visitors it is only logged: see `AppConversions`.
        """
        return _conversions_of(flask.current_app).track_lead(**fields)

    def track_sale(self, **fields: Unpack[SaleFields]) -> Receipt:
        """Accept a sale, like `track_lead`; the fields are those of `Conversions.track_sale`."""
        return _conversions_of(flask.current_app).track_sale(**fields)


def dub_script(nonce: str | None = None) -> Markup:
    """Return the script element, for templates that place it themselves: ``{{ dub_script() }}``.

    The middleware adds no second one. *nonce* is that of the page's Content-Security-Policy.
    """
    middleware = cast(DubMiddleware, flask.current_app.extensions["dub"])
    return Markup(middleware.script.markup(nonce))


def webhook_blueprint(
    secret: str | Sequence[str],
    on_event: Callable[[WebhookEvent], object],
    *,
    url_prefix: str = "/webhooks/dub",
    **options: Any,
) -> flask.Blueprint:
    """Return a blueprint that takes Dub's webhooks at *url_prefix* and calls *on_event* once for each.

    *secret* and the other options are those of `WebhookApp`, which says what is answered.
    """
    from dub_middleware.webhooks import WebhookApp
    from dub_middleware.webhooks.app import MAX_BODY

    webhooks = WebhookApp(secret, on_event, **options)
    blueprint = flask.Blueprint("dub_webhooks", __name__, url_prefix=url_prefix)

    @blueprint.post("", strict_slashes=False)
    def receive() -> flask.Response:
        body = flask.request.stream.read(MAX_BODY + 1)
        answer = webhooks.handle(body, dict(flask.request.headers))
        return flask.Response(answer.body, answer.status, list(answer.headers))

    return blueprint


def _conversions_of(app: flask.Flask) -> AppConversions:
    found = app.extensions.get("dub_conversions")
    if found is None:
        # only an app that tracks conversions pays for their import
        from dub_middleware.conversions.app import AppConversions

        settings, debug = app.config, lambda: bool(app.debug or app.testing)
        found = AppConversions(settings, prefix="DUB_", is_strict=debug)
        app.extensions.setdefault("dub_conversions", found)
    return cast("AppConversions", found)

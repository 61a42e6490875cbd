"""The pages for people, as one Flask application: the three result views and what belongs to them.

To add a page:

1. Write a module here with a Blueprint named after the page. A view gathers its data and ends in
   `pages.answer`, which renders the template or, asked for JSON, the same data::

       blueprint = Blueprint("customers", __name__)

       @page(blueprint, "/customers")                   # and /customers.json
       def index() -> Response:
           customers = current_server().store.customers.page()
           return answer("customers.html", {"customers": customers})

2. Write ``templates/customers.html``. It extends ``base.html``, fills the blocks ``title`` and ``main``
   (``actions`` for what stands beside the heading), and builds its content from the macros of
   ``components.html``, ``icons.html`` and the classes of ``static/*.css``::

       {% extends "base.html" %}
       {% block title %}Customers{% endblock %}
       {% block main %}{% call ui.card("All customers") %}…{% endcall %}{% endblock %}

3. Add the blueprint to `BLUEPRINTS`. The navigation shows an entry once its endpoint exists; a new one is a
   line in `layout.NAVIGATION`.

Rules of the house: everything works without JavaScript (links and forms first; modules in ``static/`` only
make it quicker). The policy allows no inline script and no ``style`` attribute: widths are SVG attributes,
states are classes. Whatever a page says about time and filters comes from its `filters.Scope`. A key for a
link or button is its ``aria-keyshortcuts``, which is all that ``keys.js`` and the help look at. State is
changed by POST only.
"""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket

from dub_middleware.server.api.auth import Gatekeeper
from dub_middleware.server.dashboard import (
    analytics,
    breakdown,
    customers,
    events,
    install,
    layout,
    links,
    login,
    menus,
    push,
    settings,
    webhooks,
)
from dub_middleware.server.services import Services

BLUEPRINTS: tuple[Blueprint, ...] = (
    analytics.blueprint,
    breakdown.blueprint,
    events.blueprint,
    menus.blueprint,
    push.blueprint,
    links.blueprint,
    customers.blueprint,
    webhooks.blueprint,
    settings.blueprint,
    install.blueprint,
    login.blueprint,
)


class _Compiled(BytecodeCache):
    """Templates, compiled once a process: test suites start a server for each test."""

    def __init__(self) -> None:
        self._code: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if (code := self._code.get(bucket.key)) is not None:
            bucket.bytecode_from_string(code)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._code[bucket.key] = bucket.bytecode_to_string()


_COMPILED = _Compiled()


def create_dashboard(server: Services, gate: Gatekeeper) -> Flask:
    """The pages of one server; ``gate`` knows its API keys."""
    templates = Path(__file__).parents[1] / "templates"
    app = Flask(__name__, static_folder=None, template_folder=str(templates))
    app.json.sort_keys = False  # type: ignore[attr-defined]  # of the default provider
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.bytecode_cache = _COMPILED
    layout.init_app(app, server)
    login.init_app(app, server, gate)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    return app

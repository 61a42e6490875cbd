"""The Dub on one machine: short links, the tracking API, webhooks and the three result views.

::

    from dub_middleware.server import create_app

    app = create_app("sqlite:///dub.db")      # a WSGI app: gunicorn 'dub_middleware.server:create_app()'
    app.api_key                               # the secret key, once: it is stored as a hash only

Needs the extra ``[server]``; ``create_app`` says so when it is not installed.
"""

from __future__ import annotations

from dub_middleware.errors import MissingDependencyError

try:
    import flask as _flask  # noqa: F401
    import sqlalchemy as _sqlalchemy  # noqa: F401
except ImportError as error:
    raise MissingDependencyError(error.name or "flask", "server") from error

from dub_middleware.server.app import Server, create_app
from dub_middleware.server.options import Options

__all__ = ["Options", "Server", "create_app"]

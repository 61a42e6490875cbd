"""The dashboard: the result views and the pages around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask

if TYPE_CHECKING:
    from dub_middleware.server.app import Server


def create_dashboard(server: Server) -> Flask:
    """Build the pages of one server."""
    app = Flask(__name__)

    @app.get("/")
    def home() -> str:
        return "<!doctype html><title>Dub on one machine</title><h1>Dub on one machine</h1>"

    return app

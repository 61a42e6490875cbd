"""The door of the dashboard: who may pass is decided by `access`; this is the page and the guard."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, abort, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from dub_middleware.server.api.auth import Gatekeeper
from dub_middleware.server.api.errors import ApiError
from dub_middleware.server.dashboard.pages import current_server, wants_json
from dub_middleware.server.services import Services

blueprint = Blueprint("login", __name__)

OPEN = frozenset(["static", "login.form", "login.enter"])  # the endpoints that need no session
#: the blueprints whose data the holder of an API key may read; what manages the server is for people
READABLE = frozenset(["analytics", "breakdown", "events", "links", "customers"])


def init_app(app: Flask, server: Services, gate: Gatekeeper) -> None:
    """Guard every page of an application."""
    access = server.access

    @app.before_request
    def guard() -> AnyResponse | None:
        if (authorization := _key_of_program()) is not None:
            try:
                gate.secret(authorization, "apis.read", is_analytics=False)
            except ApiError as error:
                response = jsonify(error.envelope)
                response.status_code = error.status
                response.headers.update(error.headers)
                return response
            return None
        if not access.needs_login and not access.is_from_here(request):
            abort(403, "Without a password these pages are for the machine they run on. Set DUB_PASSWORD.")
        if not access.is_same_site(request):
            abort(403, "This was asked for by a page of another site.")
        if not access.needs_login or request.endpoint in OPEN or access.is_logged_in(request):
            return None
        if wants_json() or request.method not in ("GET", "HEAD"):
            response = jsonify({"error": {"status": 401, "message": "Log in first."}})
            response.status_code = 401
            return response
        return redirect(url_for("login.form", next=request.full_path.rstrip("?")))


def _key_of_program() -> str | None:
    """The header with the key of a program that reads data; None for people, and for what others read."""
    authorization = request.headers.get("Authorization", "")
    reads = request.method in ("GET", "HEAD") and (wants_json() or request.path.endswith(".csv"))
    is_key = authorization.startswith("Bearer ")
    return authorization if is_key and reads and request.blueprint in READABLE else None


@blueprint.get("/login")
def form() -> AnyResponse:
    access = current_server().access
    if not access.needs_login or access.is_logged_in(request):
        return redirect(_next())
    return _form()


@blueprint.post("/login")
def enter() -> AnyResponse:
    result = current_server().access.login(request, request.form.get("password", ""))
    if result.cookie is not None:
        response = redirect(_next(), 303)
        response.set_cookie(**result.cookie)
        return response
    if result.wait:
        refused = _form("Too many tries. Wait a minute.", 429)
        refused.headers["Retry-After"] = str(result.wait)
        return refused
    return _form("That is not the password.", 403)


@blueprint.post("/logout")
def leave() -> AnyResponse:
    response = redirect(url_for("login.form"), 303)
    response.set_cookie(**current_server().access.logout(request))
    return response


def _form(error: str = "", status: int = 200) -> Response:
    response = Response(render_template("login.html", error=error, next=_next()), status)
    response.cache_control.no_store = True
    return response


def _next() -> str:
    """The page to go to: of this server, whatever the form says."""
    wanted = request.values.get("next", "")
    parts = urlsplit(wanted)
    is_own = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and not parts.netloc
    return wanted if is_own else "/"

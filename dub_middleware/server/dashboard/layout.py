"""What every page has: navigation, static files, security headers, error pages."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, current_app, jsonify, render_template, request, url_for
from werkzeug.exceptions import HTTPException, InternalServerError, ServiceUnavailable
from werkzeug.routing import IntegerConverter, UnicodeConverter, ValidationError

from dub_middleware.errors import SlowQueryError, StoreError
from dub_middleware.server.dashboard import formats
from dub_middleware.server.dashboard.filters import ScopeError
from dub_middleware.server.dashboard.neighbours import earlier, later
from dub_middleware.server.dashboard.pages import wants_json
from dub_middleware.server.objects import Objects
from dub_middleware.server.services import Services
from dub_middleware.server.store import Settings

#: endpoint, label, icon, key; an entry is shown when its endpoint is registered
NAVIGATION = (
    ("analytics.index", "Analytics", "chart", "s"),
    ("events.index", "Events", "pulse", "l"),
    ("links.index", "Links", "link", None),
    ("customers.index", "Customers", "people", None),
    ("webhooks.index", "Webhooks", "hook", None),
    ("settings.index", "Settings", "gear", None),
    ("install.index", "Install", "code", None),
)
#: pages without an entry of their own → the section they are a part of
_PARTS = {"breakdown": "analytics"}
THEMES = ("light", "dark")

STATIC = Path(__file__).parents[1] / "static"

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


_MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class Assets:
    """The static files, in memory; ``version`` changes whenever one of them does."""

    def __init__(self, folder: Path) -> None:
        paths = sorted(path for path in folder.rglob("*") if path.suffix in _MEDIA_TYPES)
        self.files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
        digest = hashlib.sha256()
        for name, content in self.files.items():
            digest.update(name.encode() + b"\0" + content)
        self.version = digest.hexdigest()[:12]


class _Segment(UnicodeConverter):
    """A part of a path. None of ours has NUL in it, which PostgreSQL has no place for."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.regex = self.regex.replace("[^/]", r"[^/\x00]")


class _Number(IntegerConverter):
    """A number of a row: both databases count as far as this."""

    def to_python(self, value: str) -> int:
        number: int = super().to_python(value)
        if number >= 2**63:
            raise ValidationError
        return number


def init_app(app: Flask, server: Services) -> None:
    """Give an application what all pages share."""
    app.extensions["dub_server"] = server
    app.extensions["dub_assets"] = Assets(STATIC)
    app.url_map.converters |= {"default": _Segment, "int": _Number}
    app.add_url_rule("/static/<version>/<path:name>", "static", _static)
    app.context_processor(_context)
    app.jinja_env.globals |= {"formats": formats, "earlier": earlier, "later": later}
    app.after_request(_protect)
    app.register_error_handler(HTTPException, _explain)
    app.register_error_handler(ScopeError, _refuse)
    app.register_error_handler(SlowQueryError, _took_too_long)
    app.register_error_handler(StoreError, _store_failed)


def asset(name: str) -> str:
    """The address of a static file, which changes with the files: browsers may keep it for ever."""
    return url_for("static", version=current_app.extensions["dub_assets"].version, name=name)


def _static(version: str, name: str) -> Response:
    assets: Assets = current_app.extensions["dub_assets"]
    if name not in assets.files:
        abort(404)
    response = Response(assets.files[name], mimetype=_MEDIA_TYPES[Path(name).suffix])
    response.add_etag()
    response.cache_control.public = True
    if version == assets.version:
        response.cache_control.max_age = 365 * 86_400
        response.cache_control.immutable = True
    else:
        # a page that was opened before an update asks with its old address; it gets what there is
        response.cache_control.no_cache = True
    response.make_conditional(request)
    return response


def _context() -> dict[str, Any]:
    server: Services = current_app.extensions["dub_server"]
    theme = request.cookies.get("dub_theme")
    section = (request.endpoint or "").partition(".")[0]
    return {
        "asset": asset,
        "navigation": [
            {"url": url_for(endpoint), "label": label, "icon": icon, "key": key, "endpoint": endpoint}
            for endpoint, label, icon, key in NAVIGATION
            if endpoint in current_app.view_functions
        ],
        "can_log_out": server.access.needs_login,
        "api_url": f"{request.host_url}api",
        "link_url": Objects("", request.host_url).short_link,
        "push_url": url_for("push.stream") if server.options.event_streams else None,
        "section": _PARTS.get(section, section),
        "theme": theme if theme in THEMES else None,
        "workspace": _workspace(server),
    }


def _workspace(server: Services) -> Settings:
    """The settings, or without a database the usual ones: the page that says so needs some too."""
    try:
        return server.store.workspace.settings()
    except StoreError:
        return Settings()


def _protect(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.endpoint != "static":
        response.cache_control.private = True
        if not response.cache_control.no_store:
            response.cache_control.no_cache = True
        response.vary.update(("Accept", "Cookie"))
    return response


def _explain(error: HTTPException) -> Response | HTTPException:
    if error.response is not None or error.code is None:
        return error
    if isinstance(error, InternalServerError):
        return _error(500, "Something went wrong here", "The log of the server says what.")
    titles = {404: "There is no such page", 405: "This is not how this page is asked for"}
    is_ours = error.description != type(error).description
    told = error.description if is_ours else "The address may be mistyped, or what was here is gone."
    return _error(error.code, titles.get(error.code, error.name), told or "")


def _refuse(error: ScopeError) -> Response:
    return _error(400, "This address cannot be shown", str(error))


def _took_too_long(error: SlowQueryError) -> Response:
    return _error(422, "This takes too long to count", str(error))


def _store_failed(error: StoreError) -> Response:
    current_app.logger.error("A page could not be shown: the database failed", exc_info=error)
    told = "Reload the page in a moment. The log of the server says more."
    return _error(ServiceUnavailable.code, "The database does not answer", told)


def _error(status: int, title: str, message: str) -> Response:
    if wants_json():
        response = jsonify({"error": {"status": status, "message": message or title}})
    else:
        response = Response(render_template("error.html", heading=title, message=message, status=status))
    response.status_code = status
    return response

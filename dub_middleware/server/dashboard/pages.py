"""One page, two forms: HTML for people and the same data as JSON.

A program asks for JSON by ``.json`` behind the path or by its ``Accept`` header. Either form has an ETag, so
asking again for what has not changed is answered with 304 and no body.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, current_app, jsonify, render_template, request

from dub_middleware.server.dashboard.filters import Scope, read_scope
from dub_middleware.server.services import Services

if TYPE_CHECKING:
    from dub_middleware.server.queries import Interval

View = TypeVar("View", bound=Callable[..., Any])


def current_server() -> Services:
    return cast("Services", current_app.extensions["dub_server"])


def page(blueprint: Blueprint, path: str, twin: str | None = None) -> Callable[[View], View]:
    """Register a view under ``path`` and its JSON twin under ``twin`` (``path`` with ``.json``)."""

    def register(view: View) -> View:
        blueprint.add_url_rule(path, view_func=view)
        blueprint.add_url_rule(twin or f"{path}.json", view_func=view)
        return view

    return register


def wants_json() -> bool:
    if request.path.endswith(".json"):
        return True
    accepted = request.accept_mimetypes
    return accepted.best_match(("text/html", "application/json")) == "application/json"


def answer(template: str, data: Mapping[str, Any], **only_html: Any) -> Response:
    """Answer with a page, or with ``data`` as JSON; ``only_html`` is what the template needs besides."""
    if wants_json():
        response = jsonify(plain(data))
    else:
        response = Response(render_template(template, **data, **only_html))
    response.add_etag(weak=True)
    response.make_conditional(request)
    return response


def current_scope(
    choices: Mapping[str, tuple[str, ...]] | None = None, *, default_interval: Interval = "30d"
) -> Scope:
    """The state that the URL of this request asks for; the viewer's own zone comes from a cookie.

    Raises `ScopeError`.
    """
    server = current_server()
    zone = viewer_zone()
    today = server.queries.now().astimezone(zone).date()
    return read_scope(
        request.args, zone=zone.key, today=today, choices=choices, default_interval=default_interval
    )


def viewer_zone() -> ZoneInfo:
    """The zone the viewer has chosen, or the workspace's."""
    for name in (request.cookies.get("dub_tz"), current_server().store.workspace.settings().timezone):
        if name:
            try:
                return ZoneInfo(name)
            except (ValueError, OSError, LookupError):
                continue
    return ZoneInfo("UTC")


def plain(value: Any) -> Any:
    """Turn records into what JSON has, under the names JSON uses: ``sale_amount`` becomes ``saleAmount``."""
    if is_dataclass(value) and not isinstance(value, type):
        return {camel(item.name): plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    return value.key if isinstance(value, ZoneInfo) else value


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)

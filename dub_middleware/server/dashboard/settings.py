"""The workspace: its name and time, what is kept, who may send events; keys and domains."""

from __future__ import annotations

import dataclasses
import re
from datetime import timedelta
from typing import Any, Literal
from zoneinfo import available_timezones

from flask import Blueprint, Response, abort, render_template
from werkzeug.wrappers import Response as AnyResponse

from dub_middleware.errors import ConfigError, ConflictError
from dub_middleware.server.dashboard.forms import done, is_on, notice, text
from dub_middleware.server.dashboard.pages import answer as page_answer
from dub_middleware.server.dashboard.pages import current_server, page, viewer_zone, wants_json
from dub_middleware.server.demo_data import remove_demo
from dub_middleware.server.options import checked_domain

blueprint = Blueprint("settings", __name__)

MAX_HOSTNAMES = 10  # as at Dub
_HOSTNAME = re.compile(
    r"localhost|(?:\*\.)?(?=.{1,190}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}"
)
EXPIRIES = {"": "Never", "30": "In 30 days", "90": "In 90 days", "365": "In a year"}


@page(blueprint, "/settings")
def index() -> Response:
    """All of it on one page."""
    store = current_server().store
    if wants_json():
        data = {
            "settings": store.workspace.settings(),
            "domains": store.workspace.domains(),
            "keys": store.keys.all(),
        }
        return page_answer("", data)
    return Response(_render())


@blueprint.post("/settings")
def change() -> AnyResponse:
    """The workspace's own fields."""
    values, errors = _read()
    if errors:
        return Response(_render(values=values, errors=errors), 422)
    current_server().store.workspace.change_settings(**values)
    return done("saved", "settings.index")


@blueprint.post("/settings/keys")
def create_key() -> AnyResponse:
    """A new key, in the one answer that ever holds it."""
    kind: Literal["secret", "publishable"] = "publishable" if text("kind") == "publishable" else "secret"
    days = text("days") if text("days") in EXPIRIES else ""
    server = current_server()
    key, _ = server.store.keys.create(
        kind,
        name=text("name", 100) or "default",
        expires_at=server.queries.now() + timedelta(days=int(days)) if days else None,
    )
    response = Response(_render(new_key=key))
    response.cache_control.no_store = True
    return response


@blueprint.post("/settings/keys/<key_id>/revoke")
def revoke_key(key_id: str) -> AnyResponse:
    if not current_server().store.keys.delete(key_id):
        abort(404, "There is no such key; it may have been revoked already.")
    return done("revoked", "settings.index", _anchor="keys")


@blueprint.post("/settings/domains")
def add_domain() -> AnyResponse:
    slug = text("slug", 190)
    try:
        current_server().store.workspace.add_domain(checked_domain("domain", slug), primary=is_on("primary"))
    except ConfigError:
        error = "A domain is such as go.example.com, without scheme, port or path."
        return Response(_render(errors={"slug": error}, slug=slug), 422)
    except ConflictError:
        return Response(_render(errors={"slug": "This domain is in the list already."}, slug=slug), 422)
    return done("created", "settings.index", _anchor="domains")


@blueprint.post("/settings/domains/<slug>/delete")
def delete_domain(slug: str) -> AnyResponse:
    if not current_server().store.workspace.delete_domain(slug):
        abort(404, "There is no such domain.")
    return done("deleted", "settings.index", _anchor="domains")


@blueprint.post("/settings/demo/remove")
def drop_demo() -> AnyResponse:
    remove_demo(current_server().store)
    return done("demo-removed", "settings.index")


def _read() -> tuple[dict[str, Any], dict[str, str]]:
    errors: dict[str, str] = {}
    hostnames = list(dict.fromkeys(text("allowed_hostnames").lower().split()))
    if len(hostnames) > MAX_HOSTNAMES:
        errors["allowed_hostnames"] = f"Maximum of {MAX_HOSTNAMES} hostnames allowed."
    elif wrong := [name for name in hostnames if not _HOSTNAME.fullmatch(name)]:
        errors["allowed_hostnames"] = (
            f"{wrong[0]} is no host name: shop.example, *.shop.example or localhost."
        )
    zone = text("timezone")
    if zone not in available_timezones():
        errors["timezone"] = "This must be a name such as Europe/Berlin."
    retention = text("retention_days")
    if retention and not (retention.isascii() and retention.isdigit() and 1 <= int(retention[:7]) <= 36_500):
        errors["retention_days"] = "This must be a number of days from 1 to 36500, or empty."
    values: dict[str, Any] = {
        "name": text("name", 60) or "Local",
        "track_conversions": is_on("track_conversions"),
        "allowed_hostnames": tuple(hostnames),
        "timezone": zone,
        "retention_days": retention if errors else int(retention) if retention else None,
    }
    return values, errors


def _render(
    *,
    values: dict[str, Any] | None = None,
    errors: dict[str, str] | None = None,
    slug: str = "",
    new_key: str = "",
) -> str:
    store = current_server().store
    shown = dataclasses.asdict(store.workspace.settings()) | (values or {})
    return render_template(
        "settings.html",
        values=shown,
        errors=errors or {},
        slug=slug,
        new_key=new_key,
        keys=store.keys.all(),
        domains=store.workspace.domains(),
        link_counts=dict(store.links.count_by("domain")),
        zones=sorted(available_timezones()),
        expiries=EXPIRIES,
        now=current_server().queries.now(),
        notice=notice(),
        zone=viewer_zone(),
    )

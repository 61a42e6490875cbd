"""The short links: find, create, change, archive, delete, and their QR codes."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Literal, cast
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, abort, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from dub_middleware.errors import LinkError
from dub_middleware.server.dashboard.forms import PER_PAGE, asked, done, is_on, notice, page_number, text
from dub_middleware.server.dashboard.pages import answer, current_server, page, viewer_zone
from dub_middleware.server.links.urls import UTM, with_parameters
from dub_middleware.server.qr_codes import Kind, qr_code
from dub_middleware.server.store import Link, LinkQuery

blueprint = Blueprint("links", __name__)

SortBy = Literal["created_at", "clicks", "sale_amount", "last_clicked"]

SORTS: dict[SortBy, str] = {
    "created_at": "Newest",
    "clicks": "Most clicks",
    "sale_amount": "Most revenue",
    "last_clicked": "Last clicked",
}
UTM_LABELS = {
    "utm_source": ("Source", "newsletter"),
    "utm_medium": ("Medium", "email"),
    "utm_campaign": ("Campaign", "spring-sale"),
    "utm_term": ("Term", "running shoes"),
    "utm_content": ("Content", "header-link"),
}
_OPTIONAL = ("external_id", "comments", "expired_url", "password", "expires_at")
#: a word of the editor's message → the field it is about
_ABOUT = {
    "destination": "url",
    "key": "key",
    "short link": "key",
    "reserved": "key",
    "externalid": "external_id",
    "expiration": "expires_at",
    "expired": "expired_url",
    "domain": "domain",
}


@page(blueprint, "/links")
def index() -> Response:
    """Every link, by what was searched for."""
    store = current_server().store
    search = asked("q")
    archived = request.args.get("archived") == "1"
    sort = cast("SortBy", request.args.get("sort")) if request.args.get("sort") in SORTS else "created_at"
    query = LinkQuery(search=search or None, show_archived=archived)
    number = page_number()
    found = store.links.page(query, sort_by=sort, limit=PER_PAGE + 1, offset=PER_PAGE * (number - 1))
    return answer(
        "links.html",
        {"links": found[:PER_PAGE], "total": store.links.count(query), "page": number},
        has_more=len(found) > PER_PAGE,
        short_url=current_server().objects.short_link,
        search=search,
        sort=sort,
        sorts=SORTS,
        archived=archived,
        zone=viewer_zone(),
        notice=notice(),
    )


@blueprint.route("/links/new", methods=["GET", "POST"])
def new() -> AnyResponse:
    """The empty form, and what it creates."""
    if request.method == "GET":
        values = {"domain": _domains()[0] if _domains() else "", "track_conversion": True}
        return Response(_form(None, {**values, "url": request.args.get("url", "")}))
    values = _values()
    try:
        link = current_server().links.create(values | {"key": text("key") or None})
    except LinkError as error:
        return Response(_form(None, values, error), 422)
    return done("created", "links.show", link_id=link.id)


@page(blueprint, "/links/<link_id>")
def show(link_id: str) -> Response:
    """One link: its numbers, its QR code and its form."""
    link = _link(link_id)
    return answer("link.html", {"link": link}, **_context(link, _shown(link), None))


@blueprint.post("/links/<link_id>")
def change(link_id: str) -> AnyResponse:
    link = _link(link_id)
    values = _values()
    values["disabled_at"] = (
        (link.disabled_at or current_server().queries.now()) if is_on("disabled") else None
    )
    try:
        current_server().links.update(link, values)
    except LinkError as error:
        return Response(render_template("link.html", link=link, **_context(link, values, error)), 422)
    return done("saved", "links.show", link_id=link.id)


@blueprint.post("/links/<link_id>/archive")
def archive(link_id: str) -> AnyResponse:
    link = current_server().links.update(_link(link_id), {"archived": text("archived") == "1"})
    return done("archived" if link.archived else "restored", "links.show", link_id=link_id)


@blueprint.post("/links/<link_id>/delete")
def delete(link_id: str) -> AnyResponse:
    current_server().links.delete(_link(link_id))
    return done("deleted", "links.index")


@blueprint.get("/links/<link_id>/qr.<kind>")
def qr(link_id: str, kind: str) -> Response:
    """The QR code of a link, as an SVG or PNG image."""
    if kind not in ("svg", "png"):
        abort(404)
    link = _link(link_id)
    image = qr_code(f"{current_server().objects.short_link(link)}?qr=1", cast("Kind", kind))
    response = Response(image, mimetype="image/svg+xml" if kind == "svg" else "image/png")
    if "download" in request.args:
        name = f"{link.domain}-{link.key}".replace("/", "-").encode("ascii", "ignore").decode()
        response.headers["Content-Disposition"] = f'attachment; filename="{name}.{kind}"'
    return response


def _link(link_id: str) -> Link:
    link = current_server().store.links.get(link_id)
    if link is None:
        abort(404, "There is no link with this id; it may have been deleted.")
    return link


def _values() -> dict[str, Any]:
    """The form as the editor takes it."""
    values: dict[str, Any] = {
        "url": text("url"),
        "domain": text("domain") or None,
        "key": text("key") or None,
    }
    values |= {name: text(name) or None for name in (*UTM, *_OPTIONAL)}
    values["track_conversion"] = is_on("track_conversion")
    values["tag_ids"] = request.form.getlist("tag_ids")
    values["expires_at"] = _utc(values["expires_at"])
    return values


def _utc(typed: str | None) -> str | None:
    """A time that was typed, in the zone that the form named; what is no time is left to the editor."""
    try:
        zone = ZoneInfo(text("zone") or viewer_zone().key)
        return datetime.fromisoformat(typed or "").replace(tzinfo=zone).astimezone(timezone.utc).isoformat()
    except (ValueError, OSError, LookupError):
        return typed


def _shown(link: Link) -> dict[str, Any]:
    """A link as the form shows it: campaign parameters in their own fields, not in the URL."""
    shown: dict[str, Any] = {name: getattr(link, name) or "" for name in (*UTM, *_OPTIONAL, "domain", "key")}
    shown["url"] = with_parameters(link.url, dict.fromkeys(UTM))
    shown["track_conversion"] = link.track_conversion
    shown["tag_ids"] = [tag.id for tag in link.tags]
    at = link.expires_at
    shown["expires_at"] = f"{at.astimezone(viewer_zone()):%Y-%m-%dT%H:%M}" if at else ""
    return shown


def _context(link: Link | None, values: dict[str, Any], error: LinkError | None) -> dict[str, Any]:
    shown = {name: "" if value is None else value for name, value in values.items()}
    if error is not None:
        shown["expires_at"] = text("expires_at")
    server = current_server()
    message = "" if error is None else str(error)
    field = next((field for word, field in _ABOUT.items() if word in message.lower()), "")
    return {
        "values": shown,
        "error": message,
        "errors": {field: message} if field else {},
        "domains": _domains(),
        "tags": server.store.workspace.tags(),
        "utm_labels": UTM_LABELS,
        "short_url": "" if link is None else server.objects.short_link(link),
        "conversions_on": server.store.workspace.settings().track_conversions,
        "zone": viewer_zone(),
        "notice": notice(),
        "action": url_for("links.new") if link is None else url_for("links.change", link_id=link.id),
    }


def _form(link: Link | None, values: dict[str, Any], error: LinkError | None = None) -> str:
    return render_template("link_new.html", **_context(link, values, error))


def _domains() -> list[str]:
    return [domain.slug for domain in current_server().store.workspace.domains()]

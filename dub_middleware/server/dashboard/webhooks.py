"""The webhooks: who hears of what, and what became of each delivery."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, abort, jsonify, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from dub_middleware.errors import ConfigError, OutboxError
from dub_middleware.rules import url as checked_url
from dub_middleware.server.dashboard.formats import short_link
from dub_middleware.server.dashboard.forms import done, notice, text
from dub_middleware.server.dashboard.pages import answer, current_server, page, plain, viewer_zone, wants_json
from dub_middleware.server.objects import ROOT_KEY
from dub_middleware.server.store import Webhook, WebhookDelivery
from dub_middleware.server.store.webhooks import MAX_FAILURES
from dub_middleware.server.webhooks import TRIGGERS

blueprint = Blueprint("webhooks", __name__)

LOGGED = 50  # deliveries on a page
MEANINGS = {
    "link.created": "a short link is made",
    "link.updated": "a short link is changed",
    "link.deleted": "a short link is deleted",
    "link.clicked": "somebody clicks a short link",
    "lead.created": "somebody signs up",
    "sale.created": "somebody pays",
}


@page(blueprint, "/webhooks")
def index() -> Response:
    """Every webhook and how it does."""
    webhooks = current_server().store.webhooks.all()
    return answer("webhooks.html", {"webhooks": [_told(webhook) for webhook in webhooks]}, notice=notice())


@blueprint.route("/webhooks/new", methods=["GET", "POST"])
def new() -> AnyResponse:
    """The empty form, and what it creates."""
    values: dict[str, Any] = {
        "name": "",
        "url": "",
        "triggers": ["lead.created", "sale.created"],
        "links": "",
    }
    if request.method == "GET":
        return Response(_form("webhook_new.html", url_for("webhooks.new"), values, {}))
    values, errors = _read()
    if errors:
        return Response(_form("webhook_new.html", url_for("webhooks.new"), values, errors), 422)
    webhook = current_server().store.webhooks.create(
        values["name"], values["url"], values["triggers"], link_ids=values["link_ids"]
    )
    return done("created", "webhooks.show", webhook_id=webhook.id)


@page(blueprint, "/webhooks/<webhook_id>")
def show(webhook_id: str) -> Response:
    """One webhook: its form, its secret, and the log of deliveries."""
    webhook = _webhook(webhook_id)
    before = request.args.get("before", "")
    is_place = before.isascii() and before.isdigit() and len(before) < 19  # a number that databases have
    log = current_server().store.webhooks.deliveries(
        webhook_id, limit=LOGGED + 1, before=int(before) if is_place else None
    )
    if wants_json():
        return answer("", {"webhook": _told(webhook), "deliveries": log[:LOGGED]})
    links = current_server().store.links.get_many(webhook.link_ids or ())
    shown = "\n".join(sorted(map(short_link, links.values())))
    values = {"name": webhook.name, "url": webhook.url, "triggers": webhook.triggers, "links": shown}
    action = url_for("webhooks.change", webhook_id=webhook_id)
    more = log[LOGGED - 1].pk if len(log) > LOGGED else None
    page = _form(
        "webhook.html",
        action,
        values,
        {},
        webhook=webhook,
        log=log[:LOGGED],
        more=more,
        cursor="" if before else _newest(log),
    )
    return Response(page)


@blueprint.get("/webhooks/<webhook_id>/new")
def news(webhook_id: str) -> Response:
    """Whether the log goes on behind the delivery ``after``: 204, or ``cursor``."""
    newest = _newest(current_server().store.webhooks.deliveries(webhook_id, limit=1))
    return Response(status=204) if newest == request.args.get("after") else jsonify({"cursor": newest})


@blueprint.post("/webhooks/<webhook_id>")
def change(webhook_id: str) -> AnyResponse:
    webhook = _webhook(webhook_id)
    values, errors = _read()
    if errors:
        action = url_for("webhooks.change", webhook_id=webhook_id)
        log = current_server().store.webhooks.deliveries(webhook_id, limit=LOGGED)
        page = _form("webhook.html", action, values, errors, webhook=webhook, log=log, more=None, cursor="")
        return Response(page, 422)
    current_server().store.webhooks.update(webhook_id, values)
    return done("saved", "webhooks.show", webhook_id=webhook_id)


@blueprint.post("/webhooks/<webhook_id>/state")
def state(webhook_id: str) -> AnyResponse:
    _webhook(webhook_id)
    disabled = text("disabled") == "1"
    current_server().store.webhooks.update(webhook_id, {"disabled": disabled})
    return done("disabled" if disabled else "enabled", "webhooks.show", webhook_id=webhook_id)


@blueprint.post("/webhooks/<webhook_id>/test")
def test(webhook_id: str) -> AnyResponse:
    _webhook(webhook_id)
    if text("trigger") not in TRIGGERS:
        abort(400, f"trigger must be one of {', '.join(TRIGGERS)}.")
    try:
        current_server().webhooks.test(webhook_id, text("trigger"))
    except OutboxError as error:
        abort(503, str(error))
    return done("sent", "webhooks.show", webhook_id=webhook_id, _anchor="log")


@blueprint.post("/webhooks/<webhook_id>/deliveries/<int:pk>")
def resend(webhook_id: str, pk: int) -> AnyResponse:
    _webhook(webhook_id)
    try:
        if not current_server().webhooks.resend(pk):
            abort(404, "The log no longer has this delivery.")
    except OutboxError as error:
        abort(503, str(error))
    return done("sent", "webhooks.show", webhook_id=webhook_id, _anchor="log")


@blueprint.post("/webhooks/<webhook_id>/delete")
def delete(webhook_id: str) -> AnyResponse:
    _webhook(webhook_id)
    current_server().store.webhooks.delete(webhook_id)
    return done("deleted", "webhooks.index")


def _webhook(webhook_id: str) -> Webhook:
    webhook = current_server().store.webhooks.get(webhook_id)
    if webhook is None:
        abort(404, "There is no webhook with this id; it may have been deleted.")
    return webhook


def _newest(log: Sequence[WebhookDelivery]) -> str:
    return str(log[0].pk if log else 0)


def _told(webhook: Webhook) -> dict[str, Any]:
    """A webhook without its secret."""
    told: dict[str, Any] = plain(webhook)
    del told["secret"]
    return told


def _read() -> tuple[dict[str, Any], dict[str, str]]:
    values: dict[str, Any] = {
        "name": text("name", 100),
        "url": text("url"),
        "triggers": [trigger for trigger in TRIGGERS if trigger in request.form.getlist("triggers")],
    }
    errors = {}
    values["links"] = text("links")
    values["link_ids"], unknown = _link_ids(values["links"])
    if unknown:
        errors["links"] = f"There is no short link {unknown}."
    if not values["name"]:
        errors["name"] = "Give it a name, to recognise it by."
    if not values["triggers"]:
        errors["triggers"] = "Choose at least one event."
    try:
        checked_url("url", values["url"].partition("?")[0])
    except ConfigError:
        errors["url"] = "This must be a whole URL that begins with https:// or http://."
    return values, errors


def _link_ids(lines: str) -> tuple[list[str] | None, str]:
    """The ids of short links as people write them, None for no line; and the first that does not exist."""
    ids = []
    for line in lines.split():
        domain, _, key = line.partition("://")[2].partition("/") if "://" in line else line.partition("/")
        link = current_server().store.links.find(domain.partition(":")[0], key or ROOT_KEY)
        if link is None:
            return None, line
        ids.append(link.id)
    return ids or None, ""


def _form(template: str, action: str, values: dict[str, Any], errors: dict[str, str], **more: Any) -> str:
    return render_template(
        template,
        action=action,
        values=values,
        errors=errors,
        meanings=MEANINGS,
        pretty=_pretty,
        max_failures=MAX_FAILURES,
        notice=notice(),
        zone=viewer_zone(),
        **more,
    )


def _pretty(body: str) -> str:
    """JSON with line breaks, or the text as it is."""
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body

"""How to install, with addresses and keys of this server, and whether it worked."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app, jsonify, render_template, request

from dub_middleware.install_check import Report, check_install
from dub_middleware.server.addresses import is_public
from dub_middleware.server.api.limits import RateLimit
from dub_middleware.server.dashboard.forms import text
from dub_middleware.server.dashboard.pages import answer, current_server, page, plain, wants_json
from dub_middleware.server.links.urls import clean_url, is_web

blueprint = Blueprint("install", __name__)

CHECKS = 20  # a minute, in each process: this server shall not knock on doors for others


@page(blueprint, "/install")
def index() -> Response:
    """The steps for each framework."""
    return answer("install.html", {"api": _api()}, **_facts(), report=None, address="")


@blueprint.post("/install/check")
def check() -> Response:
    """Ask a page the guide's questions."""
    address = text("url", 2000)
    report = _check(address)
    if wants_json():
        return jsonify(plain(report) | {"passed": report.passed})
    return Response(render_template("install.html", api=_api(), **_facts(), report=report, address=address))


def _check(address: str) -> Report:
    url = clean_url(address)
    if url is None or not is_web(url) or "@" in urlsplit(url).netloc:
        return Report(address, problem="This is no web address: it must begin with http:// or https://.")
    if not _limiter().take("").allowed:
        return Report(address, problem="That was very often. Wait a minute.")
    return check_install(url, None if current_server().options.private_receivers else is_public)


def _api() -> str:
    return f"{request.host_url}api"


def _facts() -> dict[str, object]:
    server = current_server()
    settings = server.store.workspace.settings()
    domains = server.store.workspace.domains()
    return {
        "domain": domains[0].slug if domains else "",
        "conversions_on": settings.track_conversions,
        "has_link": server.store.links.count() > 0,
    }


def _limiter() -> RateLimit:
    store = current_server().store
    fresh = RateLimit(CHECKS, 60, lambda: store.now() / 1000)
    limiter: RateLimit = current_app.extensions.setdefault("dub_install_checks", fresh)
    return limiter

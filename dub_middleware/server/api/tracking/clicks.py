"""Clicks that a browser or an app reports: ``/track/click``, ``/track/visit``, ``/track/open``."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

from dub_middleware.server.api.errors import ApiError
from dub_middleware.server.api.hostnames import refusal
from dub_middleware.server.api.operations import Call, Resource
from dub_middleware.server.api.schema import Values, is_url
from dub_middleware.server.api.tracking.schemas import CLICK, CLICKED, OPEN, OPENED, VISIT, host_of
from dub_middleware.server.store import Link, new_click_id
from dub_middleware.server.store.models import Trigger
from dub_middleware.server.store.privacy import coarse_ip
from dub_middleware.server.visitor import Visitor

resource = Resource("Track", "Clicks, leads and sales.")


@resource.post("/track/click", body=CLICK, answer=CLICKED, auth=None, cors=True, errors=(403, 404))
def track_click(call: Call) -> Values:
    """Count a click on a short link, once an hour for each visitor."""
    body = call.body
    link = _find(call, body["domain"], body["key"])
    visitor = _visitor(call, link, "link")
    return {"clickId": _record(call, link, visitor, _refusal(call)) or new_click_id()}


@resource.post("/track/visit", body=VISIT, answer=CLICKED, auth=None, cors=True, errors=(400, 404))
def track_visit(call: Call) -> Values:
    """Count a visit of a page that is a short link itself, once an hour for each visitor."""
    body = call.body
    if not body["domain"] or not body["url"]:
        raise ApiError("bad_request", "Missing domain or url")
    link = _find(call, host_of(body["domain"]) or body["domain"], _key_of(body["url"]))
    visitor = _visitor(call, link, "pageview")
    if _refusal(call) is not None:
        return {"clickId": new_click_id()}
    return {"clickId": _record(call, link, visitor, None) or new_click_id()}


@resource.post("/track/open", body=OPEN, answer=OPENED, auth=None, cors=True, errors=(404,))
def track_open(call: Call) -> Values:
    """Count the opening of an app by a deep link, or find the click that led to its installation."""
    deep_link = call.body["deepLink"]
    if not deep_link:
        return _deferred(call)
    link = call.server.store.links.lookup(host_of(deep_link) or "", _key_of(deep_link))
    if link is None:
        raise ApiError("not_found", f"Deep link not found: {deep_link}")
    if _wants_no_track(call):
        return {"clickId": None, "link": _shown(link)}
    visitor = _visitor(call, link, "deeplink")
    result = call.server.store.record_click(link, visitor.context, identity=visitor.identity)
    return {"clickId": result.click_id, "link": _shown(link)}


def _find(call: Call, domain: str, key: str) -> Link:
    link = call.server.store.links.lookup(domain, key)
    if link is None:
        raise ApiError("not_found", f"Link not found for domain: {domain} and key: {key}.")
    return link


def _visitor(call: Call, link: Link, trigger: Trigger) -> Visitor:
    url = call.body.get("url")
    return call.server.visitors.read(
        call.environ,
        url=url if url and is_url(url) else link.url,
        trigger=trigger,
        referrer=call.body.get("referrer"),
    )


def _record(call: Call, link: Link, visitor: Visitor, refused: str | None) -> str | None:
    """The click id to answer with, or None for a visitor who does not count."""
    store = call.server.store
    if refused is not None:
        # a visitor who is known already hears their click id from any site, as at Dub
        if (known := store.claimed_click(link, visitor.identity)) is not None:
            return known
        raise ApiError("forbidden", refused)
    if visitor.is_bot or _wants_no_track(call):
        return None
    return store.record_click(link, visitor.context, identity=visitor.identity).click_id


def _refusal(call: Call) -> str | None:
    settings = call.server.store.workspace.recent_settings()
    return refusal(settings.allowed_hostnames, call.environ)


def _wants_no_track(call: Call) -> bool:
    environ = call.environ
    return "HTTP_DUB_NO_TRACK" in environ or "dub-no-track" in parse_qs(
        environ.get("QUERY_STRING", ""), keep_blank_values=True
    )


def _key_of(url: str) -> str:
    try:
        parts = urlsplit(url)
        if not parts.hostname:
            raise ValueError(url)
    except ValueError:
        raise ApiError("unprocessable_entity", "custom: url: Invalid URL") from None
    return parts.path.removeprefix("/") or "_root"


def _deferred(call: Call) -> Values:
    """The last click of this address on the domain within the hour: the app was not there to tell its own."""
    server = call.server
    address = server.visitors.address(call.environ)
    stored = coarse_ip(address) if server.options.anonymize_ip else address
    since = server.queries.now() - timedelta(hours=1)
    click = stored and server.store.events.last_click_from(stored, call.body["dubDomain"], since=since)
    if not click or click.link is None:
        return {"clickId": None, "link": None}
    return {"clickId": click.click_id, "link": _shown(click.link)}


def _shown(link: Link) -> Values:
    return {"id": link.id, "domain": link.domain, "key": link.key, "url": link.url}

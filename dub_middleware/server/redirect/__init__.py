"""Short links: ``GET /<key>`` on a short domain, by the rules of Dub's own redirects.

What is done better: no answer is cached, so that no click and no click id of somebody else comes out of a
cache; ``redir_url`` leads nowhere but to the destination's own site; prefetches count as nothing; a failing
store costs a click, not the visit.
"""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, unquote

from dub_middleware.cookies import first_cookie, set_cookie
from dub_middleware.errors import StoreError
from dub_middleware.server.links.keys import ROOT_KEY, is_script, key_of_path
from dub_middleware.server.links.urls import clean_url, is_web, location
from dub_middleware.server.redirect import pages
from dub_middleware.server.redirect.destination import Query, Target, build, choose, read_query
from dub_middleware.server.redirect.late_clicks import LateClick, LateClicks
from dub_middleware.server.redirect.password import (
    MAX_AGE,
    Gate,
    cookie_name,
    is_own_form,
    posted_password,
)
from dub_middleware.server.services import Services
from dub_middleware.server.store import Link, new_click_id, random_text
from dub_middleware.server.store.models import Trigger, from_ms
from dub_middleware.server.visitor import Visitor

HOUR, WEEK = 3600, 604_800  # seconds

_POWERED_BY = "Dub - The Modern Link Attribution Platform"  # clients of Dub look for it
_NO_INDEX = "googlebot: noindex"
#: where iOS and Android ask which apps may open links of a domain
_APP_FILES = {
    ".well-known/assetlinks.json": "assetLinks",
    ".well-known/apple-app-site-association": "appleAppSiteAssociation",
}
_CLICK_ID = re.compile(r"[0-9A-Za-z]{16}")
_SAFE = "/-._~!$&'()*+,;=:@"

_log = logging.getLogger("dub_middleware.server")


@dataclass(slots=True)
class _Visit:
    """One request to a short link, and what its answer carries whatever it becomes."""

    environ: dict[str, Any]
    domain: str
    path: str
    query: Query
    headers: list[tuple[str, str]] = field(default_factory=list)
    content_type: str = "text/html; charset=utf-8"
    is_secure: bool = False

    @property
    def cookies(self) -> str:
        return str(self.environ.get("HTTP_COOKIE", ""))

    @property
    def cookie_path(self) -> str:
        """This short link and nothing else on its host."""
        return quote(f"{self.environ.get('SCRIPT_NAME', '')}{self.path}", safe=_SAFE) or "/"

    def asks(self, name: str) -> bool:
        return any(given == name for given, _ in self.query)

    def cookie(self, name: str, value: str, max_age: int) -> None:
        value = set_cookie(
            name,
            value,
            max_age=max_age,
            path=self.cookie_path,
            domain=None,
            same_site="Lax",
            secure=self.is_secure,
            http_only=True,
        )
        self.headers.append(("Set-Cookie", value))


class Redirect:
    """Answer the requests to short domains."""

    def __init__(self, server: Services) -> None:
        self._server = server
        self._store = server.store
        secret = self._store.workspace.value("redirect_secret", lambda: random_text(32))
        self._late = LateClicks(server.store)
        self._gate = Gate(secret, lambda: self._store.now() / 1000)

    def __call__(self, environ: dict[str, Any], start_response: Any, *, domain: str) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        path = environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "replace")
        query = read_query(environ.get("QUERY_STRING", ""))
        is_secure = self._server.visitors.is_secure(environ)
        visit = _Visit(environ, domain, path, query, is_secure=is_secure)
        try:
            status, body = self._answer(visit, method)
        except StoreError:
            _log.exception("%s/%s cannot be looked up", domain, path)
            visit.headers.append(("Retry-After", "5"))
            status, body = self._page(visit, HTTPStatus.SERVICE_UNAVAILABLE, "unavailable")
        headers = [
            ("Content-Type", visit.content_type),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Powered-By", _POWERED_BY),
            ("Content-Length", str(len(body))),
            *visit.headers,
        ]
        start_response(f"{status.value} {status.phrase}", headers)
        return [] if method == "HEAD" else [body]

    def _answer(self, visit: _Visit, method: str) -> tuple[HTTPStatus, bytes]:
        if method not in ("GET", "HEAD", "POST"):
            visit.headers.append(("Allow", "GET, HEAD"))
            return HTTPStatus.METHOD_NOT_ALLOWED, b""
        key = key_of_path(visit.path)
        if (detail := _APP_FILES.get(key)) and (text := self._detail(visit, detail)):
            visit.content_type = "application/json"
            return HTTPStatus.OK, text.encode()
        if is_script(key):
            mount = visit.environ.get("SCRIPT_NAME", "")
            return self._lead(visit, HTTPStatus.FOUND, f"{mount}/?dub-no-track=1")
        is_question = key.endswith("+")
        link = self._store.links.lookup(visit.domain, key.removesuffix("+") if is_question else key)
        if link is None and key == ROOT_KEY:
            return self._page(visit, HTTPStatus.OK, "placeholder", domain=visit.domain)
        if link is None or link.disabled_at is not None:
            return self._not_found(visit)
        now = from_ms(self._store.now())
        if link.expires_at is not None and link.expires_at <= now:
            return self._expired(visit, link)
        if link.password and (stopped := self._ask_for_password(visit, link, method)) is not None:
            return stopped
        if method == "POST":
            visit.headers.append(("Allow", "GET, HEAD"))
            return HTTPStatus.METHOD_NOT_ALLOWED, b""
        if is_question:
            return self._inspect(visit, link)
        return self._follow(visit, link)

    def _follow(self, visit: _Visit, link: Link) -> tuple[HTTPStatus, bytes]:
        """Record the click and lead on."""
        trigger: Trigger = "qr" if ("qr", "1") in visit.query else "link"
        visitor = self._server.visitors.read(visit.environ, url=link.url, trigger=trigger)
        target = choose(
            link,
            visitor.context,
            visit.query,
            now=from_ms(self._store.now()),
            variant=unquote(first_cookie(visit.cookies, "dub_test_url") or ""),
        )
        if not target.url:
            return self._page(visit, HTTPStatus.OK, "placeholder", domain=visit.domain)
        untracked = visit.asks("dub-no-track") or bool(visit.environ.get("HTTP_DUB_NO_TRACK"))
        click_id = self._click(visit, link, target, visitor, record=not (untracked or visitor.is_bot))
        self._remember(visit, link, click_id, target)
        tells = not untracked and (
            link.track_conversion
            or link.partner_id is not None
            or self._store.workspace.recent_settings().track_conversions
        )
        url = location(build(link, target.url, visit.query, click_id if tells else None))
        if url is None or not (is_web(url) or clean_url(url)):
            return self._not_found(visit)
        if not link.do_index:
            visit.headers.append(("X-Robots-Tag", _NO_INDEX))
        if visitor.is_bot and link.proxy:
            return self._page(visit, HTTPStatus.OK, "preview", link=link, url=url)
        if not is_web(url):
            return self._page(visit, HTTPStatus.OK, "app", url=url)
        if link.rewrite:
            return self._page(visit, HTTPStatus.OK, "cloaked", link=link, url=url)
        status = HTTPStatus.MOVED_PERMANENTLY if link.key == ROOT_KEY else HTTPStatus.FOUND
        return self._lead(visit, status, url)

    def _click(self, visit: _Visit, link: Link, target: Target, visitor: Visitor, *, record: bool) -> str:
        """The click id to answer with: that of the visitor's click within the hour, or a new one."""
        carried = first_cookie(visit.cookies, _click_cookie(link)) or ""
        click_id = carried if _CLICK_ID.fullmatch(carried) else new_click_id()
        if not record:
            return click_id
        context = visitor.context
        if target.url != context.url:
            context = dataclasses.replace(context, url=target.url)
        if not self._late:
            try:
                return self._store.record_click(
                    link, context, identity=visitor.identity, click_id=click_id
                ).click_id
            except StoreError:
                _log.exception("a click on %s/%s has to wait", link.domain, link.key)
        at = from_ms(self._store.now())
        self._late.keep(LateClick(link, context, visitor.identity, click_id, at))
        return click_id

    def close(self) -> None:
        """Store what had to wait, if it can be."""
        self._late.close()

    def _remember(self, visit: _Visit, link: Link, click_id: str, target: Target) -> None:
        visit.cookie(_click_cookie(link), click_id, HOUR)
        if target.variant is not None:
            visit.cookie("dub_test_url", quote(target.variant, safe=""), WEEK)

    def _ask_for_password(self, visit: _Visit, link: Link, method: str) -> tuple[HTTPStatus, bytes] | None:
        """The page that asks; None when the visitor may pass."""
        said = dict(visit.query).get("pw")
        if method == "POST":
            if not is_own_form(visit.environ):
                return self._page(visit, HTTPStatus.FORBIDDEN, "password", problem="Please try again.")
            said = posted_password(visit.environ)
        elif said is None and self._gate.is_open(link, visit.cookies):
            return None
        if said is None:
            return self._page(visit, HTTPStatus.OK, "password", problem="")
        address = self._server.visitors.address(visit.environ)
        is_right = self._gate.try_password(link, address, said)
        if is_right is None:
            visit.headers.append(("Retry-After", "60"))
            problem = "Too many tries. Wait a minute."
            return self._page(visit, HTTPStatus.TOO_MANY_REQUESTS, "password", problem=problem)
        if not is_right:
            return self._page(visit, HTTPStatus.OK, "password", problem="This password is wrong.")
        visit.cookie(cookie_name(link), self._gate.token(link), MAX_AGE)
        if method != "POST":
            return None
        query = visit.environ.get("QUERY_STRING", "")
        return self._lead(visit, HTTPStatus.SEE_OTHER, visit.cookie_path + (f"?{query}" if query else ""))

    def _not_found(self, visit: _Visit) -> tuple[HTTPStatus, bytes]:
        if elsewhere := _web_location(self._detail(visit, "notFoundUrl")):
            return self._lead(visit, HTTPStatus.TEMPORARY_REDIRECT, elsewhere)
        return self._page(visit, HTTPStatus.NOT_FOUND, "not_found")

    def _expired(self, visit: _Visit, link: Link) -> tuple[HTTPStatus, bytes]:
        elsewhere = _web_location(link.expired_url) or _web_location(self._detail(visit, "expiredUrl"))
        if elsewhere is not None:
            return self._lead(visit, HTTPStatus.FOUND, elsewhere)
        assert link.expires_at is not None
        return self._page(
            visit, HTTPStatus.GONE, "expired", expired_at=f"{link.expires_at:%Y-%m-%d %H:%M} UTC"
        )

    def _inspect(self, visit: _Visit, link: Link) -> tuple[HTTPStatus, bytes]:
        return self._page(
            visit,
            HTTPStatus.OK,
            "inspect",
            short_link=f"{link.domain}/{link.key}",
            url=location(link.url) or "",
            shown_url=link.url,
            created_at=f"{link.created_at:%Y-%m-%d}",
        )

    def _detail(self, visit: _Visit, name: str) -> str | None:
        """What the settings of this domain say."""
        for domain in self._store.workspace.recent_domains():
            if domain.slug == visit.domain:
                return domain.details.get(name)
        return None

    def _lead(self, visit: _Visit, status: HTTPStatus, url: str) -> tuple[HTTPStatus, bytes]:
        visit.headers.append(("Location", url))
        return status, b""

    def _page(self, visit: _Visit, status: HTTPStatus, name: str, **values: Any) -> tuple[HTTPStatus, bytes]:
        policy = pages.policy(frames=name == "cloaked")
        visit.headers.append(("Content-Security-Policy", policy))
        return status, pages.render(name, **values)


def _web_location(url: str | None) -> str | None:
    """A URL of our settings as a Location; None when there is none, or none that a browser may follow."""
    return location(url) if url and is_web(url) else None


def _click_cookie(link: Link) -> str:
    """``dub_id_<domain>_<key>``, as at Dub, made fit for a cookie's name."""
    return f"dub_id_{link.domain}_{quote(link.key, safe='')}"

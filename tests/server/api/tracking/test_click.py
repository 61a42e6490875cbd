"""``/track/click``, ``/track/visit`` and ``/track/open``, as browsers and apps call them."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from databases import ON_SQLITE
from dub_middleware.server import Server
from dub_middleware.server.store import Event, Link
from dub_middleware.server.store.events import is_type
from standing_clock import Clock

BODY = {"domain": "go.localhost", "key": "launch"}
OPENINGS: dict[str, dict[str, Any]] = {
    "/track/click": BODY,
    "/track/visit": {"domain": "go.localhost", "url": "https://shop.test/launch"},
    "/track/open": {"deepLink": "https://go.localhost/launch"},
}


@pytest.fixture(params=OPENINGS, ids=lambda path: path.rpartition("/")[2])
def path(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def clicks(server: Server) -> list[Event]:
    return server.store.events.page([is_type("click")], limit=50)


@pytest.mark.usefixtures("link")
class TestEveryOpening:
    def test_a_visitor_gets_one_click_id_within_the_hour(
        self, server: Server, visitor: httpx.Client, clock: Clock, path: str
    ) -> None:
        first = visitor.post(path, json=OPENINGS[path])
        assert first.status_code == 200
        click_id = first.json()["clickId"]
        assert re.fullmatch("[a-zA-Z0-9]{16}", click_id)
        clock.advance(minutes=59)
        assert visitor.post(path, json=OPENINGS[path]).json()["clickId"] == click_id
        assert [event.click_id for event in clicks(server)] == [click_id]
        clock.advance(minutes=2)
        assert visitor.post(path, json=OPENINGS[path]).json()["clickId"] != click_id
        assert len(clicks(server)) == 2

    @ON_SQLITE
    def test_any_origin_may_call(self, visitor: httpx.Client, path: str) -> None:
        cors = {
            "access-control-allow-origin": "*",
            "access-control-allow-methods": "POST, OPTIONS",
            "access-control-allow-headers": "Content-Type, Authorization",
        }
        asked = visitor.options(path)
        assert (asked.status_code, asked.content) == (204, b"")
        for answer in (asked, visitor.post(path, json=OPENINGS[path]), visitor.post(path, json={})):
            assert cors.items() <= dict(answer.headers).items()

    @ON_SQLITE
    @pytest.mark.parametrize("how", ["header", "query"])
    def test_who_asks_not_to_be_tracked_is_not(
        self, server: Server, visitor: httpx.Client, path: str, how: str
    ) -> None:
        wish: dict[str, Any] = (
            {"headers": {"dub-no-track": "1"}} if how == "header" else {"params": "dub-no-track"}
        )
        answer = visitor.post(path, json=OPENINGS[path], **wish)
        assert answer.status_code == 200
        assert clicks(server) == []

    @ON_SQLITE
    def test_unknown_links_are_not_found(self, visitor: httpx.Client, path: str) -> None:
        body = {key: value.replace("launch", "nowhere") for key, value in OPENINGS[path].items()}
        answer = visitor.post(path, json=body)
        message = {
            "/track/open": "Deep link not found: https://go.localhost/nowhere",
        }.get(path, "Link not found for domain: go.localhost and key: nowhere.")
        assert answer.status_code == 404
        assert answer.json() == {
            "error": {
                "code": "not_found",
                "message": message,
                "doc_url": "https://dub.co/docs/api-reference/errors#not-found",
            }
        }


@pytest.mark.usefixtures("link")
class TestClick:
    @ON_SQLITE
    @pytest.mark.parametrize(
        "domain", ["go.localhost", "GO.LOCALHOST", "www.go.localhost", "https://www.go.localhost:8787/x"]
    )
    def test_a_domain_may_be_written_as_a_url(self, visitor: httpx.Client, domain: str) -> None:
        assert visitor.post("/track/click", json={"domain": domain, "key": "LAUNCH"}).status_code == 200

    @ON_SQLITE
    @pytest.mark.parametrize(
        ("body", "message"),
        [
            pytest.param({}, "invalid_type: domain: domain is required.", id="nothing"),
            pytest.param({**BODY, "domain": None}, "invalid_type: domain: domain is required.", id="null"),
            pytest.param({**BODY, "domain": 1}, "invalid_type: domain: domain is required.", id="number"),
            pytest.param(
                {**BODY, "domain": "localhost"}, "invalid_type: domain: domain is required.", id="no-dot"
            ),
            pytest.param({"domain": "go.localhost"}, "invalid_type: key: key is required.", id="no-key"),
            pytest.param({**BODY, "key": 1}, "invalid_type: key: key is required.", id="key-number"),
            pytest.param([], "invalid_type: : Invalid input: expected object, received array", id="array"),
        ],
    )
    def test_wrong_bodies(self, visitor: httpx.Client, body: object, message: str) -> None:
        answer = visitor.post("/track/click", json=body)
        assert (answer.status_code, answer.json()["error"]["message"]) == (422, message)

    @ON_SQLITE
    def test_robots_get_an_id_that_leads_nowhere(
        self, server: Server, visitor: httpx.Client, http: httpx.Client
    ) -> None:
        robot = {"User-Agent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"}
        click_id = visitor.post("/track/click", json=BODY, headers=robot).json()["clickId"]
        assert len(click_id) == 16
        assert clicks(server) == []
        lead = {"clickId": click_id, "eventName": "Sign Up", "customerExternalId": "42"}
        assert http.post("/track/lead", json=lead).status_code == 404

    def test_what_the_script_knows_better_counts(self, server: Server, visitor: httpx.Client) -> None:
        body = {**BODY, "url": "https://shop.test/page?utm_source=x", "referrer": "https://news.test/a?b"}
        visitor.post("/track/click", json=body, headers={"Referer": "https://shop.test/page"})
        [event] = clicks(server)
        assert (event.context.url, event.context.referer) == (body["url"], "news.test")
        assert (event.context.browser, event.context.trigger) == ("Chrome", "link")

    @ON_SQLITE
    def test_a_url_that_is_none_falls_back_to_the_links(self, server: Server, visitor: httpx.Client) -> None:
        visitor.post("/track/click", json={**BODY, "url": "nonsense"})
        assert clicks(server)[0].context.url == "https://shop.test/"

    @ON_SQLITE
    def test_disabled_and_expired_links_still_count(
        self, server: Server, link: Link, visitor: httpx.Client
    ) -> None:
        server.store.links.update(link.id, {"disabled_at": server.queries.now()})
        assert visitor.post("/track/click", json=BODY).status_code == 200
        assert len(clicks(server)) == 1


@ON_SQLITE
@pytest.mark.usefixtures("link")
class TestAllowedHostnames:
    @pytest.mark.parametrize(
        ("allowed", "headers", "shown"),
        [
            pytest.param(["shop.test"], {"Referer": "https://shop.test/a"}, None, id="referer"),
            pytest.param(["shop.test"], {"Referer": "https://www.shop.test/a"}, None, id="www"),
            pytest.param(["shop.test"], {"Origin": "https://shop.test"}, None, id="origin"),
            pytest.param(["localhost"], {"Origin": "http://localhost:3000"}, None, id="localhost"),
            pytest.param(["*.shop.test"], {"Origin": "https://eu.shop.test"}, None, id="wildcard"),
            pytest.param(["*.shop.test"], {"Origin": "https://shop.test"}, "shop.test", id="not-the-apex"),
            pytest.param(
                ["*.shop.test"], {"Origin": "https://evilshop.test"}, "evilshop.test", id="not-a-suffix"
            ),
            pytest.param(["www.shop.test"], {"Origin": "https://www.shop.test"}, "shop.test", id="www-entry"),
            pytest.param(
                ["shop.test"],
                {"Referer": "https://other.test/", "Origin": "https://shop.test"},
                "other.test",
                id="referer-wins",
            ),
            pytest.param(["shop.test"], {}, "null", id="neither"),
            pytest.param(["shop.test"], {"Origin": "null"}, "null", id="opaque-origin"),
        ],
    )
    def test_only_they_may_send(
        self,
        server: Server,
        visitor: httpx.Client,
        allowed: list[str],
        headers: dict[str, str],
        shown: str | None,
    ) -> None:
        server.store.workspace.change_settings(allowed_hostnames=allowed)
        answer = visitor.post("/track/click", json=BODY, headers=headers)
        if shown is None:
            assert answer.status_code == 200
            return
        assert answer.status_code == 403
        assert answer.json()["error"]["message"] == (
            f"Request origin '{shown}' is not included in the allowed hostnames for this workspace. "
            "Update your allowed hostnames here: https://app.dub.co/settings/tracking"
        )
        assert answer.headers["access-control-allow-origin"] == "*"
        assert clicks(server) == []

    def test_a_known_visitor_hears_their_click_id_from_anywhere(
        self, server: Server, visitor: httpx.Client
    ) -> None:
        first = visitor.post("/track/click", json=BODY).json()
        server.store.workspace.change_settings(allowed_hostnames=["shop.test"])
        assert visitor.post("/track/click", json=BODY).json() == first

    def test_a_visit_from_elsewhere_gets_an_id_and_is_not_recorded(
        self, server: Server, visitor: httpx.Client
    ) -> None:
        server.store.workspace.change_settings(allowed_hostnames=["shop.test"])
        answer = visitor.post("/track/visit", json=OPENINGS["/track/visit"])
        assert answer.status_code == 200
        assert clicks(server) == []


class TestVisit:
    @ON_SQLITE
    def test_the_path_is_the_key(self, server: Server, visitor: httpx.Client) -> None:
        for key in ("_root", "blog/first"):
            server.store.links.create({"domain": "shop.test", "key": key, "url": f"https://shop.test/{key}"})
        for url in ("https://shop.test/?a=b", "https://shop.test/blog/first#x"):
            visitor.post("/track/visit", json={"domain": "shop.test", "url": url})
        assert [event.link and event.link.key for event in clicks(server)] == ["blog/first", "_root"]
        assert {event.context.trigger for event in clicks(server)} == {"pageview"}

    @ON_SQLITE
    @pytest.mark.parametrize(
        ("body", "status", "message"),
        [
            pytest.param({}, 400, "Missing domain or url", id="nothing"),
            pytest.param({"domain": "shop.test", "url": ""}, 400, "Missing domain or url", id="empty"),
            pytest.param({"domain": "shop.test", "url": "/x"}, 422, "custom: url: Invalid URL", id="no-url"),
        ],
    )
    def test_wrong_bodies(self, visitor: httpx.Client, body: object, status: int, message: str) -> None:
        answer = visitor.post("/track/visit", json=body)
        assert (answer.status_code, answer.json()["error"]["message"]) == (status, message)


class TestOpen:
    @ON_SQLITE
    def test_a_deep_link_says_which_link_it_is(
        self, server: Server, link: Link, visitor: httpx.Client
    ) -> None:
        answer = visitor.post("/track/open", json={"deepLink": "https://go.localhost/launch?x=1"})
        assert answer.json()["link"] == {
            "id": link.id,
            "domain": "go.localhost",
            "key": "launch",
            "url": "https://shop.test/",
        }
        assert clicks(server)[0].context.trigger == "deeplink"

    def test_an_app_installed_later_finds_the_click_of_its_address(
        self, visitor: httpx.Client, link: Link, clock: Clock
    ) -> None:
        click_id = visitor.post("/track/click", json=BODY).json()["clickId"]
        app = {"User-Agent": "ShopApp/1.0"}
        answer = visitor.post("/track/open", json={"dubDomain": "go.localhost"}, headers=app).json()
        assert (answer["clickId"], answer["link"]["id"]) == (click_id, link.id)
        nothing = {"clickId": None, "link": None}
        assert visitor.post("/track/open", json={"dubDomain": "else.test"}).json() == nothing
        clock.advance(hours=2)
        assert visitor.post("/track/open", json={"dubDomain": "go.localhost"}).json() == nothing

    @ON_SQLITE
    @pytest.mark.parametrize(
        ("body", "message"),
        [
            pytest.param(
                {},
                "custom: : You need to provide either `deepLink` or `dubDomain` for deferred deep linking.",
                id="neither",
            ),
            pytest.param({"deepLink": "no url"}, "custom: deepLink: Invalid URL", id="no-url"),
        ],
    )
    def test_wrong_bodies(self, visitor: httpx.Client, body: object, message: str) -> None:
        answer = visitor.post("/track/open", json=body)
        assert (answer.status_code, answer.json()["error"]["message"]) == (422, message)


def test_clicks_recorded_at_once_are_one(server: Server, link: Link, visitor: httpx.Client) -> None:
    def post(_: int) -> str:
        return str(visitor.post("/track/click", json=BODY).json()["clickId"])

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(post, range(24)))) == 1
    assert len(clicks(server)) == 1

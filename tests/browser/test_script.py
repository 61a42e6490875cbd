"""The script in Chromium: every case that Dub's own browser tests have, and what theirs do not look at."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import pytest

from dub_middleware import DubMiddleware
from dub_stub import refuse
from official_script import OFFICIAL
from stub_http import status
from waiting import wait_until
from wsgi_server import serving

if TYPE_CHECKING:
    from conftest import Serve, TrackingAPI
    from playwright.sync_api import BrowserContext, Page

pytestmark = pytest.mark.browser

KEY = "dub_pk_abcdefghijklmnop"
Jar = Callable[[], dict[str, list[str]]]


def evaluate(page: Page, expression: str) -> Any:
    return page.evaluate(expression)


class TestConfiguration:
    """Upstream's analytics-config and home cases."""

    def test_the_page_is_shown(self, page: Page, serve: Serve) -> None:
        page.goto(serve().url())
        assert page.title() == "A shop"
        page.get_by_role("main").wait_for()

    def test_the_domains_are_there_for_the_page(self, page: Page, serve: Serve) -> None:
        domains = {"refer": "go.example.com", "site": "site.example.com", "outbound": ["a.com", "b.com"]}
        page.goto(serve(domains=domains, relay="all", api_host="http://127.0.0.1:9").url())
        assert evaluate(page, "_dubAnalytics.n") == domains
        assert evaluate(page, "_dubAnalytics.d") == "go.example.com"

    @pytest.mark.parametrize(
        ("attributes", "domains"),
        [
            pytest.param(
                'data-short-domain="go.example.com"', {"refer": "go.example.com"}, id="the old attribute"
            ),
            pytest.param(
                """data-short-domain="old.example.com" data-domains='{"refer":"new.example.com"}'""",
                {"refer": "new.example.com"},
                id="the new one wins",
            ),
        ],
    )
    def test_a_tag_written_by_hand_is_read(
        self, page: Page, serve: Serve, attributes: str, domains: dict[str, str]
    ) -> None:
        html = f'<!doctype html><head><script src="/_dub/script.js" {attributes}></script></head>'
        page.goto(serve(html, inject=False).url())
        assert evaluate(page, "_dubAnalytics.n") == domains
        assert evaluate(page, "_dubAnalytics.d") == domains["refer"]

    @pytest.mark.parametrize(("model", "kept"), [("first-click", "first"), ("last-click", "second")])
    @pytest.mark.parametrize("writer", ["server", "script"])
    def test_the_attribution_model_decides(
        self, page: Page, serve: Serve, jar: Jar, model: Any, kept: str, writer: str
    ) -> None:
        url = serve(attribution_model=model).url()
        for click in ("first", "second"):
            if writer == "server":
                page.goto(f"{url}/?dub_id={click}")
            else:
                page.goto(url)
                evaluate(page, f"history.pushState({{}}, '', '/?dub_id={click}')")
        assert jar() == {"dub_id": [kept]}


class TestClicks:
    """Upstream's track-click and track-visit cases, and what goes with them."""

    def test_a_link_key_is_asked_for_and_kept_with_its_partner(
        self, page: Page, serve: Serve, api: TrackingAPI, jar: Jar
    ) -> None:
        url = serve(relay="all", api_host=api.url, domains={"refer": "go.shop.test"}).url()
        page.goto(f"{url}/?via=jane")
        evaluate(page, "new Promise(done => dubAnalytics.ready(done))")
        assert api.bodies("click") == [
            {"domain": "go.shop.test", "key": "jane", "url": f"{url}/?via=jane", "referrer": ""}
        ]
        assert jar()["dub_id"] == ["click-of-jane"]
        # as Dub's script stores it, and once more encoded as a whole
        stored = json.loads(unquote(jar()["dub_partner_data"][0]))
        assert stored["clickId"] == "click-of-jane"
        assert unquote(stored["partner"]["name"]) == 'Jane, "JD" Doe; é'
        assert evaluate(page, "DubAnalytics.partner.name") == 'Jane, "JD" Doe; é'
        page.goto(f"{url}/next")
        assert evaluate(page, "DubAnalytics.partner.name") == 'Jane, "JD" Doe; é'
        assert evaluate(page, "DubAnalytics.discount.amount") == 20
        assert len(api.bodies("click")) == 1

    def test_the_relayed_click_is_set_by_the_server_so_that_safari_keeps_it(
        self, page: Page, context: BrowserContext, serve: Serve, api: TrackingAPI
    ) -> None:
        url = serve(relay="all", api_host=api.url, domains={"refer": "go.shop.test"}).url()
        with page.expect_response(f"{url}/_dub/track/click") as answered:
            page.goto(f"{url}/?via=ada")
        set_by_server = answered.value.header_values("set-cookie")
        assert [value.split(";")[0] for value in set_by_server] == ["dub_id=click-of-ada"]
        assert "Max-Age=7776000" in set_by_server[0]
        evaluate(page, "new Promise(done => dubAnalytics.ready(done))")
        [cookie] = context.cookies()
        assert (cookie["domain"], cookie["path"], cookie["httpOnly"]) == (".shop.test", "/", False)

    def test_a_visit_without_a_click_is_recorded(
        self, page: Page, serve: Serve, api: TrackingAPI, jar: Jar
    ) -> None:
        url = serve(relay="all", api_host=api.url, domains={"site": "shop.test"}).url()
        page.goto(f"{url}/")
        wait_until(lambda: jar().get("dub_id") == ["click-of-visit"], what="the cookie of the visit")
        assert api.bodies("visit") == [{"domain": "shop.test", "url": f"{url}/", "referrer": ""}]

    @pytest.mark.parametrize("value", ["evil;max-age=0", "x; domain=.test", "a%0ab", "a" * 65, ""])
    def test_what_is_no_click_id_is_stored_by_nobody(
        self, page: Page, serve: Serve, jar: Jar, value: str
    ) -> None:
        page.goto(f"{serve().url()}/?dub_id={value}")
        assert evaluate(page, "typeof _dubAnalytics") == "object"
        assert jar() == {}

    @pytest.mark.parametrize(
        "host", ["www.shop.test", "app.shop.test", "localhost", "app.localhost", "127.0.0.1"]
    )
    def test_server_and_script_write_one_cookie(
        self, page: Page, context: BrowserContext, serve: Serve, host: str
    ) -> None:
        url = serve().url(host)
        page.goto(f"{url}/?dub_id=server")
        [by_server] = context.cookies()
        evaluate(page, "history.pushState({}, '', '/?dub_id=script')")
        [by_script] = context.cookies()
        assert (by_server["value"], by_script["value"]) == ("server", "script")
        assert by_server["domain"] == by_script["domain"]
        assert by_script["expires"] == pytest.approx(by_server["expires"], abs=60)

    def test_the_click_id_leaves_the_address_bar_where_wanted(
        self, page: Page, serve: Serve, jar: Jar
    ) -> None:
        url = serve(clean_url=True).url()
        page.goto(f"{url}/?a=%2f&dub_id=abc#top")
        assert page.url == f"{url}/?a=%2f#top"
        assert jar() == {"dub_id": ["abc"]}

    def test_consent_holds_everything_back_until_it_is_given(
        self, page: Page, serve: Serve, api: TrackingAPI, jar: Jar
    ) -> None:
        def has_consent(environ: dict[str, Any]) -> bool:
            return "ok=1" in environ.get("HTTP_COOKIE", "")

        url = serve(
            consent=has_consent, relay="all", api_host=api.url, domains={"refer": "go.shop.test"}
        ).url()
        page.goto(f"{url}/?dub_id=abc&via=ada")
        assert jar() == {}
        assert api.requests == []
        evaluate(page, "document.cookie = 'ok=1'; dubAnalytics.consent(true)")
        assert jar()["dub_id"] == ["abc"]
        api.wait_for_requests(1)
        evaluate(page, "dubAnalytics.consent(false)")
        assert jar() == {"ok": ["1"]}


class TestConversions:
    @pytest.fixture
    def shop(self, page: Page, serve: Serve, api: TrackingAPI) -> str:
        url = serve(publishable_key=KEY, api_host=api.url).url()
        page.goto(f"{url}/?dub_id=abc")
        return url

    def test_a_lead_reaches_dub_through_the_relay_and_answers(
        self, page: Page, shop: str, api: TrackingAPI
    ) -> None:
        lead = "dubAnalytics.trackLead({eventName: 'Sign Up', customerExternalId: '42'})"
        assert evaluate(page, lead)["click"] == {"id": "abc"}
        [request] = api.requests
        assert request.headers["authorization"] == f"Bearer {KEY}"
        assert request.json() == {"eventName": "Sign Up", "customerExternalId": "42", "clickId": "abc"}

    def test_a_lead_sent_while_the_page_goes_arrives(self, page: Page, shop: str, api: TrackingAPI) -> None:
        go = "dubAnalytics.trackLead({customerExternalId: '42'}); location.href = '/next'"
        with page.expect_navigation():
            evaluate(page, go)
        api.wait_for_requests(1)
        assert api.bodies("lead/client") == [{"customerExternalId": "42", "clickId": "abc"}]

    def test_a_lead_that_waits_to_be_tried_again_goes_with_the_next_page(
        self, page: Page, shop: str, api: TrackingAPI
    ) -> None:
        api.fail(status(503))
        evaluate(page, "void dubAnalytics.trackLead({customerExternalId: '42'})")
        page.wait_for_function("performance.getEntriesByType('resource').some(e => /lead/.test(e.name))")
        page.goto(f"{shop}/next")
        api.wait_for_requests(2)
        assert api.bodies("lead/client") == 2 * [{"customerExternalId": "42", "clickId": "abc"}]

    def test_a_failure_is_an_answer_and_a_warning_never_an_unhandled_rejection(
        self, page: Page, shop: str, api: TrackingAPI
    ) -> None:
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        api.fail(refuse(404, "No such customer"))
        sale = "dubAnalytics.trackSale({customerExternalId: '0', amount: 100, invoiceId: 'i'})"
        answer = evaluate(page, sale)
        assert answer["error"]["message"] == "No such customer"
        assert errors == []


class TestBesideTheOfficialScript:
    """A page that also has Dub's own script works and has one cookie."""

    @pytest.mark.parametrize("ours", ["before", "behind"])
    @pytest.mark.parametrize("host", ["www.shop.test", "localhost", "127.0.0.1"])
    def test_there_is_one_cookie(self, page: Page, serve: Serve, jar: Jar, ours: str, host: str) -> None:
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        tag = '<script defer src="/_dub/script.js"></script>'
        official = f'<script defer src="data:text/javascript,{quote(OFFICIAL)}"></script>'
        pair = tag + official if ours == "before" else official + tag
        url = serve(f"<!doctype html><head><title>A</title>{pair}</head>", inject=False).url(host)
        page.goto(f"{url}/?dub_id=one")
        assert evaluate(page, "officialRan")
        assert jar() == {"dub_id": ["one"]}
        page.goto(f"{url}/?dub_id=two")
        assert jar() == {"dub_id": ["two"]}
        evaluate(page, "_dubAnalytics.c.set('dub_id', 'three')")
        assert jar() == {"dub_id": ["three"]}
        assert evaluate(page, "_dubAnalytics.c.get('dub_id')") == "three"
        assert evaluate(page, "typeof dubAnalytics.trackClick") == "function"
        assert errors == []


def test_under_a_strict_policy_the_script_runs(page: Page, serve: Serve) -> None:
    policy = "script-src 'nonce-r4nd0m' 'strict-dynamic'; base-uri 'none'"
    html = f'<!doctype html><head><meta charset="utf-8"><title>A</title></head><!-- {policy} -->'

    def app(environ: Any, start_response: Any) -> list[bytes]:
        kind = ("Content-Type", "text/html; charset=utf-8")
        start_response("200 OK", [kind, ("Content-Security-Policy", policy)])
        return [html.encode()]

    with serving(DubMiddleware(app)) as url:
        page.goto(url)
        assert evaluate(page, "typeof _dubAnalytics") == "object"


def test_a_page_kept_in_the_back_forward_cache_goes_on(page: Page, serve: Serve, jar: Jar) -> None:
    url = serve().url()
    page.goto(f"{url}/?dub_id=one")
    page.goto(f"{url}/next")
    page.go_back()
    evaluate(page, "history.pushState({}, '', '/?dub_id=two')")
    assert jar() == {"dub_id": ["two"]}

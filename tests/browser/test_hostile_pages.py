"""The script on pages that get in its way, and that it must not get in the way of."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from dub_middleware import DubMiddleware
from waiting import wait_until
from wsgi_server import serving

if TYPE_CHECKING:
    from conftest import Serve, TrackingAPI
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

KEY = "dub_pk_abcdefghijklmnop"
HEAD = "<!doctype html><head><title>A shop</title>"


@pytest.fixture
def errors(page: Page) -> list[str]:
    """What the page's scripts threw or left rejected, as an error tracker would see it."""
    found: list[str] = []
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


def test_a_stub_that_is_declared_is_taken_over_too(page: Page, serve: Serve, errors: list[str]) -> None:
    stub = (
        "<script>function dubAnalytics() { (dubAnalytics.q = dubAnalytics.q || []).push(arguments) }"
        "dubAnalytics('ready', () => { window.isReady = true })</script>"
    )
    page.goto(f"{serve(HEAD + stub).url()}/?dub_id=abc")
    page.wait_for_function("window.isReady")
    assert page.evaluate("typeof dubAnalytics.trackClick") == "function"
    assert page.evaluate("typeof _dubAnalytics") == "object"
    assert errors == []


@pytest.mark.parametrize("declared", ["const", "let", "var"])
def test_a_later_script_may_declare_the_name_for_itself(
    page: Page, serve: Serve, errors: list[str], declared: str
) -> None:
    page.goto(serve().url())
    page.evaluate(
        "code => { const script = document.createElement('script'); script.textContent = code;"
        " document.head.append(script) }",
        f"{declared} dubAnalytics = window.dubAnalytics; window.laterRan = typeof dubAnalytics.consent;",
    )
    assert page.evaluate("laterRan") == "function"
    assert errors == []


def test_only_ways_out_are_tagged_not_what_else_has_an_address(page: Page, serve: Serve) -> None:
    page.goto(f"{serve(domains={'outbound': 'example.com'}).url()}/?dub_id=abc")
    found = page.evaluate(
        """async () => {
          for (const html of ['<link rel="canonical" href="https://example.com/page">',
                              '<base href="https://example.com/">', 'just text'])
            document.head.insertAdjacentHTML('beforeend', html);
          document.body.insertAdjacentHTML('beforeend', '<a href="https://example.com/out">out</a>');
          document.querySelector('link').href = 'https://example.com/other';
          await null;
          return [...document.querySelectorAll('link[rel], base, a')].map(element => element.href);
        }"""
    )
    assert found == [
        "https://example.com/other",
        "https://example.com/",
        "https://example.com/out?dub_id=abc",
    ]


def test_under_trusted_types_links_and_frames_are_tagged(page: Page, errors: list[str]) -> None:
    policy = "require-trusted-types-for 'script'; trusted-types 'none'; script-src 'nonce-r4nd0m'"
    body = f'{HEAD}<a href="https://example.com/">out</a><iframe src="https://example.com/frame"></iframe>'

    def app(environ: Any, start_response: Any) -> list[bytes]:
        kind = ("Content-Type", "text/html; charset=utf-8")
        start_response("200 OK", [kind, ("Content-Security-Policy", policy)])
        return [body.encode()]

    page.route("https://example.com/**", lambda route: route.fulfill(body="", content_type="text/html"))
    with serving(DubMiddleware(app, domains={"outbound": "example.com"})) as url:
        page.goto(f"{url}/?dub_id=abc")
        assert page.locator("a").get_attribute("href") == "https://example.com/?dub_id=abc"
        assert page.locator("iframe").get_attribute("src") == "https://example.com/frame?dub_id=abc"
    assert errors == []


def test_as_a_module_it_runs_with_its_defaults(page: Page, serve: Serve, errors: list[str]) -> None:
    html = f'{HEAD}<script type="module" src="/_dub/script.js"></script>'
    page.goto(f"{serve(html, inject=False).url()}/?dub_id=abc")
    assert page.evaluate("_dubAnalytics.a") == "https://api.dub.co"
    page.evaluate("history.pushState({}, '', '/?dub_id=later')")
    assert page.evaluate("document.cookie") == "dub_id=later"
    assert errors == []


def test_a_history_that_cannot_be_changed_costs_only_the_pages_of_a_single_page_app(
    page: Page, serve: Serve, errors: list[str]
) -> None:
    page.add_init_script("Object.freeze(history)")
    page.goto(f"{serve(publishable_key=KEY, domains={'outbound': 'a.test'}).url()}/?dub_id=abc")
    page.evaluate("history.pushState({}, '', '/next')")
    assert page.evaluate("dubAnalytics.ready(() => {})") is None
    assert errors == []


def test_names_stay_the_pages_own(page: Page, serve: Serve) -> None:
    options = {"publishable_key": KEY, "domains": {"site": "shop.test", "outbound": "a.test"}}
    names = "Object.getOwnPropertyNames(window)"
    before = set(page.evaluate(names))
    page.goto(serve(**options).url())
    added = set(page.evaluate(names)) - before
    assert added == {"dubAnalytics", "_dubAnalytics", "DubAnalytics"}


def test_a_page_made_ready_in_advance_sends_and_stores_nothing_before_it_is_shown(
    page: Page, serve: Serve, api: TrackingAPI, jar: Callable[[], dict[str, list[str]]]
) -> None:
    # as it is with <script type="speculationrules">, which a browser may or may not follow
    page.add_init_script(
        "Object.defineProperty(document, 'prerendering', {get: () => !window.isShown});"
        "document.onprerenderingchange = () => { window.pageHeard = true };"
    )
    url = serve(publishable_key=KEY, relay="all", api_host=api.url, domains={"refer": "go.shop.test"}).url()
    page.goto(f"{url}/?via=ada")
    page.evaluate("void dubAnalytics.trackLead({customerExternalId: '42'})")
    page.evaluate("fetch('/')")
    assert (api.requests, jar()) == ([], {})
    page.evaluate("window.isShown = true; document.dispatchEvent(new Event('prerenderingchange'))")
    wait_until(lambda: api.bodies("lead/client"), what="the lead")
    assert [body["key"] for body in api.bodies("click")] == ["ada"]
    assert [body["clickId"] for body in api.bodies("lead/client")] == ["click-of-ada"]
    assert jar()["dub_id"] == ["click-of-ada"]
    assert page.evaluate("pageHeard")

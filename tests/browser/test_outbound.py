"""Links and frames that carry the click id on: upstream's outbound cases in Chromium, and their defects."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from stub_http import Reply, Request, StubServer
from waiting import wait_until

if TYPE_CHECKING:
    from conftest import Serve
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

ELSEWHERE = re.compile("^https:")
DOMAINS = ("example.com", "other.com", "sub.example.com", "*.wildcard.com", "shop.test")
PAGE = """<!doctype html><title>Links</title><div id="container">
<a href="https://example.com/a">1</a> <a href="https://www.example.com/">2</a>
<a href="https://sub.example.com/">3</a> <a href="https://www.sub.example.com/">4</a>
<a href="https://other.example.com/">5</a> <a href="https://other.com/">6</a>
<a href="https://unrelated.com/">7</a> <a href="https://www.shop.test/own">8</a>
<a href="https://api.wildcard.com/">9</a> <a href="https://deep.nested.wildcard.com/">10</a>
<a href="https://wildcard.com/">11</a> <a href="https://notwildcard.com/">12</a>
<a href="https://www.admin.wildcard.com/">13</a> <a href="/relative">14</a> <a href="mailto:a@b.test">15</a>
<a href="https://example.com/?q=a%20b&x=%2f#top">16</a> <a href="https://example.com/?dub_id=stale&a=1">17</a>
<map><area href="https://example.com/area"></map>
<iframe src="https://example.com/embed"></iframe>
<iframe srcdoc="<iframe src='https://example.com/booking'></iframe><a href='https://other.com/inner'>i</a>">
</iframe></div>"""
TAGGED = "dub_id=abc"


class Elsewhere(StubServer):
    """A foreign host whose pages report that they are shown.

    The script takes a frame to another address while the first is loading, out of which Playwright may come
    with the frame missing from its books and its requests past every route: ask this host instead.
    """

    def answer(self, request: Request) -> Reply:
        report = b"<p>elsewhere<script>fetch('/shown' + location.pathname + location.search)</script>"
        return Reply(200, report, {"Content-Type": "text/html"})

    def asked(self, path: str) -> int:
        """How often a path was asked for."""
        return [request.path for request in self.requests].count(path)


@pytest.fixture
def hrefs(page: Page, serve: Serve) -> Callable[[], dict[str, str]]:
    """A function that returns the links of the page by their text; the page was reached by a click."""
    page.route(ELSEWHERE, lambda route: route.fulfill(body="<p>elsewhere", content_type="text/html"))
    page.goto(f"{serve(PAGE, domains={'outbound': list(DOMAINS)}).url()}/?dub_id=abc")

    def read() -> dict[str, str]:
        links = "Object.fromEntries([...document.links].map(a => [a.textContent || 'area', a.href]))"
        found: dict[str, str] = page.evaluate(links)
        return found

    return read


def test_links_to_the_listed_hosts_carry_the_click_id(hrefs: Callable[[], dict[str, str]]) -> None:
    tagged = {name for name, href in hrefs().items() if TAGGED in href}
    assert tagged == {"1", "2", "3", "4", "6", "9", "10", "11", "13", "16", "17", "area"}


def test_the_rest_of_an_address_keeps_its_bytes(hrefs: Callable[[], dict[str, str]]) -> None:
    found = hrefs()
    assert found["1"] == "https://example.com/a?dub_id=abc"
    assert found["16"] == "https://example.com/?q=a%20b&x=%2f&dub_id=abc#top"
    assert found["17"] == "https://example.com/?a=1&dub_id=abc"
    assert found["15"] == "mailto:a@b.test"


def test_frames_carry_it_too_also_inside_srcdoc(page: Page, hrefs: Callable[[], dict[str, str]]) -> None:
    hrefs()
    assert page.locator("iframe[src]").get_attribute("src") == "https://example.com/embed?dub_id=abc"
    inner = page.frame_locator("iframe[srcdoc]")
    assert inner.locator("iframe").get_attribute("src") == "https://example.com/booking?dub_id=abc"
    assert inner.locator("a").get_attribute("href") == "https://other.com/inner?dub_id=abc"


def test_what_the_page_adds_or_changes_later_is_tagged_in_the_same_task(
    page: Page, hrefs: Callable[[], dict[str, str]]
) -> None:
    hrefs()
    page.evaluate(
        """() => {
          history.pushState({}, '', '/new-page');
          container.insertAdjacentHTML('beforeend', '<p><a href="https://example.com/late">late</a></p>');
          document.links[0].href = 'https://other.com/changed';
        }"""
    )
    found = hrefs()
    assert found["late"] == "https://example.com/late?dub_id=abc"
    assert found["1"] == "https://other.com/changed?dub_id=abc"


def test_a_later_click_replaces_the_earlier_one_in_links_but_reloads_no_frame(
    page: Page, hrefs: Callable[[], dict[str, str]]
) -> None:
    hrefs()
    page.evaluate("history.pushState({}, '', '/?dub_id=later')")
    assert hrefs()["1"] == "https://example.com/a?dub_id=later"
    assert page.locator("iframe[src]").get_attribute("src") == "https://example.com/embed?dub_id=abc"


def test_a_frame_loads_once_more_at_most_and_nothing_polls(page: Page, serve: Serve) -> None:
    page.add_init_script(
        "window.timers = 0; for (const name of ['setInterval', 'setTimeout']) {"
        " const real = window[name]; window[name] = (...a) => { window.timers++; return real(...a); }; }"
    )
    with Elsewhere() as elsewhere:
        html = re.sub(r"https://([\w.]+)", rf"http://\1:{elsewhere.port}", PAGE)
        page.goto(f"{serve(html, domains={'outbound': list(DOMAINS)}).url()}/?dub_id=abc")
        shown = [f"/shown/{frame}?dub_id=abc" for frame in ("embed", "booking")]
        wait_until(lambda: all(map(elsewhere.asked, shown)), 60, "both frames with the click id in them")
        for frame in ("/embed", "/booking"):
            assert elsewhere.asked(frame) <= 1
            assert elsewhere.asked(f"{frame}?dub_id=abc") == 1
    assert page.evaluate("timers") == 0


def test_without_a_click_nothing_is_touched(page: Page, serve: Serve) -> None:
    page.route(ELSEWHERE, lambda route: route.fulfill(body="<p>elsewhere", content_type="text/html"))
    page.goto(serve(PAGE, domains={"outbound": list(DOMAINS)}).url())
    assert page.locator("a").first.get_attribute("href") == "https://example.com/a"

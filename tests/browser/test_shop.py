"""The Acme shop in Chromium, on Flask and on Django, as `make demo` serves it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from official_script import OFFICIAL
from waiting import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

pytestmark = pytest.mark.browser


@dataclass(frozen=True)
class Shop:
    """Where one of the shops is, its short link, and the dashboard that counts."""

    url: str
    short_link: str
    dashboard: str


@contextmanager
def demo(*options: str) -> Iterator[dict[str, Shop]]:
    """Run what `make demo` runs, read the addresses that it prints; Ctrl-C must end it cleanly."""
    command = [sys.executable, "-m", "demo_app", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = read_until(process.stdout, "Ctrl-C")
        links = re.findall(r"Short link +(\S+)", told)
        shops = re.findall(r"Shop +(\S+)/\n", told)
        [dashboard] = re.findall(r"Dashboard +(\S+)/\n", told)
        try:
            yield {
                name: Shop(shop, link, dashboard)
                for name, shop, link in zip(("Flask", "Django"), shops, links, strict=True)
            }
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=60) == 0


def read_until(lines: Iterable[str], last: str) -> str:
    read = []
    for line in lines:
        read.append(line)
        if last in line:
            break
    return "".join(read)


@pytest.fixture(scope="module")
def shops() -> Iterator[dict[str, Shop]]:
    with demo() as found:
        yield found


@pytest.fixture(params=["Flask", "Django"])
def place(request: pytest.FixtureRequest, shops: dict[str, Shop]) -> Shop:
    return shops[request.param]


@pytest.fixture
def shop(place: Shop) -> str:
    return place.url


def cookies(context: BrowserContext) -> dict[str, str]:
    return {cookie["name"]: cookie["value"] for cookie in context.cookies()}


def label(page: Page) -> dict[str, str]:
    rows = page.locator(".label dl > div").all()
    return {row.locator("dt").inner_text().lower(): row.locator("dd").inner_text() for row in rows}


def test_the_script_is_there_in_the_console(page: Page, shop: str) -> None:
    page.goto(shop)
    assert page.evaluate("typeof _dubAnalytics") == "object"
    assert page.locator("head script[src^='/_dub/script.']").count() == 1


def test_a_dub_link_leaves_the_click_id_in_the_cookie(page: Page, context: BrowserContext, shop: str) -> None:
    page.goto(f"{shop}/?dub_id=test")
    assert cookies(context)["dub_id"] == "test"
    told = label(page)
    assert (told["click id"], told["source"], told["click"]) == ("test", "query", "new on this request")
    assert told["cookie"] == "set by this response"
    page.goto(f"{shop}/pricing")
    told = label(page)
    assert (told["click id"], told["source"], told["click"]) == ("test", "cookie", "kept from before")
    assert told["sealed"].startswith("yes")


def test_a_redirect_that_drops_the_query_leaves_the_cookie(
    page: Page, context: BrowserContext, shop: str
) -> None:
    page.goto(f"{shop}/launch?dub_id=launched")
    assert page.url == f"{shop}/"
    assert cookies(context)["dub_id"] == "launched"


def test_without_javascript_the_cookie_is_left_all_the_same(context: BrowserContext, shop: str) -> None:
    assert context.browser is not None
    quiet = context.browser.new_context(java_script_enabled=False)
    try:
        quiet.new_page().goto(f"{shop}/?dub_id=quiet")
        assert cookies(quiet)["dub_id"] == "quiet"
    finally:
        quiet.close()


@pytest.mark.parametrize("official", ["before", "behind"])
def test_beside_dubs_own_script_there_is_one_cookie(
    page: Page, context: BrowserContext, shop: str, official: str
) -> None:
    script = OFFICIAL if official == "before" else f"addEventListener('load', () => {{{OFFICIAL}}})"
    page.add_init_script(script)  # no tag: the shop's policy would block one without its nonce
    for click in ("one", "two"):
        page.goto(f"{shop}/?dub_id={click}")
        assert page.evaluate("officialRan && typeof dubAnalytics.trackClick") == "function"
        assert [cookie["value"] for cookie in context.cookies() if cookie["name"] == "dub_id"] == [click]


@pytest.mark.parametrize("path", ["/", "/pricing", "/signup", "/account", "/nowhere"])
def test_the_script_runs_under_the_strict_policy(page: Page, shop: str, path: str) -> None:
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    response = page.goto(shop + path)
    assert response is not None
    assert "'strict-dynamic'" in response.headers["content-security-policy"]
    assert page.evaluate("typeof _dubAnalytics") == "object"
    # Chromium itself reports the 404 of a page that is not there
    assert [text for text in told if "404" not in text] == []


def test_a_form_that_lacks_something_says_so(page: Page, shop: str) -> None:
    page.goto(f"{shop}/signup?plan=boulder")
    page.get_by_role("button", name="Sign up").click()
    page.locator("#email-error").wait_for()


def sign_up_and_pay(page: Page) -> None:
    """From any page of the shop to the account, by what a visitor clicks and types."""
    page.get_by_role("link", name="Sign up").click()
    page.get_by_label("Name").fill("Ada <Lovelace>")
    page.get_by_label("Email").fill("ada@example.com")
    page.get_by_role("button", name="Sign up").click()
    page.get_by_role("button", name="Pay $49").click()
    page.get_by_role("heading", name="Look up, Ada <Lovelace>.").wait_for()


def counted(page: Page, place: Shop) -> dict[str, Any]:
    """What the dashboard counts for the short link of one shop."""
    answer = page.request.get(
        f"{place.dashboard}/analytics.json?{urlencode({'url': f'{place.url}/', 'interval': '24h'})}"
    )
    found: dict[str, Any] = answer.json()["totals"]
    return found


def from_short_link_to_dashboard(page: Page, place: Shop) -> None:
    page.goto(place.short_link)
    assert page.url.startswith(f"{place.url}/?dub_id=")
    click_id = label(page)["click id"]
    sign_up_and_pay(page)
    assert page.locator(".pair code", has_text=click_id).count() == 2
    for name in ("Lead", "Sale"):
        page.locator(f".label [data-name={name}] dd", has_text="delivered").wait_for()
    # behind Segment's endpoint they are on their way to Dub for another moment
    totals = wait_until(lambda: (it := counted(page, place))["sales"] and it, what="the sale at Dub")
    assert (totals["clicks"], totals["leads"], totals["sales"], totals["saleAmount"]) == (1, 1, 1, 4900)


def test_a_visitor_clicks_signs_up_and_buys_and_the_dashboard_shows_it(page: Page, place: Shop) -> None:
    from_short_link_to_dashboard(page, place)
    page.get_by_role("button", name="Sign out").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Nobody is signed in."
    of_shop = urlencode({"url": f"{place.url}/", "interval": "24h"})
    for view in ("/?view=series", "/?view=funnel", "/events?event=sales"):
        page.goto(f"{place.dashboard}{view}&{of_shop}")
        page.locator("main").get_by_text("$49.00").first.wait_for()


def test_the_same_through_segment_and_its_destination_for_dub(page: Page) -> None:
    with demo("--segment") as found:
        from_short_link_to_dashboard(page, found["Flask"])


def test_a_partners_link_is_asked_for_by_the_script(page: Page, context: BrowserContext, place: Shop) -> None:
    with page.expect_response(f"{place.url}/_dub/track/click") as answered:
        page.goto(f"{place.url}/?via={place.short_link.rpartition('/')[2]}")
    assert answered.value.json()["clickId"] == cookies(context)["dub_id"]

"""The Acme shop in Chromium, on Flask and on Django, as `make demo` serves it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def shops() -> Iterator[dict[str, str]]:
    """The addresses of both shops, from what the command prints; Ctrl-C must end it cleanly."""
    command = [sys.executable, "-m", "demo_app", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        found: dict[str, str] = {}
        assert process.stdout is not None
        for line in process.stdout:
            if match := re.fullmatch(r"\s+(Flask|Django)\s+(http://localhost:\d+)/\s*", line):
                found[match[1]] = match[2]
            if len(found) == 2:
                break
        try:
            yield found
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=10) == 0


@pytest.fixture(params=["Flask", "Django"])
def shop(request: pytest.FixtureRequest, shops: dict[str, str]) -> str:
    return shops[request.param]


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


def test_an_order_shows_the_click_id_that_a_sale_would_carry(page: Page, shop: str) -> None:
    page.goto(f"{shop}/signup?plan=boulder&dub_id=buyer")
    page.get_by_role("button", name="Sign up").click()
    assert page.locator("#email-error").is_visible()
    page.get_by_label("Name").fill("Ada <Lovelace>")
    page.get_by_label("Email").fill("ada@example.com")
    page.get_by_role("button", name="Sign up").click()
    page.get_by_role("button", name="Pay $199").click()
    page.wait_for_url(f"{shop}/account")
    assert page.get_by_role("heading", level=1).inner_text() == "Look up, Ada <Lovelace>."
    assert page.locator(".pair code", has_text="buyer").count() == 2
    page.get_by_role("button", name="Sign out").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Nobody is signed in."

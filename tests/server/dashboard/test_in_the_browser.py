"""The pages with forms in Chromium: log in, make a link and follow it, make a key, fit a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from dub_middleware.server.app import Server
from dub_middleware.server.options import Options
from dub_middleware.server.serving import listen
from wsgi_server import serving

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import BrowserContext, Page

pytestmark = pytest.mark.browser

PASSWORD = "correct horse"


def shop(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/html")])
    return [b"<!doctype html><title>Shop</title><h1>Shop</h1>"]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """A server with a password, on the port that its short links name."""
    with listen("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    server = Server(
        Options.of(
            {
                "database_url": f"sqlite:///{tmp_path}/dub.db",
                "password": PASSWORD,
                "base_url": f"http://127.0.0.1:{port}",
                "private_receivers": True,
            }
        )
    )
    with serving(server, port) as url:
        yield url
    server.close()


def log_in(page: Page, site: str) -> None:
    page.goto(f"{site}/links")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/links")


def test_a_wrong_password_is_told_and_logging_out_closes_the_door(page: Page, site: str) -> None:
    page.goto(f"{site}/settings")
    page.get_by_label("Password").fill("guess")
    page.get_by_role("button", name="Log in").click()
    page.get_by_text("That is not the password.").wait_for()
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/settings")
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login")
    page.goto(f"{site}/settings")
    assert "/login" in page.url


def test_a_page_that_is_open_when_the_session_ends_asks_to_log_in(page: Page, site: str) -> None:
    log_in(page, site)
    page.goto(f"{site}/links/new")
    page.get_by_label("Destination URL").fill("https://shop.example/")
    page.get_by_role("button", name="Create the link").click()
    page.goto(f"{site}/?interval=7d")
    page.context.request.post(f"{site}/logout")
    page.evaluate("dispatchEvent(new Event('online'))")
    page.wait_for_url(re.compile(r"/login\?next=.*interval"))


def test_a_link_is_made_and_followed_to_the_shop(page: Page, context: BrowserContext, site: str) -> None:
    # the server takes a headless browser for the robot it is
    agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/130.0.0.0 Safari/537.36"
    context.set_extra_http_headers({"User-Agent": agent})
    log_in(page, site)
    with serving(shop) as destination:
        page.get_by_role("link", name="New link").first.click()
        page.get_by_label("Destination URL").fill(destination)
        page.get_by_label("Key", exact=True).fill("launch")
        page.get_by_label("Source", exact=True).fill("newsletter")
        page.get_by_role("button", name="Create the link").click()
        page.wait_for_url(re.compile("/links/link_"))
        page.get_by_role("heading", name="go.localhost/launch").wait_for()
        code = page.get_by_role("img", name="QR code of go.localhost/launch")
        assert code.evaluate("image => image.complete && image.naturalWidth > 100")
        with context.expect_page() as opened:
            page.get_by_role("link", name="Open").click()
        opened.value.wait_for_url(re.compile(r"utm_source=newsletter&dub_id=\w+"))
        assert opened.value.url.startswith(destination)
        page.reload()
        page.locator(".facts").get_by_text("1", exact=True).first.wait_for()


def test_a_key_is_shown_once(page: Page, site: str) -> None:
    log_in(page, site)
    page.goto(f"{site}/settings")
    page.get_by_label("New key for").fill("shop")
    page.get_by_role("button", name="Make a key").click()
    key = page.locator(".new-key code").inner_text()
    assert re.fullmatch(r"dub_\w{24}", key)
    page.goto(f"{site}/settings")
    assert key not in page.content()
    row = page.get_by_role("row", name="shop")
    row.get_by_text("Revoke").first.click()
    row.get_by_role("button", name=re.compile("Revoke dub_")).click()
    page.wait_for_url("**/settings?done=revoked*")
    assert page.get_by_role("row", name="shop").count() == 0


@pytest.mark.parametrize(
    "path", ["links", "links/new", "customers", "webhooks", "webhooks/new", "settings", "install"]
)
def test_a_page_fits_a_phone(page: Page, site: str, path: str) -> None:
    log_in(page, site)
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(f"{site}/{path}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert not errors


def test_a_phone_shows_a_link_with_all_its_figures(page: Page, site: str) -> None:
    log_in(page, site)
    page.goto(f"{site}/links/new")
    page.get_by_label("Destination URL").fill("https://shop.example/")
    page.get_by_label("Key", exact=True).fill("an-autumn-campaign-that-has-a-very-long-name")
    page.get_by_role("button", name="Create the link").click()
    page.wait_for_url(re.compile("/links/link_"))
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(f"{site}/links")
    table = page.get_by_role("region", name="Links")
    assert table.evaluate("box => box.scrollWidth <= box.clientWidth")
    row = table.get_by_role("row", name="an-autumn-campaign")
    for heading, figure in (("Clicks", "0"), ("Leads", "0"), ("Sales", "0"), ("Revenue", "$0.00")):
        column = table.get_by_role("columnheader", name=heading).bounding_box()
        cells = [cell.bounding_box() for cell in row.get_by_role("cell", name=figure, exact=True).all()]
        ends = {round(box["x"] + box["width"]) for box in cells if box}
        assert column
        assert round(column["x"] + column["width"]) in ends

"""Every state of the pages under axe, in light, in dark and on a phone; and nothing wider than the screen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("playwright")
from playwright.sync_api import Page, expect

from dub_middleware.server.store import WebhookDelivery

if TYPE_CHECKING:
    from conftest import Record

    from dub_middleware.server import Server
    from dub_middleware.server.store import Link

AXE = Path(__file__).parent / "node/node_modules/axe-core/axe.min.js"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not AXE.exists(), reason="needs axe: make peers"),
]

#: what a colour scheme can spoil, and what a narrow screen can; the other rules see the same in every look
OF_COLOURS = ["color-contrast", "link-in-text-block"]
OF_SIZES = ["target-size", "scrollable-region-focusable"]
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "width": 1280, "rules": None},
    "dark": {"color_scheme": "dark", "width": 1280, "rules": OF_COLOURS},
    "phone": {"color_scheme": "light", "width": 390, "rules": OF_COLOURS + OF_SIZES},
}


def violations(page: Page, rules: list[str] | None = None) -> list[str]:
    """What axe finds; it is run by the debugger, which no policy binds."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())
    options = {"runOnly": {"type": "rule", "values": rules}} if rules else {}
    found = page.evaluate("options => axe.run(document, options)", {"resultTypes": ["violations"], **options})
    return [
        f"{violation['id']}: {node['target']} {node['failureSummary']}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


def assert_sound(page: Page) -> None:
    """No violation in any look, and nothing wider than the screen."""
    for look, options in LOOKS.items():
        page.emulate_media(color_scheme=options["color_scheme"], reduced_motion="reduce")
        page.set_viewport_size({"width": options["width"], "height": 900})
        found = violations(page, options["rules"])
        assert (page.url, look, found) == (page.url, look, [])
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{page.url} on a {look}"


def test_pages_with_events(view: Page, site: str, history: int) -> None:
    for path in (
        "/",
        "/?view=funnel&compare=previous",
        "/?metric=sales&show=table&compare=previous&country=DE&device!=Mobile",
        "/events",
        "/breakdown/countries",
    ):
        view.goto(site + path)
        expect(view.locator("main")).to_be_visible()
        assert_sound(view)
    view.goto(f"{site}/timezone")
    view.get_by_role("searchbox").fill("new")  # of 600 rows that are alike a few are enough
    assert_sound(view)


def test_pages_with_forms_and_lists(
    view: Page, site: str, server: Server, link: Link, record: Record
) -> None:
    record(customer="ada", amount=4900, name="Ada")
    customer = server.store.customers.get_by_external_id("ada")
    assert customer is not None
    webhook = server.store.webhooks.create("Shop", "https://shop.test/hook", ["lead.created"])
    for status, answer in ((200, '{"ok": true}'), (500, "oops"), (None, "timed out")):
        entry = WebhookDelivery(
            webhook_id=webhook.id,
            event_id="evt_1",
            event="lead.created",
            url=webhook.url,
            body='{"id": "evt_1"}',
            attempt=2,
            status=status,
            response=answer,
            duration_ms=12,
        )
        server.store.webhooks.log(entry, succeeded=status == 200)
    for path in (
        "/links",
        "/links/new",
        f"/links/{link.id}?done=saved",
        "/customers",
        f"/customers/{customer.id}",
        "/webhooks",
        f"/webhooks/{webhook.id}",
        "/settings",
        "/install",
    ):
        view.goto(site + path)
        view.evaluate("document.querySelectorAll('main details:not(.menu)').forEach(it => it.open = true)")
        assert_sound(view)


def test_forms_that_were_refused(page: Page, site: str) -> None:
    for path, button in (("/links/new", "Create the link"), ("/webhooks/new", "Create the webhook")):
        page.goto(site + path)
        page.locator("main form").first.evaluate("form => form.noValidate = true")
        page.get_by_role("button", name=button).click()
        expect(page.locator(".error, .notice.failed").first).to_be_visible()
        assert_sound(page)


def test_what_opens_on_a_page(view: Page, site: str, history: int) -> None:
    view.goto(site)
    view.locator("[data-plot]").focus()
    view.keyboard.press("ArrowLeft")
    view.keyboard.press("c")
    expect(view.get_by_label("From")).to_be_visible()
    assert_sound(view)
    view.keyboard.press("Escape")
    for key, dialog in (("f", "Filter"), ("?", "Keyboard shortcuts")):
        view.keyboard.press(key)
        expect(view.get_by_role("dialog", name=dialog)).to_be_visible()
        assert_sound(view)
        view.keyboard.press("Escape")
    view.goto(f"{site}/events")
    view.locator("[data-open]").first.click()
    expect(view.locator(".detail-row pre")).to_be_visible()
    view.get_by_text("Columns", exact=True).click()
    assert_sound(view)


def test_pages_with_nothing_to_show(view: Page, site: str, record: Record) -> None:
    view.goto(site)
    expect(view.get_by_role("heading", name="Waiting for the first event")).to_be_visible()
    assert_sound(view)
    record()
    for path in ("/?interval=yesterday", "/?country=FR&city=Paris", "/events?q=nowhere"):
        view.goto(site + path)
        expect(view.locator(".empty")).to_be_visible()
        assert_sound(view)

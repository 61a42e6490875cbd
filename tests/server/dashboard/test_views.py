"""The three views in Chromium: they change by themselves, by keys and by clicks, and work without scripts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("playwright")
from playwright.sync_api import BrowserContext, Locator, Page, Route, expect

from dub_middleware.server.store import Context, CustomerDetails, WebhookDelivery

if TYPE_CHECKING:
    from conftest import Record

    from dub_middleware.server.app import Server
    from standing_clock import Clock

pytestmark = pytest.mark.browser


def look_now(page: Page) -> None:
    """Let the page ask for news at once, as it does when the network comes back."""
    page.evaluate("dispatchEvent(new Event('online'))")


def tab(context: BrowserContext, **options: Any) -> Page:
    """A tab of another profile in the same browser."""
    assert context.browser is not None
    page = context.browser.new_context(**options).new_page()
    page.set_default_timeout(60_000)
    return page


def total(page: Page, metric: str) -> Locator:
    return page.locator(f"[data-total={metric}]")


def test_the_time_series_changes_while_it_is_looked_at(view: Page, record: Record, history: int) -> None:
    view.reload()
    expect(total(view, "clicks")).to_have_text("62")
    expect(view.get_by_role("status")).to_have_text("Live")
    record(customer="ada", amount=10_000)
    look_now(view)
    expect(total(view, "clicks")).to_have_text("63")
    expect(total(view, "sales")).to_have_text("$443.00")


def test_the_funnel_tells_in_words_what_is_kept_and_what_is_lost(view: Page, record: Record) -> None:
    for number in range(4):
        record(customer="ada" if number == 0 else "", amount=2500 if number == 0 else 0)
    view.goto(f"{view.url}?view=funnel")
    steps = view.locator(".step-words")
    expect(steps.nth(0)).to_contain_text("4 clicks")
    expect(steps.nth(1)).to_contain_text("25% of clicks became leads")
    expect(steps.nth(1)).to_contain_text("3 dropped off (75%)")
    expect(steps.nth(2)).to_contain_text("None dropped off")
    expect(steps.nth(2)).to_contain_text("$25.00 revenue, $25.00 a sale")
    record(customer="bob")
    look_now(view)
    expect(steps.nth(1)).to_contain_text("40% of clicks became leads")
    expect(steps.nth(2)).to_contain_text("1 dropped off (50%)")


def test_a_new_day_begins_by_itself(view: Page, clock: Clock, history: int) -> None:
    view.clock.install()
    view.reload()
    expect(view.locator(".ticks .latest")).to_have_text("Mar 18, so far")
    clock.advance(days=1)
    view.clock.fast_forward("16:00")
    expect(view.locator(".ticks .latest")).to_have_text("Mar 19, so far")


def test_the_first_event_ends_the_first_steps(view: Page, record: Record) -> None:
    expect(view.get_by_role("heading", name="Waiting for the first event")).to_be_visible()
    assert 'api_host="http://127.0.0.1' in view.locator(".steps").inner_text()
    record()
    look_now(view)
    expect(total(view, "clicks")).to_have_text("1")


def test_keys_choose_metric_view_range_and_comparison(view: Page, history: int) -> None:
    view.reload()
    for key, parameter in [
        ("2", "metric=leads"),
        ("3", "metric=sales"),
        ("u", "unit=count"),
        ("x", "compare=previous"),
        ("w", "interval=7d"),
        ("v", "show=table"),
        ("g", "view=funnel"),
    ]:
        view.keyboard.press(key)
        view.wait_for_url(re.compile(f"[?&]{parameter}"))
    view.keyboard.press("?")
    help_ = view.get_by_role("dialog", name="Keyboard shortcuts")
    expect(help_).to_contain_text("Month to date")
    view.keyboard.press("2")
    view.keyboard.press("Escape")
    expect(help_).to_be_hidden()
    assert "metric=sales" in view.url, "keys mean nothing behind a dialog"
    view.go_back()
    view.wait_for_url(re.compile("show=table"))
    expect(view.get_by_role("region", name="The numbers as a table")).to_be_visible()


def test_the_chart_is_read_by_keys_and_by_the_pointer(view: Page, history: int) -> None:
    view.goto(f"{view.url}?compare=previous")
    plot = view.get_by_role("application")
    said, tip = view.locator("[data-say]"), view.locator(".tip")
    plot.focus()
    view.keyboard.press("End")
    expect(said).to_have_text("Wed, Mar 18, 2026 (so far): 2 Clicks; 2 on Sun, Feb 15, 2026")
    view.keyboard.press("ArrowLeft")
    expect(said).to_contain_text("Tue, Mar 17, 2026: 2 Clicks")
    expect(tip).to_contain_text("Tue, Mar 17, 2026")
    view.keyboard.press("Home")
    view.keyboard.press("ArrowLeft")
    expect(said).to_contain_text("Mon, Feb 16, 2026")
    view.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    box = plot.bounding_box()
    assert box is not None
    view.mouse.move(box["x"] + box["width"] * 14 / 30, box["y"] + 80)
    expect(tip).to_contain_text("Mon, Mar 2, 2026")


def test_the_chart_is_read_by_a_finger(context: BrowserContext, site: str, history: int) -> None:
    page = tab(context, has_touch=True, viewport={"width": 390, "height": 844}, timezone_id="UTC")
    page.goto(site)
    box = page.get_by_role("application").bounding_box()
    assert box is not None
    tip = page.locator(".tip")
    page.touchscreen.tap(box["x"] + box["width"] * 14 / 30, box["y"] + 80)
    expect(tip).to_contain_text("Mon, Mar 2, 2026")
    page.touchscreen.tap(box["x"] + box["width"], box["y"] + 80)
    expect(tip).to_contain_text("Wed, Mar 18, 2026 (so far)")
    page.get_by_role("heading", level=1).tap()
    expect(tip).to_be_hidden()
    page.context.close()


def test_tabs_are_worked_by_keys_and_what_has_the_focus_is_in_sight(view: Page, history: int) -> None:
    view.goto(f"{view.url}events")
    view.get_by_role("tab", name="All events").focus()
    view.keyboard.press("End")
    view.keyboard.press("Space")
    expect(view.get_by_role("tab", name="Sales")).to_have_attribute("aria-selected", "true")
    view.keyboard.press("Home")
    view.keyboard.press("Enter")
    expect(view.locator("tr.event")).to_have_count(50)
    view.evaluate("scrollTo(0, document.body.scrollHeight)")
    bottom = view.locator(".top").evaluate("bar => bar.getBoundingClientRect().bottom")
    link = view.locator("[data-open]").nth(20)
    link.focus()
    for _ in range(8):
        view.keyboard.press("ArrowUp")
    assert view.evaluate("document.activeElement.getBoundingClientRect().top") >= bottom


def test_the_buckets_and_the_comparison_are_chosen_from_menus_that_stay_open_while_numbers_change(
    view: Page, record: Record, history: int
) -> None:
    view.goto(f"{view.url}?interval=90d")
    view.keyboard.press("b")
    weeks = view.get_by_role("link", name="By week")
    expect(weeks).to_be_visible()
    record()
    look_now(view)
    expect(total(view, "clicks")).to_have_text("85")
    expect(weeks).to_be_visible()
    weeks.click()
    view.wait_for_url(re.compile("by=week"))
    expect(view.locator("[data-points] tbody tr").last).to_contain_text("Mar 16 – Mar 18, 2026 (so far)")
    view.locator("#compare summary").click()
    view.get_by_role("link", name="The same weekdays before").click()
    view.wait_for_url(re.compile("compare=weekdays"))
    expect(view.locator(".legend")).to_contain_text("Sep 18 – Dec 17, 2025")
    view.keyboard.press("x")
    view.wait_for_url(re.compile("by=week$"))


def test_a_row_filters_a_second_click_and_its_chip_take_the_filter_back(view: Page, history: int) -> None:
    view.reload()
    row = view.get_by_role("link", name=re.compile("^DE ?Germany|^Germany"))
    row.click()
    chip = view.get_by_role("group", name="Filters")
    expect(chip).to_contain_text("Country is Germany")
    assert view.url.endswith("?country=DE")
    expect(total(view, "clicks")).to_have_text("20")
    chip.get_by_role("link", name="is", exact=True).click()
    expect(chip).to_contain_text("Country is not Germany")
    expect(total(view, "clicks")).to_have_text("42")
    view.go_back()
    expect(total(view, "clicks")).to_have_text("20")
    row.click()
    expect(chip).to_be_hidden()
    row.click()
    chip.get_by_role("link", name=re.compile("Remove the filter")).click()
    expect(total(view, "clicks")).to_have_text("62")


def test_the_filter_dialog_offers_what_there_is(view: Page, history: int) -> None:
    view.reload()
    view.keyboard.press("f")
    dialog = view.get_by_role("dialog", name="Filter")
    dialog.get_by_label("What").select_option("Referrer")
    dialog.get_by_label("How").select_option("is not")
    dialog.get_by_label("Value").fill("news")
    offered = dialog.get_by_role("listitem")
    expect(offered).to_have_count(1)
    offered.get_by_role("button", name=re.compile(r"news\.test")).click()
    expect(view.get_by_role("group", name="Filters")).to_contain_text("Referrer is not news.test")
    assert "referer!=news.test" in view.url.replace("%21", "!")
    view.keyboard.press("f")
    dialog.get_by_label("What").select_option("Country")
    expect(offered).to_have_count(2)
    view.keyboard.press("Tab")
    view.keyboard.press("Tab")
    view.keyboard.type("germ")
    view.keyboard.press("Enter")
    expect(view.get_by_role("group", name="Filters")).to_contain_text("Country is Germany")
    view.keyboard.press("f")
    dialog.get_by_label("What").select_option("Furthest step")
    expect(offered).to_have_text(["Click", "Lead", "Sale"])
    offered.get_by_role("button", name="Lead").click()
    expect(view.get_by_role("group", name="Filters")).to_contain_text("Furthest step is Lead")
    assert "reached=lead" in view.url


def test_the_filter_dialog_no_longer_waits_for_values_of_another_field(view: Page, history: int) -> None:
    view.route("**/breakdown/countries*", lambda route: None)  # never answered
    view.reload()
    view.keyboard.press("f")
    dialog = view.get_by_role("dialog", name="Filter")
    with view.expect_request("**/breakdown/countries*") as countries:
        dialog.get_by_label("What").select_option("Country")
    with view.expect_event("requestfailed", lambda request: request == countries.value):
        dialog.get_by_label("What").select_option("Referrer")
    expect(dialog.get_by_role("listitem")).to_have_count(3)


def test_the_dialog_that_was_asked_for_last_is_shown(view: Page, history: int) -> None:
    view.route("**/filter*", lambda route: None)  # never answered
    view.reload()
    with view.expect_request("**/filter*") as chosen:
        view.keyboard.press("f")
    with view.expect_event("requestfailed", lambda request: request == chosen.value):
        view.keyboard.press("z")
    expect(view.get_by_role("dialog", name="Time zone")).to_be_visible()


def test_a_dialog_that_was_closed_stays_closed(view: Page, history: int) -> None:
    view.route("**/breakdown/countries*sort=revenue*", lambda route: None)
    view.reload()
    view.locator("#card-places").get_by_role("link", name="View").click()
    dialog = view.get_by_role("dialog", name="Locations: Countries")
    with view.expect_request("**/breakdown/countries*sort=revenue*") as sorted_:
        dialog.get_by_role("link", name="Revenue").click()
    with view.expect_event("requestfailed", lambda request: request == sorted_.value):
        view.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_who_types_fast_is_understood_all_the_same(view: Page, history: int) -> None:
    held: list[Route] = []
    view.route("**/breakdown/countries*", lambda route: held.append(route))
    view.reload()
    view.keyboard.press("f")
    dialog = view.get_by_role("dialog", name="Filter")
    with view.expect_request("**/breakdown/countries*"):
        dialog.get_by_label("What").select_option("Country")
    dialog.get_by_label("Value").fill("germ")
    view.keyboard.press("Enter")
    held[-1].continue_()
    expect(view.get_by_role("group", name="Filters")).to_contain_text("Country is Germany")


def test_view_all_is_searched_in_a_dialog(view: Page, history: int) -> None:
    view.reload()
    view.locator("#card-places").get_by_role("link", name="View").click()
    dialog = view.get_by_role("dialog", name="Locations: Countries")
    dialog.get_by_role("link", name="Revenue").click()
    expect(dialog.get_by_role("columnheader", name="Revenue")).to_have_attribute("aria-sort", "descending")
    expect(dialog.locator("tbody tr").first).to_contain_text("Germany")
    dialog.get_by_role("searchbox").fill("n")
    dialog.get_by_role("link", name="Lead rate").press("Enter")
    expect(dialog.get_by_role("columnheader", name="Lead rate")).to_have_attribute("aria-sort", "descending")
    view.keyboard.press("Enter")
    expect(dialog.get_by_role("columnheader", name="Lead rate")).to_have_attribute("aria-sort", "ascending")
    expect(dialog.get_by_role("searchbox")).to_have_value("n")
    dialog.get_by_role("searchbox").fill("nep")
    expect(dialog.locator("tbody tr:visible")).to_have_count(1)
    dialog.get_by_role("link", name="Nepal").click()
    expect(view.get_by_role("group", name="Filters")).to_contain_text("Country is Nepal")


def test_times_are_those_of_the_reader_until_another_zone_is_chosen(
    context: BrowserContext, site: str, history: int
) -> None:
    page = tab(context, timezone_id="Asia/Kathmandu")
    page.goto(f"{site}/events")
    zone = page.get_by_role("link", name="Kathmandu")
    expect(zone).to_have_attribute("title", re.compile(r"\(UTC\+05:45\)"))
    expect(page.locator("time").first).to_have_text("Mar 18, 17:45:00")
    zone.click()
    dialog = page.get_by_role("dialog", name="Time zone")
    expect(dialog.locator("[data-zones] a").first).to_have_text(re.compile("^Kathmandu"))
    dialog.get_by_role("searchbox").fill("lisb")
    dialog.get_by_role("link", name="Lisbon").click()
    expect(page.locator("time").first).to_have_text("Mar 18, 12:00:00")
    page.goto(site)
    expect(page.get_by_role("link", name="Lisbon")).to_be_visible()
    page.context.close()


def test_dark_is_chosen_once_and_never_printed(view: Page, history: int) -> None:
    view.emulate_media(color_scheme="light")
    view.get_by_role("button", name="Dark or light").click()
    view.goto(f"{view.url}events")
    assert view.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(11, 12, 14)"
    view.emulate_media(media="print")
    view.set_viewport_size({"width": 718, "height": 1000})  # of a sheet of A4
    expect(view.get_by_role("navigation")).to_be_hidden()
    assert view.evaluate("getComputedStyle(document.querySelector('h1')).color") == "rgb(23, 25, 28)"
    assert view.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_what_is_chosen_stands_out_in_colours_of_the_system(view: Page, site: str, history: int) -> None:
    view.emulate_media(forced_colors="active")
    for path, chosen, other in (
        ("/", ".nav [aria-current]", ".nav a:not([aria-current])"),
        ("/", "#card-places [aria-selected=true]", "#card-places [aria-selected=false]"),
        ("/", "[aria-label=View] [aria-current]", "[aria-label=View] a:not([aria-current])"),
        ("/?country=DE", ".bar.is-on", ".bar:not(.is-on)"),
        ("/links/new", ".switch input:checked", ".switch"),
    ):
        view.goto(site + path)
        styles = [
            view.locator(selector).first.evaluate(
                "(e) => [getComputedStyle(e).backgroundColor, getComputedStyle(e).color]"
            )
            for selector in (chosen, other)
        ]
        assert styles[0][0] != styles[1][0], chosen
        assert styles[0][0] != styles[0][1], chosen


def test_an_answer_that_does_not_come_leaves_the_numbers_and_says_so(view: Page, history: int) -> None:
    view.reload()
    view.route("**/events/new*", lambda route: route.fulfill(body="the page of a proxy"))
    look_now(view)
    expect(view.locator(".toast")).to_have_text("No answer from the server. Trying again in the background.")
    expect(view.locator(".live")).to_have_text("Reconnecting…")
    expect(total(view, "clicks")).to_have_text("62")
    view.unroute("**/events/new*")
    look_now(view)
    expect(view.locator(".live")).to_have_text("Live")


def test_everything_is_reached_without_javascript(context: BrowserContext, site: str, history: int) -> None:
    page = tab(context, java_script_enabled=False)
    page.goto(site)
    assert page.locator(".stroke").count() >= 1
    page.get_by_role("tab", name=re.compile("Leads")).click()
    page.get_by_role("link", name=re.compile("Germany")).click()
    expect(page.get_by_role("group", name="Filters")).to_contain_text("Country is Germany")
    page.locator("#range summary").click()
    page.get_by_label("From").fill("2026-03-01")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".legend")).to_contain_text("Mar 1 – Mar 18, 2026")
    page.locator("#card-places").get_by_role("link", name="View").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("By country")
    expect(page.get_by_text("Mar 1 – Mar 18, 2026", exact=True)).to_be_visible()
    expect(page.get_by_role("group", name="Filters")).to_contain_text("Country is Germany")
    page.goto(f"{site}/events")
    page.get_by_role("link", name="Older events").click()
    page.locator("[data-open]").first.click()
    expect(page.locator("pre")).to_contain_text('"eventName": "Sign up"')
    page.goto(f"{site}/filter?to=events.index")
    page.get_by_label("What").select_option("Country")
    page.get_by_label("Value").fill("NP")
    page.get_by_role("button", name="Add the filter").click()
    expect(page.get_by_role("group", name="Filters")).to_contain_text("Country is Nepal")
    page.context.close()


def test_names_of_any_length_leave_every_page_as_wide_as_the_screen(
    view: Page, site: str, server: Server, record: Record
) -> None:
    link = server.store.links.create(
        {"domain": "go.localhost", "key": "x" * 180, "url": f"https://acme.test/{'y' * 300}"}
    )
    click = server.store.record_click(link, Context(url=link.url, referer=f"{'z' * 60}.test"))
    details = CustomerDetails(external_id="c" * 100, name="محمد " * 30, email=f"{'e' * 60}@acme.test")
    server.store.record_lead(details, "L" * 100, click_id=click.click_id, metadata={"plan": "p" * 300})
    customer = server.store.customers.get_by_external_id("c" * 100)
    assert customer is not None
    for path in (
        f"/?link_id={link.id}",
        "/?view=funnel&compare=weekdays",
        "/events",
        "/links",
        f"/links/{link.id}",
        "/customers",
        f"/customers/{customer.id}",
        "/breakdown/top_links",
    ):
        view.goto(site + path)
        for width in (390, 768, 1280):
            view.set_viewport_size({"width": width, "height": 800})
            assert view.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, (path, width)
    view.set_viewport_size({"width": 390, "height": 800})
    view.goto(f"{site}/events")
    assert view.locator("[data-stream]").evaluate("box => box.scrollWidth <= box.clientWidth")
    expect(view.get_by_role("columnheader", name="Referrer")).to_be_attached()


def test_the_log_of_a_webhook_goes_on_while_it_is_looked_at(view: Page, site: str, server: Server) -> None:
    webhook = server.store.webhooks.create("Shop", "https://shop.test/hook", ["lead.created"])

    def deliver(status: int) -> None:
        entry = WebhookDelivery(
            webhook_id=webhook.id,
            event_id="evt_1",
            event="lead.created",
            url=webhook.url,
            body='{"id": "evt_1"}',
            attempt=1,
            status=status,
            response="",
            duration_ms=12,
        )
        server.store.webhooks.log(entry, succeeded=status == 200)
        look_now(view)

    view.goto(f"{site}/webhooks/{webhook.id}")
    view.get_by_label("Name").fill("half typed")
    deliver(200)
    entries = view.locator(".deliveries > li")
    expect(entries).to_have_count(1)
    entries.first.locator("summary").click()
    deliver(500)
    expect(entries).to_have_count(2)
    expect(view.get_by_role("alert")).to_contain_text("The last delivery failed")
    expect(entries.last.locator("pre").first).to_be_visible()
    expect(view.get_by_label("Name")).to_have_value("half typed")


def test_a_hostile_name_is_text_and_nothing_else(view: Page, server: Server, record: Record) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    record(customer=hostile, name=hostile, amount=100, referer=hostile, city=f"DE\tDE-BE\t{hostile}")
    for path in ("?sources=referers&places=cities", "events", "breakdown/referers", f"?referer={hostile}"):
        view.goto(view.url.split("/", 3)[0] + "//" + view.url.split("/", 3)[2] + "/" + path)
        expect(view.get_by_text(hostile).first).to_be_visible()
        assert view.locator("main img").count() == 0

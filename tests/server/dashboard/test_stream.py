"""The events stream: nothing missed, nothing twice, still while it is read, and away as a file."""

from __future__ import annotations

import csv
import io
import re
import threading
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("playwright")
from playwright.sync_api import Page, expect
from werkzeug.test import Client

from dub_middleware.server.app import Server
from dub_middleware.server.options import Options
from dub_middleware.server.store import Context, Link, Store
from wsgi_server import serving

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Record

    from standing_clock import Clock


@pytest.fixture
def stream(view: Page, history: int) -> Page:
    view.goto(f"{view.url}events")
    return view


def look_now(page: Page) -> None:
    page.evaluate("dispatchEvent(new Event('online'))")


def ids(page: Page) -> list[str]:
    found: list[str] = page.eval_on_selector_all("tr.event", "rows => rows.map(row => row.dataset.id)")
    return found


@pytest.mark.browser
def test_an_event_appears_by_itself_and_flashes_once(stream: Page, record: Record) -> None:
    record(customer="ada", name="Ada Lovelace", amount=4900)
    look_now(stream)
    fresh = stream.locator("tr.is-new")
    expect(fresh).to_have_count(3)
    expect(fresh.first).to_contain_text("Ada Lovelace")
    expect(fresh.first).to_contain_text("$49.00")
    assert stream.locator("tr.event").first.get_attribute("class") == "event sale is-new"


@pytest.mark.browser
def test_under_load_every_event_comes_exactly_once(stream: Page, server: Server, link: Link) -> None:
    before = ids(stream)

    def write(writer: int) -> None:
        for number in range(60):
            server.store.record_click(link, Context(url=link.url), identity=f"writer-{writer}-{number}")

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in writers:
        thread.start()
    while any(thread.is_alive() for thread in writers):
        look_now(stream)
        stream.wait_for_timeout(20)
    look_now(stream)
    expect(stream.locator("tr.event")).to_have_count(len(before) + 240)
    shown = [int(number) for number in ids(stream)]
    assert len(set(shown)) == len(shown)
    assert shown == sorted(shown, reverse=True)


@pytest.mark.browser
def test_nothing_moves_under_the_pointer(stream: Page, record: Record) -> None:
    before = ids(stream)
    stream.locator("tr.event").nth(3).hover()
    record()
    record()
    look_now(stream)
    bar = stream.get_by_role("button", name="2 new events")
    expect(bar).to_be_visible()
    assert ids(stream) == before
    bar.click()
    expect(stream.locator("tr.event")).to_have_count(len(before) + 2)
    expect(bar).to_be_hidden()


@pytest.mark.browser
def test_paused_means_paused(stream: Page, record: Record) -> None:
    before = ids(stream)
    stream.keyboard.press("p")
    expect(stream.locator(".live")).to_have_text("Paused")
    record()
    look_now(stream)
    stream.keyboard.press("1")
    stream.wait_for_url(re.compile("type=click"))
    expect(stream.locator(".live")).to_have_text("Paused")
    stream.keyboard.press("0")
    stream.get_by_role("button", name="Resume").click()
    expect(stream.locator(".live")).to_have_text("Live")
    expect(stream.locator("tr.event").first).not_to_have_attribute("data-id", before[0])


@pytest.mark.browser
def test_more_than_a_page_holds_is_counted_and_then_the_newest_are_shown(
    stream: Page, server: Server, link: Link
) -> None:
    stream.locator("tr.event").nth(3).hover()

    def write(writer: int) -> None:
        for number in range(130):
            server.store.record_click(link, Context(url=link.url), identity=f"flood-{writer}-{number}")

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    look_now(stream)
    bar = stream.get_by_role("button", name="520 new events")
    expect(bar).to_be_visible()
    said = stream.locator("[data-new-said]")
    expect(said).to_have_text("New events have come.")
    assert stream.locator("tr.event").count() == 50
    bar.click()
    newest, _ = server.store.events.latest(limit=1)
    expect(stream.locator("tr.event").first).to_have_attribute("data-id", str(newest[0].id))
    assert stream.locator("tr.event").count() == 50
    expect(stream.get_by_role("link", name="Older events")).to_be_visible()


@pytest.mark.browser
def test_a_hidden_tab_asks_nothing_and_catches_up_when_it_is_shown(stream: Page, record: Record) -> None:
    before = ids(stream)
    turn = "is => { Object.defineProperty(document, 'hidden', {value: is, configurable: true});"
    turn += " document.dispatchEvent(new Event('visibilitychange')); }"
    asked: list[str] = []
    stream.on("request", lambda request: asked.append(request.url))
    stream.evaluate(turn, True)
    for _ in range(3):
        record()
    look_now(stream)
    assert stream.evaluate("new Promise(done => setTimeout(done, 50))") is None
    assert asked == []
    stream.evaluate(turn, False)
    expect(stream.locator("tr.event")).to_have_count(len(before) + 3)
    assert len(set(ids(stream))) == len(before) + 3


@pytest.mark.browser
def test_the_stream_outlives_a_restart_of_the_server(
    page: Page, tmp_path: Path, clock: Clock, server: Server, record: Record
) -> None:
    record()
    with serving(server) as url:
        page.goto(f"{url}/events")
        expect(page.locator("tr.event")).to_have_count(1)
        page.evaluate("window.isTheSamePage = true")
    look_now(page)
    expect(page.locator(".live")).to_have_text("Reconnecting…")
    expect(page.get_by_role("alert")).to_have_text(
        "No answer from the server. Trying again in the background."
    )
    look_now(page)
    expect(page.locator(".live")).to_have_text("Reconnecting…")
    expect(page.get_by_role("alert")).to_have_count(1)
    record()
    address = f"sqlite:///{tmp_path}/dub.db"
    again = Server(Options.of({"database_url": address}), Store(address, clock=clock))
    with serving(again, int(url.rpartition(":")[2])):
        record()
        look_now(page)
        expect(page.locator("tr.event")).to_have_count(3)
        expect(page.locator(".live")).to_have_text("Live")
        assert len(set(ids(page))) == 3
        assert page.evaluate("window.isTheSamePage")
    again.close()


@pytest.mark.browser
def test_a_row_opens_with_the_raw_event_and_its_filters(stream: Page) -> None:
    stream.get_by_role("button", name=re.compile("Details of Sign up")).first.focus()
    stream.keyboard.press("Enter")
    detail = stream.locator(".detail-row")
    expect(detail.locator("pre")).to_contain_text('"plan_name": "Pro"')
    detail.get_by_role("link", name="only these with Country Germany").click()
    expect(stream.get_by_role("group", name="Filters")).to_contain_text("Country is Germany")


@pytest.mark.browser
def test_typing_searches_all_of_history_and_says_when_there_is_nothing(stream: Page, record: Record) -> None:
    stream.keyboard.press("/")
    stream.keyboard.type("user-3@")
    expect(stream.locator("tr.event")).to_have_count(1)
    assert stream.evaluate("document.activeElement.id") == "search"
    record(customer="ada")
    look_now(stream)
    stream.keyboard.type("nowhere")
    expect(stream.get_by_role("heading", name="Nothing mentions “user-3@nowhere”")).to_be_visible()
    stream.get_by_role("link", name="Clear the search").click()
    expect(stream.locator("tr.event")).to_have_count(50)


@pytest.mark.browser
def test_columns_are_chosen_once_and_older_events_follow(stream: Page) -> None:
    stream.get_by_text("Columns", exact=True).click()
    stream.get_by_label("Click id").check()
    header = stream.locator("thead")
    expect(header).to_contain_text("Click id")
    stream.reload()
    expect(header).to_contain_text("Click id")
    older = stream.get_by_role("link", name="Older events")
    while older.is_visible():
        count = stream.locator("tr.event").count()
        older.click()
        expect(stream.locator("tr.event").nth(count)).to_be_visible()
        expect(stream.locator("[aria-disabled]")).to_have_count(0)
    shown = ids(stream)
    assert len(shown) == len(set(shown)) == 84 + 28 + 10


def test_pages_of_older_events_meet_without_gap_or_overlap(client: Client, history: int) -> None:
    seen: list[str] = []
    path = "/events.json"
    while True:
        answer = client.get(path).json
        assert answer is not None
        seen += [f"{event['event']} {event['click']['id']}" for event in answer["events"]]
        if answer["older"] is None:
            break
        path = f"/events.json?before={answer['older']}"
    assert len(seen) == len(set(seen)) == 84 + 28 + 10


def test_news_are_204_until_there_are_some(client: Client, record: Record) -> None:
    record()
    first = client.get("/events.json").json
    assert first is not None
    path = f"/events/new?after={first['cursor']}"
    quiet = client.get(path)
    assert (quiet.status_code, quiet.data) == (204, b"")
    record(country="FR")
    told = client.get(path).json
    assert told is not None
    assert (told["count"], told["more"]) == (1, False)
    assert "France" in told["rows"]
    filtered = client.get(f"{path}&country=DE").json
    assert filtered == {"cursor": told["cursor"], "count": 0, "rows": "", "more": False}
    assert client.get(f"{path}&rows=0").json == {"cursor": told["cursor"]}


def test_a_cursor_that_nobody_gave_out_is_refused(client: Client) -> None:
    answer = client.get("/events.json?before=yesterday")
    assert answer.status_code == 400
    assert answer.json is not None
    assert "is not a cursor" in answer.json["error"]["message"]


def test_the_csv_holds_all_events_in_the_columns_and_the_zone_on_screen(
    client: Client, record: Record
) -> None:
    record()
    record(customer="=cmd|'/c calc'!A0", name="=1+1", amount=123456, referer="@evil")
    answer = client.get(
        "/events.csv?tz=Asia/Kathmandu&columns=event&columns=customer&columns=amount&columns=referer"
    )
    assert answer.headers["Content-Disposition"] == 'attachment; filename="events.csv"'
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert rows[0] == ["time (Asia/Kathmandu)", "type", "event", "customer", "amount", "referer"]
    assert len(rows) == 1 + 4
    sale = next(row for row in rows if row[1] == "sale")
    assert sale[0] == "2026-03-18T17:45:00+05:45"
    assert sale[4] == "1234.56"
    assert not any(cell.startswith(("=", "@")) for row in rows for cell in row)


@pytest.mark.parametrize("query", ["", "?type=sale"])
def test_the_json_file_holds_what_the_page_lists(client: Client, record: Record, query: str) -> None:
    record(customer="ada", amount=500)
    listed, exported = client.get(f"/events.json{query}").json, client.get(f"/events/export.json{query}").json
    assert listed is not None
    assert [event["timestamp"] for event in listed["events"]] == [event["timestamp"] for event in exported]
    assert exported[0]["sale"]["amount"] == 500
    assert exported[0]["click"] == listed["events"][0]["click"]
    assert client.get("/events/export.json?country=FR").json == []


@pytest.mark.parametrize(
    ("search", "count"),
    [
        ("LAUNCH", 4),
        ("ada love", 2),
        ("ada@example.com", 2),
        ("acme.test", 4),
        ("firefox", 4),
        ("sign", 1),
        ("np", 1),
        ("nepal", 1),
        ("ger", 3),
        ("%", 0),
        ("_", 0),
    ],
)
def test_a_search_finds_parts_of_what_an_event_says(
    client: Client, record: Record, search: str, count: int
) -> None:
    record(country="NP")
    record(customer="ada", name="Ada Lovelace", amount=100)
    answer = client.get("/events.json", query_string={"q": search}).json
    assert answer is not None
    assert len(answer["events"]) == count

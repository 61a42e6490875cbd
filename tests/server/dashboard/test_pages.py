"""What every page keeps to: the policy, the JSON twin, the ETag, errors that say what is wrong."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from html import unescape
from pathlib import Path

import pytest
from werkzeug.test import Client

HTML = {"Accept": "text/html"}


def test_the_policy_allows_nothing_from_elsewhere_and_nothing_inline(client: Client) -> None:
    response = client.get("/", headers=HTML)
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert not re.search(r"\sstyle=|\son\w+=|<style|<script(?![^>]*\ssrc=)", response.text)


def test_static_files_may_be_kept_for_ever_under_an_address_that_changes_with_them(client: Client) -> None:
    page = client.get("/").text
    address = re.search(r'href="(/static/\w+/base\.css)"', page)
    assert address is not None
    response = client.get(address[1])
    assert response.mimetype == "text/css"
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    stale = client.get("/static/older/base.css")
    assert stale.data == response.data
    assert "no-cache" in stale.headers["Cache-Control"]
    assert client.get("/static/older/../../app.py").status_code == 404


@pytest.mark.parametrize(
    ("path", "accept"), [("/analytics.json", "*/*"), ("/", "application/json")], ids=["path", "header"]
)
def test_a_page_has_a_json_twin(client: Client, path: str, accept: str) -> None:
    response = client.get(path, headers={"Accept": accept})
    assert response.mimetype == "application/json"
    assert response.json is not None
    assert response.json["totals"] == {"clicks": 0, "leads": 0, "sales": 0, "saleAmount": 0}


@pytest.mark.parametrize("path", ["/", "/analytics.json"])
def test_what_has_not_changed_is_not_sent_again(client: Client, path: str) -> None:
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("interval=fortnight", "interval is 'fortnight'; allowed are 24h, 7d, "),
        ("start=yesterday", "start is 'yesterday'; it must be a date, as 2026-03-18."),
        ("start=2026-03-02&end=2026-03-01", "start is 2026-03-02, which is after the end, 2026-03-01."),
        ("start=1999-01-01", "start is 1999-01-01; there is nothing from before 2022-09-22."),
        ("tz=Mars/Olympus", "tz is 'Mars/Olympus'; it must be the name of a time zone, as Europe/Berlin."),
        ("metric=cheers", "metric is 'cheers'; allowed are clicks, leads, sales."),
    ],
)
def test_an_address_that_makes_no_sense_says_why(client: Client, query: str, message: str) -> None:
    response = client.get(f"/analytics.json?{query}")
    assert response.status_code == 400
    assert response.json is not None
    assert response.json["error"]["message"].startswith(message)
    page = client.get(f"/?{query}", headers=HTML)
    assert page.status_code == 400
    assert page.mimetype == "text/html"


def test_a_database_that_fails_is_told_on_a_page(
    client: Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert client.get("/events").status_code == 200
    with contextlib.closing(sqlite3.connect(tmp_path / "dub.db")) as other:
        other.execute("ALTER TABLE events RENAME TO elsewhere")
        other.execute("ALTER TABLE settings RENAME TO elsewhere_too")
    for path in ("/", "/events", "/nowhere"):
        response = client.get(path, headers=HTML)
        assert response.status_code == (404 if path == "/nowhere" else 503), path
        assert "<h1>" in response.text
    assert "the database failed" in caplog.text


def test_a_page_that_does_not_exist_is_told_in_the_form_asked_for(client: Client) -> None:
    assert "There is no such page" in client.get("/nowhere", headers=HTML).text
    told = client.get("/nowhere.json").json
    assert told is not None
    assert told["error"]["status"] == 404


def test_the_keys_of_every_page_are_in_the_guide(client: Client, history: int) -> None:
    guide = Path(__file__).parents[3] / "docs" / "dashboard.md"
    told = re.findall(r"`(.|Esc)`", guide.read_text("utf-8").partition("## Keys")[2].partition("\n## ")[0])
    pages = ("/?metric=sales", "/?end=2026-03-10&start=2026-03-01", "/events", "/links", "/webhooks")
    found = {
        key
        for page in pages
        for key in re.findall(r'aria-keyshortcuts="(.)"', unescape(client.get(page).text))
    }
    assert found - set(told) == set()


@pytest.mark.parametrize(
    ("search", "zone"),
    [
        ("kathmandu", "Asia/Kathmandu"),
        ("nepal", "Asia/Kathmandu"),
        ("+05:45", "Asia/Kathmandu"),
        ("+5:45", "Asia/Kathmandu"),
        ("ist", "Asia/Kolkata"),
        ("ist", "Europe/Dublin"),
        ("cest", "Europe/Berlin"),
        ("germany", "Europe/Berlin"),
        ("new york", "America/New_York"),
    ],
)
def test_a_zone_is_found_by_what_people_know_of_it(client: Client, search: str, zone: str) -> None:
    listed = client.get("/timezone.json?tz=Europe/Paris").json
    assert listed is not None
    zones = listed["zones"]
    assert zones[0]["name"] == "Europe/Paris", "the one that is chosen comes first"
    assert len({each["name"] for each in zones}) == len(zones)
    assert zone in {each["name"] for each in zones if search in each["text"]}


def test_a_zone_of_an_older_name_is_offered_while_it_is_chosen(client: Client) -> None:
    listed = client.get("/timezone?tz=Asia/Calcutta").text
    assert re.findall(r'aria-current="true" data-zone-name="([^"]+)"', listed) == ["Asia/Calcutta"]
    assert 'data-zone-name="Asia/Calcutta"' not in client.get("/timezone?tz=UTC").text


@pytest.mark.parametrize(
    ("path", "section"),
    [
        ("/", "Analytics"),
        ("/breakdown/countries", "Analytics"),
        ("/events", "Events"),
        ("/links/new", "Links"),
    ],
)
def test_the_navigation_says_where_one_is(client: Client, path: str, section: str) -> None:
    current = re.findall(r'aria-current="page"[^>]*>.*?<span>([^<]+)</span>', client.get(path).text)
    assert current == [section]

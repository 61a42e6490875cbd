"""The analytics page as data: one range for every number, filters that are kept in links, empty answers."""

from __future__ import annotations

import csv
import io
import re
from datetime import datetime, timedelta, timezone
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from werkzeug.test import Client

if TYPE_CHECKING:
    from conftest import Record

    from dub_middleware.server.app import Server
    from dub_middleware.server.store import Link
    from standing_clock import Clock


def data(client: Client, query: str = "") -> dict[str, Any]:
    found = client.get(f"/analytics.json?{query}").json
    assert found is not None
    assert "totals" in found, found
    return dict(found)


def test_the_name_of_the_twins_leads_to_the_page(client: Client) -> None:
    answer = client.get("/analytics?interval=7d&country=DE&country=FR")
    assert (answer.status_code, answer.location) == (302, "/?interval=7d&country=DE&country=FR")


def test_the_tabs_the_chart_the_funnel_and_the_cards_count_the_same(client: Client, history: int) -> None:
    for interval in ("24h", "today", "7d", "30d", "90d", "1y", "mtd", "qtd", "ytd", "all"):
        for zone in ("UTC", "Asia/Kathmandu", "America/New_York"):
            found = data(client, f"interval={interval}&tz={zone}")
            told = {"chart": [point["counts"] for point in found["timeseries"]]}
            told |= {
                name: [row["counts"] for row in found["breakdowns"][name]]
                for name in ("top_links", "countries", "devices")
            }
            sums = {name: sum(counts["clicks"] for counts in rows) for name, rows in told.items()}
            sums["funnel"] = found["funnel"][0]["count"]
            assert set(sums.values()) == {found["totals"]["clicks"]}, (interval, zone, sums)


@pytest.mark.parametrize(
    "query", ["interval=7d", "interval=90d&by=week&country=DE", "interval=all&tz=Asia/Kathmandu"]
)
def test_the_page_says_what_its_twin_says(client: Client, history: int, query: str) -> None:
    found = data(client, f"{query}&metric=sales")
    page = client.get(f"/?{query}&metric=sales&show=table", headers={"Accept": "text/html"}).text
    shown = dict(re.findall(r'data-total="(\w+)">([^<]+)<', page))
    totals = found["totals"]
    assert shown == {
        "clicks": f"{totals['clicks']}",
        "leads": f"{totals['leads']}",
        "sales": f"${totals['saleAmount'] / 100:,.2f}",
    }
    rows = re.findall(r'<th scope="row">[^<]+</th>\s*<td class="figure">(\d+)</td>', page)
    told = [point["counts"]["clicks"] for point in found["timeseries"]]
    assert [int(number) for number in reversed(rows)] == told
    assert dict(re.findall(r"(Germany|Nepal)</span>.*?bar-value\">\$([\d.]+)<", page, re.S)) == {
        row["label"]: f"{row['counts']['saleAmount'] / 100:.2f}"
        for row in found["breakdowns"]["countries"]
        if row["label"] in ("Germany", "Nepal")
    }


def test_today_begins_where_the_reader_is(client: Client, record: Record, clock: Clock) -> None:
    clock.set(datetime(2026, 3, 17, 18, 30, tzinfo=timezone.utc))  # 00:15 on the 18th in Kathmandu
    record()
    clock.set(datetime(2026, 3, 18, 12, tzinfo=timezone.utc))
    assert data(client, "interval=today")["totals"]["clicks"] == 0
    assert data(client, "interval=today&tz=Asia/Kathmandu")["totals"]["clicks"] == 1
    client.set_cookie("dub_tz", "Asia/Kathmandu")
    assert data(client, "interval=today")["totals"]["clicks"] == 1
    client.set_cookie("dub_tz", "Nowhere/At_All")
    assert data(client, "interval=today")["timezone"] == "UTC"


def test_the_change_is_against_as_much_of_the_period_before(
    client: Client, record: Record, clock: Clock
) -> None:
    clock.set(datetime(2026, 3, 17, 11, tzinfo=timezone.utc))
    record()
    clock.set(datetime(2026, 3, 17, 13, tzinfo=timezone.utc))
    record()
    clock.set(datetime(2026, 3, 18, 12, tzinfo=timezone.utc))
    record()
    found = data(client, "interval=today&compare=previous")
    assert found["previousTotals"]["clicks"] == 1, "yesterday until this hour"
    assert sum(point["counts"]["clicks"] for point in found["previousTimeseries"]) == 2, "its whole line"


def test_the_range_is_cut_and_compared_as_the_address_says(client: Client, history: int) -> None:
    found = data(client, "interval=90d&by=week&compare=weekdays")
    assert found["granularity"] == "week"
    assert [point["start"][:10] for point in found["timeseries"][-2:]] == ["2026-03-09", "2026-03-16"]
    assert len(found["timeseries"]) == len(found["previousTimeseries"])
    assert found["totals"]["clicks"] == 84
    assert data(client, "interval=24h&by=month")["granularity"] == "hour", "what does not fit is left out"
    year = data(client, "compare=year")
    assert year["previousTimeseries"][0]["start"].startswith("2025-02-16")
    for wrong in ("by=minute", "compare=never"):
        assert client.get(f"/analytics.json?{wrong}").status_code == 400


@pytest.mark.parametrize(
    ("query", "earlier", "later"),
    [
        ("interval=today", "2026-03-17 2026-03-17", ""),
        ("interval=7d", "2026-03-03 2026-03-10", ""),
        ("interval=mtd", "2026-02-01 2026-02-28", ""),
        ("interval=qtd", "2025-10-01 2025-12-31", ""),
        ("interval=all", "", ""),
        ("start=2026-02-01&end=2026-02-28", "2026-01-01 2026-01-31", "2026-03-01 2026-03-18"),
        ("start=2026-02-03&end=2026-02-05", "2026-01-31 2026-02-02", "2026-02-06 2026-02-08"),
        ("start=2022-09-25&end=2022-10-25", "2022-09-23 2022-09-24", "2022-10-26 2022-11-25"),
        ("start=2022-09-23&end=2022-09-24", "", "2022-09-25 2022-09-26"),
    ],
)
def test_a_range_has_neighbours(client: Client, record: Record, query: str, earlier: str, later: str) -> None:
    record()
    page = client.get(f"/?country=DE&{query}", headers={"Accept": "text/html"}).text
    for label, dates in (("Earlier", earlier), ("Later", later)):
        found = re.search(rf'href="([^"]*)" aria-label="{label}"', page)
        told = dict(parse_qsl(urlsplit(unescape(found[1])).query)) if found else {}
        assert (told.get("start", ""), told.get("end", "")) == tuple(dates.split() or ("", "")), label
        assert not found or client.get(unescape(found[1])).status_code == 200
        assert not found or told["country"] == "DE"


def test_filters_hold_in_every_number_and_several_values_are_one_of_them(
    client: Client, history: int
) -> None:
    assert data(client, "interval=all&country=DE&country=US")["totals"]["clicks"] == 56
    assert data(client, "interval=all&country!=DE")["totals"]["clicks"] == 56
    only = data(client, "interval=all&country=DE&device=Mobile")
    assert only["totals"]["clicks"] == 14
    assert [row["value"] for row in only["breakdowns"]["countries"]] == ["DE"]
    assert only["filters"]["country"] == {"values": ["DE"], "exclude": False}


def test_links_on_the_page_keep_its_state(client: Client, history: int) -> None:
    page = client.get("/?interval=7d&country=DE&metric=leads&tz=Asia/Kathmandu").text
    tab = re.search(r'href="([^"]+)"[^>]*id="tab-sales"|id="tab-sales" href="([^"]+)"', page)
    assert tab is not None
    address = (tab[1] or tab[2]).replace("&amp;", "&")
    for part in ("interval=7d", "country=DE", "metric=sales", "tz=Asia/Kathmandu"):
        assert part in address.replace("%2F", "/")


def test_money_is_in_the_currency_of_the_workspace(client: Client, server: Server, record: Record) -> None:
    record(customer="ada", amount=5000)
    server.store.workspace.change_settings(currency="jpy")
    assert "¥5,000" in client.get("/?metric=sales").text


def test_the_csv_is_the_chart_in_the_zone_on_screen(client: Client, record: Record) -> None:
    record(customer="ada", amount=1999)
    answer = client.get("/analytics.csv?interval=7d&tz=Asia/Kathmandu")
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert rows[0] == ["day (Asia/Kathmandu)", "clicks", "leads", "sales", "revenue (USD)"]
    assert len(rows) == 1 + 8
    assert rows[-1] == ["2026-03-18T00:00:00+05:45", "1", "1", "1", "19.99"]


def test_the_csv_holds_what_is_compared_with_and_nothing_of_the_future(
    client: Client, record: Record
) -> None:
    record(customer="ada", amount=1999)
    answer = client.get("/analytics.csv?interval=today&compare=weekdays")
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert rows[0][:2] == ["hour (UTC)", "clicks"]
    assert rows[0][5:] == [
        "hour before",
        "clicks before",
        "leads before",
        "sales before",
        "revenue (USD) before",
    ]
    assert len(rows) == 1 + 13, "it is twelve"
    assert rows[-1][0] == "2026-03-18T12:00:00+00:00"
    assert rows[-1][5] == "2026-03-11T12:00:00+00:00"


def test_the_csv_of_the_funnel_is_its_steps(client: Client, record: Record) -> None:
    for number in range(4):
        record(customer="ada" if number == 0 else "")
    answer = client.get("/analytics.csv?view=funnel")
    assert 'filename="funnel-2026-03-18.csv"' in answer.headers["Content-Disposition"]
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert rows == [
        ["step", "count", "rate", "rate of clicks", "dropped off"],
        ["clicks", "4", "1.0000", "1.0000", "0"],
        ["leads", "1", "0.2500", "0.2500", "3"],
        ["sales", "0", "0.0000", "0.0000", "1"],
    ]
    compared = client.get("/analytics.csv?view=funnel&compare=previous").text.splitlines()
    assert compared[0].endswith("count before,rate before,rate of clicks before,dropped off before")
    assert compared[1] == "clicks,4,1.0000,1.0000,0,0,,,0"


def test_a_breakdown_is_a_page_a_file_and_data(client: Client, history: int) -> None:
    found = client.get("/breakdown/countries.json?interval=all").json
    assert found is not None
    assert {row["label"]: row["counts"]["clicks"] for row in found["rows"]} == {
        "Germany": 28,
        "United States": 28,
        "Nepal": 28,
    }
    assert "Nepal,28," in client.get("/breakdown/countries.csv?interval=all").text
    searched = client.get("/breakdown/countries.json?interval=all&q=nep").json
    assert searched is not None
    assert [row["value"] for row in searched["rows"]] == ["NP"]
    unknown = client.get("/breakdown/planets.json")
    assert unknown.status_code == 404
    assert "known are top_links, " in unknown.text


@pytest.mark.parametrize(
    ("query", "sort", "order", "labels"),
    [
        ("", "clicks", "desc", "Germany Nepal France"),
        ("sort=leads", "leads", "desc", "Nepal Germany France"),
        ("sort=lead_rate", "lead_rate", "desc", "Nepal Germany France"),
        ("sort=lead_rate&order=asc", "lead_rate", "asc", "France Germany Nepal"),
        ("sort=sales", "sales", "desc", "Germany Nepal France"),
        ("sort=sale_rate", "sale_rate", "desc", "Germany Nepal France"),
        ("sort=sale_rate&order=asc", "sale_rate", "asc", "Nepal Germany France"),
        ("sort=revenue&q=an", "revenue", "desc", "Germany France"),
    ],
)
def test_a_breakdown_is_sorted_by_any_column(
    client: Client, record: Record, query: str, sort: str, order: str, labels: str
) -> None:
    for country, clicks, leads, amount in (("DE", 5, 1, 4900), ("NP", 3, 2, 0), ("FR", 2, 0, 0)):
        for number in range(clicks):
            customer = f"{country}{number}" if number < leads else ""
            record(customer=customer, amount=amount if customer else 0, country=country)
    found = client.get(f"/breakdown/countries.json?{query}").json
    assert found is not None
    assert (found["sort"], found["order"]) == (sort, order)
    assert [row["label"] for row in found["rows"]] == labels.split(), "no rate of nothing is the last"
    page = client.get(f"/breakdown/countries?{query}").text
    assert re.findall(r'aria-sort="(\w+)"><a class="sort" id="sort-(\w+)"', page) == [
        (f"{order}ending", sort)
    ]
    lines = client.get(f"/breakdown/countries.csv?{query}").text.splitlines()
    assert lines[0] == "country,clicks,leads,lead rate,sales,sale rate,revenue"
    assert [line.partition(",")[0] for line in lines[1:]] == labels.split()
    assert next(line for line in lines if "Germany" in line) == "Germany,5,1,0.2000,1,1.0000,49.00"
    assert client.get("/breakdown/countries?sort=height").status_code == 400


def test_the_first_steps_offer_a_link_that_works(client: Client, server: Server, link: Link) -> None:
    def offered() -> str:
        found = re.search(r"</svg>Open ([^<]+)</a>", client.get("/").text)
        return found[1] if found else ""

    past = server.queries.now() - timedelta(days=1)
    server.links.create({"url": "https://acme.test/", "key": "secret", "password": "x"})
    for key, state in (
        ("old", {"expires_at": past}),
        ("off", {"disabled_at": past}),
        ("gone", {"archived": True}),
    ):
        server.store.links.create(
            {"domain": "go.localhost", "key": key, "url": "https://acme.test/", **state}
        )
    assert offered() == "go.localhost/launch"
    server.store.links.delete(link.id)
    assert offered() == "go.localhost/secret"


def test_an_empty_range_offers_the_last_one_with_data(client: Client, record: Record, clock: Clock) -> None:
    record()
    clock.advance(days=5)
    page = client.get("/?interval=today").text
    assert "No events in today" in page
    assert 'href="/?interval=7d"' in page
    clock.advance(days=700)
    assert 'href="/?start=2026-03-18&amp;end=2026-03-18"' in client.get("/").text


def test_a_filter_that_hides_everything_is_named(client: Client, record: Record) -> None:
    record(country="DE")
    page = client.get("/?country=FR&tz=UTC").text
    assert "No event matches this filter" in page
    assert "Country is <b>France</b>: no event was ever like that." in page
    assert 'class="button primary" href="/?tz=UTC"' in page


@pytest.mark.parametrize(
    ("query", "address"),
    [
        ("field=country&value=DE", "/?country=DE"),
        ("field=country&verb=not&value=DE&country=FR", "/?country!=DE"),
        ("field=country&value=DE&country=FR&metric=leads", "/?metric=leads&country=FR&country=DE"),
        ("field=os&value=iOS&to=events.index", "/events?os=iOS"),
        ("field=os&value=iOS&_external=1&_scheme=javascript&_anchor=a&endpoint=static", "/?os=iOS"),
    ],
)
def test_the_filter_form_leads_back_with_one_filter_more(client: Client, query: str, address: str) -> None:
    answer = client.get(f"/filter?{query}")
    assert answer.status_code == 302
    assert answer.headers["Location"].replace("%21", "!") == address


def test_the_filter_form_leads_nowhere_else(client: Client) -> None:
    assert client.get("/filter?field=os&value=iOS&to=https://evil.test/").status_code == 404
    page = client.get("/timezone?_external=1&_scheme=javascript&endpoint=static&self=1")
    assert page.status_code == 200
    assert 'href="/?self=1&amp;tz=Asia/Kathmandu"' in page.text

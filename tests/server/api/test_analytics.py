"""Analytics and events by the official client, and by requests that it cannot read the answers of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from dub import Dub

from api_client import KEY, Api
from dub_middleware.server import Options, Server
from dub_middleware.server.store import Link, Store
from standing_clock import Clock
from traffic import NOW, record_traffic
from wsgi_server import serving


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all questions: none of them changes anything."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('analytics')}/dub.db"
    else:
        url = request.getfixturevalue("postgres_server").create_database()
    options = Options(database_url=url, api_key=KEY, analytics_rate_limit=None, rate_limit=None)
    server = Server(options, Store(url, clock=Clock(NOW)))
    record_traffic(server)
    yield server
    server.close()
    server.store.close()


@pytest.fixture(scope="module")
def base_url(server: Server) -> Iterator[str]:
    with serving(server) as url:
        yield url


@pytest.fixture
def links(server: Server) -> list[Link]:
    found = [server.store.links.get_by_key("go.localhost", key) for key in "ab"]
    return [link for link in found if link is not None]


class TestWithTheOfficialClient:
    def test_counts_are_of_the_event_asked_for(self, dub: Dub) -> None:
        def counts(**request: Any) -> tuple[float, ...]:
            found: Any = dub.analytics.retrieve(request=request)
            return found.clicks, found.leads, found.sales, found.sale_amount

        assert counts() == (3, 0, 0, 0)
        assert counts(interval="24h") == (2, 0, 0, 0)
        assert counts(event="leads") == (0, 2, 0, 0)
        assert counts(event="sales") == (0, 0, 3, 5700)
        assert counts(event="composite") == (3, 2, 3, 5700)

    def test_timeseries_are_whole_and_add_up(self, dub: Dub) -> None:
        hours: Any = dub.analytics.retrieve(
            request={"event": "composite", "group_by": "timeseries", "interval": "24h"}
        )
        assert len(hours) == 25
        assert (hours[0].start, hours[-1].start) == (
            "2026-03-17T12:00:00.000+0000",
            "2026-03-18T12:00:00.000+0000",
        )
        assert [point.clicks for point in hours[-3:]] == [1, 1, 0]
        assert sum(point.sale_amount for point in hours) == 5700
        days: Any = dub.analytics.retrieve(
            request={"group_by": "timeseries", "interval": "7d", "timezone": "Asia/Kathmandu"}
        )
        assert (len(days), days[-1].start) == (8, "2026-03-18T00:00:00.000+0545")
        assert [day.clicks for day in days][-3:] == [1, 0, 2]

    def test_the_day_of_a_clock_change_is_one_day(self, dub: Dub) -> None:
        days: Any = dub.analytics.retrieve(
            request={
                "group_by": "timeseries",
                "start": "2026-03-07",
                "end": "2026-03-10",
                "timezone": "America/New_York",
            }
        )
        assert [day.start for day in days] == [
            "2026-03-07T00:00:00.000-0500",
            "2026-03-08T00:00:00.000-0500",
            "2026-03-09T00:00:00.000-0400",
            "2026-03-10T00:00:00.000-0400",
        ]

    @pytest.mark.parametrize(
        ("group_by", "values"),
        [
            ("continents", [("EU", 2), ("NA", 1)]),
            ("countries", [("FR", 2), ("US", 1)]),
            ("cities", [("Paris", 2), ("San Francisco", 1)]),
            ("devices", [("Desktop", 2), ("Mobile", 1)]),
            ("browsers", [("Chrome", 2), ("Firefox", 1)]),
            ("os", [("Linux", 2), ("Android", 1)]),
            ("triggers", [("link", 2), ("qr", 1)]),
            ("referers", [("(direct)", 2), ("t.co", 1)]),
            (
                "top_urls",
                [("https://shop.test/?utm_source=news&utm_medium=mail", 2), ("https://shop.test/b", 1)],
            ),
        ],
    )
    def test_breakdowns_are_read_by_the_client(
        self, dub: Dub, group_by: str, values: list[tuple[str, int]]
    ) -> None:
        rows: Any = dub.analytics.retrieve(request={"group_by": group_by})
        found = [row.model_dump(mode="json", by_alias=True) for row in rows]
        names = {"continents": "continent", "countries": "country", "cities": "city", "triggers": "trigger"}
        name = names.get(group_by, {"top_urls": "url", "os": "os"}.get(group_by, group_by[:-1]))
        assert [(row[name], row["clicks"]) for row in found] == values

    def test_the_best_links_are_told_with_what_they_are(self, dub: Dub, links: list[Link]) -> None:
        best: Any = dub.analytics.retrieve(request={"group_by": "top_links", "event": "sales"})
        assert [(row.id, row.sales, row.sale_amount) for row in best] == [
            (links[0].id, 2, 5000),
            (links[1].id, 1, 700),
        ]
        assert best[0].short_link == "http://go.localhost:8787/a"

    def test_events_are_listed_whole(self, dub: Dub, links: list[Link]) -> None:
        click: Any = dub.events.list(request={"event": "clicks"})[0]
        assert (click.event, click.timestamp, click.click.id) == (
            "click",
            "2026-03-18T11:00:00.000Z",
            "click1",
        )
        assert (click.click.region, click.click.qr, click.link.id) == ("US-CA", True, links[0].id)
        lead: Any = dub.events.list(request={"event": "leads", "sort_order": "asc"})[0]
        assert (lead.event_name, lead.customer.external_id, lead.customer.name) == ("Sign Up", "ada", "Ada")
        assert lead.metadata["plan"] == "pro"
        sales: Any = dub.events.list(request={"event": "sales"})
        assert [sale.sale.amount for sale in sales] == [700, 100, 4900]
        assert (sales[2].sale.invoice_id, sales[1].sale.payment_processor) == ("inv_1", "stripe")
        assert sales[2].customer.sale_amount == 5000

    def test_events_are_paged(self, dub: Dub) -> None:
        pages = [dub.events.list(request={"event": "sales", "limit": 2, "page": page}) for page in (1, 2, 3)]
        assert [len(page) for page in pages] == [2, 1, 0]

    @pytest.mark.parametrize(
        ("request_", "clicks"),
        [
            ({"country": "FR"}, 2),
            ({"country": "FR,US"}, 3),
            ({"country": "-FR"}, 1),
            ({"country": "-FR,US"}, 0),
            ({"country": "DE"}, 0),
            ({"region": "US-CA"}, 1),
            ({"region": "CA"}, 1),
            ({"city": "San Francisco"}, 1),
            ({"continent": "EU", "browser": "Chrome"}, 2),
            ({"device": "Mobile"}, 1),
            ({"os": "-Linux"}, 1),
            ({"trigger": "qr"}, 1),
            ({"qr": False}, 2),
            ({"referer": "t.co"}, 1),
            ({"referer_url": "https://t.co/x?y"}, 1),
            ({"url": "https://shop.test/b"}, 1),
            ({"utm_source": "news"}, 2),
            ({"utm_source": "new"}, 0),
            ({"domain": "GO.localhost"}, 3),
            ({"domain": "go.localhost", "key": "B"}, 1),
            ({"tenant_id": "t1"}, 1),
            ({"external_id": "ext_7"}, 1),
            ({"partner_id": "-pn_1"}, 1),
            ({"partner_tag_id": "x"}, 0),
            ({"group_id": "-x"}, 3),
            ({"root": True}, 0),
            ({"root": False}, 3),
        ],
        ids=str,
    )
    def test_filters_choose_what_is_counted(self, dub: Dub, request_: dict[str, Any], clicks: int) -> None:
        counts: Any = dub.analytics.retrieve(request=request_)
        assert counts.clicks == clicks


class TestByPlainRequests:
    """Dub's client cannot read these answers, here or from Dub."""

    @pytest.mark.parametrize(
        ("group_by", "rows"),
        [
            (
                "regions",
                [
                    {"country": "FR", "region": "FR-IDF", "city": "*", "clicks": 2},
                    {"country": "US", "region": "US-CA", "city": "*", "clicks": 1},
                ],
            ),
            ("utm_sources", [{"utm_source": "news", "clicks": 2}]),
            ("utm_terms", []),
            ("top_domains", [{"domain": "go.localhost", "clicks": 3}]),
            (
                "top_base_urls",
                [{"url": "https://shop.test/", "clicks": 2}, {"url": "https://shop.test/b", "clicks": 1}],
            ),
            ("trigger", [{"trigger": "link", "clicks": 2}, {"trigger": "qr", "clicks": 1}]),
            (
                "top_partners",
                [
                    {
                        "partnerId": "pn_1",
                        "partner": {"id": "pn_1", "name": "pn_1", "image": None},
                        "clicks": 2,
                    }
                ],
            ),
            ("top_groups", []),
            ("event_names", []),
        ],
    )
    def test_breakdowns(self, api: Api, group_by: str, rows: list[dict[str, Any]]) -> None:
        zero = {"leads": 0, "sales": 0, "saleAmount": 0}
        assert api("GET", f"/analytics?groupBy={group_by}").json() == [row | zero for row in rows]

    def test_folders_and_tags_come_with_their_names(self, api: Api, links: list[Link]) -> None:
        (folder,) = api("GET", "/analytics?groupBy=top_folders").json()
        assert folder["folder"] == {"id": links[0].folder_id, "name": "Spring", "accessLevel": None}
        (tag,) = api("GET", "/analytics?groupBy=top_link_tags").json()
        assert (tag["tag"]["name"], tag["clicks"]) == ("Launch", 2)
        assert api("GET", f"/analytics?tagIds={tag['tagId']}").json()["clicks"] == 2

    def test_names_of_events_are_counted(self, api: Api) -> None:
        rows = api("GET", "/analytics?groupBy=event_names&event=sales").json()
        assert [(row["eventName"], row["sales"]) for row in rows] == [("Purchase", 2), ("Renewal", 1)]
        assert api("GET", "/analytics?event=leads&eventName=Trial").json()["leads"] == 1

    @pytest.mark.parametrize(
        ("query", "leads", "sales"),
        [
            ("metadata['plan']:pro", 1, 1),
            ("metadata['plan']:'pro'", 1, 1),
            ('metadata["plan"]="pro"', 1, 1),
            ("metadata['seats']>4", 1, 0),
            ("metadata['seats']<=4", 0, 0),
            ("metadata['company']['size']:10", 1, 0),
            ("metadata['plan']:pro AND metadata['seats']>=5", 1, 0),
            ("metadata['plan']:free OR metadata['plan']:pro", 1, 1),
            ("metadata['plan']:free and metadata['plan']:pro", 0, 0),
            ("metadata['plan']!='x and y' AND metadata['plan']:pro", 1, 1),
        ],
    )
    def test_metadata_is_asked_about(self, api: Api, query: str, leads: int, sales: int) -> None:
        counts = api("GET", "/analytics", params={"event": "composite", "query": query}).json()
        assert (counts["leads"], counts["sales"]) == (leads, sales)
        listed = api("GET", "/events", params={"event": "leads", "query": query}).json()
        assert len(listed) == leads

    def test_sales_are_first_ones_or_later_ones(self, api: Api) -> None:
        first, later = (
            api("GET", f"/analytics?event=sales&saleType={kind}").json() for kind in ("new", "recurring")
        )
        assert (first["sales"], first["saleAmount"]) == (2, 5600)
        assert (later["sales"], later["saleAmount"]) == (1, 100)

    def test_events_have_their_old_fields_too(self, api: Api, links: list[Link]) -> None:
        (event,) = api("GET", "/events?country=US").json()
        assert (event["click_id"], event["link_id"], event["qr"], event["device"]) == (
            "click1",
            links[0].id,
            1,
            "Mobile",
        )
        sale = api("GET", "/events?event=sales&limit=1&order=asc").json()[0]
        assert (sale["saleAmount"], sale["invoice_id"], sale["payment_processor"]) == (
            4900,
            "inv_1",
            "custom",
        )


class TestQuestionsThatMakeNoSense:
    @pytest.mark.parametrize(
        ("path", "message"),
        [
            (
                "/analytics?event=x",
                "invalid_value: event: Invalid event type. Valid event types are: clicks, leads, sales",
            ),
            (
                "/analytics?interval=2d",
                "invalid_value: interval: Invalid option: expected one of "
                '"24h"|"7d"|"30d"|"90d"|"1y"|"mtd"|"qtd"|"ytd"|"all"',
            ),
            ("/analytics?root=x", 'invalid_value: root: Invalid option: expected one of "true"|"false"'),
            ("/analytics?start=soon", "custom: start: Invalid date"),
            ("/analytics?start=2020-01-01", "The start date cannot be earlier than September 22, 2022."),
            (
                "/analytics?start=2026-02-02&end=2026-02-01",
                "The start date cannot be later than the end date.",
            ),
            (
                "/analytics?query=plan",
                "custom: query: 'plan' is not a condition such as metadata['plan']:pro",
            ),
            ("/events?page=0", "too_small: page: Page must be greater than 0."),
            ("/events?page=abc", "invalid_type: page: Page must be a number."),
            ("/events?page=1.5", "invalid_type: page: Page must be an integer."),
            ("/events?limit=1001", "too_big: limit: Max page size is 1000."),
            ("/events?sortBy=x", 'invalid_value: sortBy: Invalid input: expected "timestamp"'),
        ],
    )
    def test_they_are_told(self, api: Api, path: str, message: str) -> None:
        assert api.refused("GET", path) == (422, "unprocessable_entity", message)

    @pytest.mark.parametrize(
        "query", ["linkId=link_none", "domain=go.localhost&key=none", "externalId=ext_none"]
    )
    def test_a_link_that_there_is_not_is_told(self, api: Api, query: str) -> None:
        assert api.refused("GET", f"/analytics?{query}") == (404, "not_found", "Link not found.")

    def test_an_unknown_time_zone_is_utc(self, api: Api) -> None:
        rows = api("GET", "/analytics?groupBy=timeseries&interval=7d&timezone=Mars/Olympus").json()
        assert rows[0]["start"].endswith("+0000")

    def test_a_range_ends_within_a_year(self, api: Api) -> None:
        rows = api("GET", "/analytics?groupBy=timeseries&start=2026-01-01&end=9999-12-31").json()
        assert (len(rows), rows[-1]["start"]) == (15, "2027-03-01T00:00:00.000+0000")
        assert api("GET", "/analytics?start=9999-12-31").status_code == 422

    def test_a_long_range_is_cut_into_months(self, api: Api) -> None:
        rows = api("GET", "/analytics?groupBy=timeseries&start=2025-01-15&end=yesterday").json()
        assert (len(rows), rows[0]["start"]) == (15, "2025-01-15T00:00:00.000+0000")

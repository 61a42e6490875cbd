"""What the views ask, held against a plain count of the same events, in zones where days are not 24 hours."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dub_middleware.server.queries import (
    Comparison,
    Counts,
    Filter,
    Interval,
    MetadataFilter,
    Queries,
    Range,
    add_up,
)
from dub_middleware.server.store import Context, CustomerDetails, Event, Link, Store
from standing_clock import Clock

# In the fortnight around 18 March 2026 New York, Cairo and Lord Howe are before, in or after a change of
# their clocks; Kathmandu is 5:45 ahead, Lord Howe's summer is half an hour long.
NOW = datetime(2026, 3, 18, 12, tzinfo=timezone.utc)
ZONES = ["UTC", "Asia/Kathmandu", "America/New_York", "Africa/Cairo", "Australia/Lord_Howe"]
INTERVALS: list[Interval] = [
    "24h", "today", "yesterday", "7d", "30d", "90d", "1y", "mtd", "qtd", "ytd", "all",
]  # fmt: skip
COUNTRIES, DEVICES = ("DE", "FR", "US"), ("Desktop", "Mobile")
URLS = (
    "https://shop.test/",
    "https://shop.test/?utm_source=news&utm_campaign=spring",
    "https://shop.test/sale?utm_source=ads",
)


@dataclass(frozen=True)
class World:
    """Some months of a shop's events and everything in it."""

    store: Store
    queries: Queries
    events: list[Event]
    links: list[Link]


# One world a database for all the tests that only read; the few that change something build their own.
@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    url = f"sqlite:///{tmp_path_factory.mktemp('world')}/dub.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_server").create_database()
    store = Store(url, clock=Clock(NOW))
    yield build(store)
    store.close()


@pytest.fixture
def own_world(store: Store) -> World:
    return build(store)


@pytest.fixture
def queries(world: World) -> Queries:
    return world.queries


def build(store: Store) -> World:
    dice = random.Random(7)
    queries = Queries(store)
    tag = store.workspace.add_tag("spring", "red")
    links = [
        store.links.create(
            {"domain": "go.localhost", "key": key, "url": URLS[0], "tag_ids": [tag.id] if key == "a" else []}
        )
        for key in ("a", "b", "Ça")
    ]
    for number in range(240):
        # most of it lately, some of it a year ago, some of it in this very hour
        at = NOW - timedelta(
            minutes=dice.choice((0, 3, 50, 60 * 20, 60 * 24 * 30, 60 * 24 * 400)) * dice.random()
        )
        link = dice.choice(links)
        context = Context(
            url=dice.choice(URLS), country=dice.choice(COUNTRIES), device=dice.choice(DEVICES),
            region="US-CA", city=dice.choice(("Paris", "Lyon")),
            referer=dice.choice(("(direct)", "news.test")),
        )  # fmt: skip
        click = store.record_click(link, context, at=at)
        customer = CustomerDetails(external_id=f"c{number % 40}")
        if number % 3 == 0:
            metadata = {"plan": {"name": dice.choice(("pro", "team"))}, "seats": number}
            store.record_lead(customer, "Sign Up", click_id=click.click_id, at=at, metadata=metadata)
        if number % 4 == 0:
            amount = dice.randrange(100, 90_000)
            store.record_sale(customer, amount, "usd", click_id=click.click_id, at=at)
    events = queries.events(queries.period("all"), limit=10_000)
    assert Counter(event.type for event in events)["sale"] == 60
    return World(store, queries, events, links)


def counted(events: Iterable[Event]) -> Counts:
    kinds = Counter[str]()
    amount = 0
    for event in events:
        kinds[event.type] += 1
        amount += event.amount or 0
    return Counts(kinds["click"], kinds["lead"], kinds["sale"], amount)


def within(world: World, period: Range) -> list[Event]:
    return [event for event in world.events if period.start <= event.timestamp < period.end]


@pytest.mark.parametrize("zone", ZONES)
class TestSeries:
    @pytest.mark.parametrize("interval", INTERVALS)
    def test_every_bucket_holds_its_events(self, world: World, zone: str, interval: Interval) -> None:
        period = world.queries.period(interval, timezone=zone)
        points = world.queries.timeseries(period)
        edges = [*(point.start for point in points), period.end]
        for point, start, end in zip(points, edges, edges[1:], strict=False):
            first, last = start.astimezone(timezone.utc), end.astimezone(timezone.utc)
            expected = [event for event in world.events if first <= event.timestamp < last]
            assert point.counts == counted(expected), point.start

    @pytest.mark.parametrize("interval", INTERVALS)
    def test_the_tab_is_the_sum_of_its_chart(self, world: World, zone: str, interval: Interval) -> None:
        period = world.queries.period(interval, timezone=zone)
        total = world.queries.totals(period)
        assert total == counted(within(world, period))
        assert total == add_up(point.counts for point in world.queries.timeseries(period))

    def test_a_day_is_that_of_the_zone(self, world: World, zone: str) -> None:
        points = world.queries.timeseries(world.queries.period("30d", timezone=zone))
        local = ZoneInfo(zone)
        by_day: dict[date, list[Event]] = {}
        for event in world.events:
            by_day.setdefault(event.timestamp.astimezone(local).date(), []).append(event)
        today = NOW.astimezone(local).date()
        assert [point.start.date() for point in points] == [today - timedelta(days=30 - n) for n in range(31)]
        for point in points:
            assert point.counts == counted(by_day.get(point.start.date(), []))

    def test_only_the_last_bucket_is_open(self, world: World, zone: str) -> None:
        points = world.queries.timeseries(world.queries.period("7d", timezone=zone))
        assert [point.is_partial for point in points] == [False] * 7 + [True]

    @pytest.mark.parametrize("interval", [name for name in INTERVALS if name != "all"])
    def test_the_period_before_has_as_much_time_behind_it(
        self, world: World, zone: str, interval: Interval
    ) -> None:
        period = world.queries.period(interval, timezone=zone)
        before = period.previous()
        assert before.end <= period.start or interval in ("mtd", "qtd", "ytd")
        assert before.until - before.start <= period.until - period.start + timedelta(hours=1)
        assert world.queries.totals(before) == counted(within(world, before))

    @pytest.mark.parametrize("interval", ["7d", "30d", "90d", "1y", "qtd", "all"])
    def test_another_cut_counts_the_same(self, world: World, zone: str, interval: Interval) -> None:
        whole = world.queries.period(interval, timezone=zone)
        assert whole.granularity in whole.granularities
        for step in whole.granularities:
            period = whole.by(step)
            points = world.queries.timeseries(period)
            assert add_up(point.counts for point in points) == world.queries.totals(whole)
            assert sum(point.is_partial for point in points) == 1
            if step == "week":
                assert {point.start.weekday() for point in points[1:]} == {0}

    @pytest.mark.parametrize("interval", ["today", "yesterday", "24h", "7d", "30d", "90d", "qtd"])
    @pytest.mark.parametrize("comparison", ["weekdays", "year"])
    def test_a_range_is_compared_bucket_by_bucket(
        self, world: World, zone: str, interval: Interval, comparison: Comparison
    ) -> None:
        period = world.queries.period(interval, timezone=zone)
        before = period.previous(comparison)
        assert world.queries.totals(before) == counted(within(world, before))
        pairs = list(zip(world.queries.timeseries(period), world.queries.timeseries(before), strict=False))
        if period.granularity == "day":
            assert len(pairs) == len(period.edges()) - 1
        for new, old in pairs[:20]:
            if comparison == "weekdays":
                assert new.start.weekday() == old.start.weekday()
            elif interval != "24h":
                assert (new.start.month, new.start.day) == (old.start.month, old.start.day)


class TestRanges:
    @pytest.mark.parametrize(
        ("interval", "first", "until"),
        [
            pytest.param("7d", "2026-03-04T00:00", "2026-03-11T12:00", id="a week ago"),
            pytest.param("30d", "2026-01-12T00:00", "2026-02-11T12:00", id="five weeks ago"),
            pytest.param("90d", "2025-09-18T00:00", "2025-12-17T12:00", id="thirteen weeks ago"),
            pytest.param("yesterday", "2026-03-10T00:00", "2026-03-11T00:00", id="the day a week before"),
        ],
    )
    def test_the_same_weekdays_are_the_nearest_that_went_before(
        self, queries: Queries, interval: Interval, first: str, until: str
    ) -> None:
        before = queries.period(interval, timezone="UTC").previous("weekdays")
        assert [f"{moment:%Y-%m-%dT%H:%M}" for moment in (before.start, before.until)] == [first, until]

    def test_the_year_before_a_leap_day_is_a_day_shorter(self, queries: Queries) -> None:
        start, end = (datetime(2024, *day, 12, tzinfo=timezone.utc) for day in ((2, 29), (3, 1)))
        before = queries.period(start=start, end=end, timezone="UTC").previous("year")
        assert (before.start.isoformat(), before.end.isoformat()) == (
            "2023-02-28T00:00:00+00:00",
            "2023-03-02T00:00:00+00:00",
        )

    def test_what_does_not_fit_a_range_leaves_it_as_it_is(self, queries: Queries) -> None:
        assert queries.period("24h").granularities == ("hour",)
        assert queries.period("7d").granularities == ("hour", "day")
        assert queries.period("30d").granularities == ("day", "week")
        assert queries.period("1y").granularities == ("day", "week", "month")
        assert queries.period("24h").by("month") == queries.period("24h")

    @pytest.mark.parametrize(
        ("start", "end", "zone", "hours"),
        [
            pytest.param("2026-03-08", "2026-03-08", "America/New_York", 23, id="spring"),
            pytest.param("2025-11-02", "2025-11-02", "America/New_York", 25, id="autumn"),
            pytest.param("2025-10-05", "2025-10-05", "Australia/Lord_Howe", 24, id="half an hour"),
            pytest.param("2026-03-10", "2026-03-11", "UTC", 48, id="two days"),
        ],
    )
    def test_short_ranges_go_by_the_hour(
        self, queries: Queries, start: str, end: str, zone: str, hours: int
    ) -> None:
        moments = [
            datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=ZoneInfo(zone)) for day in (start, end)
        ]
        points = queries.timeseries(queries.period(start=moments[0], end=moments[1], timezone=zone))
        assert len(points) == hours
        assert len({point.start.astimezone(timezone.utc) for point in points}) == hours

    @pytest.mark.parametrize(
        ("days", "granularity"),
        [(1, "hour"), (2, "hour"), (3, "day"), (180, "day"), (181, "month"), (400, "month")],
    )
    def test_the_longer_the_range_the_wider_its_buckets(
        self, queries: Queries, days: int, granularity: str
    ) -> None:
        end = datetime(2026, 3, 1, tzinfo=timezone.utc)
        assert queries.period(start=end - timedelta(days=days - 1), end=end).granularity == granularity

    @pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd", "\0", None])
    def test_an_unknown_zone_is_utc(self, queries: Queries, name: str | None) -> None:
        assert queries.period("7d", timezone=name).zone.key == "UTC"


FILTERS: list[Any] = [
    pytest.param({"country": Filter(("DE",))}, lambda e: e.context.country == "DE", id="roll-up"),
    pytest.param({"country": Filter(("DE", "FR"))}, lambda e: e.context.country != "US", id="any of"),
    pytest.param({"country": Filter(("DE",), exclude=True)}, lambda e: e.context.country != "DE", id="not"),
    pytest.param(
        {"country": Filter(("DE",)), "device": Filter(("Mobile",), exclude=True)},
        lambda e: e.context.country == "DE" and e.context.device == "Desktop",
        id="both",
    ),
    pytest.param({"key": Filter(("ça",))}, lambda e: e.link.key == "Ça", id="key without case"),
    pytest.param({"key": Filter(("b",), exclude=True)}, lambda e: e.link.key != "b", id="not this link"),
    pytest.param({"region": Filter(("CA",))}, lambda e: True, id="region without its country"),
    pytest.param({"city": Filter(("Paris",))}, lambda e: e.context.city == "Paris", id="city"),
    pytest.param({"utm_source": Filter(("news",))}, lambda e: "source=news" in e.context.url, id="utm"),
    pytest.param(
        {"base_url": Filter(("https://shop.test/sale",))}, lambda e: "/sale" in e.context.url, id="base url"
    ),
    pytest.param({"event_name": Filter(("Sign Up",))}, lambda e: e.name == "Sign Up", id="event name"),
    pytest.param(
        {"event_name": Filter(("Sign Up",), exclude=True)},
        lambda e: e.name != "Sign Up",
        id="clicks have none",
    ),
    pytest.param(
        {"sale_type": Filter(("new",))}, lambda e: e.type != "sale" or e.is_first_sale, id="new sales only"
    ),
    pytest.param({"country": Filter(("Nowhere",))}, lambda e: False, id="never seen"),
    pytest.param({"country": Filter(("' OR 1=1 --",))}, lambda e: False, id="hostile"),
]  # fmt: skip


class TestFilters:
    @pytest.mark.parametrize(("filters", "holds"), FILTERS)
    def test_a_filter_counts_what_it_names(
        self, world: World, filters: dict[str, Filter], holds: Callable[[Event], bool]
    ) -> None:
        period = world.queries.period("90d", timezone="Asia/Kathmandu")
        expected = [event for event in within(world, period) if holds(event)]
        assert world.queries.totals(period, filters) == counted(expected)
        assert add_up(p.counts for p in world.queries.timeseries(period, filters)) == counted(expected)
        listed = world.queries.events(period, filters, limit=10_000)
        assert {event.id for event in listed} == {event.id for event in expected}

    @pytest.mark.parametrize(
        ("test", "holds"),
        [
            (MetadataFilter(("plan", "name"), "=", "pro"), lambda m: m["plan"]["name"] == "pro"),
            (MetadataFilter(("plan", "name"), "!=", "pro"), lambda m: m["plan"]["name"] != "pro"),
            (MetadataFilter(("seats",), ">", "100"), lambda m: m["seats"] > 100),
            (MetadataFilter(("seats",), "<=", "99.5"), lambda m: m["seats"] < 100),
            (MetadataFilter(("seats",), ">", "many"), lambda m: False),
            (MetadataFilter(("x\"'),", "]"), "=", "1"), lambda m: False),
        ],
        ids=lambda value: f"{value.operator}{value.value}" if isinstance(value, MetadataFilter) else "",
    )
    def test_metadata_is_compared(
        self, world: World, test: MetadataFilter, holds: Callable[[dict[str, Any]], bool]
    ) -> None:
        period = world.queries.period("all")
        expected = [event for event in world.events if event.metadata and holds(dict(event.metadata))]
        assert world.queries.totals(period, metadata=[[test]]) == counted(expected)

    def test_a_customers_filter_brings_the_clicks_too(self, world: World) -> None:
        customer = next(event.customer for event in world.events if event.customer is not None)
        theirs = {e.click_id for e in world.events if e.customer and e.customer.id == customer.id}
        found = world.queries.events(
            world.queries.period("all"), {"customer_id": Filter((customer.id,))}, limit=1000
        )
        assert {event.click_id for event in found} == theirs
        assert "click" in {event.type for event in found}

    @pytest.mark.parametrize("exclude", [False, True])
    @pytest.mark.parametrize("steps", [("click",), ("lead",), ("sale",), ("click", "lead")])
    def test_the_furthest_step_is_that_of_the_click(
        self, world: World, steps: tuple[str, ...], exclude: bool
    ) -> None:
        ranks = ("click", "lead", "sale")
        furthest: dict[str, int] = {}
        for event in world.events:
            rank = ranks.index(event.type)
            furthest[event.click_id] = max(rank, furthest.get(event.click_id, 0))
        assert set(furthest.values()) == {0, 1, 2}
        filters = {"reached": Filter(steps, exclude)}
        expected = [event for event in world.events if (ranks[furthest[event.click_id]] in steps) != exclude]
        period = world.queries.period("all")
        assert world.queries.totals(period, filters) == counted(expected)
        newest, _ = world.queries.live(None, filters, types=("click",), limit=1000)
        clicks = [event.id for event in expected if event.type == "click"]
        assert sorted(event.id for event in newest) == sorted(clicks)

    def test_a_tag_is_that_of_the_link(self, world: World) -> None:
        tag = world.store.workspace.tags()[0]
        period = world.queries.period("all")
        expected = [event for event in world.events if event.link is not None and event.link.key == "a"]
        assert world.queries.totals(period, {"tag_id": Filter((tag.id,))}) == counted(expected)

    def test_an_unknown_field_is_named(self, world: World) -> None:
        with pytest.raises(ValueError, match="'colour' is no filter"):
            world.queries.totals(world.queries.period("7d"), {"colour": Filter(("red",))})


class TestBreakdown:
    @pytest.mark.parametrize(
        ("group_by", "value"),
        [
            ("countries", lambda e: e.context.country),
            ("devices", lambda e: e.context.device),
            ("referers", lambda e: e.context.referer),
            ("top_links", lambda e: e.link.id),
            ("top_domains", lambda e: e.link.domain),
            ("cities", lambda e: f"{e.context.country}\tUS-CA\t{e.context.city}"),
            (
                "utm_sources",
                lambda e: {"n": "news", "a": "ads"}.get(e.context.url.partition("source=")[2][:1]),
            ),
            ("event_names", lambda e: e.name),
            ("top_link_tags", lambda e: e.link.tags[0].id if e.link.tags else None),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    @pytest.mark.parametrize("interval", ["24h", "7d", "90d", "all"])
    @pytest.mark.parametrize("filters", [{}, {"device": Filter(("Mobile",))}], ids=["all", "mobile"])
    def test_groups_are_those_of_the_events(
        self, world: World, group_by: str, value: Callable[[Event], str | None], interval: Interval,
        filters: dict[str, Filter],
    ) -> None:  # fmt: skip
        period = world.queries.period(interval, timezone="Asia/Kathmandu")
        expected: dict[str, list[Event]] = {}
        for event in within(world, period):
            if not filters or event.context.device == "Mobile":
                expected.setdefault(value(event) or "", []).append(event)
        expected.pop("", None)
        groups = world.queries.breakdown(group_by, period, filters)
        found = {group.value.id if group_by == "top_links" else group.value: group.counts for group in groups}
        assert found == {name: counted(events) for name, events in expected.items()}

    def test_most_comes_first_and_the_limit_holds(self, world: World) -> None:
        period = world.queries.period("all")
        groups = world.queries.breakdown("cities", period, metric="sales", limit=3)
        amounts = [group.counts.sale_amount for group in world.queries.breakdown("cities", period)]
        assert [group.counts.sale_amount for group in groups] == sorted(amounts, reverse=True)[:3]

    def test_what_is_not_known_is_left_out_unless_asked_for(self, world: World) -> None:
        period = world.queries.period("all")
        assert world.queries.breakdown("browsers", period) == []
        assert [g.value for g in world.queries.breakdown("browsers", period, keep_unknown=True)] == [
            "Unknown"
        ]

    @pytest.mark.parametrize("filters", [{}, {"device": Filter(("Mobile",))}], ids=["all", "mobile"])
    def test_several_at_once_are_the_same_as_one_by_one(
        self, world: World, filters: dict[str, Filter]
    ) -> None:
        period = world.queries.period("90d")
        asked = {"top_links": False, "cities": False, "browsers": True, "utm_sources": False}
        found = world.queries.breakdowns(asked, period, filters, metric="sales", limit=4)
        for name, keep_unknown in asked.items():
            alone = world.queries.breakdown(
                name, period, filters, metric="sales", limit=4, keep_unknown=keep_unknown
            )
            assert found[name] == alone

    def test_an_unknown_grouping_is_named(self, queries: Queries) -> None:
        with pytest.raises(ValueError, match="'moods' is no grouping"):
            queries.breakdown("moods", queries.period("7d"))


class TestFunnel:
    def test_steps_say_what_stayed_and_what_went(self, world: World) -> None:
        period = world.queries.period("all")
        clicks, leads, sales = world.queries.funnel(period)
        assert (clicks.of_first, clicks.of_previous, clicks.dropped, clicks.drop_off) == (1, 1, 0, 0)
        assert leads.of_previous == leads.count / clicks.count
        assert leads.dropped == clicks.count - leads.count
        assert sales.of_first == sales.count / clicks.count
        assert leads.drop_off == pytest.approx(1 - leads.count / clicks.count)

    def test_nothing_divides_by_nothing(self, store: Store) -> None:
        queries = Queries(store)
        steps = queries.funnel(queries.period("7d"))
        assert [(step.count, step.of_first, step.drop_off) for step in steps] == [(0, None, None)] * 3

    def test_more_sales_than_leads_is_no_loss(self, world: World) -> None:
        only = {"event_name": Filter(("Purchase",))}
        _, leads, sales = world.queries.funnel(world.queries.period("all"), only)
        assert (leads.count, sales.dropped, sales.drop_off) == (0, 0, None)


class TestLive:
    def test_the_cursor_goes_on_where_the_page_ended(self, own_world: World) -> None:
        newest, cursor = own_world.queries.live(limit=5)
        assert own_world.queries.live(cursor) == ([], cursor)
        click = own_world.store.record_click(own_world.links[0], Context(url=URLS[0], country="DE"))
        fresh, cursor = own_world.queries.live(cursor)
        assert [event.click_id for event in fresh] == [click.click_id]
        assert fresh[0].id not in {event.id for event in newest}
        assert own_world.queries.live(cursor) == ([], cursor)

    def test_what_the_filter_refuses_is_not_looked_at_twice(self, own_world: World) -> None:
        _, cursor = own_world.queries.live()
        own_world.store.record_click(own_world.links[0], Context(url=URLS[0], country="DE"))
        events, later = own_world.queries.live(cursor, {"country": Filter(("FR",))})
        assert (events, later != cursor) == ([], True)

    @pytest.mark.parametrize("cursor", ["", "x", "1", "1.2.3", "-1.2", "0.٣", "9" * 40 + ".1", "0.1 OR 1=1"])
    def test_a_cursor_nobody_gave_is_refused(self, queries: Queries, cursor: str) -> None:
        with pytest.raises(ValueError, match="is not a cursor"):
            queries.live(cursor)


def test_a_journey_goes_from_click_to_sale(store: Store, clock: Clock) -> None:
    link = store.links.create({"domain": "go.localhost", "key": "a", "url": URLS[0]})
    click = store.record_click(link, Context(url=URLS[0]))
    clock.advance(hours=1)
    customer = store.record_lead(
        CustomerDetails(external_id="42"), "Sign Up", click_id=click.click_id
    ).customer
    clock.advance(days=2)
    store.record_sale(CustomerDetails(external_id="42"), 4900, "usd")
    store.record_click(link, Context(url=URLS[0]))  # somebody else's
    assert customer is not None
    assert [event.type for event in Queries(store).journey(customer)] == ["click", "lead", "sale"]


def test_events_of_a_deleted_link_still_count(own_world: World) -> None:
    period = own_world.queries.period("all")
    before = own_world.queries.totals(period)
    own_world.store.links.delete(own_world.links[0].id)
    assert own_world.queries.totals(period) == before
    assert any(event.link is None for event in own_world.queries.events(period, limit=1000))

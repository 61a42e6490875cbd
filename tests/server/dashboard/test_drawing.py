"""Geometry and words: pure functions, by tables."""

from __future__ import annotations

import itertools
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import pytest

from dub_middleware.server.dashboard import charts, formats
from dub_middleware.server.dashboard.words import step_words
from dub_middleware.server.queries import Counts, Granularity, steps


@pytest.mark.parametrize(
    ("highest", "unit", "ticks"),
    [
        (0, 1, (4, 3, 2, 1, 0)),
        (1, 1, (2, 1, 0)),
        (3, 1, (3, 2, 1, 0)),
        (59, 1, (60, 40, 20, 0)),
        (60, 1, (60, 40, 20, 0)),
        (1001, 1, (1500, 1000, 500, 0)),
        (9_900, 100, (10_000, 7_500, 5_000, 2_500, 0)),
        (9, 1, (10, 5, 0)),
        (90, 1, (100, 75, 50, 25, 0)),
        (50, 100, (200, 100, 0)),
    ],
)
def test_an_axis_has_round_numbers_down_to_zero(highest: int, unit: int, ticks: tuple[int, ...]) -> None:
    axis = charts.scale(highest, unit=unit)
    assert axis.ticks == ticks
    assert axis.top >= highest
    assert axis.y(0) == 1
    assert axis.y(axis.top) == 0


def test_a_line_rests_on_zero_and_its_last_piece_is_apart_while_the_bucket_is_open() -> None:
    axis = charts.scale(4)
    closed = charts.line([0, 4, 2], axis, slots=3)
    assert closed.path == "M0,100L500,0L1000,50"
    assert closed.area == "M0,100L500,0L1000,50V100H0Z"
    opened = charts.line([0, 4, 2], axis, slots=3, ends_cut=True)
    assert (opened.path, opened.dashed) == ("M0,100L500,0", "M500,0L1000,50")
    both = charts.line([0, 4, 2], axis, slots=3, begins_cut=True, ends_cut=True)
    assert (both.path, both.dashed) == ("", "M0,100L500,0M500,0L1000,50")
    today = charts.line([0, 4], axis, slots=5)
    assert today.area.endswith("L250,0V100H0Z"), "what is to come has its place and no value"


@pytest.mark.parametrize("values", [[], [3]], ids=["none", "one"])
def test_a_line_of_next_to_nothing_is_drawn_all_the_same(values: list[int]) -> None:
    drawn = charts.line(values, charts.scale(3), slots=len(values))
    assert bool(drawn.area) is bool(values)


@pytest.mark.parametrize("count", [1, 2, 7, 8, 24, 25, 31, 91, 180])
@pytest.mark.parametrize("from_start", [False, True])
def test_labels_are_few_and_apart(count: int, from_start: bool) -> None:
    found = charts.ticks(count, from_start=from_start)
    assert 1 <= len(found) <= 7
    assert (0 if from_start else count - 1) in {tick.index for tick in found}
    places = sorted(tick.x for tick in found)
    assert all(right - left > 10 for left, right in itertools.pairwise(places))


def test_a_funnel_shows_the_least_that_is_there_and_nothing_of_nothing() -> None:
    clicks, leads, sales = charts.funnel([10_000, 1, 0])
    assert clicks.path.startswith("M0,0H")
    assert leads.path.startswith("M0,49H")
    assert (leads.before, sales.path) == (100, "")


@pytest.mark.parametrize(
    ("counts", "kept", "lost"),
    [
        ((100, 10, 1), "10% of clicks became leads", "90 dropped off (90%)"),
        ((100, 0, 0), "0% of clicks became leads", "100 dropped off (100%)"),
        ((1, 0, 0), "0% of clicks became leads", "1 dropped off (100%)"),
        ((10_000, 1, 0), "< 0.1% of clicks became leads", "9,999 dropped off (> 99.9%)"),
        ((3, 3, 0), "100% of clicks became leads", "None dropped off"),
        ((2, 5, 0), "More leads than clicks", ""),
        ((0, 5, 0), "Leads without clicks", ""),
        ((0, 0, 0), "No clicks to become leads", ""),
    ],
)
def test_a_step_is_told_in_words(counts: tuple[int, int, int], kept: str, lost: str) -> None:
    first, second, _ = steps(Counts(*counts))
    told = step_words(second, first)
    assert (told.kept, told.lost) == (kept, lost)


def test_a_step_is_told_with_what_it_was_before() -> None:
    clicks, leads, sales = steps(Counts(100, 10, 20, 50_000))
    old_clicks, old_leads, old_sales = steps(Counts(50, 10, 5, 900))
    assert step_words(clicks, None, compared=old_clicks).notes == ("50 before",)
    assert step_words(leads, clicks, compared=old_leads).notes == ("20% before",)
    told = step_words(sales, leads, compared=old_sales, revenue=(50_000, "eur"))
    assert told.kept == "More sales than leads"
    assert told.notes[:3] == (
        "50% before",
        "20% of all clicks, 10% before",
        "€500.00 revenue, €25.00 a sale",
    )
    nothing = steps(Counts())
    assert step_words(leads, clicks, compared=nothing[1]).notes == ()


@pytest.mark.parametrize(
    ("start", "last", "granularity", "text"),
    [
        ("2026-03-18T14:00", "2026-03-18T14:59", "hour", "Wed, Mar 18, 14:00"),
        ("2026-03-18", "2026-03-18", "day", "Wed, Mar 18, 2026"),
        ("2026-03-16", "2026-03-22", "week", "Mar 16 – Mar 22, 2026"),
        ("2025-12-29", "2026-01-04", "week", "Dec 29, 2025 – Jan 4, 2026"),
        ("2026-03-22", "2026-03-22", "week", "Mar 22, 2026"),
        ("2026-03-01", "2026-03-31", "month", "March 2026"),
        ("2026-03-10", "2026-03-31", "month", "Mar 10 – Mar 31, 2026"),
    ],
)
def test_a_bucket_is_named_by_what_it_covers(
    start: str, last: str, granularity: Granularity, text: str
) -> None:
    first, end = datetime.fromisoformat(start), datetime.fromisoformat(last)
    assert formats.bucket(first, end, granularity) == text


def test_an_hour_that_the_clock_shows_twice_says_which_it_is() -> None:
    zone = ZoneInfo("America/New_York")
    hours = [datetime(2026, 11, 1, utc, tzinfo=timezone.utc).astimezone(zone) for utc in (4, 5, 6, 7)]
    assert [formats.bucket(hour, hour, "hour").removeprefix("Sun, Nov 1, ") for hour in hours] == [
        "00:00",
        "01:00 EDT",
        "01:00 EST",
        "02:00",
    ]


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (123456, "usd", "$1,234.56"),
        (-50, "eur", "−€0.50"),
        (5000, "jpy", "¥5,000"),
        (5000, "kwd", "KWD\u00a05.000"),
        (99, "chf", "CHF\u00a00.99"),
    ],
)
def test_money_has_the_minor_units_of_its_currency(amount: int, currency: str, text: str) -> None:
    assert formats.money(amount, currency) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [(99_999, "$999.99"), (123_456, "$1,235"), (123_456_700, "$1.23M"), (99_999_999_900, "$1B")],
)
def test_money_is_short_where_there_is_little_room(amount: int, text: str) -> None:
    assert formats.money(amount, "usd", compact_above=1_000_000) == text


@pytest.mark.parametrize(
    ("now", "before", "text"),
    [
        (0, 0, None),
        (5, 0, ("new", "new")),
        (0, 5, ("100%", "down")),
        (110, 100, ("10%", "up")),
        (1001, 1000, ("0.1%", "up")),
        (100_000, 99_999, ("no change", "flat")),
        (30, 10, ("200%", "up")),
    ],
)
def test_a_change_is_told_against_before(now: int, before: int, text: tuple[str, str] | None) -> None:
    found = formats.change(now, before)
    assert (None if found is None else (found.text, found.direction)) == text


@pytest.mark.parametrize(
    ("field", "raw", "text"),
    [
        ("country", "CI", "Côte d’Ivoire"),
        ("country", "Unknown", "Unknown"),
        ("region", "US-CA", "CA, United States"),
        ("city", "US\tUS-TX\tParis", "Paris, United States"),
        ("city", "Paris", "Paris"),
        ("continent", "OC", "Oceania"),
        ("trigger", "qr", "QR scan"),
        ("referer", "(direct)", "Direct"),
        ("referer_url", "(direct)", "Direct"),
        ("url", "https://acme.test/", "acme.test"),
    ],
)
def test_values_have_the_names_people_know(field: str, raw: str, text: str) -> None:
    assert formats.value(field, raw) == text


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        ("UTC", "UTC"),
        ("Asia/Kathmandu", "UTC+05:45"),
        ("America/St_Johns", "UTC-02:30"),
        ("Asia/Kolkata", "UTC+05:30"),
    ],
)
def test_a_zone_says_how_far_it_is_from_utc(zone: str, text: str) -> None:
    summer = datetime(2026, 7, 1, tzinfo=timezone.utc)
    assert formats.offset(summer, ZoneInfo(zone)) == text

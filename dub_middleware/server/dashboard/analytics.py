"""The analytics page: time-series and funnel of the same numbers, and the breakdown cards below them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from flask import Blueprint, Response, redirect, request, url_for

from dub_middleware.server.dashboard import drawing, empty, formats
from dub_middleware.server.dashboard.breakdown import CARD_ROWS, Row, rows
from dub_middleware.server.dashboard.exports import csv_response, rate
from dub_middleware.server.dashboard.filters import Scope
from dub_middleware.server.dashboard.groupings import CARD_CHOICES, CARDS, GROUPINGS, METRICS, Card, Grouping
from dub_middleware.server.dashboard.menus import chips
from dub_middleware.server.dashboard.numbers import Numbers, numbers
from dub_middleware.server.dashboard.pages import answer, current_scope, current_server, page
from dub_middleware.server.dashboard.words import COMPARISONS, PRESETS, dates, range_name
from dub_middleware.server.queries import Comparison, Counts, Granularity, Point

blueprint = Blueprint("analytics", __name__)

CHOICES = {
    "view": ("series", "funnel"),
    "metric": METRICS,
    "unit": ("amount", "count"),
    "by": ("", *get_args(Granularity)),
    "compare": ("", *get_args(Comparison)),
    "show": ("chart", "table"),
    **CARD_CHOICES,
}


@page(blueprint, "/", twin="/analytics.json")
def index() -> Response:
    """Time-series or funnel, and the cards."""
    server = current_server()
    cursor = server.store.events.cursor()
    scope = current_scope(CHOICES)
    found = numbers(server.queries, scope)
    cards = card_rows(scope)
    currency = server.store.workspace.settings().currency
    data = {
        "interval": None if scope.start else scope.interval,
        "start": found.period.start,
        "end": found.period.end,
        "timezone": scope.zone,
        "granularity": found.period.granularity,
        "filters": scope.filters,
        "totals": found.totals,
        "previousTotals": found.before,
        "timeseries": found.points,
        "previousTimeseries": found.previous_points,
        "funnel": found.steps,
        "breakdowns": {card.grouping.key: card.rows for card in cards},
    }
    return answer(
        "analytics.html",
        data,
        scope=scope,
        period=found.period,
        range_name=range_name(scope, found.period),
        dates=dates(found.period),
        previous_dates=dates(found.previous_period),
        presets=PRESETS,
        comparisons=COMPARISONS,
        offset=formats.offset(server.queries.now(), scope.zone),
        chips=chips(scope, "analytics.index"),
        tabs=drawing.metric_tabs(scope, found, currency),
        chart=drawing.chart(scope, found, currency),
        steps=drawing.funnel(found, currency),
        cards=cards,
        left_at={"leads": _left_at(scope, "click"), "sales": _left_at(scope, "lead")},
        who_left=url_for("customers.index", bought="no", link_id=_only_link(scope)),
        currency=currency,
        write_row=lambda counts: drawing.write_counts(counts, scope, currency),
        nothing=empty.reason(scope, found.period, "analytics.index") if found.totals == Counts() else None,
        cursor=cursor,
    )


def _left_at(scope: Scope, step: str) -> str:
    """The list of those events of a type whose click came no further."""
    shown = scope.without_choices().with_filter("reached", [step])
    # said even where it is this page's default: the other page has another one
    same_range = {} if scope.start else {"interval": scope.interval}
    return shown.url("events.index", type=step, **same_range)


@blueprint.get("/analytics")
def by_name() -> Any:
    """Lead whoever goes by the name of the twins to the page."""
    return redirect(url_for("analytics.index", **request.args.to_dict(flat=False)))  # type: ignore[arg-type]


def _only_link(scope: Scope) -> str | None:
    chosen = scope.filters.get("link_id")
    return chosen.values[0] if chosen and not chosen.exclude and len(chosen.values) == 1 else None


@blueprint.get("/analytics.csv")
def export() -> Response:
    """What is on screen as CSV, in the zone on screen: the time-series, or the funnel."""
    server = current_server()
    scope = current_scope(CHOICES)
    found = numbers(server.queries, scope)
    is_funnel = scope.choices.get("view") == "funnel"
    currency = server.store.workspace.settings().currency
    lines = _funnel_lines(found) if is_funnel else _series_lines(found, currency)
    name = "funnel" if is_funnel else "analytics"
    return csv_response(lines, f"{name}-{found.period.until.astimezone(found.period.zone):%Y-%m-%d}")


def _series_lines(found: Numbers, currency: str) -> Iterator[Sequence[Any]]:
    """A line a bucket, with the one it is compared with behind it."""
    step = found.period.granularity
    names = ("clicks", "leads", "sales", f"revenue ({currency.upper()})")
    heading = [f"{step} ({found.period.zone.key})", *names]
    if found.previous_points:
        heading += [f"{step} before", *(f"{name} before" for name in names)]
    yield heading
    for point, old in itertools.zip_longest(found.points, found.previous_points[: len(found.points)]):
        if point.start <= found.period.now:
            yield [*_cells(point, currency), *(_cells(old, currency) if old else ())]


def _cells(point: Point, currency: str) -> tuple[Any, ...]:
    counts, digits = point.counts, formats.minor_digits(currency)
    revenue = f"{counts.sale_amount / 10**digits:.{digits}f}"
    return (point.start.isoformat(), counts.clicks, counts.leads, counts.sales, revenue)


def _funnel_lines(found: Numbers) -> Iterator[Sequence[Any]]:
    """A line a step; ``rate`` is its part of the step before, between 0 and 1."""
    heading = ["step", "count", "rate", "rate of clicks", "dropped off"]
    yield [*heading, *(f"{name} before" for name in heading[1:])] if found.previous_steps else heading
    for step, old in itertools.zip_longest(found.steps, found.previous_steps):
        told = [
            (each.count, rate(each.of_previous), rate(each.of_first), each.dropped)
            for each in (step, old)
            if each
        ]
        yield [step.name, *itertools.chain(*told)]


@dataclass(frozen=True, slots=True)
class CardRows:
    """A card with the rows of its chosen tab."""

    card: Card
    grouping: Grouping
    rows: list[Row]
    has_more: bool


def card_rows(scope: Scope) -> list[CardRows]:
    """Every card with the rows of the grouping that is chosen on it."""
    server = current_server()
    chosen = [GROUPINGS[scope.choices.get(card.key, card.groupings[0].key)] for card in CARDS]
    metric: Any = scope.choices.get("metric", "clicks")
    unit = scope.choices.get("unit", "amount")
    found = rows(server.store, server.queries, scope, chosen, metric=metric, unit=unit)
    return [
        CardRows(card, grouping, shown[:CARD_ROWS], len(shown) > CARD_ROWS)
        for card, grouping, shown in zip(CARDS, chosen, found, strict=True)
    ]

"""Numbers made ready for the template: tabs, the chart and its table, the steps of the funnel."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import timedelta

from dub_middleware.server.dashboard import charts, formats
from dub_middleware.server.dashboard.breakdown import measure
from dub_middleware.server.dashboard.filters import Scope
from dub_middleware.server.dashboard.groupings import METRICS
from dub_middleware.server.dashboard.numbers import Numbers
from dub_middleware.server.dashboard.words import StepWords, step_words
from dub_middleware.server.queries import Counts, Range, Step


@dataclass(frozen=True, slots=True)
class Tab:
    """One of the three linked tabs."""

    metric: str
    label: str
    total: str
    exact: str
    change: formats.Change | None
    before: str
    url: str
    is_selected: bool
    key: str


def metric_tabs(scope: Scope, found: Numbers, currency: str) -> list[Tab]:
    selected, unit = scope.choices.get("metric", "clicks"), scope.choices.get("unit", "amount")
    tabs = []
    for key, metric in enumerate(METRICS, start=1):
        total, before = (measure(counts, metric, unit) for counts in (found.totals, found.before))
        tabs.append(
            Tab(
                metric=metric,
                label=metric.capitalize(),
                total=write(total, metric, unit, currency, shortened=True),
                exact=write(total, metric, unit, currency),
                change=formats.change(total, before),
                before=write(before, metric, unit, currency),
                url=scope.url("analytics.index", metric=None if metric == "clicks" else metric),
                is_selected=metric == selected,
                key=str(key),
            )
        )
    return tabs


def write(value: int, metric: str, unit: str, currency: str, *, shortened: bool = False) -> str:
    """Write a number of a tab: a count, or money for sales by amount."""
    if metric == "sales" and unit == "amount":
        return formats.money(value, currency, compact_above=1_000_000 if shortened else None)
    return formats.compact(value) if shortened else formats.number(value)


def write_counts(counts: Counts, scope: Scope, currency: str) -> str:
    """Write what the chosen tab says about some events."""
    metric, unit = scope.choices.get("metric", "clicks"), scope.choices.get("unit", "amount")
    return write(measure(counts, metric, unit), metric, unit, currency)


@dataclass(frozen=True, slots=True)
class Bucket:
    """One row of the chart's table, from which the tooltip reads too."""

    label: str
    x: float
    y: float
    counts: Counts
    value: str
    state: str
    previous_label: str = ""
    previous_value: str = ""
    previous_y: float | None = None
    change: formats.Change | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """The time-series, ready to be drawn."""

    axis: list[str]
    line: charts.Line
    previous: charts.Line | None
    ticks: list[tuple[charts.Tick, str]]
    buckets: list[Bucket]
    last: Bucket | None
    summary: str


def chart(scope: Scope, found: Numbers, currency: str) -> Chart:
    """Draw the metric chosen; buckets of the future take their place and have no point."""
    metric, unit = scope.choices.get("metric", "clicks"), scope.choices.get("unit", "amount")
    is_money = metric == "sales" and unit == "amount"
    values = [measure(point.counts, metric, unit) for point in found.points]
    olds = [measure(point.counts, metric, unit) for point in found.previous_points]
    past = [point.start <= found.period.now for point in found.points]
    axis = charts.scale(
        max([*values, *olds], default=0), unit=10 ** formats.minor_digits(currency) if is_money else 1
    )
    slots = len(found.points)
    names = _names(found.period), _names(found.previous_period) if olds else []
    cuts = [found.period.is_cut(start, end) for start, end in itertools.pairwise(found.period.edges())]
    how = (metric, unit, currency)
    buckets = [
        _bucket(index, found, values, olds, axis, how, names, is_cut=is_cut)
        for index, is_cut in enumerate(cuts)
    ]
    shown = [value for value, is_past in zip(values, past, strict=True) if is_past]
    return Chart(
        axis=[_axis_label(value, is_money, currency) for value in axis.ticks],
        line=charts.line(
            shown,
            axis,
            slots=slots,
            begins_cut=bool(buckets) and buckets[0].state == "cut",
            ends_cut=bool(shown) and buckets[len(shown) - 1].state != "",
        ),
        previous=charts.line(olds[:slots], axis, slots=slots) if olds else None,
        ticks=_ticks(found, from_start=len(shown) < slots),
        buckets=buckets,
        last=buckets[len(shown) - 1] if shown else None,
        summary=_summary(scope, found, buckets[: len(shown)], values, currency),
    )


def _ticks(found: Numbers, *, from_start: bool) -> list[tuple[charts.Tick, str]]:
    """The labels below the plot; hours of more than two days are told by their midnights."""
    starts, granularity = [point.start for point in found.points], found.period.granularity
    days = [at for at, start in enumerate(starts) if at and start.date() != starts[at - 1].date()]
    among = days if granularity == "hour" and len(days) > 2 else ()
    ticks = charts.ticks(len(starts), from_start=from_start, among=among)
    first = min((tick.index for tick in ticks), default=0)
    years = {first, *(at for at, start in enumerate(starts) if start.month == 1)}
    return [
        (tick, formats.tick(starts[tick.index], granularity, with_year=tick.index in years)) for tick in ticks
    ]


def _names(period: Range) -> list[str]:
    """What each bucket is called."""
    moment = timedelta(milliseconds=1)
    return [
        formats.bucket(
            start.astimezone(period.zone), (end - moment).astimezone(period.zone), period.granularity
        )
        for start, end in itertools.pairwise(period.edges())
    ]


def _bucket(
    index: int,
    found: Numbers,
    values: list[int],
    olds: list[int],
    axis: charts.Scale,
    how: tuple[str, str, str],
    names: tuple[list[str], list[str]],
    *,
    is_cut: bool,
) -> Bucket:
    point = found.points[index]
    is_future = point.start > found.period.now
    old = olds[index] if index < len(olds) else None
    return Bucket(
        label=names[0][index],
        x=round(charts.x(index, len(values)) * 100, 2),
        y=round(axis.y(values[index]) * 100, 2),
        counts=point.counts,
        value="" if is_future else write(values[index], *how),
        state="future" if is_future else "so far" if point.is_partial else "cut" if is_cut else "",
        previous_label="" if old is None else names[1][index],
        previous_value="" if old is None else write(old, *how),
        previous_y=None if old is None else round(axis.y(old) * 100, 2),
        change=None
        if old is None or is_future or is_cut or point.is_partial
        else formats.change(values[index], old),
    )


def _axis_label(value: float, is_money: bool, currency: str) -> str:
    if is_money:
        label = formats.money(round(value), currency, compact_above=1_000)
        digits = formats.minor_digits(currency)
        return label.removesuffix("." + "0" * digits) if digits else label
    return formats.compact(round(value), above=1_000)


def _summary(scope: Scope, found: Numbers, buckets: list[Bucket], values: list[int], currency: str) -> str:
    """One sentence for those who do not see the chart."""
    metric, unit = scope.choices.get("metric", "clicks"), scope.choices.get("unit", "amount")
    if not any(values):
        return f"No {metric} in this range."
    total = write(sum(values), metric, unit, currency)
    highest = buckets[max(range(len(buckets)), key=values.__getitem__)]
    what = "in sales" if metric == "sales" and unit == "amount" else metric
    return f"{total} {what} by the {found.period.granularity}; most: {highest.label}, {highest.value}."


@dataclass(frozen=True, slots=True)
class FunnelStep:
    """One step of the funnel, ready to be drawn and read."""

    step: Step
    metric: str
    rate: str
    words: StepWords
    band: charts.Band


def funnel(found: Numbers, currency: str) -> list[FunnelStep]:
    bands = charts.funnel([step.count for step in found.steps])
    return [
        FunnelStep(
            step=step,
            metric=step.name,
            rate=formats.percent(step.of_first),
            words=step_words(
                step,
                found.steps[index - 1] if index else None,
                compared=found.previous_steps[index] if found.previous_steps else None,
                revenue=(found.totals.sale_amount, currency),
            ),
            band=bands[index],
        )
        for index, step in enumerate(found.steps)
    ]

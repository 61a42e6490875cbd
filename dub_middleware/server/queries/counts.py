"""How many: totals, by the hour, day, week or month, and by whatever events have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from dub_middleware.server.queries.filters import Selection
from dub_middleware.server.queries.ranges import Range, Run, runs
from dub_middleware.server.store.models import to_ms
from dub_middleware.server.store.rollups import DAY, QUARTER, Dim, counters
from dub_middleware.server.store.schema import events, rollup_day, rollup_quarter

NAMES = ("clicks", "leads", "sales", "amount")


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of events; ``sale_amount`` in minor units."""

    clicks: int = 0
    leads: int = 0
    sales: int = 0
    sale_amount: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.clicks + other.clicks,
            self.leads + other.leads,
            self.sales + other.sales,
            self.sale_amount + other.sale_amount,
        )


@dataclass(frozen=True, slots=True)
class Point:
    """One bucket of a time series; ``start`` is in the zone asked for. ``is_partial``: it is not over yet."""

    start: datetime
    counts: Counts
    is_partial: bool = False


def total(connection: sa.Connection, period: Range, selection: Selection) -> Counts:
    """The sum over a range."""
    source, when, unit = _source(selection)
    first, last = to_ms(period.start) // unit, to_ms(period.end) // unit
    statement = sa.select(*_sums(source)).where(*_rows(selection), when >= first, when < last)
    return Counts(*(int(number or 0) for number in connection.execute(statement).one()))


def series(connection: sa.Connection, period: Range, selection: Selection) -> list[Point]:
    """One point for each bucket of the range, also where nothing happened."""
    edges = period.edges()
    # months are of many lengths, days of two or three: SQL numbers days, Python adds them up
    steps = period.edges("day") if period.granularity in ("week", "month") else edges
    source, when, unit = _source(selection)
    numbered = runs(steps)
    index = _index(when, numbered, unit)
    first, last = to_ms(period.start) // unit, to_ms(period.end) // unit
    statement = (
        sa.select(index.label("step"), *_sums(source))
        .where(*_rows(selection), when >= first, when < last)
        .group_by(sa.literal_column("1"))
    )
    found = {row[0]: Counts(*map(int, row[1:])) for row in connection.execute(statement)}
    counts = [Counts() for _ in edges[1:]]
    bucket = 0
    for step, start in enumerate(steps[:-1]):
        while start >= edges[bucket + 1]:
            bucket += 1
        if step in found:
            counts[bucket] += found[step]
    return [
        Point(start.astimezone(period.zone), number, start <= period.now < end)
        for start, end, number in zip(edges, edges[1:], counts, strict=False)
    ]


def filtered(period: Range, selection: Selection) -> sa.CTE:
    """The events that a question is about, to be gone through once for several answers."""
    columns = [events.c.type, events.c.amount, events.c.first]
    columns += [events.c[dim.name.lower()] for dim in Dim if dim is not Dim.TOTAL]
    span = (events.c.ts >= to_ms(period.start), events.c.ts < to_ms(period.end))
    return sa.select(*columns).where(*selection.where, *span).cte("hits")


def by_dimension(dim: Dim, period: Range, hits: sa.CTE | None = None) -> sa.Subquery:
    """Sums for each ``value`` of a dimension, over ``hits`` or over everything.

    Whole days of everything come from the roll-up.
    """
    source = events if hits is None else hits
    value = source.c[dim.name.lower()].label("value")
    start, end = to_ms(period.start), to_ms(period.end)
    raw = sa.select(value, *counters(source)[:4]).where(value.is_not(None)).group_by(value)
    if hits is not None:
        return raw.subquery("sums")
    first_day = -(-start // DAY)
    # nothing can have happened after now, so the day that is not over counts as a whole
    last_day = -(-end // DAY) if period.is_current else end // DAY
    if first_day >= last_day:
        return raw.where(events.c.ts >= start, events.c.ts < end).subquery("sums")
    days = sa.select(rollup_day.c.value, *(rollup_day.c[name] for name in NAMES)).where(
        rollup_day.c.dim == int(dim), rollup_day.c.day >= first_day, rollup_day.c.day < last_day
    )
    rest = [
        raw.where(events.c.ts >= low, events.c.ts < high)
        for low, high in ((start, first_day * DAY), (last_day * DAY, end))
        if low < high
    ]
    parts = sa.union_all(days, *rest).subquery("parts")
    return sa.select(parts.c.value, *_sums(parts)).group_by(parts.c.value).subquery("sums")


def add_up(counts: Iterable[Counts]) -> Counts:
    return sum(counts, Counts())


def _source(selection: Selection) -> tuple[sa.FromClause, sa.ColumnElement[int], int]:
    """The table that answers, its column of time, and the milliseconds that column counts in."""
    if selection.dim is None:
        return events, events.c.ts, 1
    return rollup_quarter, rollup_quarter.c.quarter, QUARTER


def _rows(selection: Selection) -> Sequence[sa.ColumnElement[bool]]:
    if selection.dim is None:
        return selection.where
    value = rollup_quarter.c.value
    wanted = value.not_in(selection.values) if selection.exclude else value.in_(selection.values)
    return [rollup_quarter.c.dim == int(selection.dim), wanted]


def _sums(source: sa.FromClause) -> list[sa.ColumnElement[Any]]:
    if source is events:
        return list(counters()[:4])
    return [sa.cast(sa.func.sum(source.c[name]), sa.BigInteger).label(name) for name in NAMES]


def _index(when: sa.ColumnElement[int], numbered: Sequence[Run], unit: int) -> sa.ColumnElement[int]:
    """The number of the bucket that a row is in, by arithmetic inside each run of equal buckets."""

    def inside(run: Run) -> sa.ColumnElement[int]:
        # numbers, not parameters: PostgreSQL groups by the same expression only when it is the same text
        return sa.literal_column(
            f"({when} - {run.start // unit}) / {run.step // unit} + {run.index}", sa.Integer
        )

    if len(numbered) == 1:
        return inside(numbered[0])
    return sa.case(
        *((when < sa.literal_column(str(run.end // unit)), inside(run)) for run in numbered[:-1]),
        else_=inside(numbered[-1]),
    )

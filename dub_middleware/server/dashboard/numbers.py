"""The numbers of the analytics page: one range, and the one before to compare with."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import cast

from dub_middleware.server.dashboard.filters import Scope
from dub_middleware.server.queries import Comparison, Counts, Point, Queries, Range, Step, add_up, steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Everything that the upper card shows, for one range and, where asked for, the one before."""

    period: Range
    points: list[Point]
    totals: Counts
    before: Counts
    previous_period: Range
    previous_points: list[Point]
    steps: list[Step]
    previous_steps: list[Step]


def numbers(queries: Queries, scope: Scope) -> Numbers:
    """Ask for the numbers of a scope; the totals are the sum of the points, and none of the future counts."""
    period = scope.period(queries)
    comparison = cast("Comparison | None", scope.choices.get("compare"))
    previous = period.previous(comparison or "previous")
    is_compared = comparison is not None
    points = queries.timeseries(period, scope.filters)
    totals = add_up(point.counts for point in points)
    before = queries.totals(dataclasses.replace(previous, end=previous.until), scope.filters)
    return Numbers(
        period=period,
        points=points,
        totals=totals,
        before=before,
        previous_period=previous,
        previous_points=queries.timeseries(previous, scope.filters) if is_compared else [],
        steps=steps(totals),
        previous_steps=steps(before) if is_compared else [],
    )

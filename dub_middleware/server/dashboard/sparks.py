"""The four tabs of the events page: how many of each type there are, with a small line of their course."""

from __future__ import annotations

from dataclasses import dataclass

from dub_middleware.errors import SlowQueryError
from dub_middleware.server.dashboard import charts, formats
from dub_middleware.server.dashboard.filters import Scope
from dub_middleware.server.dashboard.pages import current_server
from dub_middleware.server.queries import Point, Range, add_up


@dataclass(frozen=True, slots=True)
class Spark:
    """One tab; ``count`` is "" where counting would mean reading too many events."""

    type: str
    label: str
    count: str
    path: str
    area: str
    url: str
    is_selected: bool


def sparks(scope: Scope, period: Range) -> list[Spark]:
    """Numbers of the range under the filters of a scope; without them the list is there all the same."""
    points = _points(scope, period)
    is_counted = points is not None
    points = [point for point in points or () if point.start <= period.now]
    totals = add_up(point.counts for point in points)
    selected = scope.choices.get("type", "")
    found = []
    for kind, label, names in (
        ("", "All events", ("clicks", "leads", "sales")),
        ("click", "Clicks", ("clicks",)),
        ("lead", "Leads", ("leads",)),
        ("sale", "Sales", ("sales",)),
    ):
        values = [sum(getattr(point.counts, name) for name in names) for point in points]
        drawn = charts.line(values, charts.scale(max(values, default=0)), slots=len(values))
        total = sum(getattr(totals, name) for name in names)
        count = formats.compact(total) if is_counted else ""
        url = scope.url("events.index", type=kind or None)
        found.append(Spark(kind, label, count, drawn.path, drawn.area, url, kind == selected))
    return found


def _points(scope: Scope, period: Range) -> list[Point] | None:
    """What the tabs add up; None during a text search, and where it would take too long."""
    if scope.choices.get("q"):
        return None
    try:
        return current_server().queries.timeseries(period, scope.filters)
    except SlowQueryError:
        return None

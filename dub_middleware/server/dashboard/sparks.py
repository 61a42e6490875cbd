"""The four tabs of the events page: how many of each type there are, with a small line of their course."""

from __future__ import annotations

from dataclasses import dataclass

from dub_middleware.server.dashboard import charts, formats
from dub_middleware.server.dashboard.filters import Scope
from dub_middleware.server.dashboard.pages import current_server
from dub_middleware.server.queries import Range, add_up


@dataclass(frozen=True, slots=True)
class Spark:
    """One tab; ``count`` is "" where counting would mean reading every event."""

    type: str
    label: str
    count: str
    path: str
    area: str
    url: str
    is_selected: bool


def sparks(scope: Scope, period: Range) -> list[Spark]:
    """Numbers of the range under the filters of a scope; a text search hides them."""
    is_counted = not scope.choices.get("q")
    points = current_server().queries.timeseries(period, scope.filters) if is_counted else []
    points = [point for point in points if point.start <= period.now]
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

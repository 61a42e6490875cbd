"""Breakdowns: what the events have in common, as cards of the analytics page and as a page of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, abort

from dub_middleware.server.dashboard import formats
from dub_middleware.server.dashboard.exports import csv_response, rate
from dub_middleware.server.dashboard.filters import Scope
from dub_middleware.server.dashboard.groupings import GROUPINGS, Grouping, names
from dub_middleware.server.dashboard.menus import chips
from dub_middleware.server.dashboard.pages import answer, current_scope, current_server, page
from dub_middleware.server.dashboard.words import dates, range_name
from dub_middleware.server.queries import Counts, Group, Metric, Queries
from dub_middleware.server.store import Link, Store

blueprint = Blueprint("breakdown", __name__)

CARD_ROWS = 7
_PAGE_ROWS = 500
_MOST_ROWS = 5000  # to sort, to search and to take away


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One value with its numbers. ``share`` is its part of the largest one, between 0 and 1."""

    value: str
    label: str
    detail: str = ""
    code: str = ""
    counts: Counts
    share: float = 0.0

    @property
    def lead_rate(self) -> float | None:
        return self.counts.leads / self.counts.clicks if self.counts.clicks else None

    @property
    def sale_rate(self) -> float | None:
        return self.counts.sales / self.counts.leads if self.counts.leads else None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table of all values, by which it can be sorted; ``read`` gives None for no rate."""

    key: str
    label: str
    read: Callable[[Row], float | None]


COLUMNS = (
    Column("clicks", "Clicks", lambda row: row.counts.clicks),
    Column("leads", "Leads", lambda row: row.counts.leads),
    Column("lead_rate", "Lead rate", lambda row: row.lead_rate),
    Column("sales", "Sales", lambda row: row.counts.sales),
    Column("sale_rate", "Sale rate", lambda row: row.sale_rate),
    Column("revenue", "Revenue", lambda row: row.counts.sale_amount),
)
_CHOICES = {"sort": tuple(column.key for column in COLUMNS), "order": ("desc", "asc"), "q": ()}


def rows(
    store: Store,
    queries: Queries,
    scope: Scope,
    groupings: Sequence[Grouping],
    *,
    metric: Metric,
    unit: str = "amount",
    limit: int = CARD_ROWS + 1,
) -> list[list[Row]]:
    """The values of each grouping in the range and under the filters of a scope, most of ``metric`` first.

    Those that have none of it are left out; with ``composite`` those that have nothing at all.
    """
    found = queries.breakdowns(
        {grouping.key: grouping.keep_unknown for grouping in groupings},
        scope.period(queries),
        scope.filters,
        metric=metric,
        limit=limit,
    )
    shown = "clicks" if metric == "composite" else metric
    return [
        _rows(grouping, found[grouping.key], names(store, grouping), shown, unit) for grouping in groupings
    ]


def _rows(
    grouping: Grouping, groups: Sequence[Group], known: Mapping[str, str], metric: str, unit: str
) -> list[Row]:
    measures = [measure(group.counts, metric, unit) for group in groups]
    highest = max(measures, default=0) or 1
    return [
        _row(grouping, group, known, number / highest) for group, number in zip(groups, measures, strict=True)
    ]


def measure(counts: Counts, metric: str, unit: str = "amount") -> int:
    """The number that a tab is about."""
    if metric == "sales" and unit == "amount":
        return counts.sale_amount
    return int(getattr(counts, metric))


def _row(grouping: Grouping, group: Group, known: Mapping[str, str], share: float) -> Row:
    value = group.value
    if isinstance(value, Link):
        label, detail = formats.short_link(value), formats.value("url", value.url)
        return Row(value=value.id, label=label, detail=detail, counts=group.counts, share=share)
    label = known.get(value) or formats.value(grouping.field, value)
    is_coded = grouping.field == "country" and len(value) == 2
    return Row(value=value, label=label, code=value if is_coded else "", counts=group.counts, share=share)


@page(blueprint, "/breakdown/<key>")
def index(key: str) -> Response:
    """All values of one grouping, to sort and to search."""
    grouping, scope, found = _all(key)
    search = scope.choices.get("q", "")
    sort, order = _sorting(scope)
    period = scope.period(current_server().queries)
    data = {
        "grouping": grouping.key,
        "start": period.start,
        "end": period.end,
        "timezone": scope.zone,
        "filters": scope.filters,
        "sort": sort,
        "order": order,
        "rows": found[:_PAGE_ROWS],
    }
    return answer(
        "breakdown.html",
        data,
        group=grouping,
        columns=COLUMNS,
        scope=scope,
        search=search,
        is_cut=len(found) > _PAGE_ROWS,
        back=scope.without_choices().url("analytics.index"),
        range_name=range_name(scope, period),
        dates=dates(period),
        chips=chips(scope, "breakdown.index", key=key),
    )


@blueprint.get("/breakdown/<key>.csv")
def export(key: str) -> Response:
    """The same as CSV; rates are between 0 and 1."""
    grouping, scope, found = _all(key)
    digits = formats.minor_digits(current_server().store.workspace.settings().currency)
    lines: list[Sequence[Any]] = [
        (
            row.label,
            row.counts.clicks,
            row.counts.leads,
            rate(row.lead_rate),
            row.counts.sales,
            rate(row.sale_rate),
            f"{row.counts.sale_amount / 10**digits:.{digits}f}",
        )
        for row in found
    ]
    heading = (grouping.noun, *(column.label.lower() for column in COLUMNS))
    return csv_response([heading, *lines], f"{key}-{scope.period(current_server().queries).until:%Y-%m-%d}")


def _all(key: str) -> tuple[Grouping, Scope, list[Row]]:
    if key not in GROUPINGS:
        abort(404, f"There is no breakdown {key!r}; known are {', '.join(GROUPINGS)}.")
    server = current_server()
    scope = current_scope(_CHOICES)
    grouping = GROUPINGS[key]
    (found,) = rows(server.store, server.queries, scope, [grouping], metric="composite", limit=_MOST_ROWS)
    wanted = scope.choices.get("q", "").casefold()
    found = [row for row in found if wanted in f"{row.label} {row.detail}".casefold()]
    return grouping, scope, _sorted(found, *_sorting(scope))


def _sorting(scope: Scope) -> tuple[str, str]:
    return scope.choices.get("sort", "clicks"), scope.choices.get("order", "desc")


def _sorted(found: Sequence[Row], sort: str, order: str) -> list[Row]:
    """Rows by a column, those where it says nothing last; among equals the most clicks stay first."""
    read = next(column.read for column in COLUMNS if column.key == sort)
    sign = 1 if order == "asc" else -1

    def place(row: Row) -> tuple[bool, float]:
        value = read(row)
        return value is None, sign * (value or 0)

    return sorted(found, key=place)

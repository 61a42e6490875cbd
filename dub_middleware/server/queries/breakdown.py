"""Breakdowns: the same counts by link, place, device, referrer or campaign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from dub_middleware.server.queries.counts import NAMES, Counts, by_dimension, filtered
from dub_middleware.server.queries.filters import Selection
from dub_middleware.server.queries.ranges import Range
from dub_middleware.server.store.models import UNKNOWN
from dub_middleware.server.store.rollups import Dim
from dub_middleware.server.store.schema import link_tags, links, tags, url_parts, words

Metric = Literal["clicks", "leads", "sales", "composite"]

MAX_ROWS = 5000  # as at Dub

_WORDS = {
    "continents": Dim.CONTINENT,
    "countries": Dim.COUNTRY,
    "regions": Dim.REGION,
    "cities": Dim.CITY,
    "devices": Dim.DEVICE,
    "browsers": Dim.BROWSER,
    "os": Dim.OS,
    "triggers": Dim.TRIGGER,
    "referers": Dim.REFERER,
    "referer_urls": Dim.REFERER_URL,
    "top_urls": Dim.URL,
    "event_names": Dim.EVENT_NAME,
}
_LINKS: dict[str, sa.ColumnElement[Any]] = {
    "top_links": links.c.pk,
    "top_domains": links.c.domain,
    "top_folders": links.c.folder_id,
    "top_partners": links.c.partner_id,
    "top_link_tags": tags.c.id,
}
_URLS: dict[str, sa.ColumnElement[Any]] = {
    "top_base_urls": url_parts.c.base,
    **{
        f"utm_{part}s": url_parts.c[f"utm_{part}"]
        for part in ("source", "medium", "campaign", "term", "content")
    },
}
GROUPS = (*_WORDS, *_LINKS, *_URLS)


@dataclass(frozen=True, slots=True)
class Group:
    """One row: the ``value`` that its events have in common, and how many they are."""

    value: Any
    counts: Counts


def break_down(
    connection: sa.Connection,
    groupings: Mapping[str, bool],
    period: Range,
    selection: Selection,
    *,
    metric: Metric = "composite",
    limit: int = MAX_ROWS,
) -> dict[str, list[Group]]:
    """The groups of each grouping with most of ``metric`` first (sales by their amount), those without any
    left out.

    A grouping that is mapped to True keeps what is not known as a group. Raises `ValueError` when there is no
    such grouping.
    """
    if unknown := [name for name in groupings if name not in GROUPS]:
        raise ValueError(f"{unknown[0]!r} is no grouping; known are {', '.join(GROUPS)}")
    # the events that a filter lets through are looked for once, however many groupings there are
    hits = None if selection.is_everything else filtered(period, selection)
    asked = [
        sa.select(sa.literal(number).label("grouping"), statement.subquery(f"g{number}"))
        for number, statement in enumerate(
            _statement(name, period, hits, metric=metric, limit=limit, keep_unknown=keep_unknown)
            for name, keep_unknown in groupings.items()
        )
    ]
    names = list(groupings)
    found: dict[str, list[Group]] = {name: [] for name in names}
    for number, value, *counts in connection.execute(sa.union_all(*asked)):
        name = names[number]
        found[name].append(Group(int(value) if name == "top_links" else value, Counts(*map(int, counts))))
    for groups in found.values():
        groups.sort(key=lambda group: _rank(group, metric))  # UNION promises no order
    return found


def _statement(
    group_by: str,
    period: Range,
    hits: sa.CTE | None,
    *,
    metric: Metric,
    limit: int,
    keep_unknown: bool,
) -> sa.Select[Any]:
    value, sums, source = _source(group_by, period, hits)
    totals = {name: sa.cast(sa.func.sum(sums.c[name]), sa.BigInteger).label(name) for name in NAMES}
    order = [totals[name] for name in _order(metric)]
    columns: list[sa.ColumnElement[Any]] = [sa.cast(value, sa.Text).label("value"), *totals.values()]
    return (
        sa.select(*columns)
        .select_from(source)
        .where(value.is_not(None), *(() if keep_unknown else _known(group_by, value)))
        .group_by(value)
        .having(sa.or_(*(sa.func.sum(sums.c[name]) > 0 for name in _order(metric))))
        .order_by(*(number.desc() for number in order), value)
        .limit(limit)
    )


def _rank(group: Group, metric: Metric) -> tuple[Any, ...]:
    counts = group.counts
    numbers = {
        "clicks": counts.clicks,
        "leads": counts.leads,
        "sales": counts.sales,
        "amount": counts.sale_amount,
    }
    return (*(-numbers[name] for name in _order(metric)), group.value)


def _source(
    group_by: str, period: Range, hits: sa.CTE | None
) -> tuple[sa.ColumnElement[Any], sa.Subquery, sa.FromClause]:
    if group_by in _WORDS:
        sums = by_dimension(_WORDS[group_by], period, hits)
        return words.c.text, sums, sums.join(words, words.c.pk == sums.c.value)
    if group_by in _URLS:
        sums = by_dimension(Dim.URL, period, hits)
        return _URLS[group_by], sums, sums.join(url_parts, url_parts.c.word == sums.c.value)
    sums = by_dimension(Dim.LINK, period, hits)
    joined = sums.join(links, links.c.pk == sums.c.value)
    if group_by == "top_link_tags":
        joined = joined.join(link_tags, link_tags.c.link == links.c.pk).join(
            tags, tags.c.pk == link_tags.c.tag
        )
    return _LINKS[group_by], sums, joined


def _known(group_by: str, value: sa.ColumnElement[Any]) -> Sequence[sa.ColumnElement[bool]]:
    if group_by in _LINKS:
        return ()
    if group_by == "cities":
        return (sa.not_(value.endswith(f"\t{UNKNOWN}")),)
    return (value.not_in(("", UNKNOWN)),)


def _order(metric: Metric) -> Sequence[str]:
    if metric == "composite":
        return ("clicks", "leads", "amount", "sales")
    return ("amount", "sales") if metric == "sales" else (metric,)

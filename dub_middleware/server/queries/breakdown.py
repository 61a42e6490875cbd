"""Breakdowns: the same counts by link, place, device, referrer or campaign."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from dub_middleware.server.queries.counts import NAMES, Counts, by_dimension
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
    group_by: str,
    period: Range,
    selection: Selection,
    *,
    metric: Metric = "composite",
    limit: int = MAX_ROWS,
    keep_unknown: bool = False,
) -> list[Group]:
    """The groups with most of ``metric`` first (sales by their amount), those without any left out.

    Raises `ValueError` when there is no such grouping.
    """
    if group_by not in GROUPS:
        raise ValueError(f"{group_by!r} is no grouping; known are {', '.join(GROUPS)}")
    value, sums, source = _source(group_by, period, selection)
    totals = {name: sa.cast(sa.func.sum(sums.c[name]), sa.BigInteger) for name in NAMES}
    order = [totals[name] for name in _order(metric)]
    statement = (
        sa.select(value, *totals.values())
        .select_from(source)
        .where(value.is_not(None), *(() if keep_unknown else _known(group_by, value)))
        .group_by(value)
        .having(sa.or_(*(number > 0 for number in order)))
        .order_by(*(number.desc() for number in order), value)
        .limit(limit)
    )
    return [Group(row[0], Counts(*map(int, row[1:]))) for row in connection.execute(statement)]


def _source(
    group_by: str, period: Range, selection: Selection
) -> tuple[sa.ColumnElement[Any], sa.Subquery, sa.FromClause]:
    if group_by in _WORDS:
        sums = by_dimension(_WORDS[group_by], period, selection)
        return words.c.text, sums, sums.join(words, words.c.pk == sums.c.value)
    if group_by in _URLS:
        sums = by_dimension(Dim.URL, period, selection)
        return _URLS[group_by], sums, sums.join(url_parts, url_parts.c.word == sums.c.value)
    sums = by_dimension(Dim.LINK, period, selection)
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

"""Breakdowns: what the events have in common, as cards of the analytics page and as a page of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from flask import Blueprint, Response, abort

from dub_middleware.server.dashboard import formats
from dub_middleware.server.dashboard.exports import csv_response
from dub_middleware.server.dashboard.filters import Scope
from dub_middleware.server.dashboard.pages import answer, current_scope, current_server, page
from dub_middleware.server.dashboard.words import range_name
from dub_middleware.server.queries import Counts, Group, Queries
from dub_middleware.server.store import Link, Store

blueprint = Blueprint("breakdown", __name__)

Metric = Literal["clicks", "leads", "sales"]
METRICS: tuple[Metric, ...] = ("clicks", "leads", "sales")
CARD_ROWS = 7
_PAGE_ROWS = 500


@dataclass(frozen=True, slots=True)
class Grouping:
    """One way to break numbers down: the name of the query, of the tab, of a row, and the filter of a row."""

    key: str
    label: str
    noun: str
    field: str
    keep_unknown: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """Groupings that share a card; ``key`` is the URL parameter that chooses one."""

    key: str
    title: str
    groupings: tuple[Grouping, ...]


CARDS = (
    Card(
        "links",
        "Links",
        (
            Grouping("top_links", "Links", "link", "link_id"),
            Grouping("top_base_urls", "Pages", "destination page", "base_url"),
            Grouping("top_urls", "URLs", "destination URL", "url"),
            Grouping("top_domains", "Domains", "domain", "domain"),
            Grouping("top_link_tags", "Tags", "tag", "tag_id"),
            Grouping("top_folders", "Folders", "folder", "folder_id"),
        ),
    ),
    Card(
        "sources",
        "Referrers",
        (
            Grouping("referers", "Domains", "referrer", "referer"),
            Grouping("referer_urls", "URLs", "referrer URL", "referer_url"),
        ),
    ),
    Card(
        "places",
        "Locations",
        (
            Grouping("countries", "Countries", "country", "country", keep_unknown=True),
            Grouping("regions", "Regions", "region", "region"),
            Grouping("cities", "Cities", "city", "city"),
            Grouping("continents", "Continents", "continent", "continent", keep_unknown=True),
        ),
    ),
    Card(
        "devices",
        "Devices",
        (
            Grouping("devices", "Devices", "device", "device", keep_unknown=True),
            Grouping("browsers", "Browsers", "browser", "browser", keep_unknown=True),
            Grouping("os", "OS", "operating system", "os", keep_unknown=True),
        ),
    ),
    Card(
        "campaigns",
        "UTM parameters",
        (
            Grouping("utm_sources", "Source", "UTM source", "utm_source"),
            Grouping("utm_mediums", "Medium", "UTM medium", "utm_medium"),
            Grouping("utm_campaigns", "Campaign", "UTM campaign", "utm_campaign"),
            Grouping("utm_terms", "Term", "UTM term", "utm_term"),
            Grouping("utm_contents", "Content", "UTM content", "utm_content"),
        ),
    ),
    Card(
        "kinds",
        "Events",
        (
            Grouping("triggers", "Triggers", "trigger", "trigger"),
            Grouping("event_names", "Event names", "event name", "event_name"),
        ),
    ),
)
GROUPINGS = {grouping.key: grouping for card in CARDS for grouping in card.groupings}
#: the page parameters that choose the tab of each card
CARD_CHOICES = {card.key: tuple(grouping.key for grouping in card.groupings) for card in CARDS}


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
    """The values of each grouping in the range and under the filters of a scope, most of ``metric`` first."""
    found = queries.breakdowns(
        {grouping.key: grouping.keep_unknown for grouping in groupings},
        scope.period(queries),
        scope.filters,
        metric=metric,
        limit=limit,
    )
    return [
        _rows(grouping, found[grouping.key], _names(store, grouping), metric, unit) for grouping in groupings
    ]


def _rows(
    grouping: Grouping, groups: Sequence[Group], names: Mapping[str, str], metric: str, unit: str
) -> list[Row]:
    measures = [measure(group.counts, metric, unit) for group in groups]
    highest = max(measures, default=0) or 1
    return [
        _row(grouping, group, names, number / highest) for group, number in zip(groups, measures, strict=True)
    ]


def measure(counts: Counts, metric: str, unit: str = "amount") -> int:
    """The number that a tab is about."""
    if metric == "sales" and unit == "amount":
        return counts.sale_amount
    return int(getattr(counts, metric))


def name_of(store: Store, field: str, raw: str) -> str:
    """Name the value of a filter; links, tags, folders and customers by what people call them."""
    if field == "link_id":
        return formats.short_link(store.links.get(raw))
    if field == "customer_id":
        customer = store.customers.get(raw)
        return raw if customer is None else customer.name or customer.email or customer.external_id
    grouping = next((known for known in GROUPINGS.values() if known.field == field), None)
    return _names(store, grouping).get(raw) or formats.value(field, raw) if grouping else raw


def _names(store: Store, grouping: Grouping) -> Mapping[str, str]:
    if grouping.key == "top_link_tags":
        return {tag.id: tag.name for tag in store.workspace.tags()}
    if grouping.key == "top_folders":
        return {folder.id: folder.name for folder in store.workspace.folders()}
    return {}


def _row(grouping: Grouping, group: Group, names: Mapping[str, str], share: float) -> Row:
    value = group.value
    if isinstance(value, Link):
        label, detail = formats.short_link(value), formats.value("url", value.url)
        return Row(value=value.id, label=label, detail=detail, counts=group.counts, share=share)
    label = names.get(value) or formats.value(grouping.field, value)
    is_coded = grouping.field == "country" and len(value) == 2
    return Row(value=value, label=label, code=value if is_coded else "", counts=group.counts, share=share)


@page(blueprint, "/breakdown/<key>")
def index(key: str) -> Response:
    """All values of one grouping, to search."""
    grouping, scope, found = _all(key)
    search = scope.choices.get("q", "")
    return answer(
        "breakdown.html",
        {"grouping": grouping.key, "rows": found[:_PAGE_ROWS]},
        group=grouping,
        scope=scope,
        search=search,
        is_cut=len(found) > _PAGE_ROWS,
        back=scope.without_choices().url("analytics.index"),
        range_name=range_name(scope, scope.period(current_server().queries)),
        json_url=scope.url("breakdown.index", key=key),
    )


@blueprint.get("/breakdown/<key>.csv")
def export(key: str) -> Response:
    """The same as CSV."""
    grouping, scope, found = _all(key)
    digits = formats.minor_digits(current_server().store.workspace.settings().currency)
    heading: Sequence[str] = (grouping.noun, "clicks", "leads", "sales", "revenue")
    lines: list[Sequence[Any]] = [
        (
            row.label,
            row.counts.clicks,
            row.counts.leads,
            row.counts.sales,
            f"{row.counts.sale_amount / 10**digits:.{digits}f}",
        )
        for row in found
    ]
    return csv_response([heading, *lines], f"{key}-{scope.period(current_server().queries).until:%Y-%m-%d}")


def _all(key: str) -> tuple[Grouping, Scope, list[Row]]:
    if key not in GROUPINGS:
        abort(404, f"There is no breakdown {key!r}; known are {', '.join(GROUPINGS)}.")
    server = current_server()
    scope = current_scope({"metric": METRICS, "q": ()})
    metric: Metric = scope.choices.get("metric", "clicks")  # type: ignore[assignment]  # read_scope has checked
    grouping = GROUPINGS[key]
    (found,) = rows(server.store, server.queries, scope, [grouping], metric=metric, limit=5000)
    wanted = scope.choices.get("q", "").casefold()
    return grouping, scope, [row for row in found if wanted in f"{row.label} {row.detail}".casefold()]

"""Analytics: https://dub.co/docs/api-reference/endpoint/retrieve-analytics."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timezone
from typing import Any, Literal

from dub_middleware.server.api.answers import LINK, TAG, count, text
from dub_middleware.server.api.filters import FILTERS, Question, question
from dub_middleware.server.api.operations import Call, Resource
from dub_middleware.server.api.schema import Array, Choice, Object, Record, Schema, Union, Values
from dub_middleware.server.links import UTM
from dub_middleware.server.queries import Counts, Point
from dub_middleware.server.store import Folder, Link
from dub_middleware.server.store.workspace import Workspace

resource = Resource("Analytics", "How many, when, where and through what.")

Event = Literal["clicks", "leads", "sales", "composite"]

#: grouping → the field of its rows that holds the value
_FIELDS = {
    "continents": "continent",
    "countries": "country",
    "regions": "region",
    "cities": "city",
    "devices": "device",
    "browsers": "browser",
    "os": "os",
    "triggers": "trigger",
    "event_names": "eventName",
    "referers": "referer",
    "referer_urls": "refererUrl",
    "top_urls": "url",
    "top_base_urls": "url",
    "top_domains": "domain",
    "top_folders": "folderId",
    "top_link_tags": "tagId",
    "top_partners": "partnerId",
    "top_groups": "groupId",
    "top_partner_tags": "partnerTagId",
    **{f"{name}s": name for name in UTM},
}
#: groupings of what does not exist here
_EMPTY = ("top_groups", "top_partner_tags")
_LINK_FIELDS = (
    *("id", "domain", "key", "shortLink", "url", "title"),
    *("comments", "folderId", "partnerId", "createdAt"),
)
GROUPS = ("count", "timeseries", *_FIELDS, "trigger", "top_links")

_COUNTS: dict[str, Schema] = {
    "clicks": count("How many clicks."),
    "leads": count("How many leads."),
    "sales": count("How many sales."),
    "saleAmount": count("What the sales were worth, in cents."),
}


def _row(name: str, fields: dict[str, Schema]) -> Array:
    return Array(Object({**fields, **_COUNTS}, name=f"Analytics{name}"))


_ANSWER = Union(
    (
        Object(_COUNTS, name="AnalyticsCount"),
        _row("Timeseries", {"start": text("Where the hour, day or month begins.")}),
        _row("Places", {name: text() for name in ("country", "region", "city")}),
        _row("TopLinks", {"link": text(), **{name: LINK.fields[name] for name in _LINK_FIELDS}}),
        _row("TopLinkTags", {"tagId": text(), "tag": TAG}),
        _row("TopFolders", {"folderId": text(), "folder": Record()}),
        _row("TopPartners", {"partnerId": text(), "partner": Record()}),
        *(
            _row(f"By{field[0].upper()}{field[1:]}", {field: text()})
            for field in dict.fromkeys(_FIELDS.values())
            if field not in ("country", "region", "city", "folderId", "tagId", "partnerId")
        ),
    )
)
_QUERY = Object(
    {
        "event": Choice(
            ("clicks", "leads", "sales", "composite"),
            default="clicks",
            message="Invalid event type. Valid event types are: clicks, leads, sales",
            doc="What is counted; `composite` is all three.",
        ),
        "groupBy": Choice(GROUPS, default="count", doc="What it is counted by."),
        **FILTERS,
    }
)


@resource.get(
    "/analytics",
    query=_QUERY,
    answer=_ANSWER,
    scope="analytics.read",
    is_analytics=True,
    hides_limits=True,
    errors=(404,),
)
def retrieve_analytics(call: Call) -> Values | list[Values]:
    """Count clicks, leads and sales."""
    event: Event = call.query["event"]
    group_by: str = call.query["groupBy"]
    asked = question(call)
    queries = call.server.queries
    if group_by == "count":
        counts = queries.totals(asked.period, asked.filters, metadata=asked.metadata)
        return _counts(counts, event)
    if group_by == "timeseries":
        points = queries.timeseries(asked.period, asked.filters, metadata=asked.metadata)
        is_hourly = asked.period.granularity == "hour"
        return [{"start": _start(point, is_hourly), **_counts(point.counts, event)} for point in points]
    return _grouped(call, group_by, event, asked)


def _grouped(call: Call, group_by: str, event: Event, asked: Question) -> list[Values]:
    if group_by in _EMPTY:
        return []
    group_by = "triggers" if group_by == "trigger" else group_by
    groups = call.server.queries.breakdown(
        group_by, asked.period, asked.filters, metric=event, metadata=asked.metadata
    )
    describe = _describe(call, group_by)
    return [{**describe(group.value), **_counts(group.counts, event)} for group in groups]


def _describe(call: Call, group_by: str) -> Callable[[Any], Values]:
    """How the value of a group becomes the first fields of its row."""
    field = _FIELDS.get(group_by, "")
    if group_by == "top_links":
        return lambda link: _link(call, link)
    if group_by == "countries":
        return lambda value: {"country": value, "region": "*", "city": "*"}
    if group_by == "regions":
        return lambda value: {"country": value.partition("-")[0], "region": value, "city": "*"}
    if group_by == "cities":
        return lambda value: dict(zip(("country", "region", "city"), value.split("\t"), strict=True))
    if group_by == "top_link_tags":
        tags = {
            tag.id: {"id": tag.id, "name": tag.name, "color": tag.color} for tag in _workspace(call).tags()
        }
        return lambda value: {"tagId": value, "tag": tags[value]}
    if group_by == "top_folders":
        folders = {folder.id: folder for folder in _workspace(call).folders()}
        return lambda value: {"folderId": value, "folder": _folder(value, folders.get(value))}
    if group_by == "top_partners":
        return lambda value: {"partnerId": value, "partner": {"id": value, "name": value, "image": None}}
    return lambda value: {field: value}


def _workspace(call: Call) -> Workspace:
    return call.server.store.workspace


def _folder(folder_id: str, folder: Folder | None) -> Values:
    return {
        "id": folder_id,
        "name": folder.name if folder else folder_id,
        "accessLevel": folder.access_level if folder else None,
    }


def _link(call: Call, link: Link) -> Values:
    shown = call.server.objects.link(link)
    return {"link": link.id, **{name: shown[name] for name in _LINK_FIELDS}}


def _counts(counts: Counts, event: Event) -> Values:
    """The numbers that the event asked for has, the others 0, as Dub answers."""
    every = event == "composite"
    return {
        "clicks": counts.clicks if every or event == "clicks" else 0,
        "leads": counts.leads if every or event == "leads" else 0,
        "sales": counts.sales if every or event == "sales" else 0,
        "saleAmount": counts.sale_amount if every or event == "sales" else 0,
    }


def _start(point: Point, is_hourly: bool) -> str:
    start = point.start.astimezone(timezone.utc) if is_hourly else point.start
    return f"{start:%Y-%m-%dT%H:%M:%S.000%z}"

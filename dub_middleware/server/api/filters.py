"""Which events a call about analytics asks for: the range of time, the filters, the metadata query."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dub_middleware.server.api.errors import ApiError
from dub_middleware.server.api.operations import Call
from dub_middleware.server.api.schema import Boolean, Choice, Issue, Schema, String
from dub_middleware.server.moments import parse_moment
from dub_middleware.server.queries import EARLIEST, Filter, MetadataFilter, MetadataQuery, Range
from dub_middleware.server.queries.ranges import named_zone
from dub_middleware.server.store.models import from_ms

INTERVALS = ("24h", "7d", "30d", "90d", "1y", "mtd", "qtd", "ytd", "all")
MAX_QUERY = 10_000  # characters
FUTURE = timedelta(days=366)  # nothing happens later, and empty months cost time too

#: parameter → field of the queries; values with commas are any of them, after a `-` none of them
_LISTS = {
    "domain": "domain",
    "key": "key",
    "linkId": "link_id",
    "externalId": "external_id",
    "tenantId": "tenant_id",
    "programId": "program_id",
    "partnerId": "partner_id",
    "tagId": "tag_id",
    "tagIds": "tag_id",
    "folderId": "folder_id",
    "customerId": "customer_id",
    "country": "country",
    "city": "city",
    "region": "region",
    "continent": "continent",
    "device": "device",
    "browser": "browser",
    "os": "os",
    "trigger": "trigger",
    "eventName": "event_name",
    "referer": "referer",
    "refererUrl": "referer_url",
    "url": "url",
    "utm_source": "utm_source",
    "utm_medium": "utm_medium",
    "utm_campaign": "utm_campaign",
    "utm_term": "utm_term",
    "utm_content": "utm_content",
}
#: groups and tags of partners, which nothing belongs to here
_NOTHING = ("groupId", "partnerTagId")
_DEPRECATED = ("tagIds", "programId")

_CONDITION = re.compile(
    r"metadata((?:\[(?:'[^']*'|\"[^\"]*\")\])+)\s*(!=|>=|<=|:|=|>|<)\s*('[^']*'|\"[^\"]*\"|[^\s'\"]+)"
)
_JOINT = re.compile(r"\s+(AND|OR)\s+(?=\S)", re.IGNORECASE)
_KEY = re.compile(r"\[(?:'([^']*)'|\"([^\"]*)\")\]")


def _list(name: str) -> String:
    return String(
        optional=True,
        doc="One value, several with commas between them, or none of them with `-` before.",
        deprecated=name in _DEPRECATED,
    )


#: which events, whenever they were
CONDITIONS: dict[str, Schema] = {
    **{name: _list(name) for name in (*_LISTS, *_NOTHING)},
    "root": Boolean(from_text=True, optional=True, doc="Links of bare domains only, or all others only."),
    "saleType": Choice(("new", "recurring"), optional=True, doc="First sales of customers, or later ones."),
    "qr": Boolean(from_text=True, optional=True, deprecated=True),
}
#: the parameters of analytics and of events
FILTERS: dict[str, Schema] = {
    "interval": Choice(INTERVALS, optional=True, doc="The range of time; `30d` when nothing is said of it."),
    "start": String(optional=True, doc="Where the range begins, instead of an interval."),
    "end": String(optional=True, doc="Where it ends; now when left out."),
    "timezone": String(optional=True, doc="The IANA time zone that days are of; UTC when left out."),
    **CONDITIONS,
    "query": String(
        optional=True, max=MAX_QUERY, doc="A question about metadata, such as `metadata['plan']:pro`."
    ),
}


@dataclass(frozen=True, slots=True)
class Question:
    """What every query of the store takes."""

    period: Range
    filters: dict[str, Filter]
    metadata: MetadataQuery


def question(call: Call) -> Question:
    """Read a call's parameters. Raises `ApiError` for what makes no sense."""
    query = call.query
    return Question(_period(call), chosen_filters(call), _metadata(query.get("query", "")))


def _period(call: Call) -> Range:
    query, queries = call.query, call.server.queries
    zone = query.get("timezone")
    if not query.get("start"):
        return queries.period(query.get("interval", "30d"), timezone=zone)
    now = from_ms(call.server.store.now())
    start, end = (_moment(call, name, now) for name in ("start", "end"))
    assert start is not None
    end = min(end or now, now + FUTURE)
    if start < EARLIEST:
        first = f"{EARLIEST:%B %d, %Y}"
        raise ApiError("unprocessable_entity", f"The start date cannot be earlier than {first}.")
    if start > end:
        raise ApiError("unprocessable_entity", "The start date cannot be later than the end date.")
    return queries.period(start=start, end=end, timezone=zone)


def _moment(call: Call, name: str, now: datetime) -> datetime | None:
    text = call.query.get(name)
    if not text:
        return None
    moment = parse_moment(text, now, named_zone(call.query.get("timezone")))
    if moment is None:
        raise ApiError("unprocessable_entity", str(Issue("custom", "Invalid date", name)))
    return moment


def chosen_filters(call: Call) -> dict[str, Filter]:
    """Read what the events must have in common. Raises `ApiError` when it is a link that there is not."""
    query = call.query
    filters: dict[str, Filter] = {}
    for name, field in _LISTS.items():
        if chosen := _filter(query.get(name)):
            filters[field] = chosen
    for name in _NOTHING:
        chosen = _filter(query.get(name))
        if chosen and not chosen.exclude:
            filters["link_id"] = Filter(())
    if "external_id" in filters:
        filters["external_id"] = _without_prefix(filters["external_id"])
    if "domain" in filters:
        domains = filters["domain"]
        filters["domain"] = Filter(tuple(map(str.lower, domains.values)), domains.exclude)
    if "root" in query:
        filters["root"] = Filter(("true" if query["root"] else "false",))
    if "saleType" in query:
        filters["sale_type"] = Filter((query["saleType"],))
    if "qr" in query and "trigger" not in filters:
        filters["trigger"] = Filter(("qr",), exclude=not query["qr"])
    _check_link(call, filters)
    return filters


def _filter(text: str | None) -> Filter | None:
    if not text:
        return None
    exclude = text.startswith("-")
    values = tuple(part.strip() for part in text.removeprefix("-").split(",") if part.strip())
    return Filter(values, exclude) if values else None


def _without_prefix(chosen: Filter) -> Filter:
    return Filter(tuple(value.removeprefix("ext_") for value in chosen.values), chosen.exclude)


def _check_link(call: Call, filters: dict[str, Filter]) -> None:
    """A question about one link that there is not is a mistake, and not a zero."""
    links = call.server.store.links

    def only(field: str) -> str | None:
        chosen = filters.get(field)
        return chosen.values[0] if chosen and not chosen.exclude and len(chosen.values) == 1 else None

    domain, key, link_id, external_id = map(only, ("domain", "key", "link_id", "external_id"))
    if (
        (domain and key and links.find(domain, key) is None)
        or (link_id and not links.get_many([link_id]))
        or (external_id and links.get_by_external_id(external_id) is None)
    ):
        raise ApiError("not_found", "Link not found.")


def _metadata(text: str) -> MetadataQuery:
    """``metadata['a']:b AND metadata['c']>1 OR metadata['d']!='e f'``: groups, any of which will do."""
    groups: list[list[MetadataFilter]] = [[]]
    rest = text.strip()
    while rest:
        found = _CONDITION.match(rest)
        if found is None:
            raise _no_condition(rest)
        groups[-1].append(_condition(found))
        rest = rest[found.end() :]
        if not rest:
            return groups
        joint = _JOINT.match(rest)
        if joint is None:
            raise _no_condition(rest)
        if joint[1].upper() == "OR":
            groups.append([])
        rest = rest[joint.end() :]
    return ()


def _condition(found: re.Match[str]) -> MetadataFilter:
    path = tuple(one or other for one, other in _KEY.findall(found[1]))
    operator: Any = "=" if found[2] == ":" else found[2]
    value = found[3]
    return MetadataFilter(path, operator, value[1:-1] if value[0] in "'\"" else value)


def _no_condition(text: str) -> ApiError:
    message = f"{text.strip()[:100]!r} is not a condition such as metadata['plan']:pro"
    return ApiError("unprocessable_entity", str(Issue("custom", message, "query")))

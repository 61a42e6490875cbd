"""What a page is about and how it shows it, read from its URL in one place and written back from there.

`Scope` is the state of a page: the interval or the dates, the time zone, the filters, and the choices of that
page. Every link on a page is `Scope.url` with a change, so a view can be shared, bookmarked and gone back to.

In the URL a filter is its field, one parameter a value (``country=DE&country=FR``); with ``!`` behind the
field it excludes them (``device!=Mobile``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, cast, get_args
from zoneinfo import ZoneInfo, available_timezones

from flask import url_for
from werkzeug.datastructures import MultiDict

from dub_middleware.server.queries import EARLIEST, FIELDS, Filter, Filters, Interval, Queries, Range
from dub_middleware.server.store.words import plain

if TYPE_CHECKING:
    from dub_middleware.server.queries import Granularity

INTERVALS: tuple[Interval, ...] = get_args(Interval)

#: the fields people may filter by, in the order of the menu, with their names
LABELS = {
    "link_id": "Link",
    "domain": "Domain",
    "tag_id": "Tag",
    "folder_id": "Folder",
    "country": "Country",
    "region": "Region",
    "city": "City",
    "continent": "Continent",
    "device": "Device",
    "browser": "Browser",
    "os": "OS",
    "trigger": "Trigger",
    "referer": "Referrer",
    "referer_url": "Referrer URL",
    "url": "Destination URL",
    "base_url": "Destination page",
    "utm_source": "UTM source",
    "utm_medium": "UTM medium",
    "utm_campaign": "UTM campaign",
    "utm_term": "UTM term",
    "utm_content": "UTM content",
    "event_name": "Event name",
    "customer_id": "Customer",
    "sale_type": "Sale type",
    "reached": "Furthest step",
}
#: the fields with few values that are known beforehand, and what people call these
CLOSED = {
    "sale_type": {"new": "First purchase", "recurring": "Later purchase"},
    "reached": {"click": "Click", "lead": "Lead", "sale": "Sale"},
}


class ScopeError(ValueError):
    """The URL asks for something that does not exist; the message says what and what is allowed."""


def address(endpoint: str, parameters: Mapping[str, Any]) -> str:
    """The address of a page with these parameters, lists repeated."""
    return url_for(endpoint, **parameters)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The state of a page.

    ``start`` and ``end`` are set together, and mean whole days in ``zone``. ``own_interval`` and ``own_zone``
    say that these stand in the URL; otherwise they are the page's default, and the viewer's own.
    ``choices`` are the page's own parameters (``metric``, ``view``, …), where not at their default.
    """

    interval: Interval
    own_interval: bool = False
    start: date | None = None
    end: date | None = None
    zone: ZoneInfo
    own_zone: bool = False
    filters: Filters = field(default_factory=dict)
    choices: Mapping[str, str] = field(default_factory=dict)

    def period(self, queries: Queries) -> Range:
        """The range of time that every number of the page is about."""
        if self.start is None or self.end is None:
            found = queries.period(self.interval, timezone=self.zone.key)
        else:
            first, last = (datetime.combine(day, time(12), self.zone) for day in (self.start, self.end))
            found = queries.period(start=first, end=last, timezone=self.zone.key)
        step = cast("Granularity | None", self.choices.get("by"))
        return found.by(step) if step else found

    def url(self, endpoint: str, **changes: object) -> str:
        """The address of a page in this state; a change to None takes a parameter away."""
        return address(endpoint, self.parameters(**changes))

    def parameters(self, **changes: object) -> dict[str, Any]:
        """The query parameters of this state, those of filters as lists."""
        found: dict[str, Any] = {}
        if self.start and self.end:
            found |= {"start": self.start.isoformat(), "end": self.end.isoformat()}
        elif self.own_interval:
            found["interval"] = self.interval
        if self.own_zone:
            found["tz"] = self.zone.key
        for name, chosen in self.filters.items():
            found[f"{name}!" if chosen.exclude else name] = list(chosen.values)
        found |= self.choices
        if changes.keys() & {"interval", "start", "end"}:
            for name in ("interval", "start", "end"):
                found.pop(name, None)
        for name, text in changes.items():
            found.pop(name, None)
            if text is not None:
                found[name] = str(text)
        return found

    def with_filter(self, name: str, values: Iterable[str], *, exclude: bool = False) -> Scope:
        """The same with this filter in the place of the one on its field; none when there are no values."""
        filters = {key: chosen for key, chosen in self.filters.items() if key != name}
        if chosen := tuple(dict.fromkeys(values)):
            filters[name] = Filter(chosen, exclude)
        return dataclasses.replace(self, filters=filters)

    def toggled(self, name: str, value: str) -> Scope:
        """The same with ``value`` chosen, or no longer chosen when it was."""
        current = self.filters.get(name)
        if current is None or current.exclude:
            return self.with_filter(name, [value])
        if value not in current.values:
            return self.with_filter(name, [*current.values, value])
        return self.with_filter(name, [kept for kept in current.values if kept != value])

    def is_chosen(self, name: str, value: str) -> bool:
        current = self.filters.get(name)
        return current is not None and not current.exclude and value in current.values

    def without_filters(self) -> Scope:
        return dataclasses.replace(self, filters={})

    def without_choices(self) -> Scope:
        """What other pages share: the range, the zone and the filters."""
        return dataclasses.replace(self, choices={})


def read_scope(
    arguments: MultiDict[str, str],
    *,
    zone: str,
    today: date,
    choices: Mapping[str, tuple[str, ...]] | None = None,
    default_interval: Interval = "30d",
) -> Scope:
    """Read the state of a page from its query parameters; unknown ones are left to whoever knows them.

    ``zone`` is the viewer's own. ``choices`` names the page's own parameters and what each may be, the
    default first; an empty tuple is free text. Raises `ScopeError`.
    """
    interval = arguments.get("interval", default_interval)
    if interval not in INTERVALS:
        raise ScopeError(f"interval is {interval!r}; allowed are {', '.join(INTERVALS)}.")
    first, last = _dates(arguments, today)
    named = arguments.get("tz")
    if named and named not in available_timezones():
        raise ScopeError(f"tz is {named!r}; it must be the name of a time zone, as Europe/Berlin.")
    return Scope(
        interval=interval,
        own_interval="interval" in arguments and first is None,
        start=first,
        end=last,
        zone=ZoneInfo(named or zone),
        own_zone=bool(named),
        filters=_filters(arguments),
        choices=_choices(arguments, choices or {}),
    )


def _dates(arguments: MultiDict[str, str], today: date) -> tuple[date | None, date | None]:
    start, end = arguments.get("start"), arguments.get("end")
    if not start:
        return None, None
    first, last = _date("start", start), _date("end", end) if end else today
    if first < EARLIEST.date():
        raise ScopeError(f"start is {first}; there is nothing from before {EARLIEST.date()}.")
    if first > last:
        raise ScopeError(f"start is {first}, which is after the end, {last}.")
    return min(first, today), min(last, today)


def _date(name: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ScopeError(f"{name} is {text!r}; it must be a date, as 2026-03-18.") from None


def _filters(arguments: MultiDict[str, str]) -> dict[str, Filter]:
    found: dict[str, Filter] = {}
    for name in arguments:
        bare = name.removesuffix("!")
        if bare in FIELDS and bare != "search" and bare not in found:
            values = tuple(dict.fromkeys(filter(None, map(plain, arguments.getlist(name)))))
            if unknown := [value for value in values if value not in CLOSED.get(bare, values)]:
                raise ScopeError(f"{bare} is {unknown[0]!r}; allowed are {', '.join(CLOSED[bare])}.")
            if values:
                found[bare] = Filter(values, exclude=name.endswith("!"))
    return found


def _choices(arguments: MultiDict[str, str], known: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, allowed in known.items():
        text = plain(arguments.get(name, ""))
        if not text or (allowed and text == allowed[0]):
            continue
        if allowed and text not in allowed:
            raise ScopeError(f"{name} is {text!r}; allowed are {', '.join(allowed)}.")
        found[name] = text
    return found

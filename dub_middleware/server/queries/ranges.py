"""Stretches of time as people mean them: intervals in a time zone, cut into hours, days or months.

Every view takes the same `Range`, so the totals of a tab are the sum of its chart, and "today" is one day for
all.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dub_middleware.server.store.models import to_ms

Granularity = Literal["hour", "day", "month"]
Interval = Literal["24h", "7d", "30d", "90d", "1y", "mtd", "qtd", "ytd", "all", "today", "yesterday"]

#: Dub has no data from before; a chart that starts in 1970 would be a mistake of the caller
EARLIEST = datetime(2022, 9, 22, tzinfo=timezone.utc)

_HOUR = timedelta(hours=1)
_DAYS: dict[str, int] = {"7d": 7, "30d": 30, "90d": 90}


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """From ``start`` up to but without ``end``, both on the edge of a bucket; all moments in UTC.

    (Python compares two moments of one zone by the clock on the wall, which shows one hour twice in autumn.)
    ``now`` is the moment of asking: the bucket that holds it is not complete yet.
    """

    start: datetime
    end: datetime
    zone: ZoneInfo
    granularity: Granularity
    now: datetime
    months_back: int = 0  # how far back the period before begins; 0: as many buckets as this one has

    @property
    def until(self) -> datetime:
        """The end, or now where that comes first."""
        return min(self.end, self.now)

    @property
    def is_current(self) -> bool:
        """It reaches the present, so nothing can have happened behind its end."""
        return self.end > self.now

    def edges(self, granularity: Granularity | None = None) -> list[datetime]:
        """The start of each bucket, and the end."""
        step = granularity or self.granularity
        edges = [self.start]
        while edges[-1] < self.end:
            edges.append(min(_next(edges[-1], self.zone, step), self.end))
        return edges

    def previous(self) -> Range:
        """The period before, of which no more has passed than of this one."""
        first, last = (moment.astimezone(self.zone) for moment in (self.start, self.end))
        number = len(self.edges()) - 1
        if self.months_back:
            start = _midnight(_add_months(first.date(), -self.months_back), self.zone)
        elif self.granularity == "month":
            start = _midnight(_add_months(first.date(), -number), self.zone)
        elif first.time() == last.time() == time():
            days = (last.date() - first.date()).days
            start = _midnight(first.date() - timedelta(days=days), self.zone)
        else:
            start = self.start - number * _HOUR
        end = start
        for _ in range(number):
            end = _next(end, self.zone, self.granularity)
        end = min(end, self.start)
        passed = end - start if self.now >= self.end else self.now - self.start
        return dataclasses.replace(self, start=start, end=end, now=start + passed)


def named_zone(name: str | None) -> ZoneInfo:
    """The IANA zone of this name, UTC when there is none such (as Dub does)."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def interval_range(interval: Interval, zone: ZoneInfo, now: datetime, first: datetime) -> Range:
    """One of the named intervals; ``first`` is where ``all`` begins."""
    local = now.astimezone(zone)
    today = local.date()
    tomorrow = today + timedelta(days=1)
    yesterday = today - timedelta(days=1)
    hour = now - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)

    def days(start: date, end: date, granularity: Granularity, months_back: int = 0) -> Range:
        return Range(
            start=_midnight(start, zone),
            end=_midnight(end, zone),
            zone=zone,
            granularity=granularity,
            now=now.astimezone(timezone.utc),
            months_back=months_back,
        )

    if interval == "24h":
        start, end = ((hour + shift * _HOUR).astimezone(timezone.utc) for shift in (-24, 1))
        return dataclasses.replace(days(today, tomorrow, "hour"), start=start, end=end)
    if interval == "today":
        return days(today, tomorrow, "hour")
    if interval == "yesterday":
        return days(yesterday, today, "hour")
    if interval == "mtd":
        return days(_add_months(today, 0), tomorrow, "day", months_back=1)
    if interval == "qtd":
        return days(_add_months(today, -((today.month - 1) % 3)), tomorrow, "day", months_back=3)
    if interval in _DAYS:
        return days(today - timedelta(days=_DAYS[interval]), tomorrow, "day")
    next_month = _add_months(today, 1)
    if interval == "1y":
        return days(_add_months(today, -12), next_month, "month")
    if interval == "ytd":
        return days(date(today.year, 1, 1), next_month, "month", months_back=12)
    return days(_add_months(first.astimezone(zone).date(), 0), next_month, "month")


def custom_range(start: datetime, end: datetime, zone: ZoneInfo, now: datetime) -> Range:
    """Whole days from that of ``start`` to that of ``end``: by the hour up to 2 days, by the day up to 180.

    Longer ones are cut into months, the first and the last of which may be cut short.
    """
    first, last = start.astimezone(zone).date(), end.astimezone(zone).date()
    days = (last - first).days + 1
    return Range(
        start=_midnight(first, zone),
        end=_midnight(last + timedelta(days=1), zone),
        zone=zone,
        granularity="hour" if days <= 2 else "day" if days <= 180 else "month",
        now=now.astimezone(timezone.utc),
    )


@dataclass(frozen=True, slots=True)
class Run:
    """Buckets in a row, equally long, from ``start`` on; the first has the number ``index``. Milliseconds."""

    start: int
    end: int
    index: int
    step: int


def runs(edges: Sequence[datetime]) -> list[Run]:
    """The buckets between ``edges``, those of equal length together: SQL can number these by arithmetic."""
    moments = [to_ms(edge) for edge in edges]
    found: list[Run] = []
    for index, (start, end) in enumerate(itertools.pairwise(moments)):
        last = found[-1] if found else None
        if last is not None and last.step == end - start:
            found[-1] = dataclasses.replace(last, end=end)
        else:
            found.append(Run(start, end, index, end - start))
    return found


def _next(edge: datetime, zone: ZoneInfo, granularity: Granularity) -> datetime:
    if granularity == "hour":
        return edge + _HOUR
    day = edge.astimezone(zone).date()
    return _midnight(day + timedelta(days=1) if granularity == "day" else _add_months(day, 1), zone)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    # where the clocks jump over midnight (Cairo, Santiago) this is 01:00, the first moment of that day
    return datetime.combine(day, time(), zone).astimezone(timezone.utc)


def _add_months(day: date, months: int) -> date:
    """The first of the month that many months later."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, 1)

"""Stretches of time as people mean them: intervals in a time zone, cut into hours, days, weeks or months.

Every view takes the same `Range`, so the totals of a tab are the sum of its chart, and "today" is one day for
all.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dub_middleware.server.store.models import to_ms

Granularity = Literal["hour", "day", "week", "month"]
#: the period before, the same days of the week some weeks before, or the same dates a year before
Comparison = Literal["previous", "weekdays", "year"]
Interval = Literal["24h", "7d", "30d", "90d", "1y", "mtd", "qtd", "ytd", "all", "today", "yesterday"]

#: Dub has no data from before; a chart that starts in 1970 would be a mistake of the caller
EARLIEST = datetime(2022, 9, 22, tzinfo=timezone.utc)

_HOUR = timedelta(hours=1)
_WEEK = timedelta(days=7)
#: how many days a range may have, at least and at most, to be cut into these
_FITS: dict[Granularity, tuple[int, int]] = {
    "hour": (0, 9),
    "day": (2, 400),
    "week": (14, 10_000),
    "month": (60, 10_000),
}
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

    @property
    def granularities(self) -> tuple[Granularity, ...]:
        """What it can be cut into, finest first, so that there are some buckets and not too many."""
        days = (self.end - self.start) / timedelta(days=1)
        return tuple(
            step for step, (least, most) in _FITS.items() if step == self.granularity or least <= days <= most
        )

    def by(self, step: Granularity) -> Range:
        """The same cut otherwise, where `granularities` has it; days that are still to come fall away."""
        if step not in self.granularities or step == self.granularity:
            return self
        tomorrow = _midnight(self.now.astimezone(self.zone).date() + timedelta(days=1), self.zone)
        return dataclasses.replace(self, granularity=step, end=min(self.end, tomorrow))

    def is_cut(self, start: datetime, end: datetime) -> bool:
        """Whether a bucket is a part of its week or month only, because the range begins or ends inside."""
        if self.granularity not in ("week", "month") or start <= self.now < end:
            return False
        whole = _next(start, self.zone, self.granularity)
        return end < whole or _next(start - _HOUR, self.zone, self.granularity) != start

    def previous(self, comparison: Comparison = "previous") -> Range:
        """What it is compared with, of which no more has passed than of this one."""
        if comparison == "previous":
            return self._before()
        back = _year_before if comparison == "year" else self._weeks_before()
        start, end, now = (self._moved(moment, back) for moment in (self.start, self.end, self.now))
        return dataclasses.replace(self, start=start, end=end, now=now)

    def _before(self) -> Range:
        first, last = (moment.astimezone(self.zone) for moment in (self.start, self.end))
        end = self.start
        if self.months_back:
            start = end = _midnight(_add_months(first.date(), -self.months_back), self.zone)
            for _ in range(len(self.edges()) - 1):
                end = _next(end, self.zone, self.granularity)
            end = min(end, self.start)
        elif self.granularity == "month" and first.day == last.day == 1:
            start = _midnight(_add_months(first.date(), 1 - len(self.edges())), self.zone)
        elif first.time() == last.time() == time():
            days = (last.date() - first.date()).days
            start = _midnight(first.date() - timedelta(days=days), self.zone)
        else:
            start = self.start - (self.end - self.start)
        passed = end - start if self.now >= self.end else self.now - self.start
        return dataclasses.replace(self, start=start, end=end, now=start + passed)

    def _weeks_before(self) -> Callable[[datetime], datetime]:
        """Back by the fewest whole weeks that leave no day in both; today, which is not over, may be."""
        first, last = (moment.astimezone(self.zone).date() for moment in (self.start, self.end))
        days = (last - first).days - (1 if self.is_current else 0)
        weeks = max(1, -(-days // 7)) * _WEEK
        return lambda moment: moment - weeks

    def _moved(self, moment: datetime, move: Callable[[datetime], datetime]) -> datetime:
        """Move by the clock on the wall, whatever it does in between; where a day begins, one begins."""
        local = moment.astimezone(self.zone)
        if _midnight(local.date(), self.zone) == moment:
            return _midnight(move(local).date(), self.zone)
        return move(local).astimezone(timezone.utc)


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
        return days(_add_months(today, -12), next_month, "month", months_back=13)
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
    """The next hour, midnight, Monday or first of a month."""
    if granularity == "hour":
        return edge + _HOUR
    day = edge.astimezone(zone).date()
    if granularity == "month":
        return _midnight(_add_months(day, 1), zone)
    return _midnight(day + timedelta(days=7 - day.weekday() if granularity == "week" else 1), zone)


def _year_before(moment: datetime) -> datetime:
    try:
        return moment.replace(year=moment.year - 1)
    except ValueError:  # February 29
        return moment.replace(year=moment.year - 1, day=28)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    # where the clocks jump over midnight (Cairo, Santiago) this is 01:00, the first moment of that day
    return datetime.combine(day, time(), zone).astimezone(timezone.utc)


def _add_months(day: date, months: int) -> date:
    """The first of the month that many months later."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, 1)

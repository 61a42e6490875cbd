"""The stretch of time before a range and the one behind it, as long as the range itself."""

from __future__ import annotations

from datetime import date, timedelta

from dub_middleware.server.dashboard.filters import Scope
from dub_middleware.server.queries import EARLIEST, Range

_DAY = timedelta(days=1)
_FIRST = EARLIEST.date() + _DAY  # the first day that an address may name in any zone


def earlier(scope: Scope, period: Range, endpoint: str) -> str:
    """The address of the page with as much time before the range; "" where nothing can have happened."""
    first, last = _days(period)
    is_all = scope.interval == "all" and scope.start is None
    if is_all or first <= _FIRST:
        return ""
    months = _months(first, last, period)
    start = _add_months(first, -months) if months else first - (last - first) - _DAY
    return scope.url(endpoint, start=max(start, _FIRST), end=first - _DAY)


def later(scope: Scope, period: Range, endpoint: str) -> str:
    """The address of the page with as much time behind the range, up to today; "" where today is in it."""
    first, last = _days(period)
    today = period.now.astimezone(period.zone).date()
    if last >= today:
        return ""
    months = _months(first, last, period)
    start = last + _DAY
    end = _add_months(start, months) - _DAY if months else start + (last - first)
    return scope.url(endpoint, start=start, end=min(end, today))


def _days(period: Range) -> tuple[date, date]:
    start, end = period.start.astimezone(period.zone), period.end - timedelta(milliseconds=1)
    return start.date(), end.astimezone(period.zone).date()


def _months(first: date, last: date, period: Range) -> int:
    """How many whole months it is, a month to date counting as one; 0 when days are what it is made of."""
    if period.months_back or first.day != 1 or (last + _DAY).day != 1:
        return period.months_back
    return (last.year - first.year) * 12 + last.month - first.month + 1


def _add_months(first: date, months: int) -> date:
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    return date(year, month + 1, 1)

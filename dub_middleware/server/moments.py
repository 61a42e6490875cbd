"""Moments as people and programs write them in API calls."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from email.utils import parsedate_to_datetime

_ISO = re.compile(
    r"([+-]?\d{4,6})-(\d{1,2})(?:-(\d{1,2}))?"
    r"(?:[T ]\s*(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?\s*(Z|[+-]\d{2}(?::?\d{2})?)?",
    re.IGNORECASE,
)
_AGO = re.compile(r"(\d{1,5}|an?)\s+(minute|hour|day|week|month|year)s?\s+(ago|from now)", re.IGNORECASE)
_IN = re.compile(r"in\s+(\d{1,5}|an?)\s+(minute|hour|day|week|month|year)s?", re.IGNORECASE)
_LAST = re.compile(r"(last|next)\s+(day|week|month|year)", re.IGNORECASE)
_DAYS = {"today": 0, "yesterday": -1, "tomorrow": 1}
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_CLOCK = re.compile(
    r"(?:^|\s+)(?:at\s+)?(?:(noon)|(midnight)|(\d{1,2})(?::(\d{2}))?\s*([ap])m|(\d{1,2}):(\d{2}))$"
)
_WEEKDAY = re.compile(
    r"(?:(last|next|this|on)\s+)?(mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?"
)
_MONTH = (
    r"(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_NAMED = (
    re.compile(rf"(?P<month>{_MONTH})\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?:,?\s+(?P<year>\d{{4}}))?"),
    re.compile(
        rf"(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?:\s+of)?\s+(?P<month>{_MONTH})(?:,?\s+(?P<year>\d{{4}}))?"
    ),
    re.compile(rf"(?P<month>{_MONTH})\s+(?P<year>\d{{4}})(?P<day>)"),
)
_UNITS = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}


def parse_moment(text: str, now: datetime, zone: tzinfo = timezone.utc) -> datetime | None:
    """Return the moment that a text means, in UTC; None if it means none.

    Takes ISO 8601 (``2026-03-18``, ``2026-03-18T12:00:00Z``), RFC 5322 as in HTTP, milliseconds since 1970,
    and in words ``now``, ``today``, ``3 days ago``, ``in 2 weeks``, ``last month``, ``next friday``,
    ``Jan 5, 2026``, ``tomorrow at 5pm``: the usual ones of the library that Dub reads them with, chrono.
    ``zone`` is that of a text without one.
    """
    text = text.strip()
    try:
        moment = _parse(text, now.astimezone(zone), zone)
        return None if moment is None else moment.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None


def _parse(text: str, now: datetime, zone: tzinfo) -> datetime | None:
    if found := _ISO.fullmatch(text):
        return _from_iso(found, zone)
    if re.fullmatch(r"\d{12,14}", text):
        return datetime.fromtimestamp(int(text) / 1000, timezone.utc)
    if text.lower() == "now":
        return now
    if found := _AGO.fullmatch(text):
        return _shift(now, found[1], found[2], forward=found[3].lower() != "ago")
    if found := _IN.fullmatch(text):
        return _shift(now, found[1], found[2], forward=True)
    if found := _LAST.fullmatch(text):
        return _shift(now, "1", found[2], forward=found[1].lower() == "next")
    if re.match(r"[A-Za-z]{3}, \d", text):
        moment = parsedate_to_datetime(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    words = text.lower()
    clock = _CLOCK.search(words)
    rest = words[: clock.start()] if clock else words
    day = _day(rest or "today", now.date()) if words else None
    return None if day is None else datetime.combine(day, _time(clock) if clock else time(), zone)


def _time(found: re.Match[str]) -> time:
    noon, midnight, hour, minute, half, hour_of_24, minute_of_24 = found.groups()
    if noon or midnight:
        return time(12 if noon else 0)
    if half is None:
        return time(int(hour_of_24), int(minute_of_24))
    if not 1 <= int(hour) <= 12:
        raise ValueError(hour)
    return time(int(hour) % 12 + (12 if half == "p" else 0), int(minute or 0))


def _day(words: str, today: date) -> date | None:
    if words in _DAYS:
        return today + timedelta(days=_DAYS[words])
    if found := _WEEKDAY.fullmatch(words):
        return today + timedelta(days=_days_to(_WEEKDAYS.index(found[2][:3]), today.weekday(), found[1]))
    for pattern in _NAMED:
        if found := pattern.fullmatch(words):
            month = _MONTHS.index(found["month"][:3]) + 1
            # without a year it is the nearest one
            year = int(found["year"] or today.year + round((today.month - month) / 12))
            return date(year, month, int(found["day"] or 1))
    return None


def _days_to(weekday: int, today: int, said: str | None) -> int:
    """Days until a weekday, Monday being 0; ``next`` is that of next week, none said the nearest."""
    ahead = (weekday - today) % 7
    if said == "last" or (said in (None, "on") and ahead > 3):
        return ahead - 7
    return ahead + 7 if said == "next" and weekday >= today else ahead


def _from_iso(found: re.Match[str], zone: tzinfo) -> datetime:
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    moment = datetime(
        int(year),
        int(month),
        int(day or 1),
        int(hour or 0),
        int(minute or 0),
        int(second or 0),
        int((fraction or "0")[:6].ljust(6, "0")),
        tzinfo=zone,
    )
    if offset is None:
        return moment
    if offset in "Zz":
        return moment.replace(tzinfo=timezone.utc)
    digits = offset[1:].replace(":", "").ljust(4, "0")
    shift = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return moment.replace(tzinfo=timezone(-shift if offset[0] == "-" else shift))


def _shift(now: datetime, number: str, unit: str, *, forward: bool) -> datetime:
    count = 1 if number.lower() in ("a", "an") else int(number)
    count = count if forward else -count
    unit = unit.lower()
    if unit in _UNITS:
        return now + count * _UNITS[unit]
    months = now.year * 12 + now.month - 1 + count * (12 if unit == "year" else 1)
    year, month = divmod(months, 12)
    last = date(year + month // 11, (month + 1) % 12 + 1, 1) - timedelta(days=1)
    return now.replace(year=year, month=month + 1, day=min(now.day, last.day))

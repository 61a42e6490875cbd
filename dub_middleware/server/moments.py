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
_UNITS = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}


def parse_moment(text: str, now: datetime, zone: tzinfo = timezone.utc) -> datetime | None:
    """Return the moment that a text means, in UTC; None if it means none.

    Takes ISO 8601 (``2026-03-18``, ``2026-03-18T12:00:00Z``), RFC 5322 as in HTTP, milliseconds since 1970,
    and in words ``now``, ``today``, ``tomorrow``, ``yesterday``, ``3 days ago``, ``in 2 weeks``,
    ``last month``. ``zone`` is that of a text without one.
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
    word = text.lower()
    if word == "now":
        return now
    if word in _DAYS:
        return datetime.combine(now.date() + timedelta(days=_DAYS[word]), time(), zone)
    if found := _AGO.fullmatch(text):
        return _shift(now, found[1], found[2], forward=found[3].lower() != "ago")
    if found := _IN.fullmatch(text):
        return _shift(now, found[1], found[2], forward=True)
    if found := _LAST.fullmatch(text):
        return _shift(now, "1", found[2], forward=found[1].lower() == "next")
    if re.match(r"[A-Za-z]{3}, \d", text):
        moment = parsedate_to_datetime(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return None


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

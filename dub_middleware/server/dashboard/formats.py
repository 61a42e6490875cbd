"""How the pages write numbers, money, rates, moments and the values of events: text in English, no markup."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal
from zoneinfo import ZoneInfo

from dub_middleware.conversions import currencies
from dub_middleware.server.dashboard.countries import CONTINENTS, COUNTRIES
from dub_middleware.server.queries import Granularity
from dub_middleware.server.store import Link

_SYMBOLS = {
    "usd": "$",
    "eur": "€",
    "gbp": "£",
    "jpy": "¥",
    "inr": "₹",
    "krw": "₩",
    "ils": "₪",
    "vnd": "₫",
    "cad": "CA$",
    "aud": "A$",
    "nzd": "NZ$",
    "mxn": "MX$",
    "brl": "R$",
    "hkd": "HK$",
    "cny": "CN¥",
}
NBSP = "\u00a0"
_STEPS = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K"))
#: browsers name these zones as they were called decades ago
_RENAMED = {
    "Asia/Calcutta": "Kolkata",
    "Asia/Katmandu": "Kathmandu",
    "Asia/Rangoon": "Yangon",
    "Asia/Saigon": "Ho Chi Minh",
    "Europe/Kiev": "Kyiv",
}
TRIGGERS = {"link": "Link click", "qr": "QR scan", "pageview": "Page view", "deeplink": "Deep link"}


def number(value: int) -> str:
    return f"{value:,}"


def compact(value: int, above: int = 1_000_000) -> str:
    """Write three digits or so where the number is at least ``above``: 1,234,567 is 1.23M."""
    return _short(Decimal(value)) if abs(value) >= above else f"{value:,}"


def minor_digits(currency: str) -> int:
    """How many of an amount's digits are behind the point."""
    return currencies.minor_digits(currency.lower())


def money(amount: int, currency: str, *, compact_above: int | None = None) -> str:
    """Write an amount of minor units.

    With ``compact_above`` it is short: from so many whole units on $1.2M, and without cents from 1,000 on.
    """
    digits = minor_digits(currency)
    units = Decimal(abs(amount)).scaleb(-digits)
    if compact_above is None:
        figure = f"{units:,.{digits}f}"
    elif units >= compact_above:
        figure = _short(units)
    else:
        figure = f"{units:,.{0 if units >= 1000 else digits}f}"
    sign = symbol(currency)
    return f"{'−' if amount < 0 else ''}{sign}{NBSP if sign.isalpha() else ''}{figure}"


def symbol(currency: str) -> str:
    """The sign of a currency, or its code."""
    return _SYMBOLS.get(currency.lower(), currency.upper())


def percent(rate: float | None) -> str:
    """Write a rate between 0 and 1; what is more than nothing and less than all never looks like either."""
    if rate is None:
        return "–"
    if 0 < rate < 0.001:
        return "< 0.1%"
    if 0.999 < rate < 1:
        return "> 99.9%"
    return f"{rate * 100:.1f}".removesuffix(".0") + "%"


@dataclass(frozen=True, slots=True)
class Change:
    """How a number compares with the period before."""

    text: str
    direction: Literal["up", "down", "flat", "new"]


def change(now: int, before: int) -> Change | None:
    """The change from ``before`` to ``now``; None where both are nothing."""
    if not before:
        return Change("new", "new") if now else None
    rate = (now - before) / before
    if abs(rate) < 0.0005:
        return Change("no change", "flat")
    figure = f"{abs(rate) * 100:,.0f}%" if abs(rate) >= 0.1 else f"{abs(rate) * 100:.1f}%"
    return Change(figure, "up" if rate > 0 else "down")


def bucket(start: datetime, last: datetime, granularity: Granularity) -> str:
    """Name a bucket of a chart in full, from its first moment and one of its last day.

    "Wed, Mar 18, 14:00", "Wed, Mar 18, 2026", "Mar 16 – Mar 22, 2026", "March 2026". An hour that the clock
    shows twice says which one it is; a month that is cut is named by its days.
    """
    if granularity == "hour":
        is_twice = start.replace(fold=0).utcoffset() != start.replace(fold=1).utcoffset()
        return f"{start:%a, %b} {start.day}, {start:%H:%M}{f' {start:%Z}' if is_twice else ''}"
    if granularity == "day":
        return f"{start:%a, %b} {start.day}, {start.year}"
    if granularity == "month" and start.day == 1 and (last + timedelta(days=1)).day == 1:
        return f"{start:%B %Y}"
    return span(start, last)


def tick(start: datetime, granularity: Granularity, *, with_year: bool = True) -> str:
    """Name a bucket below the axis, as short as it can be; ``with_year`` is about months."""
    if granularity == "hour":
        return f"{start:%H:%M}" if start.hour or start.minute else f"{start:%b} {start.day}"
    if granularity == "month":
        return f"{start:%b %Y}" if with_year else f"{start:%b}"
    return f"{start:%b} {start.day}"


def day(moment: datetime) -> str:
    return f"{moment:%b} {moment.day}, {moment.year}"


def span(first: datetime, last: datetime) -> str:
    """Name the days from ``first`` to ``last``: "Feb 16 – Mar 18, 2026"."""
    if first.date() == last.date():
        return day(first)
    if first.year == last.year:
        return f"{first:%b} {first.day} – {day(last)}"
    return f"{day(first)} – {day(last)}"


def moment(at: datetime, zone: ZoneInfo) -> str:
    """Name a moment to the second: "Mar 18, 14:03:09"."""
    local = at.astimezone(zone)
    return f"{local:%b} {local.day}, {local:%H:%M:%S}"


def offset(at: datetime, zone: ZoneInfo) -> str:
    """The distance of a zone from UTC at a moment: "UTC+05:45"."""
    away = at.astimezone(zone).utcoffset() or timedelta()
    if not away:
        return "UTC"
    minutes = abs(round(away.total_seconds() / 60))
    return f"UTC{'-' if away < timedelta() else '+'}{minutes // 60:02}:{minutes % 60:02}"


def city(zone_name: str) -> str:
    """What people call a zone: "Kathmandu" for Asia/Kathmandu, and for the Asia/Katmandu of browsers."""
    return _RENAMED.get(zone_name) or zone_name.rpartition("/")[2].replace("_", " ")


def short_link(link: Link | None) -> str:
    if link is None:
        return "Deleted link"
    return link.domain if link.key == "_root" else f"{link.domain}/{link.key}"


def place(field: str, value: str) -> str:
    """Name a country, region, city or continent; a city may come with its country and region before it."""
    if field == "country":
        return COUNTRIES.get(value, value)
    if field == "continent":
        return CONTINENTS.get(value, value)
    if field == "region":
        country, dash, code = value.partition("-")
        return f"{code}, {COUNTRIES.get(country, country)}" if dash else value
    country, _, rest = value.partition("\t")
    name = value.rpartition("\t")[2]
    return f"{name}, {COUNTRIES.get(country, country)}" if rest else name


def value(field: str, raw: str) -> str:
    """Name the value of a filter or of a row of a breakdown."""
    if field in ("country", "continent", "region", "city"):
        return place(field, raw)
    if field == "trigger":
        return TRIGGERS.get(raw, raw)
    if raw == "(direct)":
        return "Direct"
    if field in ("referer_url", "url", "base_url"):
        return raw.removeprefix("https://").removeprefix("http://").removesuffix("/")
    return raw


def _short(value: Decimal) -> str:
    """Write three digits and a letter: 1.23M, 12.3M, 123M."""
    sign, value = ("−" if value < 0 else ""), abs(value)
    for size, letter in _STEPS:
        # 999,999.5 is a million by the time it is written
        if value * 1000 >= size * Decimal("999.5"):
            scaled = value / size
            figure = f"{scaled:.{0 if scaled >= 100 else 1 if scaled >= 10 else 2}f}"
            return f"{sign}{figure.rstrip('0').rstrip('.') if '.' in figure else figure}{letter}"
    return f"{sign}{value:,.0f}"

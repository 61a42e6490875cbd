"""The time zones to choose from, and the words by which people look for theirs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib import resources
from pathlib import Path
from zoneinfo import TZPATH, ZoneInfo, available_timezones

from dub_middleware.server.dashboard import formats
from dub_middleware.server.dashboard.countries import COUNTRIES

_AREAS = (
    "Africa",
    "America",
    "Antarctica",
    "Arctic",
    "Asia",
    "Atlantic",
    "Australia",
    "Europe",
    "Indian",
    "Pacific",
)
_HALF_A_YEAR = timedelta(days=182)


@dataclass(frozen=True, slots=True)
class Zone:
    """A time zone; ``country`` is empty where the system has no list of them.

    ``abbreviation`` is that of now, empty where it is only the offset again. ``text`` is what a search looks
    into: city, country, offset and the abbreviations of summer and winter.
    """

    name: str
    country: str
    abbreviation: str
    offset: str
    text: str


def zones(at: datetime, chosen: str) -> list[Zone]:
    """Every zone as it is at a moment, the chosen one first."""
    countries = _countries()
    names = ["UTC", *sorted(countries or _all_names())]
    return [_zone(name, at, countries) for name in dict.fromkeys([chosen, *names])]


def _zone(name: str, at: datetime, countries: dict[str, str]) -> Zone:
    zone, country = ZoneInfo(name), countries.get(name, "")
    now, other = (_abbreviation(moment, zone) for moment in (at, at + _HALF_A_YEAR))
    offset = formats.offset(at, zone)
    unpadded = re.sub(r"([+-])0", r"\1", offset)
    told = (name.replace("_", " "), formats.city(name), country, now, other, offset, unpadded)
    return Zone(name, country, now, offset, " ".join(dict.fromkeys(filter(None, told))).lower())


def _abbreviation(at: datetime, zone: ZoneInfo) -> str:
    text = at.astimezone(zone).tzname() or ""
    return text if text.isalpha() and text != "UTC" else ""


@cache
def _countries() -> dict[str, str]:
    """The country of each zone, by the list that comes with the system's time zones; {} without it."""
    places = [Path(path) / "zone.tab" for path in TZPATH]
    lines = next((place.read_text("utf-8") for place in places if place.is_file()), "")
    if not lines:
        try:
            lines = (resources.files("tzdata.zoneinfo") / "zone.tab").read_text("utf-8")
        except (ModuleNotFoundError, OSError):
            return {}
    rows = (line.split("\t") for line in lines.splitlines() if line[:1] not in ("", "#"))
    known = available_timezones()
    return {row[2]: COUNTRIES.get(row[0], row[0]) for row in rows if len(row) > 2 and row[2] in known}


@cache
def _all_names() -> list[str]:
    return [name for name in available_timezones() if name.partition("/")[0] in _AREAS and "/" in name]

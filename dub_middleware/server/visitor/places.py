"""Country, region, city and continent of a visitor: from a trusted proxy's headers, else a MaxMind file."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from dub_middleware.errors import ConfigError, MissingDependencyError
from dub_middleware.server.store.models import UNKNOWN

#: field → headers that hold it, the first that says something counts:
#: Cloudflare, Vercel, CloudFront and Google's App Engine, as their documentation names them
GEO_HEADERS: Mapping[str, Sequence[str]] = {
    "country": ("CF-IPCountry", "X-Vercel-IP-Country", "CloudFront-Viewer-Country", "X-AppEngine-Country"),
    "region": (
        "CF-Region-Code",
        "X-Vercel-IP-Country-Region",
        "CloudFront-Viewer-Country-Region",
        "X-AppEngine-Region",
    ),
    "city": ("CF-IPCity", "X-Vercel-IP-City", "CloudFront-Viewer-City", "X-AppEngine-City"),
    "continent": ("CF-IPContinent", "X-Vercel-IP-Continent"),
}

MAX_CITY = 100  # characters

#: continent → its countries, ISO 3166-1 and XK; transcontinental ones as GeoNames has them
_COUNTRIES = {
    "AF": "AO BF BI BJ BW CD CF CG CI CM CV DJ DZ EG EH ER ET GA GH GM GN GQ GW KE KM LR LS LY MA MG ML "
    "MR MU MW MZ NA NE NG RE RW SC SD SH SL SN SO SS ST SZ TD TG TN TZ UG YT ZA ZM ZW",
    "AN": "AQ BV GS HM TF",
    "AS": "AE AF AM AZ BD BH BN BT CC CN CX GE HK ID IL IN IO IQ IR JO JP KG KH KP KR KW KZ LA LB LK MM "
    "MN MO MV MY NP OM PH PK PS QA SA SG SY TH TJ TM TR TW UZ VN YE",
    "EU": "AD AL AT AX BA BE BG BY CH CY CZ DE DK EE ES FI FO FR GB GG GI GR HR HU IE IM IS IT JE LI LT "
    "LU LV MC MD ME MK MT NL NO PL PT RO RS RU SE SI SJ SK SM UA VA XK",
    "NA": "AG AI AW BB BL BM BQ BS BZ CA CR CU CW DM DO GD GL GP GT HN HT JM KN KY LC MF MQ MS MX NI PA "
    "PM PR SV SX TC TT US VC VG VI",
    "OC": "AS AU CK FJ FM GU KI MH MP NC NF NR NU NZ PF PG PN PW SB TK TL TO TV UM VU WF WS",
    "SA": "AR BO BR CL CO EC FK GF GY PE PY SR UY VE",
}
CONTINENTS = {country: code for code, countries in _COUNTRIES.items() for country in countries.split()}

_FINER = ("region", "city", "continent")
_REGION = re.compile(r"[A-Z0-9]{1,3}")


@dataclass(frozen=True, slots=True)
class Place:
    """Codes as Dub's: ``US``, ``US-CA``, ``NA``; the city is a name."""

    country: str = UNKNOWN
    region: str = UNKNOWN
    city: str = UNKNOWN
    continent: str = UNKNOWN


NOWHERE = Place()


class Places:
    """Find places. See `dub_middleware.server.visitor.Visitors` for the parameters and errors."""

    def __init__(self, headers: Mapping[str, Sequence[str]], path: str | None) -> None:
        if unknown := sorted(headers.keys() - GEO_HEADERS.keys()):
            raise ConfigError(
                "geo_headers",
                f"geo_headers has the key {unknown[0]!r}; the keys are {', '.join(GEO_HEADERS)}.",
            )
        self._keys = {
            field: [f"HTTP_{name.upper().replace('-', '_')}" for name in names]
            for field, names in headers.items()
        }
        self._reader = None if path is None else _open(path)

    def find(self, environ: Mapping[str, Any], address: str) -> Place:
        """Return where ``address`` is; ``environ`` is empty when its headers do not count."""
        country = self._told(environ, "country")
        place = _place(country, *(self._told(environ, field) for field in _FINER)) if country else NOWHERE
        if place.country != UNKNOWN or self._reader is None or not address:
            return place
        return _looked_up(self._reader, address)

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()

    def _told(self, environ: Mapping[str, Any], field: str) -> str:
        for key in self._keys.get(field, ()):
            if key in environ and (value := environ[key].strip()):
                return str(value)
        return ""


def _place(country: str, region: str, city: str, continent: str) -> Place:
    country = country.upper()
    if country not in CONTINENTS:  # also XX, ZZ and T1, which proxies send for "no idea" and Tor
        return NOWHERE
    code = region.upper().removeprefix(f"{country}-")
    return Place(
        country=country,
        region=f"{country}-{code}" if _REGION.fullmatch(code) else UNKNOWN,
        city=_city(city),
        continent=continent if continent in _COUNTRIES else CONTINENTS[country],
    )


def _city(text: str) -> str:
    """A name as proxies send it: percent-encoded, or UTF-8 that WSGI shows as Latin-1."""
    if not text.isascii():
        text = text.encode("latin-1", "replace").decode("utf-8", "replace")
    name = "".join(letter for letter in unquote(text) if letter.isprintable()).strip()[:MAX_CITY]
    return (name.title() if name.islower() else name) or UNKNOWN  # App Engine sends lower case


def _open(path: str) -> Any:
    try:
        import maxminddb
    except ImportError:
        raise MissingDependencyError("maxminddb", "geo") from None
    try:
        return maxminddb.open_database(path)
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
        raise ConfigError(
            "geoip_path", f"geoip_path={path!r} cannot be read as a MaxMind database: {error}"
        ) from error


def _looked_up(reader: Any, address: str) -> Place:
    try:
        found = reader.get(ipaddress.ip_address(address))
    except ValueError:  # an IPv6 address in a file that holds IPv4 only
        return NOWHERE
    if not isinstance(found, dict):
        return NOWHERE
    divisions = found.get("subdivisions") or [{}]
    return _place(
        country=_text(found, "country", "iso_code"),
        region=_text(divisions[0], "iso_code"),
        city=_text(found, "city", "names", "en"),
        continent=_text(found, "continent", "code"),
    )


def _text(record: Any, *path: str) -> str:
    for key in path:
        record = record.get(key) if isinstance(record, dict) else None
    return record if isinstance(record, str) else ""

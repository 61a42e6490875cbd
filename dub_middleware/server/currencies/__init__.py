"""What a sale is worth in US dollars, which is what Dub keeps: by rates against the euro, from the ECB.

::

    Converter().to_usd(1437, "jpy")                        # (914, "usd"): yen have no minor unit, dollars do
    Converter("eurofxref-daily.xml").to_usd(1000, "xyz")   # (1000, "xyz"): no rate, so it stays as it is

A rates file is the ECB's ``eurofxref-daily.xml`` or ``eurofxref.csv`` (of several days the newest counts). It
is read again when it changes, so that a daily download needs no restart.
"""

from __future__ import annotations

import csv
import logging
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_FLOOR, Decimal, InvalidOperation
from pathlib import Path
from xml.etree import ElementTree

from dub_middleware.conversions.currencies import ZERO_DECIMAL
from dub_middleware.errors import ConfigError
from dub_middleware.server.currencies.table import DATE, PER_EURO

_log = logging.getLogger("dub_middleware.server")


@dataclass(frozen=True, slots=True)
class Rates:
    """What one euro is worth on one day, by lower-case currency code; the euro itself is among them."""

    day: date
    per_euro: Mapping[str, Decimal]


def builtin() -> Rates:
    """The rates that come with the package."""
    words = PER_EURO.split()
    return _rates(date.fromisoformat(DATE), zip(words[::2], words[1::2], strict=True))


def read(path: Path) -> Rates:
    """Read a rates file. Raises `ConfigError` when it is none."""
    try:
        text = path.read_text("utf-8")
        return _from_xml(text) if text.lstrip().startswith("<") else _from_csv(text)
    except (OSError, ValueError, ArithmeticError, LookupError, csv.Error, ElementTree.ParseError) as error:
        allowed = "the ECB's eurofxref-daily.xml or eurofxref.csv"
        raise ConfigError("rates_file", f"rates_file={str(path)!r} is not {allowed}: {error!r}.") from error


class Converter:
    """Convert amounts in minor units to US cents.

    Raises:
        ConfigError: ``path`` is not a rates file.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self._path = None if path is None else Path(path)
        self._lock = threading.Lock()
        self._stamp = self._changed()
        self._rates = builtin() if self._path is None else read(self._path)

    @property
    def rates(self) -> Rates:
        """The rates in use; those of the file as it is now."""
        with self._lock:
            stamp = self._changed()
            if self._path is not None and stamp != self._stamp:
                self._stamp = stamp
                try:
                    self._rates = read(self._path)
                except ConfigError as error:
                    _log.warning("keeping the rates of %s: %s", self._rates.day, error)
            return self._rates

    def to_usd(self, amount: int, currency: str) -> tuple[int, str]:
        """Return the amount in cents and ``usd``, or both as they are when there is no rate."""
        if currency == "usd":
            return amount, currency
        per_euro = self.rates.per_euro
        if currency not in per_euro or "usd" not in per_euro:
            return amount, currency
        unit = 100 if currency in ZERO_DECIMAL else 1
        cents = amount * unit * per_euro["usd"] / per_euro[currency]
        # halves go up, as Math.round has it
        return int((cents + Decimal("0.5")).to_integral_value(ROUND_FLOOR)), "usd"

    def _changed(self) -> float | None:
        try:
            return None if self._path is None else self._path.stat().st_mtime
        except OSError:
            return None


def _rates(day: date, pairs: Iterable[tuple[str, str]]) -> Rates:
    per_euro = {"eur": Decimal(1)}
    for code, text in pairs:
        try:
            rate = Decimal(text)
        except InvalidOperation:
            continue  # N/A: no longer quoted
        if not rate.is_finite() or rate <= 0:
            raise ValueError(f"{code} {text} is no rate")
        per_euro[code.lower()] = rate
    if len(per_euro) == 1:
        raise ValueError("there is no rate in it")
    return Rates(day, per_euro)


def _from_xml(text: str) -> Rates:
    days = [cube for cube in ElementTree.fromstring(text).iter() if "time" in cube.attrib]
    newest = max(days, key=lambda cube: cube.attrib["time"])
    pairs = ((cube.attrib["currency"], cube.attrib["rate"]) for cube in newest)
    return _rates(date.fromisoformat(newest.attrib["time"]), pairs)


def _from_csv(text: str) -> Rates:
    names, *rows = csv.reader(text.splitlines(), skipinitialspace=True)
    days = [(_day(row[0]), row) for row in rows if row]
    day, newest = max(days, key=lambda entry: entry[0])
    pairs = [(name.strip(), value.strip()) for name, value in zip(names[1:], newest[1:], strict=True)]
    return _rates(day, [pair for pair in pairs if pair[0]])


def _day(text: str) -> date:
    for form in ("%Y-%m-%d", "%d %B %Y"):
        try:
            return datetime.strptime(text.strip(), form).date()  # noqa: DTZ007  a day has no zone
        except ValueError:
            continue
    raise ValueError(f"{text!r} is no day")

"""The columns of the events table: which there are, and what a cell of an event says."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timezone
from typing import Any
from zoneinfo import ZoneInfo

from dub_middleware.server.dashboard import formats
from dub_middleware.server.store import Event
from dub_middleware.server.store.models import UNKNOWN, to_ms


@dataclass(frozen=True, slots=True)
class Cell:
    """What a cell says, what it says when pointed at, and the filter that shows only rows alike."""

    text: str
    title: str = ""
    field: str = ""
    value: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """One column; ``read`` makes the cell of an event, times in the given zone."""

    key: str
    label: str
    read: Callable[[Event, ZoneInfo], Cell]
    is_default: bool = False
    is_figure: bool = False


def _time(event: Event, zone: ZoneInfo) -> Cell:
    at = event.timestamp
    return Cell(
        formats.moment(at, zone),
        f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S} {zone.key}\n"
        f"{at.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S} UTC\n{to_ms(at) // 1000} Unix",
        kind="time",
    )


def _kind(event: Event, zone: ZoneInfo) -> Cell:
    label = event.type.capitalize() if event.name is None else event.name
    return Cell(label, event.type, "event_name" if event.name else "", event.name or "", event.type)


def _link(event: Event, zone: ZoneInfo) -> Cell:
    if event.link is None:
        return Cell(formats.short_link(None), kind="soft")
    return Cell(formats.short_link(event.link), event.link.url, "link_id", event.link.id)


def _customer(event: Event, zone: ZoneInfo) -> Cell:
    customer = event.customer
    if customer is None:
        return Cell("")
    told = (customer.name, customer.email, customer.external_id)
    return Cell(next(filter(None, told)), "\n".join(filter(None, told)), "customer_id", customer.id)


def _amount(event: Event, zone: ZoneInfo) -> Cell:
    if event.amount is None:
        return Cell("")
    return Cell(formats.money(event.amount, event.currency or "usd"))


def _words(field: str) -> Callable[[Event, ZoneInfo], Cell]:
    def read(event: Event, zone: ZoneInfo) -> Cell:
        raw: str = getattr(event.context, field)
        if raw == UNKNOWN:
            return Cell("–", "Unknown", kind="soft")
        return Cell(formats.value(field, raw), raw, field, raw)

    return read


def _plain(read: Callable[[Event], Any], kind: str = "") -> Callable[[Event, ZoneInfo], Cell]:
    return lambda event, zone: Cell(text := str(read(event) or ""), text, kind=kind)


COLUMNS = (
    Column("time", "Time", _time, is_default=True),
    Column("event", "Event", _kind, is_default=True),
    Column("link", "Link", _link, is_default=True),
    Column("customer", "Customer", _customer, is_default=True),
    Column("amount", "Amount", _amount, is_default=True, is_figure=True),
    Column("referer", "Referrer", _words("referer"), is_default=True),
    Column("country", "Country", _words("country"), is_default=True),
    Column("device", "Device", _words("device"), is_default=True),
    Column("browser", "Browser", _words("browser")),
    Column("os", "OS", _words("os")),
    Column("city", "City", _words("city")),
    Column("region", "Region", _words("region")),
    Column("continent", "Continent", _words("continent")),
    Column("trigger", "Trigger", _words("trigger")),
    Column("url", "Destination URL", _words("url")),
    Column("referer_url", "Referrer URL", _words("referer_url")),
    Column("external_id", "Customer id", _plain(lambda event: event.customer and event.customer.external_id)),
    Column("email", "E-mail", _plain(lambda event: event.customer and event.customer.email)),
    Column("invoice_id", "Invoice", _plain(lambda event: event.invoice_id, "code")),
    Column("processor", "Processor", _plain(lambda event: event.payment_processor)),
    Column(
        "metadata",
        "Metadata",
        _plain(
            lambda event: json.dumps(event.metadata, ensure_ascii=False) if event.metadata else "", "code"
        ),
    ),
    Column("click_id", "Click id", _plain(lambda event: event.click_id, "code")),
    Column("event_id", "Event id", _plain(lambda event: event.event_id, "code")),
    Column("ip", "IP address", _plain(lambda event: event.context.ip, "code")),
)
DEFAULT = tuple(column.key for column in COLUMNS if column.is_default)


def choose(wanted: Sequence[str]) -> tuple[Column, ...]:
    """The columns of these names in the order of `COLUMNS`; the usual ones when none of them is known."""
    return tuple(column for column in COLUMNS if column.key in wanted) or choose(DEFAULT)


@dataclass(frozen=True, slots=True)
class Row:
    """One event as a row of the table."""

    id: int
    cursor: str
    type: str
    name: str
    cells: tuple[tuple[Column, Cell], ...]


def row(event: Event, columns: Sequence[Column], zone: ZoneInfo) -> Row:
    name = f"{event.name or event.type.capitalize()} at {formats.moment(event.timestamp, zone)}"
    return Row(
        event.id,
        event.cursor or "",
        event.type,
        name,
        tuple((column, column.read(event, zone)) for column in columns),
    )

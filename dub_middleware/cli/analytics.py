"""``dub-middleware analytics``: totals, and a chart in the terminal."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import available_timezones

from dub_middleware.cli.remote import COUNT_FILTERS, Remote, add_arguments, add_filters, filters
from dub_middleware.cli.terminal import count, paint, plain
from dub_middleware.cli.usage import whole
from dub_middleware.errors import ConfigError

HEIGHT = 8  # lines of the chart
_BLOCKS = " ▁▂▃▄▅▆▇█"
_COLORS = {"clicks": "blue", "leads": "magenta", "sales": "cyan"}
_NAMES = {"clicks": "clicks", "leads": "leads", "sales": "saleAmount"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_arguments(parser)
    parser.add_argument(
        "--event", choices=tuple(_COLORS), default="clicks", help="what is drawn (%(default)s)"
    )
    parser.add_argument("--interval", default="30d", help="24h 7d 30d 90d 1y mtd qtd ytd all (%(default)s)")
    parser.add_argument("--timezone", default="UTC", help="that days are of (%(default)s)")
    parser.add_argument(
        "--group-by", metavar="GROUP", help="countries, devices, referers, top_links, utm_sources, …"
    )
    parser.add_argument("--limit", type=whole(1), default=10, metavar="N", help="groups shown (%(default)s)")
    add_filters(parser)


def run(args: argparse.Namespace) -> int:
    """Ask, and draw."""
    remote = Remote(args)
    common = {"interval": args.interval, "timezone": _zone(args.timezone), **filters(args, COUNT_FILTERS)}
    if args.group_by:
        rows = remote.get("/analytics", event=args.event, groupBy=args.group_by, **common)
        print(json.dumps(rows) if args.json else "\n".join(_bars(rows, args)))
        return 0
    totals = remote.get("/analytics", event="composite", groupBy="count", **common)
    points = remote.get("/analytics", event="composite", groupBy="timeseries", **common)
    if args.json:
        print(json.dumps({"totals": totals, "timeseries": points}))
    else:
        print(_summary(totals, args.event))
        print("\n".join(_chart(points, args.event)))
    return 0


def _zone(name: str) -> str:
    """A time zone that there is: the API takes any other name for UTC."""
    known = available_timezones()
    if known and name not in known:
        raise ConfigError("timezone", f"There is no time zone {name!r}. One is Europe/Paris.")
    return name


def _summary(totals: dict[str, Any], event: str) -> str:
    told = {
        "clicks": count(totals["clicks"], "click"),
        "leads": count(totals["leads"], "lead"),
        "sales": f"{count(totals['sales'], 'sale')}, ${totals['saleAmount'] / 100:,.2f}",
    }
    return "   ".join(paint(text, _COLORS[name], bold=name == event) for name, text in told.items())


def _chart(points: Sequence[dict[str, Any]], event: str) -> list[str]:
    """Columns of blocks, as wide as the terminal allows, above the first and the last day."""
    values = [point[_NAMES[event]] for point in points]
    label = len(_short(max(values, default=0), event))
    width = max(10, shutil.get_terminal_size((100, 24)).columns - label - 3)
    columns = _fit(values, width)
    top = max(columns, default=0)
    lines = []
    for level in range(HEIGHT - 1, -1, -1):
        row = "".join(_block(value, top, level) for value in columns)
        mark = _short(top, event) if level == HEIGHT - 1 else "0" if level == 0 else ""
        lines.append(f"{mark.rjust(label)} │{paint(row, _COLORS[event])}")
    first, last = _ends([datetime.strptime(point["start"], "%Y-%m-%dT%H:%M:%S.%f%z") for point in points])
    between = max(1, len(columns) - len(first) - len(last))
    return [
        "",
        *lines,
        f"{' ' * label} └{'─' * len(columns)}",
        f"{' ' * label}  {first}{' ' * between}{last}",
    ]


def _fit(values: Sequence[int], width: int) -> list[float]:
    """As many columns as fit: each bucket several columns wide, or several buckets a column."""
    if not values:
        return []
    if len(values) <= width:
        return [value for value in values for _ in range(min(8, width // len(values)))]
    return [
        max(values[column * len(values) // width : (column + 1) * len(values) // width] or [0])
        for column in range(width)
    ]


def _block(value: float, top: float, level: int) -> str:
    filled = value / top * HEIGHT - level if top else 0
    return _BLOCKS[max(0, min(8, round(filled * 8)))]


def _bars(rows: Sequence[dict[str, Any]], args: argparse.Namespace) -> list[str]:
    """A bar for each group, the largest as wide as it may be."""
    name = _NAMES[args.event]
    shown = [(_label(row), row[name]) for row in rows[: args.limit]]
    if not shown:
        return [f"No {args.event} with known {args.group_by} in this time."]
    label = min(40, max(len(text) for text, _ in shown))
    numbers = [_short(value, args.event) for _, value in shown]
    size = max(map(len, numbers))
    width = max(10, min(60, shutil.get_terminal_size((100, 24)).columns - label - size - 4))
    top = max(value for _, value in shown) or 1
    return [
        f"{text[:label].ljust(label)}  {number.rjust(size)}  "
        + paint("█" * max(1, round(value / top * width)), _COLORS[args.event])
        for (text, value), number in zip(shown, numbers, strict=True)
    ]


def _label(row: dict[str, Any]) -> str:
    """What a row is about: its first fields that are not counts."""
    if "shortLink" in row:
        return plain(row["shortLink"].partition("://")[2])
    for name in ("tag", "folder", "partner"):
        if isinstance(row.get(name), dict):
            return plain(str(row[name].get("name")))
    counts = ("clicks", "leads", "sales", "saleAmount")
    texts = [str(value) for name, value in row.items() if name not in counts and value not in ("*", None)]
    return plain(", ".join(dict.fromkeys(reversed(texts))))


def _short(value: float, event: str) -> str:
    return f"${value / 100:,.0f}" if event == "sales" else f"{value:,.0f}"


def _ends(starts: Sequence[datetime]) -> tuple[str, str]:
    """The first and the last bucket, as exactly as they differ."""
    if not starts:
        return "", ""
    is_hourly = any(start.hour != starts[0].hour for start in starts[:3])
    is_monthly = len(starts) > 2 and (starts[2] - starts[1]).days >= 28
    pattern = "%b %d %H:%M" if is_hourly else "%b %Y" if is_monthly else "%b %d"
    return starts[0].strftime(pattern), starts[-1].strftime(pattern)

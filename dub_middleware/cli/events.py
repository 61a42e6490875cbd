"""``dub-middleware events tail``: clicks, leads and sales as they come."""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import datetime
from typing import Any

from dub_middleware.cli.remote import Remote, add_arguments, add_filters, filters
from dub_middleware.cli.terminal import paint, plain
from dub_middleware.cli.usage import whole
from dub_middleware.errors import APIError, TransportError

QUICK, SLOW = 0.5, 5.0  # seconds between two questions, while events come and while none do
_COLORS = {"click": "blue", "lead": "magenta", "sale": "green"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare ``tail``."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    tail = actions.add_parser("tail", help="show the latest events and follow what comes")
    add_arguments(tail)
    tail.add_argument(
        "--event", choices=("clicks", "leads", "sales"), action="append", help="these only; may be repeated"
    )
    tail.add_argument(
        "-n",
        "--lines",
        type=whole(0, 1000),
        default=10,
        metavar="N",
        help="latest events shown at first (%(default)s)",
    )
    tail.add_argument("--no-follow", action="store_true", help="stop after the latest events")
    add_filters(tail)


def run(args: argparse.Namespace) -> int:
    """Print events, one a line, until interrupted; a server that is away for a while is waited for."""
    remote = Remote(args)
    asked = {"event": ",".join(args.event) if args.event else None, **filters(args)}
    answer = remote.get("/events/live", limit=max(1, args.lines), **asked)
    _print(answer["events"] if args.lines > 0 else [], args)
    wait, is_away = QUICK, False
    while not args.no_follow:
        time.sleep(wait)
        try:
            answer = remote.get("/events/live", cursor=answer["cursor"], limit=500, **asked)
        except (TransportError, APIError) as error:
            if isinstance(error, APIError) and error.status < 500 and error.status != 429:
                raise
            if not is_away:
                told = json.dumps({"waiting": str(error)}) if args.json else f"Waiting: {error}"
                print(told, file=sys.stderr, flush=True)
            wait, is_away = SLOW, True
            continue
        is_away = False
        _print(answer["events"], args)
        wait = QUICK if answer["events"] else min(SLOW, wait * 1.25)
    return 0


def _print(events: list[dict[str, Any]], args: argparse.Namespace) -> None:
    for event in events:
        print(json.dumps(event) if args.json else _line(event), flush=True)


def _line(event: dict[str, Any]) -> str:
    kind, click = event["event"], event["click"]
    moment = datetime.strptime(event["timestamp"], "%Y-%m-%dT%H:%M:%S.%f%z").astimezone()
    told = [
        paint(f"{moment:%H:%M:%S}", "grey"),
        paint(kind.ljust(5), _COLORS[kind], bold=True),
        plain(event["link"]["shortLink"].partition("://")[2]),
    ]
    if kind == "click":
        told += [plain(text) for text in _visitor(click)]
    else:
        customer = event["customer"]
        told += [plain(event["eventName"]), plain(customer["name"] or customer["externalId"])]
    if kind == "sale":
        sale = event["sale"]
        told.append(paint(f"{sale['amount'] / 100:,.2f} {sale['currency'].upper()}", "green"))
    return "  ".join(told)


def _visitor(click: dict[str, Any]) -> list[str]:
    """What is known of who clicked."""
    place = ", ".join(click[name] for name in ("city", "country") if click[name] != "Unknown")
    return [
        text
        for text in (click["referer"], place, click["browser"], click["os"])
        if text not in ("", "Unknown")
    ]

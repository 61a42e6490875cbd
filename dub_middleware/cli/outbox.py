"""``dub-middleware outbox``: what waits, what failed and why; queue it again; delete it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from dub_middleware.cli import terminal
from dub_middleware.cli.usage import whole
from dub_middleware.errors import ConfigError, OutboxError

if TYPE_CHECKING:
    from dub_middleware.conversions.outbox import Outbox, StoredRow

DEFAULT = "sqlite:///dub-outbox.db"
STEP = 1000
SQLITE = b"SQLite format 3\0"  # how its files begin: https://sqlite.org/fileformat2.html
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
ONE_DESTINATION = "only those for this destination, such as dub or segment"
STATES = "pending, delivered, duplicate, unconfirmed, not_attributed, rejected, expired, dead"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare ``status``, ``list``, ``show``, ``retry`` and ``purge``."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--outbox", metavar="URL", help=f"sqlite:///file.db or postgresql://… (DUB_OUTBOX, or {DEFAULT})"
    )
    common.add_argument("--json", action="store_true", help="answer in JSON")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    actions.add_parser("status", parents=[common], help="how many events are in which state")

    listing = actions.add_parser("list", parents=[common], help="events, oldest first")
    listing.add_argument("--state", help=f"only those in this state: {STATES}")
    listing.add_argument("--destination", help=ONE_DESTINATION)
    listing.add_argument(
        "--limit", type=whole(1), default=50, metavar="N", help="at most so many (%(default)s)"
    )
    listing.add_argument("--after", type=whole(0), default=0, metavar="SEQ", help="go on behind this number")

    show = actions.add_parser(
        "show", parents=[common], help="one event, all of it but what it says of a person"
    )
    show.add_argument("id", help="the id of a receipt, as `list` shows it")
    show.add_argument("--payload", action="store_true", help="the payload too: it holds personal data")

    retry = actions.add_parser("retry", parents=[common], help="queue events again that have ended badly")
    retry.add_argument("ids", nargs="*", metavar="id", help="the ids of receipts")
    retry.add_argument(
        "--state", action="append", default=[], help="all in this state; may be given several times"
    )
    retry.add_argument("--destination", help=ONE_DESTINATION)

    purge = actions.add_parser("purge", parents=[common], help="delete events that have ended; counts stay")
    purge.add_argument(
        "--state",
        action="append",
        default=[],
        help="in this state (delivered and duplicate); may be given several times",
    )
    purge.add_argument("--destination", help=ONE_DESTINATION)
    purge.add_argument("--older-than", default="0s", metavar="AGE", help="such as 90s, 15m, 12h or 7d")


def run(args: argparse.Namespace) -> int:
    """Work on the outbox itself, whoever else is using it."""
    outbox = open_named(args.outbox)
    actions = {"status": _status, "list": _list, "show": _show, "retry": _retry, "purge": _purge}
    try:
        return actions[args.action](outbox, args)
    finally:
        outbox.close()


def open_named(url: str | None) -> Outbox:
    """Open the outbox of the option, of the environment, or of the default name; it must exist."""
    from pathlib import Path

    from dub_middleware.conversions.settings import read

    url = url or read().values.get("outbox", DEFAULT)
    if url is None:
        raise ConfigError("outbox", "DUB_OUTBOX is none: an outbox in memory can be seen by nobody else.")
    path = url.removeprefix("sqlite:///")
    if path != url and path and not Path(path).exists():
        raise OutboxError(f"There is no outbox {path} here. Name it with --outbox or DUB_OUTBOX.")
    return open_existing(url)


def open_existing(url: str) -> Outbox:
    """Open an outbox, but no file that is something else: an app would put it aside as damaged."""
    from dub_middleware.conversions.outbox import open_outbox

    path = url.removeprefix("sqlite:///")
    if path != url and _is_something_else(path):
        raise OutboxError(f"{path} is no outbox: it is not an SQLite file.")
    return open_outbox(url)


def _is_something_else(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(len(SQLITE)) not in (b"", SQLITE)
    except OSError:
        return False


# -- what is shown -----------------------------------------------------------------------------------


def _status(outbox: Outbox, args: argparse.Namespace) -> int:
    counts, oldest = outbox.counts(), outbox.oldest()
    destinations = sorted({destination for destination, _ in counts})
    table = {
        destination: {
            state: number for (name, state), number in sorted(counts.items()) if name == destination
        }
        for destination in destinations
    }
    if args.json:
        print(json.dumps({"destinations": table, "oldestPendingSeconds": oldest}))
        return 0
    if not table:
        print("The outbox is empty, and always was.")
        return 0
    states = [state for state in STATES.split(", ") if any(state in row for row in table.values())]
    rows = [[name, *(f"{table[name].get(state, 0):,}" for state in states)] for name in destinations]
    heads = [state.upper() for state in states]
    terminal.print_table(["DESTINATION", *heads], rows, numbers=heads)
    if oldest is not None:
        print(f"\nThe oldest event has waited for {terminal.duration(oldest)}.")
    return 0


def _list(outbox: Outbox, args: argparse.Namespace) -> int:
    _check_states([args.state] if args.state else [], also=("pending",))
    rows = outbox.rows(state=args.state, destination=args.destination, after=args.after, limit=args.limit)
    if args.json:
        print(json.dumps([_plain(row) for row in rows]))
        return 0
    head = ["SEQ", "ID", "DESTINATION", "KIND", "STATE", "TRIES", "ACCEPTED", "WHY"]
    shown = [
        [
            str(row.seq), row.id, row.destination, row.kind, _state(row), str(row.attempts),
            terminal.moment(row.created_at), _why(row),
        ]
        for row in rows
    ]  # fmt: skip
    terminal.print_table(head, shown, numbers=("SEQ", "TRIES"))
    if len(rows) == args.limit:
        print(f"\nThere may be more: --after {rows[-1].seq}", file=sys.stderr)
    return 0


def _show(outbox: Outbox, args: argparse.Namespace) -> int:
    rows = outbox.find(args.id)
    if not rows:
        raise OutboxError(
            f"There is no event {args.id!r}: it was never committed, or was purged after its end."
        )
    if args.json:
        print(json.dumps([_plain(row, payload=args.payload) for row in rows]))
        return 0
    for row in rows:
        fields = {
            "id": row.id,
            "destination": row.destination,
            "kind": row.kind,
            "state": _state(row),
            "accepted": terminal.moment(row.created_at),
            "attempts": f"{row.attempts}{', one of them may have arrived' if row.ambiguous else ''}",
            "next attempt": terminal.moment(row.next_at) if row.state == "pending" and row.next_at else "",
            "ended": terminal.moment(row.settled_at) if row.settled_at else "",
            "last answer": _why(row),
            "payload": _payload(row) if args.payload else f"{len(row.payload):,} bytes (--payload shows it)",
        }
        for name, value in fields.items():
            if value:
                print(f"{name:>13}  {terminal.plain(value)}")
        print()
    return 0


# -- what is changed ---------------------------------------------------------------------------------


def _retry(outbox: Outbox, args: argparse.Namespace) -> int:
    if not args.ids and not args.state:
        raise ConfigError("state", "Say which: ids of events, or --state rejected (or expired, dead, …).")
    _check_states(args.state)
    number = outbox.retry(ids=args.ids, states=args.state, destinations=_chosen(args))
    print(json.dumps({"queued": number}) if args.json else f"Queued {terminal.count(number, 'event')} again.")
    return 0 if number or not args.ids else 1


def _purge(outbox: Outbox, args: argparse.Namespace) -> int:
    states = args.state or ["delivered", "duplicate"]
    _check_states(states)
    age, chosen = _age(args.older_than), _chosen(args)
    total = outbox.purgeable(states=states, destinations=chosen, older_than=age)
    deleted = 0
    with terminal.progress("Deleting", total) as advance:
        while number := outbox.purge(states=states, destinations=chosen, older_than=age, limit=STEP):
            deleted += number
            advance(number)
    print(json.dumps({"purged": deleted}) if args.json else f"Deleted {terminal.count(deleted, 'event')}.")
    return 0


def _chosen(args: argparse.Namespace) -> Sequence[str]:
    return [args.destination] if args.destination else []


def _check_states(states: Sequence[str], also: Sequence[str] = ()) -> None:
    from dub_middleware.conversions.outbox import FINAL

    allowed = (*also, *FINAL)
    for state in states:
        if state not in allowed:
            raise ConfigError(
                "state", f"--state {state!r} is not a state; it must be one of {', '.join(allowed)}."
            )


def _age(text: str) -> float:
    number, unit = text[:-1], text[-1:]
    if unit not in UNITS or not number.isdecimal():
        raise ConfigError("older_than", f"--older-than {text!r} is no age; write 90s, 15m, 12h or 7d.")
    return float(number) * UNITS[unit]


def _state(row: StoredRow) -> str:
    return "in flight" if row.in_flight else row.state


def _why(row: StoredRow) -> str:
    status = str(row.status or "")
    return row.message if row.message.startswith(status) else f"{status} {row.message}".strip()


def _payload(row: StoredRow) -> str:
    return row.payload.decode(errors="replace") or "deleted on delivery"


def _plain(row: StoredRow, *, payload: bool = False) -> dict[str, Any]:
    plain = {
        "seq": row.seq,
        "id": row.id,
        "destination": row.destination,
        "kind": row.kind,
        "state": row.state,
        "inFlight": row.in_flight,
        "attempts": row.attempts,
        "mayHaveArrived": row.ambiguous,
        "acceptedAt": _iso(row.created_at),
        "nextAt": _iso(row.next_at) if row.state == "pending" and row.next_at else None,
        "endedAt": _iso(row.settled_at),
        "status": row.status,
        "message": row.message,
    }
    return plain | ({"payload": row.payload.decode(errors="replace")} if payload else {})


def _iso(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, timezone.utc).isoformat()

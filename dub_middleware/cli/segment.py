"""``dub-middleware segment test``: what Segment's destination Dub (Actions) would make of an event."""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dub_middleware.cli.terminal import paint, plain
from dub_middleware.errors import EventError

if TYPE_CHECKING:
    from dub_middleware.segment.actions import PlannedOutcome
    from dub_middleware.segment.actions.mappings import ActionMapping

_MARKS = {
    "sent": ("✓", "green"),
    "not_subscribed": ("·", "grey"),
    "no_action": ("·", "yellow"),
    "error": ("✗", "red"),
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare ``test``."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    test = actions.add_parser(
        "test",
        help="show for each mapping whether it takes an event, and the request it would send",
        epilog="The exit status is 1 when a mapping takes an event and then drops it.",
    )
    test.add_argument(
        "events",
        nargs="?",
        default="-",
        metavar="EVENTS",
        help="a file with an event, a list of events or one a line; standard input when left out",
    )
    test.add_argument(
        "--mapping", metavar="FILE", help="mappings in JSON or TOML; what Segment fills in when left out"
    )
    test.add_argument("--json", action="store_true", help="one line of JSON an event: a list of outcomes")


def run(args: argparse.Namespace) -> int:
    """Plan each event and show the outcomes; nothing is sent."""
    from dub_middleware.segment import DubActions, load_mappings

    mappings = load_mappings(args.mapping) if args.mapping else None
    actions = DubActions("dub_unused", mappings=mappings, outbox=None)
    events = list(_events(_content(args.events)))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # an event may hold half a character
    dropped = False
    for number, event in enumerate(events):
        outcomes = actions.plan(event)
        dropped |= any(outcome["outcome"] == "error" for outcome in outcomes)
        if args.json:
            print(json.dumps(outcomes))
            continue
        print(("\n" if number else "") + paint(_title(event), bold=True))
        for mapping, outcome in zip(actions.mappings, outcomes, strict=True):
            print()
            for line in _lines(mapping, outcome, event):
                print(line)
    return int(dropped)


def _content(path: str) -> bytes:
    if path == "-":
        if sys.stdin.isatty():
            print("Type or paste an event; Ctrl-D ends it.", file=sys.stderr, flush=True)
        return sys.stdin.buffer.read()
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise EventError("events", path, f"cannot be read: {error.strerror}") from None


def _events(data: bytes) -> Iterator[Any]:
    try:
        text = data.decode("utf-8-sig")
        if not text.strip():
            raise EventError("events", text, "must hold an event as JSON")
        try:
            found = json.loads(text)
            yield from found if isinstance(found, list) else [found]
        except json.JSONDecodeError as error:
            lines = [line for line in text.splitlines() if line.strip()]
            if len(lines) < 2 or error.msg != "Extra data":
                raise
            yield from map(json.loads, lines)
    except RecursionError:
        raise EventError("events", "…", "must not nest so deep") from None
    except ValueError as error:
        if isinstance(error, EventError):
            raise
        raise EventError("events", data[:80], f"must be JSON ({error})") from None


def _title(event: Any) -> str:
    if not isinstance(event, dict):
        return "What is no event"
    parts = [event.get("type"), event.get("event") or event.get("name"), event.get("userId")]
    return plain(" · ".join(str(part) for part in parts if part)) or "An event without type and name"


def _lines(mapping: ActionMapping, outcome: PlannedOutcome, event: Any) -> Iterator[str]:
    mark, color = _MARKS[outcome["outcome"]]
    title = mapping.name if mapping.name == mapping.slug else f"{mapping.name} ({mapping.slug})"
    request = (
        f"{outcome['method']} {outcome['path']}"
        if "path" in outcome
        else outcome["outcome"].replace("_", " ")
    )
    yield f"  {paint(mark, color)} {paint(plain(title), bold=True)}  {paint(request, color)}"
    yield from _matching(mapping, outcome, event)
    if "error" in outcome:
        yield f"      {paint(plain(outcome['error']), 'red')}"
    if "body" in outcome:
        for line in json.dumps(outcome["body"], ensure_ascii=False, indent=2).splitlines():
            yield f"      {plain(line)}"
    for warning in outcome.get("warnings", []):
        yield f"    {paint('!', 'yellow')} {plain(warning)}"


def _matching(mapping: ActionMapping, outcome: PlannedOutcome, event: Any) -> Iterator[str]:
    if not isinstance(event, dict):
        return
    if outcome["outcome"] == "not_subscribed" and outcome["reason"] != mapping.missed:
        yield f"      {plain(outcome['reason'])}"  # switched off, here or in the event
    for holds, said in mapping.subscription.explain(event):
        yield f"      {paint('✓' if holds else '✗', 'grey')} {paint(plain(said), 'grey')}"

"""``dub-middleware deliver``: the worker as a process of its own, for systemd, Kubernetes or cron."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dub_middleware.cli import terminal
from dub_middleware.cli.outbox import DEFAULT, open_existing
from dub_middleware.cli.usage import seconds
from dub_middleware.errors import ConfigError

if TYPE_CHECKING:
    from dub_middleware.conversions import Conversions
    from dub_middleware.conversions.outbox import Outbox

LOOK_EVERY = 0.2
DRAIN = 15.0  # seconds after SIGTERM; Kubernetes and systemd wait for 30 and 90
OPTIONS = ("outbox", "api_key", "base_url", "rate_limit", "segment_write_key", "segment_host")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options; what is not said is read from the environment."""
    parser.epilog = (
        "Environment: DUB_API_KEY, DUB_BASE_URL, DUB_RATE_LIMIT, DUB_OUTBOX, SEGMENT_WRITE_KEY and "
        "SEGMENT_HOST stand for the options of the same name, and are the place for keys: others on this "
        "machine can read command lines. A key of Dub makes Dub a destination, a write key makes Segment one."
    )
    parser.add_argument("--outbox", metavar="URL", help="sqlite:///file.db or postgresql://…")
    parser.add_argument("--api-key", metavar="KEY", help="Dub's secret key (dub_…)")
    parser.add_argument("--base-url", metavar="URL", help="Dub's API, or a server that speaks it")
    parser.add_argument("--rate-limit", metavar="N", help="requests a second towards Dub")
    parser.add_argument("--segment-write-key", metavar="KEY")
    parser.add_argument("--segment-host", metavar="URL")
    parser.add_argument(
        "--once",
        action="store_true",
        help="deliver what is due, then end; exit status 1 when the time was too short",
    )
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=60.0,
        metavar="SECONDS",
        help="with --once: end by then (%(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="tell what was done as one line of JSON")


def run(args: argparse.Namespace) -> int:
    """Deliver until SIGTERM or SIGINT, then end what is in flight; or, with ``--once``, what is due now."""
    from dub_middleware.conversions.settings import build, read

    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    given = read({name: getattr(args, name) for name in OPTIONS} | {"deliver": True})
    url = given.values.get("outbox", DEFAULT)
    if url is None:
        raise ConfigError(
            "outbox", "outbox is none: what another process keeps in memory cannot be delivered."
        )
    conversions = build(given)
    outbox = open_existing(url)
    try:
        with _end_signal() as ended:
            is_done = (
                _once(conversions, outbox, args.timeout, ended) if args.once else _on(conversions, url, ended)
            )
        waiting = outbox.pending()
    finally:
        conversions.close(0)
        outbox.close()
    if args.json:
        print(json.dumps({"done": is_done, "waiting": waiting}))
    else:
        waits = "waits" if waiting == 1 else "wait"
        print(f"{terminal.count(waiting, 'event')} {waits}." if waiting else "Nothing waits.")
    return 0 if is_done else 1


def _on(conversions: Conversions, url: str, ended: threading.Event) -> bool:
    path = url.removeprefix("sqlite:///")
    place = "PostgreSQL" if path == url else os.path.abspath(path)  # a slip in the folder is a new, empty one
    print(f"Delivering from {place}; SIGTERM or Ctrl-C ends it.", file=sys.stderr, flush=True)
    conversions.start()
    ended.wait()
    conversions.close(DRAIN)
    return True


def _once(conversions: Conversions, outbox: Outbox, timeout: float, ended: threading.Event) -> bool:
    results: list[bool] = []
    work = threading.Thread(target=lambda: results.append(conversions.deliver(timeout)), daemon=True)
    work.start()
    left = outbox.pending()
    with terminal.progress("Delivering", left) as advance:
        while work.is_alive() and not ended.is_set():
            work.join(LOOK_EVERY)
            now = outbox.pending()
            advance(left - now)
            left = now
    if ended.is_set():
        conversions.close(DRAIN)
    work.join(DRAIN)
    return results == [True]


@contextmanager
def _end_signal() -> Iterator[threading.Event]:
    """Turn SIGTERM and SIGINT into an event."""
    ended = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: ended.set()) for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

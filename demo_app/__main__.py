"""Run the Acme shop, on Flask and on Django, with a Dub beside it: on this machine only."""

from __future__ import annotations

import argparse
import contextlib
import errno
import logging
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from werkzeug.serving import make_server

import demo_app
from demo_app import django_shop
from demo_app.neighbour import DOMAIN, LocalDub

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

HOST = "127.0.0.1"
SHOP, DUB = 5000, 8787


def listen(port: int) -> socket.socket:
    """Return a socket on *port*, or on the next free one; 0 is any.

    Raises:
        OSError: none of the 20 ports from *port* on is free.
    """
    for candidate in range(port, min(port + 20, 65_536)):
        try:
            return socket.create_server((HOST, candidate))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            print(f"Port {candidate} is taken, trying the next one.", flush=True)
    raise OSError(errno.EADDRINUSE, f"no free port from {port} on; name others: python -m demo_app --port N")


def address(bound: socket.socket) -> str:
    """Return where browsers find what will be served on *bound*."""
    return f"http://localhost:{bound.getsockname()[1]}"


@contextlib.contextmanager
def serving(app: WSGIApplication, bound: socket.socket) -> Iterator[None]:
    """Serve *app* on *bound* in threads of its own for the length of a ``with`` block."""
    with bound:
        server = make_server(HOST, bound.getsockname()[1], app, threaded=True, fd=bound.fileno())
    server.daemon_threads = True  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def running(port: int, *, with_segment: bool) -> Iterator[str]:
    """Run everything for the length of a ``with`` block, which gets the text that says where it is."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="acme-", ignore_cleanup_errors=True))
        flask, django = listen(port), listen(port + 1 if port else 0)
        shops = {"Flask": address(flask), "Django": address(django)}
        dub = listen(DUB if port else 0)
        local = LocalDub(folder, address(dub), with_segment=with_segment)
        stack.callback(local.app.close)
        stack.enter_context(serving(local.app, dub))
        links = {
            "Flask": local.add_link("launch", f"{shops['Flask']}/"),
            "Django": local.add_link("launch-django", f"{shops['Django']}/"),
        }
        conversions = local.client()
        stack.callback(conversions.close)
        options: dict[str, Any] = {
            "conversions": conversions,
            "api_host": local.api,
            "relay": "all",  # this Dub honours X-Forwarded-For
            "domains": {"refer": DOMAIN},
        }
        to = {
            name: (("Arrive by a short link", link), ("Dashboard", local.base))
            for name, link in links.items()
        }
        flask_app = demo_app.create_app(
            {"SHOP_LINKS": to["Flask"], **{f"DUB_{name.upper()}": value for name, value in options.items()}}
        )
        stack.enter_context(serving(flask_app, flask))
        stack.enter_context(serving(django_shop.create_app(options, to["Django"]), django))
        yield f"""
  The Acme shop is open, with a Dub of its own.

    Short link   {links["Flask"]}
    Shop         {shops["Flask"]}/
    Dashboard    {local.base}/

  Click the short link, sign up, pay; the dashboard counts a click, a lead and a sale.
  {_way(with_segment)}

  The same on Django:
    Short link   {links["Django"]}
    Shop         {shops["Django"]}/

  Try as well:
    {shops["Flask"]}/?via=launch    a partner's link: the script asks for the click
    {shops["Flask"]}/launch?dub_id=test    a redirect that drops the query: the cookie stays
    _dubAnalytics    in the browser's console: the script is there

  Safari knows no go.localhost: take {local.base}/l/launch instead. Ctrl-C closes everything.
"""


def _way(with_segment: bool) -> str:
    if with_segment:
        return "They go to Segment's endpoint first, which hands them to the destination Dub (Actions)."
    return "They go straight to Dub's API; make demo ARGS=--segment sends them through Segment."


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m demo_app", description=__doc__)
    parser.add_argument(
        "--port", type=int, default=SHOP, help="of the Flask shop, Django takes the next; 0 is any (5000)"
    )
    parser.add_argument(
        "--segment", action="store_true", help="send conversions through Segment's endpoint and Dub (Actions)"
    )
    args = parser.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with running(args.port, with_segment=args.segment) as told:
        print(told, flush=True)
        stop.wait()
    print("\n  Closed.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Run the Acme shop, on Flask and on Django, on this machine only."""

from __future__ import annotations

import argparse
import errno
import logging
import signal
import socket
import threading
from typing import TYPE_CHECKING

from werkzeug.serving import BaseWSGIServer, make_server

import demo_app
from demo_app import django_shop

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

HOST = "127.0.0.1"


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
    raise OSError(errno.EADDRINUSE, f"no free port from {port} on; name another: python -m demo_app --port N")


def serve(app: WSGIApplication, port: int) -> BaseWSGIServer:
    """Serve *app* in a thread of its own and return the server, which knows its port."""
    with listen(port) as bound:
        server = make_server(HOST, bound.getsockname()[1], app, threaded=True, fd=bound.fileno())
    server.daemon_threads = True  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, name=f"shop-{server.port}", daemon=True).start()
    return server


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m demo_app", description=__doc__)
    parser.add_argument(
        "--port", type=int, default=5000, help="of the Flask shop, Django takes the next; 0 is any (5000)"
    )
    port = parser.parse_args().port
    logging.getLogger("werkzeug").setLevel(logging.ERROR)

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    flask = serve(demo_app.create_app(), port)
    django = serve(django_shop.create_app(), flask.port + 1 if port else 0)
    print(
        f"""
  The Acme shop is open.

    Flask    http://localhost:{flask.port}/
    Django   http://localhost:{django.port}/

  Try, in either:
    http://localhost:{flask.port}/?dub_id=test          arrive by a Dub link
    http://localhost:{flask.port}/launch?dub_id=test2   a redirect that drops the query: the cookie stays
    _dubAnalytics                                in the browser's console: the script is there

  Ctrl-C closes it.
""",
        flush=True,
    )
    stop.wait()
    for server in (flask, django):
        server.shutdown()
        server.server_close()
    print("\n  Closed.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""The server on a port, by waitress: threads, no other process, a clean end."""

from __future__ import annotations

import contextlib
import errno
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from dub_middleware.errors import ConfigError, MissingDependencyError
from dub_middleware.server.app import Server

THREADS = 8
MAX_BODY = 5_000_000  # bytes of a request; more than the API takes, so that it is the API that refuses


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 is any free one.

    Raises:
        ConfigError: the port is taken, not ours to use, or the host is none of this machine.
    """
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, OverflowError) as error:
        raise ConfigError("host", f"There is no address {host!r} to listen on: {error}.") from None
    listening = socket.socket(family, kind, proto)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(1024)
    except OSError as error:
        listening.close()
        raise _explained(host, port, error) from None
    return listening


def serve(app: Server, listening: socket.socket, on_ready: Callable[[], None]) -> None:
    """Answer requests until SIGINT or SIGTERM; requests in progress are finished."""
    try:
        from waitress.server import create_server
    except ImportError:
        raise MissingDependencyError("waitress", "server") from None
    # waitress tells of each request that had to wait for a thread; nobody can act on that
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    server = create_server(
        app,
        sockets=[listening],
        threads=THREADS,
        ident=None,
        max_request_body_size=MAX_BODY,
        clear_untrusted_proxy_headers=False,  # the server itself knows whom to trust
    )
    with _ended_by_signals(), contextlib.suppress(SystemExit):
        on_ready()
        server.run()  # returns at SystemExit, when the threads have finished
    server.close()


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    def end(signum: int, frame: FrameType | None) -> None:
        raise SystemExit(0)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _explained(host: str, port: int, error: OSError) -> ConfigError:
    if error.errno == errno.EADDRINUSE:
        return ConfigError("port", f"Port {port} is taken: name another with --port, or stop what uses it.")
    if error.errno == errno.EACCES:
        return ConfigError("port", f"Port {port} needs more rights than this user has: use one above 1023.")
    return ConfigError("host", f"Cannot listen on {host} port {port}: {error.strerror}.")

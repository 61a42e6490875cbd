"""A WSGI app on a port of loopback, served by threads until the block ends."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Iterator
from typing import Any

from werkzeug.serving import WSGIRequestHandler, make_server


class _Silent(WSGIRequestHandler):
    def log_request(self, *_: Any) -> None: ...


@contextlib.contextmanager
def serving(app: Any, port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """The base URL of the app."""
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=_Silent, ssl_context=tls)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"https://localhost:{server.server_port}" if tls else f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

"""Short links: ``GET /<key>`` on a short domain."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from werkzeug import Response

if TYPE_CHECKING:
    from dub_middleware.server.app import Server


class Redirect:
    """Answer the requests to short domains; ``domain`` is the one of the alias ``/l/<key>``."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def __call__(
        self, environ: dict[str, Any], start_response: Any, *, domain: str | None = None
    ) -> Iterable[bytes]:
        return Response("Link not found", 404)(environ, start_response)

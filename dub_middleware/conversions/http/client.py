"""Requests over kept-alive connections."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping

import urllib3
from urllib3.util import SKIP_HEADER

from dub_middleware.conversions.http.answers import Answer
from dub_middleware.conversions.http.connections import exchange, new_pool
from dub_middleware.errors import TransportError

MAX_ORIGINS = 64  # whose connections are kept open; webhooks may go to very many


class HTTPClient:
    """Send requests over kept-alive connections; safe to share between threads and to carry over a fork.

    ``connect``, ``read`` and ``total`` are seconds. ``total`` is a wall deadline on the monotonic clock for
    everything after the name look-up: it also ends an answer that trickles in byte by byte. An answer
    of more than ``max_body`` bytes is given up. ``allow_address`` is asked about each IP address that a name
    stands for before it is connected to: for URLs that somebody else chose.
    """

    def __init__(
        self,
        *,
        connect: float = 2.0,
        read: float = 10.0,
        total: float = 15.0,
        max_body: int = 64 * 1024,
        connections: int = 16,
        user_agent: str | None = "dub-middleware",
        allow_address: Callable[[str], bool] | None = None,
    ) -> None:
        self._read, self._total = read, total
        self._timeout = urllib3.Timeout(connect=min(connect, total), read=read)
        self._max_body = max_body
        self._connections = connections
        self._user_agent = user_agent
        self._allow_address = allow_address
        self._pools: dict[tuple[int, str], urllib3.HTTPConnectionPool] = {}  # by process id and origin

    def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """Send one request and return the whole answer, whatever its status.

        Raises `TransportError` when there was no answer, or not all of it in time and size.
        """
        origin, target = _split(url)
        pool = self._pool_of_process(origin)
        exchange.begin(self._total, self._read)
        response: urllib3.BaseHTTPResponse | None = None
        try:
            response = pool.urlopen(
                method,
                target,
                body=body or None,
                headers=self._complete(headers, body),
                timeout=self._timeout,
                retries=False,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            content = self._content(response)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            _discard(response)
            raise TransportError(_reason(error), sent=exchange.sent) from error
        except BaseException:
            _discard(response)
            raise
        # looked up, because `items` has each header of a repeated name by itself
        received = {name.lower(): response.headers[name] for name in response.headers}
        return Answer(response.status, received, content)

    def close(self) -> None:
        """Close the idle connections; the client may be used again."""
        for pool in self._pools.values():
            pool.close()
        self._pools = {}

    def _pool_of_process(self, origin: str) -> urllib3.HTTPConnectionPool:
        """The pool of this process: a socket shared with a parent would mix up two conversations."""
        key = (os.getpid(), origin)
        pool = self._pools.get(key)
        if pool is None:
            for other in list(self._pools)[:-MAX_ORIGINS]:
                self._pools.pop(other, None)
            # setdefault instead of a lock, which a fork could leave locked for ever
            pool = self._pools.setdefault(key, new_pool(origin, self._connections, self._allow_address))
        return pool

    def _complete(self, headers: Mapping[str, str], body: bytes) -> dict[str, str]:
        complete = {"accept-encoding": "identity"}  # what is not compressed cannot be a bomb
        complete["user-agent"] = self._user_agent or SKIP_HEADER
        complete.update((name.lower(), value) for name, value in headers.items())
        if not body:
            complete["content-length"] = "0"
        return complete

    def _content(self, response: urllib3.BaseHTTPResponse) -> bytes:
        chunks: list[bytes] = []
        room = self._max_body
        while chunk := response.read(min(room + 1, 65536)):
            chunks.append(chunk)
            room -= len(chunk)
            if room < 0:
                raise urllib3.exceptions.HTTPError(f"the answer has more than {self._max_body} bytes")
        response.release_conn()
        return b"".join(chunks)


def _split(url: str) -> tuple[str, str]:
    scheme, _, rest = url.partition("://")
    authority = re.split("[/?]", rest, maxsplit=1)[0]
    target = rest[len(authority) :]
    return f"{scheme}://{authority}", target if target.startswith("/") else f"/{target}"


def _discard(response: urllib3.BaseHTTPResponse | None) -> None:
    if response is not None:
        response.close()


def _reason(error: BaseException) -> str:
    # urllib3 puts the object's address and the pool into its messages; the cause alone says what happened
    text = re.sub(
        r"<[^<>]* at 0x[0-9a-f]+>(: )?|\w*Connection(?:Pool)?\([^()]*\):? ?", "", str(error)
    ).strip()
    return f"{type(error).__name__}: {text}" if text else type(error).__name__

"""Connections that keep a deadline, know when they have been idle too long and tell what has been sent."""

from __future__ import annotations

import codecs
import functools
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

# Every connection needs this codec. To import it by the way, in a thread, would leave the lock of that import
# locked for ever in the child of a fork that happens at this moment.
codecs.lookup("idna")

MAX_IDLE = 20.0  # seconds; beyond, a load balancer may have dropped the socket without telling us


class _Exchange(threading.local):
    """The request this thread is busy with. urllib3 offers no way to hand a deadline down to the socket."""

    deadline = float("inf")
    patience = float("inf")
    sent = False

    def begin(self, total: float, patience: float) -> None:
        self.deadline = time.monotonic() + total
        self.patience = patience
        self.sent = False

    def remaining(self) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline of the whole request has passed")
        return min(left, self.patience)


exchange = _Exchange()


class _PlainSocket(socket.socket):
    """A socket whose every wait ends at the deadline: a timeout per receive never stops a trickle."""

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(exchange.remaining())
        return super().recv_into(*args, **kwargs)

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        self.settimeout(exchange.remaining())
        return super().sendall(*args, **kwargs)


class _TLSSocket(ssl.SSLSocket):
    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(exchange.remaining())
        return super().recv_into(*args, **kwargs)

    def send(self, *args: Any, **kwargs: Any) -> int:  # sendall of an SSLSocket loops over send
        self.settimeout(exchange.remaining())
        return super().send(*args, **kwargs)


class _Connection(HTTPConnection):
    _idle_since = float("inf")
    _held: list[bytes] | None = None

    def __init__(self, *args: Any, allow_address: Callable[[str], bool] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._allow_address = allow_address

    @property
    def is_connected(self) -> bool:
        return time.monotonic() - self._idle_since < MAX_IDLE and super().is_connected

    def request(self, *args: Any, **kwargs: Any) -> None:
        # Head and body in one packet: sent apart, as http.client does, they wake the peer twice.
        held: list[bytes] = []
        self._held = held
        super().request(*args, **kwargs)
        self._held = None
        self.send(b"".join(held))
        exchange.sent = True  # the kernel has all of it; before, the far side cannot have a whole request

    def send(self, data: Any) -> None:
        if self._held is None:
            super().send(data)
        else:
            self._held.append(data)

    def getresponse(self) -> Any:
        self._idle_since = time.monotonic()
        return super().getresponse()

    def _new_conn(self) -> socket.socket:
        if self._allow_address is not None:
            found = socket.getaddrinfo(self.host.strip("[]"), self.port, type=socket.SOCK_STREAM)
            self._check_address(*(str(address[0]) for *_, address in found))
        plain = super()._new_conn()
        if self._allow_address is not None:
            # the name may have been looked up to something else this time; nothing has been sent yet
            try:
                self._check_address(str(plain.getpeername()[0]))
            except BaseException:
                plain.close()
                raise
        timeout = plain.gettimeout()
        bounded = _PlainSocket(plain.family, plain.type, plain.proto, fileno=plain.detach())
        bounded.settimeout(timeout)
        return bounded

    def _check_address(self, *addresses: str) -> None:
        assert self._allow_address is not None
        if refused := [address for address in addresses if not self._allow_address(address)]:
            raise HTTPError(f"{self.host} is {refused[0]}, which is no address to go to")


class _TLSConnection(_Connection, HTTPSConnection):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["ssl_context"] = tls_context()
        super().__init__(*args, **kwargs)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


def new_pool(
    origin: str, connections: int, allow_address: Callable[[str], bool] | None = None
) -> HTTPConnectionPool:
    """Return a pool that keeps up to ``connections`` sockets open to ``origin``, such as ``https://api.dub.co``."""
    parts = parse_url(origin)
    kind = _TLSPool if parts.scheme == "https" else _Pool
    return kind(str(parts.host), parts.port, maxsize=connections, allow_address=allow_address)


@functools.cache
def tls_context() -> ssl.SSLContext:
    """Return the one context of the process: loading the system's certificates takes 20 ms and a megabyte."""
    context = ssl.create_default_context()
    context.sslsocket_class = _TLSSocket
    return context

"""A threaded loopback HTTP/1.1 server that records what it gets and can be told to misbehave.

Subclass `StubServer` and override `answer`; queue faults with `fail`. Everything ends with the server:
a hanging answer never outlives the ``with`` block.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, TypeVar

T = TypeVar("T", bound="StubServer")


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str]  # lower-case names
    body: bytes
    peer: tuple[str, int]  # tells connections apart

    def json(self) -> Any:
        body = gzip.decompress(self.body) if self.headers.get("content-encoding") == "gzip" else self.body
        return json.loads(body)


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, value: Any, status: int = 200, **headers: str) -> Reply:
        names = {name.replace("_", "-"): text for name, text in headers.items()}
        return cls(status, json.dumps(value).encode(), {"Content-Type": "application/json", **names})


@dataclass(frozen=True)
class Fault:
    """What to do instead of answering.

    ``after`` means the request is acted on first and only its answer is lost.
    ``trickle_head`` and ``trickle_body`` send a byte now and then, for ever.
    """

    kind: Literal["reset", "close", "hang", "trickle_head", "trickle_body", "reply"]
    after: bool = False
    reply: Reply | None = None


def status(code: int, body: Any = None, **headers: str) -> Fault:
    """Answer with this status without acting on the request; keyword names become headers."""
    return Fault("reply", reply=Reply.of({} if body is None else body, code, **headers))


def raw(code: int, body: bytes, **headers: str) -> Fault:
    names = {name.replace("_", "-"): text for name, text in headers.items()}
    return Fault("reply", reply=Reply(code, body, names))


class StubServer:
    """Serve on a free loopback port for the length of a ``with`` block."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.permanent: Fault | None = None  # what every request meets while it is set
        self._faults: deque[Fault] = deque()
        self._lock = threading.Lock()
        self._arrival = threading.Condition(self._lock)
        self.in_flight = 0
        self.most_in_flight = 0
        self.stopping = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.stub = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    def answer(self, request: Request) -> Reply:
        return Reply.of({"ok": True})

    def fail(self, *faults: Fault, times: int = 1) -> None:
        """Let the next requests meet these faults, in order."""
        self._faults.extend(faults * times)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def __enter__(self: T) -> T:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def wait_for_requests(self, count: int, timeout: float = 60.0) -> None:
        """Return once this many requests have come in; fail the test after ``timeout`` seconds."""
        with self._arrival:
            arrived = self._arrival.wait_for(lambda: len(self.requests) >= count, timeout)
        assert arrived, f"{len(self.requests)} of {count} requests came within {timeout} s"

    def drop_connections(self) -> None:
        """Close every open connection from this side, as a restarting server does."""
        self._server.drop()

    def _next_fault(self) -> Fault | None:
        with self._lock:
            return self._faults.popleft() if self._faults else self.permanent

    def _entered(self, request: Request) -> None:
        with self._lock:
            self.requests.append(request)
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            self._arrival.notify_all()

    def _left(self) -> None:
        with self._lock:
            self.in_flight -= 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    stub: StubServer

    def __init__(self, address: tuple[str, int], handler: Callable[..., Any]) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def drop(self) -> None:
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def server_close(self) -> None:
        super().server_close()
        self.drop()

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that goes away is what many tests are about


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def handle_any(self) -> None:
        stub = self.server.stub
        length = int(self.headers.get("Content-Length") or 0)
        names = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, names, self.rfile.read(length), self.client_address)
        stub._entered(request)
        try:
            self._respond(stub, request, stub._next_fault())
        finally:
            stub._left()

    do_GET = do_POST = do_OPTIONS = do_PUT = do_PATCH = do_DELETE = do_HEAD = handle_any

    def _respond(self, stub: StubServer, request: Request, fault: Fault | None) -> None:
        if fault is None:
            self._send(stub.answer(request))
            return
        if fault.after:
            stub.answer(request)
        if fault.kind == "reply":
            assert fault.reply is not None
            self._send(fault.reply)
            return
        self.close_connection = True
        if fault.kind == "hang":
            stub.stopping.wait()
        elif fault.kind == "reset":
            # linger 0 turns the close into an RST
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        elif fault.kind == "trickle_head":
            self._trickle(stub, b"HTTP/1.1 200 OK\r\nX-Filler: ")
        elif fault.kind == "trickle_body":
            self._trickle(
                stub,
                b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n{"a":"',
            )

    def _trickle(self, stub: StubServer, start: bytes) -> None:
        self.wfile.write(start)
        while not stub.stopping.wait(0.02):
            self.wfile.write(b"a")
            self.wfile.flush()

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        headers = dict(reply.headers)
        headers.setdefault("Content-Length", str(len(reply.body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)
        self.wfile.flush()
        if int(headers["Content-Length"]) > len(reply.body):
            self.close_connection = True  # a body cut short

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

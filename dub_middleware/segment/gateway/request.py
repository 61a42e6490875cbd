"""What a request says, bounded in size: its body, unpacked, and the write key it comes with."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from werkzeug.exceptions import ClientDisconnected
from werkzeug.http import HTTP_STATUS_CODES
from werkzeug.wsgi import get_input_stream

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MAX_CALL = 32 * 1024  # bytes of a single call
MAX_BATCH = 500 * 1024
MAX_DRAINED = (
    4 * 1024 * 1024
)  # of a body that is too large: a client that cannot finish never reads the answer
CHUNK = 64 * 1024


class Refusal(Exception):
    """A request that is answered with an error; the message is for its sender."""

    def __init__(self, status: int, message: str, headers: Sequence[tuple[str, str]] = ()) -> None:
        self.status = status
        self.code = HTTP_STATUS_CODES[status].lower().replace(" ", "_")
        self.headers = headers
        super().__init__(message)


def read_body(environ: WSGIEnvironment, limit: int) -> bytes:
    """Return the request's body, unpacked when it is gzip. Raises `Refusal` beyond ``limit`` bytes."""
    if not environ.get("CONTENT_LENGTH") and not environ.get("wsgi.input_terminated"):
        raise Refusal(411, "A Content-Length is needed.")
    body = _read(environ, limit)
    coding = environ.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if coding in ("", "identity"):
        return body
    if coding not in ("gzip", "x-gzip"):
        raise Refusal(400, f"The content encoding {coding[:40]!r} is not supported; gzip is.")
    return _unpacked(body, limit)


def parse_body(body: bytes, kind: str) -> dict[str, Any]:
    """Return the JSON object in ``body``; one with a list of events when ``kind`` is ``batch``."""
    try:
        value = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Refusal(400, "The body is not JSON.") from None
    if not isinstance(value, dict):
        raise Refusal(400, "The body must be a JSON object.")
    if kind == "batch" and not isinstance(value.get("batch"), list):
        raise Refusal(400, "The body must have a list of events as batch.")
    return value


def write_key(environ: WSGIEnvironment, body: dict[str, Any]) -> str:
    """Return the write key: the user name of Basic authentication, else ``writeKey`` of the body.

    A Bearer token is what OAuth sources send besides ``writeKey``; it is not looked at.
    Raises `Refusal` when there is none.
    """
    scheme, _, credentials = environ.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
    key: object = _user_name(credentials) if scheme.lower() == "basic" else ""
    key = key or body.get("writeKey")
    if not isinstance(key, str) or not key:
        raise Refusal(400, "A write key is needed: as the user name of Basic authentication, or as writeKey.")
    return key


def _read(environ: WSGIEnvironment, limit: int) -> bytes:
    stream = get_input_stream(environ)
    chunks: list[bytes] = []
    size = 0
    try:
        while chunk := stream.read(CHUNK):
            size += len(chunk)
            if size <= limit:
                chunks.append(chunk)
            elif size > MAX_DRAINED:
                break
    except (ClientDisconnected, OSError):
        raise Refusal(400, "The body is shorter than its Content-Length.") from None
    if size > limit:
        _refuse_size(limit)
    return b"".join(chunks)


def _unpacked(body: bytes, limit: int) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        content = unpacker.decompress(body, limit + 1)
    except zlib.error:
        raise Refusal(400, "The body is not gzip.") from None
    if len(content) > limit:
        _refuse_size(limit)
    if not unpacker.eof:
        raise Refusal(400, "The gzip body is incomplete.")
    return content


def _user_name(credentials: str) -> str:
    try:
        return base64.b64decode(credentials.strip(), validate=True).decode().partition(":")[0]
    except ValueError:
        return ""


def _refuse_size(limit: int) -> NoReturn:
    raise Refusal(400, f"The body has more than {limit // 1024} KB.")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)

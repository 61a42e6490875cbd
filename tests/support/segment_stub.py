"""A strict Segment tracking API on loopback: ``POST /v1/batch`` and the single-call endpoints.

Where Segment answers 200 and silently drops, this one answers 200 and puts the event into ``dropped``.
"""

from __future__ import annotations

import base64
import gzip
import json
import threading
import zlib
from datetime import datetime
from typing import Any

from stub_http import Reply, Request, StubServer

WRITE_KEY = "stub_write_key"
TYPES = {"track", "identify", "page", "screen", "group", "alias"}


class SegmentStub(StubServer):
    """``poison`` holds messageIds whose presence makes a whole batch malformed: 400."""

    def __init__(self) -> None:
        super().__init__()
        self.write_key = WRITE_KEY
        self.poison: set[str] = set()
        self.events: list[dict[str, Any]] = []  # accepted, once a messageId
        self.repeats: list[dict[str, Any]] = []
        self.dropped: list[dict[str, Any]] = []
        self.batches: list[int] = []
        self._ids: set[str] = set()
        self._state = threading.Lock()

    def answer(self, request: Request) -> Reply:
        kind = request.path.removeprefix("/v1/")
        if request.method != "POST" or kind not in TYPES | {"batch"}:
            return Reply(404, b"")
        try:
            raw = request.body
            if request.headers.get("content-encoding") == "gzip":
                raw = gzip.decompress(raw)
            body = json.loads(raw, parse_constant=_no_constant)
        except (ValueError, OSError, EOFError, zlib.error):
            return Reply.of({"success": False, "message": "malformed JSON"}, 400)
        if len(raw) > 500_000 or not isinstance(body, dict):
            return Reply.of({"success": False, "message": "too large"}, 400)
        if not self._authorised(request, body):
            return Reply.of({"success": False, "message": "invalid write key"}, 401)
        items = body["batch"] if kind == "batch" else [{**body, "type": kind}]
        if any(item.get("messageId") in self.poison for item in items):
            return Reply.of({"success": False, "message": "malformed event"}, 400)
        with self._state:
            self.batches.append(len(items))
            for item in items:
                self._take(item)
        return Reply.of({"success": True})

    def _authorised(self, request: Request, body: dict[str, Any]) -> bool:
        expected = base64.b64encode(f"{self.write_key}:".encode()).decode()
        return (
            request.headers.get("authorization") == f"Basic {expected}"
            or body.get("writeKey") == self.write_key
        )

    def _take(self, item: dict[str, Any]) -> None:
        size = len(json.dumps(item, ensure_ascii=False).encode())
        valid = (
            item.get("type") in TYPES
            and bool(item.get("userId") or item.get("anonymousId"))
            and (item.get("type") != "track" or bool(item.get("event")))
            and size <= 33_000
            and _is_time(item.get("timestamp"))
        )
        identifier = item.get("messageId")
        if not valid:
            self.dropped.append(item)
        elif identifier in self._ids:
            self.repeats.append(item)
        else:
            self._ids.add(identifier)
            self.events.append(item)


def _is_time(value: Any) -> bool:
    if value is None:
        return True
    try:
        datetime.fromisoformat(value.replace("Z", "+00:00"))
    except (AttributeError, ValueError):
        return False
    return True


def _no_constant(name: str) -> Any:
    raise ValueError(name)

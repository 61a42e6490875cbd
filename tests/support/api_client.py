"""Dub's API by plain requests, for what the official client would not send."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import httpx

KEY = "dub_abcdefghijklmnopqrstuvwx"

#: for a client of httpx that only goes to loopback: to load certificates takes longer than most tests,
#: and a busy machine longer to answer than the five seconds that httpx would wait
PLAIN: dict[str, Any] = {"verify": False, "timeout": 60}


@dataclass
class Api:
    """Requests to the API below one server, with a key."""

    client: httpx.Client

    def __call__(self, method: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
        content = None if body is None else json.dumps(body)
        return self.client.request(method, f"/api{path}", content=content, **options)

    def refused(self, method: str, path: str, body: Any = None, **options: Any) -> tuple[int, str, str]:
        """Status, code and message of an error."""
        response = self(method, path, body, **options)
        error = response.json()["error"]
        return response.status_code, error["code"], error["message"]

"""What an answer means: its status, and how long it asks to wait."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import Any, Literal

MAX_WAIT = 300.0  # seconds; no Retry-After holds a queue up for longer

# a gateway gave up waiting, or cannot say what its upstream did (Cloudflare's 520 and 524): it may still run
LOST = (504, 520, 524)

Verdict = Literal["delivered", "retry", "ambiguous", "paused", "rejected"]


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP answer; header names are lower-case, repeated headers joined by a comma."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the parsed body, or None when it is not JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def is_foreign(self) -> bool:
        """Whether there is no API: a 404 or 405 that is a page, a text that is no JSON."""
        if self.status not in (404, 405):
            return False
        try:
            json.loads(self.body)
        except (ValueError, RecursionError):
            return bool(self.body.strip())
        return False

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait before the next request, 1 to 300; None when the answer names none or is a success.

        Dub sends the header with every answer, also with those that ask for no wait.
        """
        if 200 <= self.status < 300:
            return None
        return retry_after(self.headers.get("retry-after"))


def verdict(status: int) -> Verdict:
    """Say what an HTTP status means for the request that got it.

    ``retry``: not acted on, or the far side broke; ``ambiguous``: it may be acted on at this moment;
    ``paused``: refused because of the key or the plan, so everything else will be refused too;
    ``rejected``: refused for what it says, redirects included.
    """
    if 200 <= status < 300:
        return "delivered"
    if status in LOST:
        return "ambiguous"
    if status in (408, 425, 429) or (status >= 500 and status not in (501, 505)):
        return "retry"
    if status in (401, 402, 403):
        return "paused"
    return "rejected"


def retry_after(value: str | None, *, now: float | None = None) -> float | None:
    """Read a ``Retry-After`` header as seconds to wait, 1 to 300; None when it is absent or unreadable.

    Besides the two forms of RFC 9110 §10.2.3 (seconds, HTTP-date) this reads a moment in epoch seconds and
    in epoch milliseconds; the latter is what Dub's rate limiter sends.
    """
    if value is None:
        return None
    value = value.strip()
    now = time.time() if now is None else now
    if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value):
        wait = float(value)
        if wait > 1e11:
            wait = wait / 1000 - now
        elif wait > 1e9:
            wait -= now
    else:
        try:
            moment = parsedate_to_datetime(value)
            wait = (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp() - now
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    return min(max(wait, 1.0), MAX_WAIT)

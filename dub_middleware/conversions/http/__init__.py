"""The one HTTP client of the package: pooled, bounded in time and size, and exact about what was sent.

Destinations, the relay and outgoing webhooks share it. It follows no redirect and repeats no request:
who retries needs to know whether the first one may have arrived, and `TransportError.sent` says it.
"""

from __future__ import annotations

from dub_middleware.conversions.http.answers import Answer, Verdict, retry_after, verdict
from dub_middleware.conversions.http.client import HTTPClient
from dub_middleware.conversions.http.wire import base_url, iso_time, to_json
from dub_middleware.errors import TransportError

__all__ = [
    "Answer",
    "HTTPClient",
    "TransportError",
    "Verdict",
    "base_url",
    "iso_time",
    "retry_after",
    "to_json",
    "verdict",
]

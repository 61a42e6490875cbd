"""What goes onto the wire: where to, and as which bytes."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlsplit

from dub_middleware.errors import ConfigError

_encode = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False
).encode


def to_json(value: Any) -> bytes:
    """Return ``value`` as compact JSON in UTF-8; NaN and infinities are a ValueError.

    Half a surrogate pair, which JSON can say and UTF-8 cannot, becomes a question mark.
    """
    return _encode(value).encode(errors="replace")


def iso_time(moment: datetime) -> str:
    """Return a moment as JavaScript writes it: UTC, milliseconds, ``Z``."""
    if moment.tzinfo is not timezone.utc:
        moment = moment.astimezone(timezone.utc)
    return moment.isoformat(timespec="milliseconds")[: -len("+00:00")] + "Z"


def base_url(option: str, value: str, example: str) -> str:
    """Return ``value`` without a trailing slash, or raise `ConfigError` when it is no base URL."""
    try:
        parts = urlsplit(value)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except (ValueError, AttributeError, TypeError):
        valid = False
    if (
        not valid
        or parts.username is not None
        or parts.query
        or parts.fragment
        or re.search(r"[\s\\]", value)
    ):
        raise ConfigError(
            option,
            f"{option} must be an http or https URL without credentials, query and fragment, "
            f"such as {example!r}, not {value!r}.",
        )
    return value.rstrip("/")

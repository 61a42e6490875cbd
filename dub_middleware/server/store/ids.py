"""Identifiers in Dub's shapes."""

from __future__ import annotations

import secrets
import string
import time
from datetime import datetime, timezone

_ALPHANUMERIC = string.digits + string.ascii_letters
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def random_text(length: int) -> str:
    """``length`` random letters and digits."""
    # eight bytes more than needed make the digits as good as even; one call to the system instead of many
    number = int.from_bytes(secrets.token_bytes(length + 8), "big")
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(_ALPHANUMERIC[digit])
    return "".join(digits)


def new_click_id() -> str:
    """16 letters and digits, as the click ids that Dub gives out."""
    return random_text(16)


def new_id(prefix: str) -> str:
    """``link_1KA…``: the prefix and a ULID, 26 characters that sort by time (https://github.com/ulid/spec)."""
    number = time.time_ns() // 1_000_000 << 80 | secrets.randbits(80)
    return f"{prefix}_{''.join(_CROCKFORD[number >> shift & 31] for shift in range(125, -5, -5))}"


def time_of(identifier: str) -> datetime:
    """When `new_id` made it."""
    number = 0
    for letter in identifier.rpartition("_")[2][:10]:
        number = number << 5 | _CROCKFORD.index(letter)
    return datetime.fromtimestamp(number / 1000, timezone.utc)

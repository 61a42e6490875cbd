"""Identifiers in Dub's shapes."""

from __future__ import annotations

import os
import string
import time
from datetime import datetime, timezone

_ALPHANUMERIC = (string.digits + string.ascii_letters).encode()
_LETTERS = bytes(_ALPHANUMERIC[byte % 62] for byte in range(256))
_SURPLUS = bytes(range(256 // 62 * 62, 256))
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [first + second for first in _CROCKFORD for second in _CROCKFORD]  # by ten bits
_CROCKFORD_LETTERS = bytes(ord(_CROCKFORD[byte % 32]) for byte in range(256))


def random_text(length: int) -> str:
    """``length`` random letters and digits."""
    text = b""
    while len(text) < length:
        # bytes that would make the first letters likelier than the others are left out
        text += os.urandom(length + 8).translate(_LETTERS, _SURPLUS)
    return text[:length].decode()


def new_click_id() -> str:
    """16 letters and digits, as the click ids that Dub gives out."""
    return random_text(16)


def new_id(prefix: str) -> str:
    """``link_1KA…``: the prefix and a ULID, 26 characters that sort by time (https://github.com/ulid/spec)."""
    now = time.time_ns() // 1_000_000
    moment = "".join([_PAIRS[now >> shift & 1023] for shift in (40, 30, 20, 10, 0)])
    return f"{prefix}_{moment}{os.urandom(16).translate(_CROCKFORD_LETTERS).decode()}"


def time_of(identifier: str) -> datetime:
    """When `new_id` made it."""
    number = 0
    for letter in identifier.rpartition("_")[2][:10]:
        number = number << 5 | _CROCKFORD.index(letter)
    return datetime.fromtimestamp(number / 1000, timezone.utc)

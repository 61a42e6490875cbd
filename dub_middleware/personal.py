"""What of somebody's data may stand in a message: errors name the value, and end up in logs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice

LIMIT = 120  # characters
KEYS = 10
_LIMITS = {"customer_name": 12, "customer_avatar": 12, "customer_email": 40, "metadata": 60}

_MAILBOX = re.compile(r"([^\s@<>()\"',;:=])[^\s@<>()\"',;:=]*(?=@)")


def masked(text: str) -> str:
    """Return the text with the names in e-mail addresses cut to their first letter: ``a…@example.com``."""
    return _MAILBOX.sub(r"\1…", text) if "@" in text else text


def shown(field: str, value: object) -> str:
    """Return enough of the value of a field to find out what is wrong with it; never raises.

    It is cut at 120 characters. Of what is about a person less is shown: the beginning of texts, the keys of
    metadata, and no e-mail address in full.
    """
    limit = _LIMITS.get(re.split(r"[.\[]", field, maxsplit=1)[0], LIMIT)
    try:
        return masked(_keys(value) if isinstance(value, Mapping) else _beginning(value, limit))
    except Exception:  # somebody's __repr__, or an integer of more than 4,300 digits
        return f"<{type(value).__name__}>"


def _keys(value: Mapping[object, object]) -> str:
    keys = [f"{_beginning(key, LIMIT)}: …" for key in islice(value, KEYS)]
    return f"{{{', '.join(keys)}{', …' if len(value) > KEYS else ''}}}"


def _beginning(value: object, limit: int) -> str:
    if isinstance(value, (str, bytes)) and len(value) > limit:
        return f"{value[:limit]!r}..."
    text = repr(value)
    return text if len(text) <= limit + 2 else f"{text[:limit]}..."

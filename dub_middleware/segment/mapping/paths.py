"""Paths such as ``$.context.traits.email`` and ``items[0]["sku"]``."""

from __future__ import annotations

import re

__all__ = ["keys_of", "keys_of_reference"]

_SEPARATOR = re.compile(r"""\[(?=["'0-9])|\.|(?<=["'0-9])\]+""")
_QUOTES = str.maketrans("", "", "'\"")


def keys_of(path: str) -> tuple[str, ...]:
    """Return the property names of a path in a template; none for the whole event."""
    if path in ("", "."):
        return ()
    return tuple(piece.translate(_QUOTES) for piece in _SEPARATOR.split(path) if piece)


def keys_of_reference(path: str) -> tuple[str, ...]:
    """Return the property names of a path in a directive, where the first ``$.`` means nothing."""
    return keys_of(path.replace("$.", "", 1))

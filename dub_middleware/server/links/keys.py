"""Keys: the part of a short link behind the domain."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote

from dub_middleware.server.objects import ROOT_KEY as ROOT_KEY
from dub_middleware.server.store import random_text

MAX_KEY = 190
RANDOM_LENGTH = 7

#: browsers and crawlers ask for these on every host
RESERVED = frozenset(("favicon.ico", "robots.txt", "sitemap.xml", "apple-touch-icon.png", "ads.txt"))

_ASCII = re.compile(r"[A-Za-z0-9_/.-]*")
_SCRIPTS = (".php", ".php7")
#: marks and joiners that emoji and scripts are written with, beside letters, digits and symbols
_JOINERS = "\u200c\u200d\ufe0e\ufe0f"


def clean_key(text: str) -> str | None:
    """Return the key that a text means; None if it cannot be one.

    Letters and digits of any script, emoji and ``_ / - .`` are allowed; a first ``_`` is not, save in
    ``_root``. Keys are compared without case.
    """
    key = unicodedata.normalize("NFC", _decoded(text.strip())).strip("/")
    if key == ROOT_KEY:
        return key
    if not key or len(key) > MAX_KEY or key.startswith("_") or is_script(key):
        return None
    if "//" in key or any(part in (".", "..") for part in key.split("/")):
        return None  # browsers resolve these before they ask
    return key if all(map(_is_allowed, key)) else None


def key_of_path(path: str) -> str:
    """Return the key that a request path asks for; ``path`` is decoded."""
    return unicodedata.normalize("NFC", path.strip("/")) or ROOT_KEY


def is_script(key: str) -> bool:
    """Return whether only a scanner would ask for it."""
    lowered = key.lower()
    return lowered.endswith(_SCRIPTS) or ".well-known" in lowered


def random_key(prefix: str = "", length: int = RANDOM_LENGTH) -> str:
    """Return ``prefix`` and random letters and digits, ``length`` of them."""
    prefix = prefix.strip("/")
    return f"{prefix}/{random_text(length)}" if prefix else random_text(length)


def _decoded(text: str) -> str:
    return unquote(text) if "%" in text else text


def _is_allowed(letter: str) -> bool:
    if letter.isascii():
        return _ASCII.fullmatch(letter) is not None
    if letter == "\N{REPLACEMENT CHARACTER}":  # what bytes that are no UTF-8 become
        return False
    category = unicodedata.category(letter)
    # emoji are symbols (So), their skin tones modifiers (Sk)
    return letter in _JOINERS or category[0] in "LMN" or category in ("So", "Sk")

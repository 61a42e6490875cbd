"""Texts, numbers, switches and choices, judged and worded as zod 4 does it (https://zod.dev)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from dub_middleware.server.api.schema.base import Issue, Limit, Schema, bound, broken

MAX_SAFE_INTEGER = 2**53 - 1  # beyond it JavaScript's numbers lose units

_WHITESPACE = "\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(
    map(chr, range(0x2000, 0x200B))
)
_EMAIL = re.compile(
    r"(?!\.)(?!.*\.\.)[A-Za-z0-9_'+\-.]*[A-Za-z0-9_+-]@(?:[A-Za-z0-9][A-Za-z0-9-]*\.)+[A-Za-z]{2,}"
)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


@dataclass(frozen=True, kw_only=True, eq=False)
class String(Schema):
    """A text; lengths are counted in UTF-16 units, as JavaScript does.

    What no database takes (NUL, half a surrogate pair) is mended, or refused where the text is ``exact``:
    an id that was mended would be somebody else's.
    """

    exact: bool = False
    trim: bool = False
    min: Limit | None = None
    max: Limit | None = None
    format: str | None = None  #: ``email``, ``url`` or, for the document only, any other
    pattern: str | None = None  #: for the document only

    def _parse(self, value: Any) -> str:
        if not isinstance(value, str):
            raise self._wrong_type("string", value)
        text = value if value.isascii() and "\0" not in value else storable(value)
        if self.exact and text != value:
            raise Issue("invalid_format", "Invalid string: must not contain NUL or half a surrogate pair")
        if self.trim:
            text = text.strip(_WHITESPACE)
        if self.format == "email" and not _EMAIL.fullmatch(text):
            raise Issue("invalid_format", "Invalid email address")
        if self.format == "url" and not is_url(text):
            raise Issue("invalid_format", "Invalid URL")
        size = len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2
        if self.min is not None and size < bound(self.min):
            text = "Too small: expected string to have >={} characters"
            raise Issue("too_small", broken(self.min, text))
        if self.max is not None and size > bound(self.max):
            raise Issue("too_big", broken(self.max, "Too big: expected string to have <={} characters"))
        return text

    def _openapi(self, components: dict[str, Any] | None) -> dict[str, Any]:
        described: dict[str, Any] = {"type": "string"}
        if self.min is not None:
            described["minLength"] = bound(self.min)
        if self.max is not None:
            described["maxLength"] = bound(self.max)
        if self.format is not None:
            described["format"] = "uri" if self.format == "url" else self.format
        if self.pattern is not None:
            described["pattern"] = self.pattern
        return described


@dataclass(frozen=True, kw_only=True, eq=False)
class Number(Schema):
    """A number; ``min`` and ``max`` are allowed, ``above`` is not.

    ``coerce`` reads texts, for query strings. ``integer`` may be the message about a fraction.
    """

    integer: bool | str = False
    coerce: bool = False
    min: Limit | None = None
    above: Limit | None = None
    max: Limit | None = None

    def _parse(self, value: Any) -> int | float:
        if self.coerce and isinstance(value, str):
            value = _to_number(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) == float("inf"):
            raise self._wrong_type("number", value)
        if value != value:
            raise Issue("invalid_type", self.message or "Invalid input: expected number, received NaN")
        if self.integer:
            value = self._whole(value)
        kind = "int" if self.integer else "number"
        if self.min is not None and value < bound(self.min):
            raise Issue("too_small", broken(self.min, "Too small: expected number to be >={}"))
        if self.above is not None and value <= bound(self.above):
            raise Issue("too_small", broken(self.above, "Too small: expected number to be >{}"))
        if self.max is not None and value > bound(self.max):
            raise Issue("too_big", broken(self.max, "Too big: expected number to be <={}"))
        return value if kind == "number" else int(value)

    def _whole(self, value: int | float) -> int:
        if isinstance(value, float) and not value.is_integer():
            text = (
                self.integer
                if isinstance(self.integer, str)
                else "Invalid input: expected int, received number"
            )
            raise Issue("invalid_type", text)
        if value > MAX_SAFE_INTEGER:
            raise Issue("too_big", f"Too big: expected int to be <={MAX_SAFE_INTEGER}")
        if value < -MAX_SAFE_INTEGER:
            raise Issue("too_small", f"Too small: expected int to be >=-{MAX_SAFE_INTEGER}")
        return int(value)

    def _openapi(self, components: dict[str, Any] | None) -> dict[str, Any]:
        described: dict[str, Any] = {"type": "integer" if self.integer else "number"}
        for name, limit in (("minimum", self.min), ("exclusiveMinimum", self.above), ("maximum", self.max)):
            if limit is not None:
                described[name] = bound(limit)
        return described


@dataclass(frozen=True, kw_only=True, eq=False)
class Boolean(Schema):
    """True or false; ``from_text`` reads the words ``true`` and ``false``, for query strings."""

    from_text: bool = False

    def _parse(self, value: Any) -> bool:
        if self.from_text and not isinstance(value, bool):
            if value not in ("true", "false"):
                raise Issue("invalid_value", self.message or 'Invalid option: expected one of "true"|"false"')
            return bool(value == "true")
        if not isinstance(value, bool):
            raise self._wrong_type("boolean", value)
        return value

    def _openapi(self, components: dict[str, Any] | None) -> dict[str, Any]:
        return {"type": "boolean"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Choice(Schema):
    """One of some texts; ``also`` are taken as well, without being named in the message."""

    options: tuple[str, ...] = field(kw_only=False)
    also: tuple[str, ...] = ()

    def _parse(self, value: Any) -> str:
        if isinstance(value, str) and (value in self.options or value in self.also):
            return value
        shown = "|".join(f'"{option}"' for option in self.options)
        kind = "option: expected one of" if len(self.options) > 1 else "input: expected"
        raise Issue("invalid_value", self.message or f"Invalid {kind} {shown}")

    def _openapi(self, components: dict[str, Any] | None) -> dict[str, Any]:
        return {"type": "string", "enum": [*self.options, *self.also]}


def storable(text: str) -> str:
    """``text`` as any database takes it: no NUL, and no half of a surrogate pair."""
    return text.replace("\0", "").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def is_url(text: str) -> bool:
    """Say whether a text is an absolute URL."""
    try:
        parts = urlsplit(text.strip())
        return bool(parts.scheme) and (bool(parts.hostname) or (bool(parts.path) and not parts.netloc))
    except ValueError:
        return False


def _to_number(text: str) -> float:
    stripped = text.strip(_WHITESPACE)
    if not stripped:
        return 0  # Number("") in JavaScript
    return float(stripped) if _NUMBER.fullmatch(stripped) else float("nan")

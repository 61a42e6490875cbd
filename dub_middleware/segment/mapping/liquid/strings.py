"""LiquidJS's filters of text."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote

from dub_middleware.errors import MappingError
from dub_middleware.segment.javascript import UNDEFINED, WHITESPACE, to_number, truthy, units
from dub_middleware.segment.mapping.liquid.values import Special, plain, text
from dub_middleware.segment.mapping.nodes import Work

_BLANKS = re.compile(f"[{re.escape(WHITESPACE)}]+")
_NEWLINE = re.compile(r"\r?\n")
_ENTITY = re.compile("&(?:amp|lt|gt|#34|#39);")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;"}
_CHARACTERS = {entity: char for char, entity in _ENTITIES.items()}
_ESCAPES = str.maketrans(_ENTITIES)
_BROKEN_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")


def _on_text(function: Callable[[str], str]) -> Callable[..., str]:
    return lambda work, value, *_: function(text(value))


def _strip(function: Callable[[str, str], str]) -> Callable[..., str]:
    def apply(work: Work, value: Any, chars: Any = UNDEFINED, *_: Any) -> str:
        if not isinstance(chars, Special) and not truthy(chars):
            return function(text(value), WHITESPACE)
        # compared with single UTF-16 units, so that larger characters never match
        return function(text(value), "".join(char for char in text(chars) if char <= "\uffff"))

    return apply


def _append(work: Work, value: Any, *arguments: Any) -> str:
    return text(value) + _only(arguments, "append")


def _prepend(work: Work, value: Any, *arguments: Any) -> str:
    return _only(arguments, "prepend") + text(value)


def _only(arguments: tuple[Any, ...], name: str) -> str:
    if len(arguments) != 1:
        raise MappingError(f"{name} expect 2 arguments")
    return text(arguments[0])


def _capitalize(string: str) -> str:
    first = string[:1] if string[:1] > "\uffff" else string[:1].upper()
    return first + string[1:].lower()


def _replace(work: Work, value: Any, old: Any = UNDEFINED, new: Any = UNDEFINED, *_: Any) -> str:
    string, pattern, replacement = text(value), text(old), text(new)
    if not pattern:
        work.spend(len(string) * len(replacement))
        return replacement.join(units(string))
    work.spend(len(string) + string.count(pattern) * len(replacement))
    return string.replace(pattern, replacement)


def _remove(work: Work, value: Any, old: Any = UNDEFINED, *_: Any) -> str:
    string, pattern = text(value), text(old)
    return string.replace(pattern, "") if pattern else string


def _replace_first(work: Work, value: Any, old: Any = UNDEFINED, new: Any = UNDEFINED, *_: Any) -> str:
    return text(value).replace(text(old), text(new), 1)


def _remove_first(work: Work, value: Any, old: Any = UNDEFINED, *_: Any) -> str:
    return text(value).replace(text(old), "", 1)


def _replace_last(work: Work, value: Any, old: Any = UNDEFINED, new: Any = UNDEFINED, *_: Any) -> str:
    string, pattern = text(value), text(old)
    at = string.rfind(pattern)
    return string if at < 0 else string[:at] + text(new) + string[at + len(pattern) :]


def _remove_last(work: Work, value: Any, old: Any = UNDEFINED, *_: Any) -> str:
    return _replace_last(work, value, old, "")


def _split(work: Work, value: Any, separator: Any = UNDEFINED, *_: Any) -> list[str]:
    string, between = text(value), text(separator)
    parts = string.split(between) if between else list(units(string))
    while parts and not parts[-1]:
        parts.pop()
    return parts


def _truncate(work: Work, value: Any, length: Any = UNDEFINED, ellipsis: Any = UNDEFINED, *_: Any) -> Any:
    string, end = units(text(value)), "..." if ellipsis is UNDEFINED else text(ellipsis)
    limit = 50.0 if length is UNDEFINED else to_number(plain(length))
    if len(string) <= limit:
        return value
    kept = limit - len(units(end))
    return string[: int(kept) if kept > 0 else 0] + end


def _truncatewords(work: Work, value: Any, count: Any = UNDEFINED, ellipsis: Any = UNDEFINED, *_: Any) -> str:
    words, end = _BLANKS.split(text(value)), "..." if ellipsis is UNDEFINED else text(ellipsis)
    limit = 15.0 if count is UNDEFINED else to_number(plain(count))
    if limit <= 0:
        limit = 1
    kept = words[: int(min(limit, len(words)))] if limit == limit else []
    return " ".join(kept) + (end if len(words) >= limit else "")


def _url_encode(string: str) -> str:
    try:
        return quote(string, safe="-_.!~*'()").replace("%20", "+")
    except UnicodeEncodeError:
        raise MappingError("URI malformed") from None


def _url_decode(string: str) -> str:
    try:
        if _BROKEN_ESCAPE.search(string):
            raise ValueError
        return unquote(string, errors="strict").replace("+", " ")
    except ValueError:
        raise MappingError("URI malformed") from None


def _escape(string: str) -> str:
    return string.translate(_ESCAPES)


def _escape_once(string: str) -> str:
    return _escape(_ENTITY.sub(lambda entity: _CHARACTERS[entity[0]], string))


STRINGS: dict[str, Callable[..., Any]] = {
    "append": _append,
    "capitalize": _on_text(_capitalize),
    "downcase": _on_text(str.lower),
    "escape": _on_text(_escape),
    "escape_once": _on_text(_escape_once),
    "lstrip": _strip(str.lstrip),
    "normalize_whitespace": _on_text(lambda string: _BLANKS.sub(" ", string)),
    "prepend": _prepend,
    "remove": _remove,
    "remove_first": _remove_first,
    "remove_last": _remove_last,
    "replace": _replace,
    "replace_first": _replace_first,
    "replace_last": _replace_last,
    "rstrip": _strip(str.rstrip),
    "split": _split,
    "strip": _strip(str.strip),
    "strip_newlines": _on_text(lambda string: _NEWLINE.sub("", string)),
    "truncate": _truncate,
    "truncatewords": _truncatewords,
    "upcase": _on_text(str.upper),
    "url_decode": _on_text(_url_decode),
    "url_encode": _on_text(_url_encode),
    "xml_escape": _on_text(_escape),
}

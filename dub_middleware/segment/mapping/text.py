"""The directives that make text: @template, @case, @replace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from dub_middleware.errors import MappingError
from dub_middleware.segment.javascript import (
    UNDEFINED,
    WHITESPACE,
    is_number,
    read,
    to_string,
    truthy,
    type_of,
    units,
    whole,
)
from dub_middleware.segment.mapping.nodes import Compile, Resolver, Work, constant, fails
from dub_middleware.segment.mapping.paths import keys_of
from dub_middleware.segment.mapping.validate import MAX_PATTERN, MAX_REPLACEMENT

Render = Callable[[Any, Work], str]


# -- @template -------------------------------------------------------------------------------------


def template(value: Any, compile_node: Compile) -> Resolver:
    """Fill ``{{{path}}}`` and then ``{{path}}`` with values of the event; nothing is escaped."""
    if isinstance(value, str):
        return _template(value)
    source = compile_node(value)

    def resolve(payload: Any, work: Work) -> str:
        text = source(payload, work)
        if not isinstance(text, str):
            raise MappingError(f"@template: expected string, got {type_of(text)}")
        return _template(text)(payload, work)

    return resolve


def _template(text: str) -> Render:
    triple = _filler(text, 3)
    if triple is None:
        return _filler(text, 2) or constant(text)

    def resolve(payload: Any, work: Work) -> str:
        once = triple(payload, work)
        double = _filler(once, 2)  # finds placeholders in what was filled in, too
        return double(payload, work) if double else once

    return resolve


def _filler(text: str, braces: int) -> Render | None:
    """Return what fills the placeholders in ``text``, or None when it has none."""
    found = list(_placeholders(text, braces))
    if not found:
        return None
    parts: list[tuple[str, tuple[str, ...]]] = []
    at = 0
    for start, end in found:
        parts.append((text[at:start], keys_of(text[start + braces : end - braces].strip(WHITESPACE))))
        at = end
    tail = text[at:]

    def fill(payload: Any, work: Work) -> str:
        pieces: list[str] = []
        for before, keys in parts:
            value = read(payload, keys)
            piece = "" if value is None or value is UNDEFINED else to_string(value)
            work.spend(len(before) + len(piece))
            pieces += before, piece
        pieces.append(tail)
        return whole("".join(pieces))

    return fill


def _placeholders(text: str, braces: int) -> Iterator[tuple[int, int]]:
    """Yield start and end of each ``{{…}}`` that holds something but no ``}``, in linear time."""
    opening, closing = "{" * braces, "}" * braces
    at = 0
    while (start := text.find(opening, at)) >= 0:
        end = text.find("}", start)
        if end < 0:
            return
        if end > start + braces and text.startswith(closing, end):
            yield start, end + braces
            at = end + braces
        else:
            at = end + 1  # no opening before this brace can do better


# -- @case -----------------------------------------------------------------------------------------


def case(options: Any, compile_node: Compile) -> Resolver:
    """Turn text into lower or upper case; what is no text stays."""
    if not isinstance(options, dict):
        return fails('@case requires an object with a "operator" key')
    operator = options.get("operator")
    if not truthy(operator):
        return fails('@case requires a "operator" key')
    value = options.get("value")
    if not truthy(value):
        return constant(UNDEFINED)
    source = compile_node(value)
    change = {"lower": str.lower, "upper": str.upper}.get(operator) if isinstance(operator, str) else None

    def resolve(payload: Any, work: Work) -> Any:
        text = source(payload, work)
        if not isinstance(text, str):
            return text
        if change is None:
            raise MappingError('operator key should have a value of "lower" or "upper"')
        work.spend(len(text))
        return change(text)

    return resolve


# -- @replace --------------------------------------------------------------------------------------


def replace(options: Any, compile_node: Compile) -> Resolver:
    """Replace one or two short texts; what is neither text, number nor boolean becomes empty."""
    if not isinstance(options, dict):
        return fails('@replace requires an object with a "pattern" key')
    if not truthy(options.get("pattern")):
        return fails('@replace requires a "pattern" key')
    value = options.get("value")
    if not truthy(value):
        return constant(UNDEFINED)
    source = compile_node(value)
    pairs = _pairs(options)

    def resolve(payload: Any, work: Work) -> str:
        text = source(payload, work)
        if isinstance(text, bool) or is_number(text):
            text = to_string(text)
        if not isinstance(text, str) or not pairs:
            return ""
        for pair in pairs:
            text = pair(text, work)
        return text

    return resolve


def _pairs(options: dict[str, Any]) -> list[Callable[[str, Work], str]]:
    """Return the replacements; none when an option has a type that Segment does not act on."""
    ignore_case, everywhere = _or(options.get("ignorecase"), False), _or(options.get("global"), True)
    if not isinstance(ignore_case, bool) or not isinstance(everywhere, bool):
        return []
    pairs: list[Callable[[str, Work], str]] = []
    for suffix in ("", "2"):
        pattern, new = options.get(f"pattern{suffix}"), _or(options.get(f"replacement{suffix}"), "")
        if not isinstance(pattern, str) or not pattern or not isinstance(new, str):
            break
        pairs.append(_replacement(pattern, new, ignore_case=ignore_case, everywhere=everywhere))
    return pairs


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def _replacement(old: str, new: str, *, ignore_case: bool, everywhere: bool) -> Callable[[str, Work], str]:
    for name, text, limit in (("pattern", old, MAX_PATTERN), ("replacement", new, MAX_REPLACEMENT)):
        if len(units(text)) > limit:
            return _fails_on(f'@replace requires a "{name}" less than {limit} characters')
    wanted = _folded(old) if ignore_case else old
    parts = _replacement_parts(new)

    def replaced(text: str, work: Work) -> str:
        searched = _folded(text) if ignore_case else text
        pieces: list[str] = []
        at = 0
        while (start := searched.find(wanted, at)) >= 0:
            end = start + len(wanted)
            piece = text[at:start] + "".join([_expanded(part, text, start, end) for part in parts])
            work.spend(len(piece) + 1)
            pieces.append(piece)
            at = end
            if not everywhere:
                break
        pieces.append(text[at:])
        return "".join(pieces)

    return replaced


def _fails_on(message: str) -> Callable[[str, Work], str]:
    def replaced(text: str, work: Work) -> str:
        raise MappingError(message)

    return replaced


def _replacement_parts(new: str) -> list[str]:
    """Cut at the four codes that stand for something in a replacement: ``$$ $& $` $'``."""
    parts: list[str] = []
    at = 0
    while at < len(new):
        size = 2 if new[at : at + 2] in ("$$", "$&", "$`", "$'") else 1
        parts.append(new[at : at + size])
        at += size
    return parts


def _expanded(part: str, text: str, start: int, end: int) -> str:
    if part == "$$":
        return "$"
    if part == "$&":
        return text[start:end]
    if part == "$`":
        return text[:start]
    return text[end:] if part == "$'" else part


def _folded(text: str) -> str:
    """Return ``text`` as a regular expression compares it that ignores case, character by character."""
    return "".join([_folded_char(char) for char in text])


def _folded_char(char: str) -> str:
    upper = char.upper()
    if len(upper) != 1 or char > "\uffff" or (char > "\x7f" and upper <= "\x7f"):
        return char
    return upper

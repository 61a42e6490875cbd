"""FQL, the language in which Segment says which events a destination's action gets."""

from __future__ import annotations

from typing import Any

from dub_middleware.errors import FQLError
from dub_middleware.segment.fql.describe import describe, explain
from dub_middleware.segment.fql.evaluate import predicate
from dub_middleware.segment.fql.lexer import lex
from dub_middleware.segment.fql.parser import parse

__all__ = ["Subscription", "parse_fql"]


class Subscription:
    """A subscription that was read by `parse_fql`; it is immutable and safe to share.

    ``notes`` are parts of the text that Segment's parser steps over without a word, or reads in another way
    than they look.
    """

    __slots__ = ("_condition", "_matches", "notes", "text")

    def __init__(self, text: str) -> None:
        parsed = parse(lex(text))
        self.text: str = text
        self.notes: tuple[str, ...] = tuple(parsed.notes)
        self._condition = parsed.condition
        self._matches = predicate(parsed.condition)

    def __repr__(self) -> str:
        return f"parse_fql({self.text!r})"

    def matches(self, event: Any) -> bool:
        """Return whether the subscription selects ``event``; what is no JSON object, it does not."""
        return isinstance(event, dict) and self._matches(event)

    def describe(self) -> str:
        """Return in English what is selected: ``type is "track" and event is "Sign Up"``."""
        return describe(self._condition)

    def explain(self, event: dict[str, Any]) -> list[tuple[bool, str]]:
        """Return for each of its conditions whether it holds for ``event``, and what it says in English."""
        return explain(self._condition, event)


def parse_fql(text: str) -> Subscription:
    """Read a subscription such as ``type = "track" and event = "Sign Up"``.

    It is read and evaluated as Segment's own parser does, with its quirks: ``and`` and ``or`` do not mix on
    one level, an unknown field is stepped over, text is compared strictly. Raises `FQLError` for what that
    parser rejects, with the position of the error in characters.
    """
    given: object = text
    if not isinstance(given, str) or not given:
        raise FQLError(f"a subscription must be text that is not empty, not {text!r}")
    return Subscription(text)

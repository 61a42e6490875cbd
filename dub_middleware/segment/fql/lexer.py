"""FQL as tokens.

The lexer is Segment's in what it accepts and how it cuts, down to where it backs up. It sees UTF-16 units.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from dub_middleware.errors import FQLError
from dub_middleware.segment.javascript import units

Kind = Literal[
    "ident", "operator", "conditional", "string", "number", "null", "eos", ".", "[", "]", ",", "(", ")"
]

MAX_LENGTH = 100_000  # of one token
END = ""

_WHITESPACE = frozenset(" \t\n")
_TERMINATORS = frozenset(" \t\n,])") | {END}
_DIGITS = frozenset("0123456789")
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_IDENT = _LETTERS | _DIGITS | set("_-\\")
_AFTER_IDENT = _TERMINATORS | set(".(=!")


class Token(NamedTuple):
    """``value`` is the source text, of strings with their quotes, of idents without backslashes."""

    kind: Kind
    value: str
    position: int


def lex(text: str) -> list[Token]:
    """Return the tokens, the last of kind ``eos``. Raises `FQLError`."""
    return _Lexer(text).lex()


class _Lexer:
    def __init__(self, text: str) -> None:
        self._text = units(text)
        self._at = 0

    def lex(self) -> list[Token]:
        tokens: list[Token] = []
        while True:
            start = self._at
            char = self._next()
            if char == END:
                tokens.append(Token("eos", "eos", start))
                return tokens
            if char not in _WHITESPACE:
                kind, value = self._token(char)
                tokens.append(Token(kind, value, start))

    def _token(self, char: str) -> tuple[Kind, str]:
        if char == "!" and (self._peek() in _LETTERS or self._peek() == "("):
            return "operator", "!"
        if char in "!=<>":
            return "operator", self._operator(char)
        if char in _LETTERS or char in "\\_":
            return self._word(char)
        if char in _DIGITS or char in "+-":
            return "number", self._number(char)
        if char in "\"'":
            return "string", self._string(char)
        if char in ".[],()":
            return char, char  # type: ignore[return-value]
        raise self._error(f"{char!r} is no part of the language", self._at - 1)

    def _operator(self, char: str) -> str:
        if char == "=":
            return "="
        if self._accept("="):
            return f"{char}="
        if char == "!":
            raise self._error("'!' must be followed by '=' and a blank, or by contains or match", self._at)
        return char

    def _word(self, char: str) -> tuple[Kind, str]:
        if char == "a" and self._accept("nd"):
            return "conditional", "and"
        if char == "o" and self._accept("r"):
            return "conditional", "or"
        if char == "n" and self._accept("ull"):
            return "null", "null"
        return "ident", self._ident(char)

    def _ident(self, char: str) -> str:
        chars: list[str] = []
        while True:
            if char == "\\":
                char = self._next()
                if char == END:
                    raise self._error("a backslash must be followed by a character", self._at)
            chars.append(char)
            if len(chars) >= MAX_LENGTH:
                raise self._error(f"a name has {MAX_LENGTH:,} characters or more", self._at)
            if self._peek() not in _IDENT:
                break
            char = self._next()
        if self._peek() not in _AFTER_IDENT:
            raise self._error(f"{self._peek()!r} cannot follow a name", self._at)
        return "".join(chars)

    def _number(self, char: str) -> str:
        start = self._at
        is_decimal = False
        while self._peek() == "." or self._peek() in _DIGITS:
            if self._next() == ".":
                if self._peek() in _TERMINATORS:
                    raise self._error("a digit must follow the decimal point", self._at)
                if is_decimal:
                    raise self._error("a number has one decimal point", self._at - 1)
                is_decimal = True
            if self._at - start >= MAX_LENGTH:
                raise self._error(f"a number has {MAX_LENGTH:,} digits or more", self._at)
        return char + self._text[start : self._at]

    def _string(self, quote: str) -> str:
        start = self._at
        end = self._text.find(quote, start)
        if end < 0:
            raise self._error("the string has no closing quote", start - 1)
        if end - start >= MAX_LENGTH:
            raise self._error(f"a string has {MAX_LENGTH:,} characters or more", start - 1)
        self._at = end
        self._accept(quote)  # when it is not: the quote opens the next string
        return quote + self._text[start:end] + quote

    def _accept(self, word: str) -> bool:
        """Go past ``word`` when a terminator follows it."""
        start = self._at
        for _ in word:
            char = self._next()
            if char == END:
                return False  # and what was read stays read
            if char in _TERMINATORS:
                break
        if self._text[start : self._at] == word and self._peek() in _TERMINATORS:
            return True
        self._at = start
        return False

    def _next(self) -> str:
        char = self._peek()
        self._at += len(char)
        return char

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    @staticmethod
    def _error(message: str, position: int) -> FQLError:
        return FQLError(message, position=position)

"""Tokens as a condition.

Segment's parser is no grammar: it walks over the tokens, takes what it recognises and steps over the rest.
What it steps over is kept as notes, because whoever wrote it meant something by it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from dub_middleware.errors import FQLError
from dub_middleware.segment.fql.lexer import Token
from dub_middleware.segment.javascript import to_number, to_string

Value = str | float | bool
Join = Literal["and", "or"]

#: what conditions are about: properties of these objects, and these fields
OBJECTS = ("properties", "traits", "context")
FIELDS = ("type", "event", "name", "userId")
# Segment looks names up in a JavaScript object, which has these without being asked. They swallow an operator
# and a value and give no condition.
_INHERITED = frozenset(
    {"constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString", "toString"}
    | {"valueOf", "__proto__", "__defineGetter__", "__defineSetter__"}
    | {"__lookupGetter__", "__lookupSetter__"}
)


@dataclass(frozen=True, slots=True)
class Condition:
    """``path`` is a field, or what is below one of the objects: ``("properties", "plan.name")``."""

    path: tuple[str, ...]
    operator: str
    value: Value | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """One level: its conditions are joined by one word."""

    join: Join
    children: tuple[Condition | Group, ...]


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a text selects, and ``notes`` about what in it is not read as it looks."""

    condition: Group
    notes: list[str] = field(default_factory=list)


def parse(tokens: list[Token]) -> Parsed:
    """Return what the tokens of a subscription select. Raises `FQLError`."""
    parser = _Parser()
    found = parser.parse(deque(_with_dotted_names(tokens)))
    if found is None:
        raise FQLError("it selects nothing: there is no condition on a field that is looked at", position=0)
    group = found if isinstance(found, Group) else Group("and", (found,))
    return Parsed(group, parser.notes)


def _with_dotted_names(tokens: list[Token]) -> Iterator[Token]:
    at = 0
    while at < len(tokens):
        token = tokens[at]
        at += 1
        if token.kind == "ident":
            names = [token.value]
            while at + 1 < len(tokens) and tokens[at].kind == "." and tokens[at + 1].kind == "ident":
                names.append(tokens[at + 1].value)
                at += 2
            token = token._replace(value=".".join(names))
        yield token


class _Parser:
    def __init__(self) -> None:
        self.notes: list[str] = []

    def parse(self, tokens: deque[Token]) -> Condition | Group | None:
        nodes: list[Condition | Group] = []
        joins: list[Join] = []
        token = tokens.popleft() if tokens else None
        while token and token.kind != "eos":
            if token.kind == "ident":
                self._name(token, tokens, nodes)
            elif token.kind == "operator" and token.value == "!" and _is_function(tokens[0]):
                self._function(tokens.popleft(), tokens, nodes, negate=True)
            elif token.kind == "(":
                group = self.parse(self._group(tokens, token))
                if group is None:
                    raise FQLError("these parentheses hold no condition", position=token.position)
                nodes.append(group)
            elif token.kind == "conditional":
                joins.append("or" if token.value == "or" else "and")
            elif token.kind == ")":
                self.notes.append("a group ends at its first closing parenthesis; another one is ignored")
            token = tokens.popleft() if tokens else None
        if len(set(joins)) > 1:
            self.notes.append(
                f"and, or: one level has one of them, the last, so all are read as {joins[-1]!r}"
            )
        if len(nodes) > 1:
            return Group(joins[-1] if joins else "and", tuple(nodes))
        return nodes[0] if nodes else None

    def _group(self, tokens: deque[Token], opening: Token) -> deque[Token]:
        """Take the tokens up to the first closing parenthesis, whatever it closes."""
        inside: deque[Token] = deque()
        while tokens:
            token = tokens.popleft()
            if token.kind == ")":
                inside.append(Token("eos", "eos", token.position))
                return inside
            inside.append(token)
        raise FQLError(
            "this parenthesis has no counterpart; groups cannot be nested", position=opening.position
        )

    def _name(self, token: Token, tokens: deque[Token], nodes: list[Condition | Group]) -> None:
        head = token.value.split(".")[0]
        if head in FIELDS or head in OBJECTS or head in _INHERITED:
            operator = self._take(tokens, f"an operator must follow {token.value}", token)
            wanted = (
                "an operator and a value" if operator.kind == "eos" else f"a value after {operator.value}"
            )
            value = self._take(tokens, f"{token.value} needs {wanted}", operator)
            if value.kind == "eos":
                self.notes.append(
                    f"{token.value} {operator.value} has no value, which is read as the text 'eos'"
                )
            if head in _INHERITED:
                self.notes.append(f"{token.value} is no field of an event and is ignored")
            else:
                nodes.append(_condition(head, token.value, operator, value))
        elif _is_function(token):
            self._function(token, tokens, nodes, negate=False)
        else:
            self.notes.append(f"{token.value} is no field that subscriptions look at and is ignored")

    def _function(
        self, function: Token, tokens: deque[Token], nodes: list[Condition | Group], *, negate: bool
    ) -> None:
        """Take ``( name , value )``, for whatever tokens stand in the places of the punctuation."""
        _take_any(tokens)
        name = self._take(tokens, f"{function.value}() is missing its first argument", function)
        _take_any(tokens)
        value = self._take(tokens, f"{function.value}() is missing its second argument", function)
        _take_any(tokens)
        path = _function_path(name)
        if path is None:
            self.notes.append(f"{function.value}() cannot look at {name.value} and is ignored")
            return
        operator, text = "contains", to_string(_value(value))
        if function.value == "match":
            is_prefix = value.value.endswith('*"')
            operator, text = ("starts_with", text[:-1]) if is_prefix else ("ends_with", text[1:])
        nodes.append(Condition(path, f"not_{operator}" if negate else operator, text))

    def _take(self, tokens: deque[Token], message: str, after: Token) -> Token:
        if not tokens:
            raise FQLError(message, position=after.position)
        return tokens.popleft()


def _take_any(tokens: deque[Token]) -> None:
    if tokens:
        tokens.popleft()


def _is_function(token: Token) -> bool:
    return token.kind == "ident" and token.value in ("contains", "match")


def _function_path(name: Token) -> tuple[str, ...] | None:
    if name.value in ("event", "name", "userId"):
        return (name.value,)
    for head in OBJECTS:
        if name.value.startswith(head):  # not only when a dot follows
            return _path(head, name.value, name)
    return None


def _path(head: str, dotted: str, token: Token) -> tuple[str, ...]:
    below = dotted.removeprefix(f"{head}.")
    if not below.strip("[.]"):
        raise FQLError(f"{dotted} names no property", position=token.position)
    return (head, below)


def _value(token: Token) -> Value:
    if token.kind == "string":
        return token.value.removeprefix('"').removesuffix('"')
    if token.kind == "number":
        return to_number(token.value)
    if token.kind == "ident" and token.value in ("true", "false"):
        return token.value == "true"
    return token.value


def _condition(head: str, dotted: str, operator: Token, value: Token) -> Condition:
    path = _path(head, dotted, operator) if head in OBJECTS else (head,)
    named = (operator.value, value.value)
    if head not in ("type", "event"):
        if named in (("!=", "null"), ("=", "null")):
            return Condition(path, "exists" if operator.value == "!=" else "not_exists")
        if head != "name" and named in (("=", "true"), ("=", "false")):
            return Condition(path, f"is_{value.value}")
    if head not in OBJECTS:
        return Condition(path, operator.value, to_string(_value(value)))
    if value.kind == "number" and operator.value in ("=", "!="):
        return Condition(
            path, "number_equals" if operator.value == "=" else "number_not_equals", _value(value)
        )
    return Condition(path, operator.value, _value(value))

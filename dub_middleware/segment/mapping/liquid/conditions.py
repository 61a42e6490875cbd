"""What stands in a condition, and values in general, as closures."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from liquid.builtin.expressions import (
    BooleanExpression,
    Path,
    StringLiteral,
    logical,
    primitive,
)
from liquid.expression import Expression

from dub_middleware.errors import MappingError
from dub_middleware.segment.javascript import UNDEFINED, to_double, to_number, to_string, units
from dub_middleware.segment.mapping.liquid.values import (
    BLANK,
    EMPTY,
    NIL,
    Special,
    equals,
    is_true,
    plain,
    read_property,
)

__all__ = ["Evaluate", "Scope", "condition", "value_of"]

MAX_NESTING = 10  # of paths in the brackets of paths


class Scope:
    """The event, and over it what the template has assigned."""

    __slots__ = ("event", "names")

    def __init__(self, event: Any) -> None:
        self.event = event if isinstance(event, dict) else {}
        self.names: dict[str, Any] = {}

    def read(self, name: str) -> Any:
        """Return the value of a name."""
        return self.names[name] if name in self.names else self.event.get(name, UNDEFINED)


Evaluate = Callable[[Scope], Any]


def value_of(expression: Expression, depth: int = 0) -> Evaluate:
    """Return what evaluates a literal or a path. Raises `MappingError` for what is not supported."""
    if isinstance(expression, StringLiteral) and "\\" in expression.value:
        raise MappingError("a backslash in a text is not supported")
    if isinstance(expression, primitive.Literal):
        value = expression.value
        return lambda scope: value
    for kind, special in _SPECIAL.items():
        if isinstance(expression, kind):
            return _always(special)
    if isinstance(expression, Path):
        return _path(expression, depth)
    raise MappingError(f"{expression} is not supported")


_SPECIAL: dict[type[Expression], Special] = {
    primitive.Nil: NIL,
    primitive.Empty: EMPTY,
    primitive.Blank: BLANK,
}


def _always(value: Any) -> Evaluate:
    return lambda scope: value


def _path(path: Path, depth: int) -> Evaluate:
    if depth > MAX_NESTING:
        raise MappingError(f"paths nested deeper than {MAX_NESTING} levels are not supported")
    first, *others = path.path
    if not isinstance(first, str):
        raise MappingError(f"{path} is not supported: a path starts with a name")
    keys = [value_of(part, depth + 1) if isinstance(part, Path) else _always(part) for part in others]

    def evaluate(scope: Scope) -> Any:
        value = scope.read(first)
        for key in keys:
            value = read_property(value, key(scope))
        return value

    return evaluate


# -- conditions --------------------------------------------------------------------------------------


def condition(expression: Expression) -> Callable[[Scope], bool]:
    """Return what decides a condition."""
    evaluate = _logical(expression)
    return lambda scope: is_true(evaluate(scope))


def _logical(expression: Expression) -> Evaluate:
    if isinstance(expression, BooleanExpression):
        return _logical(expression.expression)
    if isinstance(expression, (logical.LogicalAndExpression, logical.LogicalOrExpression)):
        left, right = condition(expression.left), condition(expression.right)
        if isinstance(expression, logical.LogicalAndExpression):
            return lambda scope: left(scope) and right(scope)
        return lambda scope: left(scope) or right(scope)
    if isinstance(expression, logical.NeExpression) and expression.token.value == "<>":
        raise MappingError("the operator <> is not supported")
    for kind, compare in _OPERATORS.items():
        if isinstance(expression, kind):
            return _comparison(value_of(expression.left), value_of(expression.right), compare)
    return value_of(expression)


def _comparison(left: Evaluate, right: Evaluate, compare: Callable[[Any, Any], bool]) -> Evaluate:
    return lambda scope: compare(left(scope), right(scope))


def _relation(
    of_numbers: Callable[[float, float], bool], of_texts: Callable[[str, str], bool]
) -> Callable[[Any, Any], bool]:
    def compare(left: Any, right: Any) -> bool:
        if isinstance(left, Special) or isinstance(right, Special):
            return False
        left, right = _primitive(left), _primitive(right)
        if isinstance(left, str) and isinstance(right, str):
            return of_texts(_ordered(left), _ordered(right))
        return of_numbers(to_double(to_number(left)), to_double(to_number(right)))

    return compare


def _primitive(value: Any) -> Any:
    return to_string(value) if isinstance(value, (dict, list, tuple)) else value


def _ordered(text: str) -> str:
    """Return what sorts by UTF-16 units."""
    return units(text)


def _contains(left: Any, right: Any) -> bool:
    left = plain(left)
    if isinstance(left, (list, tuple)):
        return any(equals(item, right) for item in left)
    return isinstance(left, str) and units(to_string(plain(right))) in units(left)


_OPERATORS: dict[type[Any], Callable[[Any, Any], bool]] = {
    logical.EqExpression: equals,
    logical.NeExpression: lambda left, right: not equals(left, right),
    logical.LtExpression: _relation(operator.lt, operator.lt),
    logical.LeExpression: _relation(operator.le, operator.le),
    logical.GtExpression: _relation(operator.gt, operator.gt),
    logical.GeExpression: _relation(operator.ge, operator.ge),
    logical.ContainsExpression: _contains,
}

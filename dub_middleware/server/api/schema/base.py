"""What every schema shares: the question of presence, the last rule, the issue that is raised."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


#: what JavaScript calls ``undefined``: the key is not there
MISSING: Final = _Missing()
#: a schema without a default
REQUIRED: Final = _Missing()

#: a limit, or a limit with a message of its own
Limit = int | tuple[int, str]


class Issue(Exception):
    """Raised for the first value that breaks a rule; ``path`` is where, as ``geo.DE`` or ``links[2].url``."""

    def __init__(self, code: str, message: str, path: str = "") -> None:
        self.code = code
        self.message = message
        self.path = path
        super().__init__(str(self))

    def __str__(self) -> str:
        return f"{self.code}: {self.path}: {self.message}"

    def below(self, key: str | int) -> Issue:
        """The same issue, seen from the object or array around it."""
        here = f"[{key}]" if isinstance(key, int) else key
        joint = "." if self.path and not self.path.startswith("[") else ""
        return Issue(self.code, self.message, f"{here}{joint}{self.path}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Schema(ABC):
    """Parse one value, and describe it.

    ``default`` is used when the value is missing; a default of None allows null as well.
    ``optional`` values may be missing without a default: they stay out of the result.
    ``message`` replaces the text about a wrong type. ``check`` has the last word on a value that is right so
    far: it returns it, changed or not, or raises `Issue`. ``doc`` goes into the OpenAPI document.
    """

    default: Any = REQUIRED
    optional: bool = False
    nullable: bool = False
    message: str | None = None
    check: Callable[[Any], Any] | None = None
    doc: str = ""
    deprecated: bool = False
    example: Any = REQUIRED

    def parse(self, value: Any) -> Any:
        """Return the value, coerced and checked. Raises `Issue`."""
        if value is MISSING:
            if self.default is not REQUIRED:
                return self.default
            if self.optional:
                return MISSING
        elif value is None and (self.nullable or self.default is None):
            return None
        value = self._parse(value)
        return value if self.check is None else self.check(value)

    def parse_texts(self, texts: list[str]) -> Any:
        """Parse what a query string says of one name, each time it is named; the last one counts."""
        return self.parse(texts[-1] if texts else MISSING)

    def openapi(self, components: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the schema as JSON Schema 2020-12; named objects go into ``components``."""
        described = self._openapi(components)
        if self.nullable or self.default is None:
            described = _or_null(described)
        if self.default is not REQUIRED:
            described["default"] = self.default
        if self.doc:
            described["description"] = self.doc
        if self.deprecated:
            described["deprecated"] = True
        if self.example is not REQUIRED:
            described["examples"] = [self.example]
        return described

    @property
    def may_be_missing(self) -> bool:
        return self.optional or self.default is not REQUIRED

    @abstractmethod
    def _parse(self, value: Any) -> Any:
        """Return what a value that is there and not null means. Raises `Issue`."""

    @abstractmethod
    def _openapi(self, components: dict[str, Any] | None) -> dict[str, Any]:
        """Return the JSON Schema of what the class adds."""

    def _wrong_type(self, expected: str, value: Any) -> Issue:
        return Issue(
            "invalid_type",
            self.message or f"Invalid input: expected {expected}, received {type_name(value)}",
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Anything(Schema):
    """Any JSON value."""

    def _parse(self, value: Any) -> Any:
        return None if value is MISSING else value

    def _openapi(self, components: dict[str, Any] | None) -> dict[str, Any]:
        return {}


def type_name(value: Any) -> str:
    """What zod calls the type of a JSON value."""
    if value is MISSING:
        return "undefined"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "Infinity" if abs(value) == float("inf") else "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def bound(limit: Limit) -> int:
    """The number of a limit."""
    return limit[0] if isinstance(limit, tuple) else limit


def broken(limit: Limit, text: str) -> str:
    """What is said of a value beyond a limit: ``text`` with its number, unless it has words of its own."""
    return limit[1] if isinstance(limit, tuple) else text.format(limit)


def _or_null(described: dict[str, Any]) -> dict[str, Any]:
    kind = described.get("type")
    if not isinstance(kind, str):
        return {"anyOf": [described, {"type": "null"}]} if described else {}
    if "enum" in described:
        described["enum"] = [*described["enum"], None]
    return described | {"type": [kind, "null"]}

"""What the parts of a compiled mapping have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dub_middleware.errors import MappingError

__all__ = ["ROOT_KEY", "Compile", "Resolver", "Work", "constant", "fails", "is_directive", "name_of"]

#: the field that takes the mapping of all other fields as its input
ROOT_KEY = "__segment_internal_directive"
LIMIT = 250_000


class Work:
    """What one evaluation may still touch, in values and characters.

    Directives feed directives, so that a small mapping could ask for more than a machine has.
    """

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = LIMIT

    def spend(self, amount: int) -> None:
        """Raise `MappingError` when all is spent."""
        self.left -= amount
        if self.left < 0:
            raise MappingError(f"the mapping makes more than {LIMIT:,} values and characters of this event")


Resolver = Callable[[Any, Work], Any]
Compile = Callable[[Any], Resolver]


def constant(value: Any) -> Resolver:
    """Return the resolver that always gives ``value``, which must be immutable."""
    return lambda payload, work: value


def fails(message: str) -> Resolver:
    """Return the resolver that raises ``message``, for what Segment notices only when it gets there."""

    def resolve(payload: Any, work: Work) -> Any:
        raise MappingError(message)

    return resolve


def is_directive(value: Any) -> bool:
    """Return whether ``value`` is an object whose keys are directives, ``_metadata`` aside."""
    if not isinstance(value, dict) or name_of(value) is None:
        return False
    return all(key.startswith("@") or key == "_metadata" for key in value)


def name_of(value: dict[str, Any]) -> str | None:
    """Return the first key that starts with ``@``."""
    return next((key for key in value if key.startswith("@")), None)

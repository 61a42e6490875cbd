"""What was typed, and how a command says that it cannot do it: in words, or in JSON for programs."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from dub_middleware.errors import DubError

DAY = 86_400  # seconds


class UsageError(Exception):
    """Raised for a command line that cannot be meant; ``usage`` is what could be."""

    def __init__(self, command: str, usage: str, message: str) -> None:
        self.command = command
        self.usage = usage
        super().__init__(message)


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` that raises `UsageError` and leaves the telling to `tell`; so do its commands."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(self.prog, self.format_usage(), message)


class Version(argparse.Action):
    """Tell which version is installed; looked up only when asked for, as that takes longer than parsing."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        from importlib.metadata import version

        print(f"dub-middleware {version('dub-middleware')}")
        parser.exit()


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """Return the type of an option that is a whole number within bounds."""
    allowed = f"a whole number of {least} or more" if most is None else f"a whole number, {least} to {most}"

    def read(text: str) -> int:
        number = int(text) if re.fullmatch(r"[+-]?\d{1,18}", text, re.ASCII) else None
        if number is None or number < least or (most is not None and number > most):
            raise argparse.ArgumentTypeError(f"{text!r} must be {allowed}")
        return number

    return read


def seconds(text: str) -> float:
    """Read the value of an option that is a time to wait."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= DAY:
        raise argparse.ArgumentTypeError(f"{text!r} must be seconds, above 0 and up to a day")
    return number


def wants_json(arguments: Sequence[str]) -> bool:
    """Say whether a program reads the answer, before the arguments are parsed or when they cannot be."""
    return "--json" in arguments


def tell(command: str, error: DubError | UsageError, *, as_json: bool) -> None:
    """Put an error on standard error; as JSON it is one line, in the shape of the API's own errors."""
    if as_json:
        print(json.dumps({"error": _facts(error)}), file=sys.stderr)
        return
    if isinstance(error, UsageError):
        print(error.usage, end="", file=sys.stderr)
    print(f"{command}: {error}", file=sys.stderr)


def _facts(error: DubError | UsageError) -> dict[str, Any]:
    """``code`` is Dub's word where the API has answered, else the name of our exception: ``config_error``."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__).lower()
    message = getattr(error, "message", str(error))
    facts: dict[str, Any] = {"code": getattr(error, "code", None) or name, "message": message}
    for field in ("option", "status", "doc_url"):
        if (value := getattr(error, field, None)) is not None:
            facts[field] = value
    return facts

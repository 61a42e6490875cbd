"""The mappings of the destination: read from a file, checked with every error at once, and applied."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dub_middleware.errors import FQLError, MappingError, MissingDependencyError
from dub_middleware.segment.actions import traps
from dub_middleware.segment.actions.fields import ACTIONS, default_mapping
from dub_middleware.segment.actions.outcomes import Failed, NotSubscribed, PlannedOutcome
from dub_middleware.segment.actions.validation import validate
from dub_middleware.segment.fql import Subscription, parse_fql
from dub_middleware.segment.javascript import parse_json
from dub_middleware.segment.mapping import CompiledMapping

__all__ = ["ActionMapping", "compile_mappings", "load_mappings"]

_KEYS = ("partnerAction", "subscribe", "mapping", "name", "enabled")


class ActionMapping:
    """One mapping, ready to be applied; immutable and safe to share."""

    __slots__ = (
        "_action",
        "_is_enabled",
        "_mapping",
        "_notes",
        "missed",
        "name",
        "slug",
        "subscription",
        "warnings",
    )

    def __init__(
        self,
        slug: str,
        subscription: Subscription,
        mapping: dict[str, Any],
        *,
        name: str | None = None,
        is_enabled: bool = True,
    ) -> None:
        self.slug = slug
        self.name = name or slug
        self._is_enabled = is_enabled
        self.subscription = subscription
        self._action = ACTIONS.get(slug)
        self._mapping = CompiledMapping(mapping)
        self.missed = f"It wants events where {subscription.describe()}."
        """Why an event that the subscription does not select is left out."""
        self._notes = [f"subscription: {note}." for note in subscription.notes]
        self.warnings = list(self._notes)
        """What can be said before there is an event."""
        if self._action is None:
            self.warnings.append(f"There is no action {slug!r}; there are {', '.join(ACTIONS)}.")
        else:
            self.warnings += traps.of_mapping(self._action, mapping)

    def skip(self, reason: str) -> NotSubscribed:
        """Return the outcome for an event that is not to be looked at."""
        return {
            "outcome": "not_subscribed",
            "action": self.slug,
            "reason": reason,
            "warnings": list(self._notes),
        }

    def plan(self, event: dict[str, Any]) -> PlannedOutcome:
        """Return what becomes of an event. Never raises for what is in it."""
        if not self._is_enabled:
            return self.skip("The mapping is switched off.")
        if not self.subscription.matches(event):
            return self.skip(self.missed)
        if self._action is None:
            return {"outcome": "no_action", "action": self.slug, "warnings": list(self.warnings)}
        try:
            body, errors = validate(self._action, self._mapping(event))
        except MappingError as failure:
            return self._failed(str(failure), list(self.warnings))
        error = " ".join(errors) or _crash(event)
        warnings = self.warnings + traps.of_event(self._action, event, body, errors)
        if error:
            return self._failed(error, warnings)
        return {
            "outcome": "sent",
            "action": self.slug,
            "method": "POST",
            "path": f"/track/{self._action.kind}",
            "body": body,
            "warnings": warnings,
        }

    def _failed(self, error: str, warnings: list[str]) -> Failed:
        return {"outcome": "error", "action": self.slug, "error": error, "warnings": warnings}


def _crash(event: dict[str, Any]) -> str:
    """Return the message of the exception that Segment meets after the payload was found valid."""
    context = event.get("context", {})
    if context is None:
        return "Cannot destructure property 'personas' of '{}' as it is null."
    if isinstance(context, dict) and context.get("personas", {}) is None:
        return "Cannot read properties of null (reading 'computation_class')"
    return ""


def compile_mappings(mappings: Any) -> list[ActionMapping]:
    """Return the mappings, ready to be applied.

    Each is a dict with ``partnerAction`` and, unless the action's own are meant, ``subscribe`` and
    ``mapping``; ``name`` is for people, ``enabled: false`` switches it off.
    Raises `MappingError` with all that is wrong with any of them.
    """
    if not isinstance(mappings, Sequence) or isinstance(mappings, (str, bytes)):
        raise MappingError(f"mappings must be a list of objects, not {type(mappings).__name__}")
    compiled: list[ActionMapping] = []
    errors: list[str] = []
    for number, item in enumerate(mappings, 1):
        label = f"mapping {number}"
        shown = (item.get("name") or item.get("partnerAction")) if isinstance(item, dict) else None
        if shown and isinstance(shown, str):
            label = f"mapping {number} ({shown})"
        found: list[str] = []
        made = _compile(item, found)
        errors += [f"{label}: {error}" for error in found]
        if made is not None:
            compiled.append(made)
    if errors:
        raise MappingError("\n".join(errors), errors=tuple(errors))
    return compiled


def _compile(item: Any, errors: list[str]) -> ActionMapping | None:
    if not isinstance(item, dict):
        errors.append(f"it must be an object, not {type(item).__name__}")
        return None
    errors += [f"{key!r} is not known; known are {', '.join(_KEYS)}" for key in item if key not in _KEYS]
    slug = item.get("partnerAction")
    if not isinstance(slug, str) or not slug:
        errors.append(f"partnerAction must be one of {', '.join(ACTIONS)}, not {slug!r}")
        slug = ""
    name, is_enabled = item.get("name"), item.get("enabled", True)
    if not isinstance(name, str | None):
        errors.append(f"name must be text, not {name!r}")
    if not isinstance(is_enabled, bool):
        errors.append(f"enabled must be true or false, not {is_enabled!r}")
    action = ACTIONS.get(slug)
    subscribe: Any = item.get("subscribe", action.trigger if action else None)
    mapping = item.get("mapping", default_mapping(action) if action else {})
    subscription: Subscription | None = None
    if slug or "subscribe" in item:  # without an action there is no default to miss
        try:
            subscription = parse_fql(subscribe)
        except FQLError as error:
            errors.append(f"subscribe: {error}")
    try:
        if subscription is None:
            CompiledMapping(mapping)
        else:
            return ActionMapping(slug, subscription, mapping, name=name, is_enabled=is_enabled)
    except MappingError as error:
        errors += [str(error)] if error.path else error.errors
    return None


def load_mappings(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Return the mappings in a JSON or TOML file, for `DubActions`.

    Its name ends in ``.json`` or ``.toml``; one without an ending is JSON. It holds a list of mappings, or an
    object with the key ``mappings``; TOML has ``[[mappings]]`` and quoted directives, as in
    ``clickId = {"@path" = "$.context.traits.clickId"}``.
    Raises `MappingError` with all that is wrong with them, and when the file cannot be read.
    """
    file = Path(path)
    parse = _PARSERS.get(file.suffix.lower())
    if parse is None:
        raise MappingError(
            f"mappings are in JSON (.json) or TOML (.toml); {file.suffix!r} is neither", path=str(file)
        )
    try:
        data = parse(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error) or type(error).__name__
        raise MappingError(f"cannot be read: {reason}", path=str(file)) from None
    if isinstance(data, dict) and set(data) == {"mappings"}:
        data = data["mappings"]
    try:
        compile_mappings(data)
    except MappingError as error:
        lines = "\n".join(error.errors)
        raise MappingError(f"{file}:\n{lines}", errors=error.errors) from None
    return list(data)


def _parse_toml(text: str) -> Any:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        try:
            import tomli as tomllib
        except ImportError:
            raise MissingDependencyError("tomli", "segment") from None
    return tomllib.loads(text)


_PARSERS = {".json": parse_json, "": parse_json, ".toml": _parse_toml}

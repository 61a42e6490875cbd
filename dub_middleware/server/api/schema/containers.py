"""Objects, arrays, records and unions."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from dub_middleware.server.api.schema.base import MISSING, REQUIRED, Issue, Limit, Schema, bound, broken

Values = dict[str, Any]


class Arguments(Protocol):
    """A query string, as Werkzeug has it in ``request.args``."""

    def getlist(self, key: str, /) -> list[str]: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Object(Schema):
    """An object with these fields, by their names on the wire; unknown keys are dropped, as Dub does.

    ``check`` sees the whole of it. An object with a ``name`` is described once, as a component.
    """

    fields: Mapping[str, Schema] = field(kw_only=False)
    name: str = ""

    @functools.cached_property
    def _plan(self) -> list[tuple[str, Schema, Any]]:
        return [(key, item, item.default) for key, item in self.fields.items()]

    def parse_query(self, arguments: Arguments) -> Values:
        """Return the values of a query string. Raises `Issue`."""
        return self._finish((key, item, arguments.getlist(key)) for key, item in self.fields.items())

    def partial(self) -> Object:
        """The same fields, each of which may be missing: a schema of changes."""
        loose = {key: _loose(item) for key, item in self.fields.items()}
        return dataclasses.replace(self, fields=loose, name="")

    def extend(self, fields: Mapping[str, Schema], *, name: str = "") -> Object:
        """These fields besides, or instead of those of the same name."""
        return dataclasses.replace(self, fields={**self.fields, **fields}, name=name)

    def _parse(self, value: Any) -> Values:
        if not isinstance(value, (dict, Mapping)):  # asking an abstract class takes longer
            raise self._wrong_type("object", value)
        values = {}
        for key, item, default in self._plan:
            given = value.get(key, MISSING)
            if given is MISSING and default is not REQUIRED:
                values[key] = default
                continue
            try:
                parsed = item.parse(given)
            except Issue as issue:
                raise issue.below(key) from None
            if parsed is not MISSING:
                values[key] = parsed
        return values

    def _finish(self, given: Iterable[tuple[str, Schema, list[str]]]) -> Values:
        values = {}
        for key, item, texts in given:
            try:
                parsed = item.parse_texts(texts)
            except Issue as issue:
                raise issue.below(key) from None
            if parsed is not MISSING:
                values[key] = parsed
        checked: Values = values if self.check is None else self.check(values)
        return checked

    def _openapi(self, components: dict[str, Any] | None) -> dict[str, Any]:
        if self.name and components is not None:
            if self.name not in components:
                components[self.name] = {}  # a schema that holds itself ends here
                components[self.name] = self._described(components)
            return {"$ref": f"#/components/schemas/{self.name}"}
        return self._described(components)

    def _described(self, components: dict[str, Any] | None) -> dict[str, Any]:
        needed = [key for key, item in self.fields.items() if not item.may_be_missing]
        described: dict[str, Any] = {
            "type": "object",
            "properties": {key: item.openapi(components) for key, item in self.fields.items()},
        }
        return described | ({"required": needed} if needed else {})


@dataclass(frozen=True, kw_only=True, eq=False)
class Array(Schema):
    """A list whose items are all of one schema.

    ``split`` also takes a text with commas, as Dub does for tags; in a query string a name may be repeated.
    """

    items: Schema = field(kw_only=False)
    min: Limit | None = None
    max: Limit | None = None
    split: bool = False

    def parse_texts(self, texts: list[str]) -> Any:
        if not texts:
            return self.parse(MISSING)
        if self.split:
            texts = [part for text in texts for part in text.split(",")]
        return self.parse(texts)

    def _parse(self, value: Any) -> list[Any]:
        if self.split and isinstance(value, str):
            value = value.split(",")
        if not isinstance(value, list):
            if self.split:
                raise Issue("invalid_union", "Invalid input")
            raise self._wrong_type("array", value)
        if self.min is not None and len(value) < bound(self.min):
            text = "Too small: expected array to have >={} items"
            raise Issue("too_small", broken(self.min, text))
        if self.max is not None and len(value) > bound(self.max):
            raise Issue("too_big", broken(self.max, "Too big: expected array to have <={} items"))
        parsed = []
        for place, item in enumerate(value):
            try:
                parsed.append(self.items.parse(item))
            except Issue as issue:
                raise issue.below(place) from None
        return parsed

    def _openapi(self, components: dict[str, Any] | None) -> dict[str, Any]:
        described: dict[str, Any] = {"type": "array", "items": self.items.openapi(components)}
        for name, limit in (("minItems", self.min), ("maxItems", self.max)):
            if limit is not None:
                described[name] = bound(limit)
        return {"anyOf": [{"type": "string"}, described]} if self.split else described


@dataclass(frozen=True, kw_only=True, eq=False)
class Record(Schema):
    """An object with any keys, whose values are all of one schema, or anything."""

    values: Schema | None = None

    def _parse(self, value: Any) -> Values:
        if not isinstance(value, Mapping):
            raise self._wrong_type("record", value)
        if self.values is None:
            return dict(value)
        parsed = {}
        for key, item in value.items():
            try:
                parsed[key] = self.values.parse(item)
            except Issue as issue:
                raise issue.below(key) from None
        return parsed

    def _openapi(self, components: dict[str, Any] | None) -> dict[str, Any]:
        inside = {} if self.values is None else {"additionalProperties": self.values.openapi(components)}
        return {"type": "object", **inside}


@dataclass(frozen=True, kw_only=True, eq=False)
class Union(Schema):
    """The first of some schemas that takes the value."""

    options: tuple[Schema, ...] = field(kw_only=False)

    def _parse(self, value: Any) -> Any:
        for option in self.options:
            try:
                return option.parse(value)
            except Issue:
                continue
        raise Issue("invalid_union", self.message or "Invalid input")

    def _openapi(self, components: dict[str, Any] | None) -> dict[str, Any]:
        return {"anyOf": [option.openapi(components) for option in self.options]}


def _loose(item: Schema) -> Schema:
    return dataclasses.replace(
        item, default=REQUIRED, optional=True, nullable=item.nullable or item.default is None
    )

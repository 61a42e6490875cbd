"""An event's metadata: written as text, read again, and looked into from SQL, the same on both databases."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

_FUNCTION = "dub_metadata_text"


def as_text(metadata: Mapping[str, Any] | None) -> str | None:
    """Return what the column holds."""
    return None if metadata is None else json.dumps(metadata, separators=(",", ":"))


def from_text(column: str | None) -> dict[str, Any] | None:
    """Return what was written."""
    return None if column is None else json.loads(column)


def text_at(column: sa.ColumnElement[Any], path: Sequence[str], *, is_sqlite: bool) -> sa.ColumnElement[str]:
    """Return the expression for the text of the value behind ``path``; NULL where there is none.

    As PostgreSQL's ``jsonb_extract_path_text`` has it: strings without quotes, everything else as JSON.
    """
    if is_sqlite:
        # its own JSON paths have no way to write a key with a quote in it
        return sa.func.dub_metadata_text(column, json.dumps(list(path)), type_=sa.Text)
    document = sa.cast(column, JSONB)
    return sa.func.jsonb_extract_path_text(document, *path, type_=sa.Text)


def prepare(connection: Any) -> None:
    """Teach a SQLite connection the function that `text_at` calls."""
    connection.create_function(_FUNCTION, 2, _read, deterministic=True)


def _read(document: str | None, path: str) -> str | None:
    value: Any = from_text(document)
    for key in json.loads(path):
        if isinstance(value, list) and key.isdecimal():
            value = value[int(key)] if int(key) < len(value) else None
        else:
            value = value.get(key) if isinstance(value, dict) else None
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)

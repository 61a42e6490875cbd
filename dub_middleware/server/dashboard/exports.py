"""Files to take away: CSV that spreadsheets open without harm, written line by line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from flask import Response, stream_with_context

#: a cell that begins with one of these is a formula to a spreadsheet
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv_response(rows: Iterable[Sequence[Any]], name: str) -> Response:
    """Answer with a CSV file that is sent while it is written."""
    response = Response(stream_with_context(csv_lines(rows)), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    response.cache_control.no_store = True
    return response


def csv_lines(rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """Write rows as CSV (RFC 4180); text that would be a formula gets an apostrophe in front."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    for row in rows:
        writer.writerow([_cell(value) for value in row])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def rate(part: float | None) -> str:
    """Write a rate between 0 and 1; empty where there is nothing to divide by."""
    return "" if part is None else f"{part:.4f}"


def json_response(records: Iterable[Any], name: str) -> Response:
    """Answer with a JSON array that is sent while it is written."""
    response = Response(stream_with_context(_json_lines(records)), mimetype="application/json")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.json"'
    response.cache_control.no_store = True
    return response


def _json_lines(records: Iterable[Any]) -> Iterator[str]:
    opening = "[\n"
    for record in records:
        yield opening + json.dumps(record, ensure_ascii=False)
        opening = ",\n"
    yield "[]\n" if opening == "[\n" else "\n]\n"

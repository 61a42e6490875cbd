"""The real-time events stream: the newest events, those that come, those before, and files of all.

A page shows the newest events and carries the cursor of the stream. ``/events/new`` gives what was committed
behind a cursor: 204 when nothing was, otherwise rows and the next cursor. Each event comes exactly once,
however many write at the same time (`dub_middleware.server.store.stream`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from flask import Blueprint, Response, abort, jsonify, render_template, request

from dub_middleware.server.dashboard import columns as table
from dub_middleware.server.dashboard import empty, formats
from dub_middleware.server.dashboard.countries import COUNTRIES
from dub_middleware.server.dashboard.exports import csv_response, json_response
from dub_middleware.server.dashboard.filters import Scope, ScopeError
from dub_middleware.server.dashboard.menus import chips
from dub_middleware.server.dashboard.pages import answer, current_scope, current_server, page
from dub_middleware.server.dashboard.records import event_object
from dub_middleware.server.dashboard.sparks import sparks
from dub_middleware.server.dashboard.words import PRESETS, dates, range_name
from dub_middleware.server.objects import Objects
from dub_middleware.server.queries import Filter, Filters
from dub_middleware.server.store import Event, EventType

blueprint = Blueprint("events", __name__)

CHOICES: dict[str, tuple[str, ...]] = {"type": ("", "click", "lead", "sale"), "q": ()}
PAGE = 50
_BATCH = 500  # events in memory while a file is written
_COOKIE = "dub_columns"


@page(blueprint, "/events")
def index() -> Response:
    """The newest events, or those before one of them."""
    server = current_server()
    scope = _scope()
    period = scope.period(server.queries)
    found, cursor = _read(scope, before=request.args.get("before"), limit=PAGE + 1)
    shown, has_more = found[:PAGE], len(found) > PAGE
    older = shown[-1].cursor if has_more else None
    data = {"cursor": cursor, "older": older, "filters": scope.filters, "events": _raw(shown)}
    columns = _columns()
    return answer(
        "events.html",
        data,
        scope=scope,
        period=period,
        range_name=range_name(scope, period),
        dates=dates(period),
        presets=PRESETS,
        offset=formats.offset(server.queries.now(), scope.zone),
        chips=chips(scope, "events.index"),
        sparks=sparks(scope, period),
        columns=columns,
        all_columns=table.COLUMNS,
        rows=[table.row(event, columns, scope.zone) for event in shown],
        is_live="before" not in request.args and period.is_current,
        nothing=_nothing(scope) if not shown else None,
        here={name: request.args.getlist(name) for name in ("columns",) if name in request.args},
    )


@blueprint.get("/events/new")
def new() -> Response:
    """What was committed behind the cursor ``after``: 204, or ``cursor``, ``count``, ``rows`` and ``more``.

    With ``rows=0`` only the cursor, for pages that just want to know.
    """
    server, after = current_server(), request.args.get("after", "")
    if request.args.get("rows") == "0":
        cursor = server.store.events.cursor()
        return _nothing_new() if cursor == after else jsonify({"cursor": cursor})
    scope = _scope()
    found, cursor = _read(scope, after=after, limit=100)
    if cursor == after:
        return _nothing_new()
    columns = _columns()
    rows = [table.row(event, columns, scope.zone) for event in reversed(found)]
    html = render_template("rows.html", rows=rows, scope=scope, columns=columns) if rows else ""
    return jsonify({"cursor": cursor, "count": len(rows), "rows": html, "more": len(found) == 100})


@page(blueprint, "/events/<int:number>")
def show(number: int) -> Response:
    """One event with everything that is known of it."""
    event = current_server().store.events.get(number)
    if event is None:
        abort(404, f"There is no event {number}.")
    scope = _scope()
    cells = [(column, column.read(event, scope.zone)) for column in table.COLUMNS]
    raw = _raw([event])[0]
    return answer(
        "event.html",
        raw,
        number=number,
        scope=scope,
        cells=[(column, cell) for column, cell in cells if cell.text and cell.text != "–"],
        raw=json.dumps(raw, indent=2, ensure_ascii=False),
        name=table.row(event, (), scope.zone).name,
    )


@blueprint.get("/events.csv")
def export_csv() -> Response:
    """All events of the scope, in the columns and the zone on screen."""
    scope = _scope()
    shown = [column for column in _columns() if column.key != "time"]

    def lines() -> Iterator[Sequence[Any]]:
        yield [
            f"time ({scope.zone.key})",
            "type",
            *(column.key for column in shown),
        ]
        for event in _all(scope):
            cells = [_exported(column, event, scope) for column in shown]
            yield [event.timestamp.astimezone(scope.zone).isoformat(), event.type, *cells]

    return csv_response(lines(), "events")


@blueprint.get("/events/export.json")
def export_json() -> Response:
    """All events of the scope as one JSON array, each as Dub's API gives it."""
    scope, objects = _scope(), _objects()
    return json_response((event_object(event, objects) for event in _all(scope)), "events")


def _scope() -> Scope:
    return current_scope(CHOICES, default_interval="all")


def _columns() -> tuple[table.Column, ...]:
    """The columns that the URL names, else those the viewer has chosen before."""
    wanted = request.args.getlist("columns") or request.cookies.get(_COOKIE, "").split(".")
    return table.choose(wanted)


def _read(
    scope: Scope, *, after: str | None = None, before: str | None = None, limit: int
) -> tuple[list[Event], str]:
    kind = scope.choices.get("type")
    types: tuple[EventType, ...] = (kind,) if kind else ()  # type: ignore[assignment]  # checked by read_scope
    queries = current_server().queries
    # "all" is no condition: an event may be older than the workspace
    period = None if scope.interval == "all" and scope.start is None else scope.period(queries)
    try:
        return queries.live(after, filters_of(scope), types=types, limit=limit, period=period, before=before)
    except ValueError as error:
        raise ScopeError(str(error)) from None


def filters_of(scope: Scope) -> Filters:
    """The filters of a scope, with its text search among them."""
    search = " ".join(scope.choices.get("q", "").split())[:200]
    if not search:
        return scope.filters
    codes = [code for code, name in COUNTRIES.items() if search.casefold() in name.casefold()]
    return {**scope.filters, "search": Filter(("\t".join([search, *codes]),))}


def _all(scope: Scope) -> Iterator[Event]:
    """Every event of a scope, newest first, a batch in memory at a time."""
    before: str | None = None
    while True:
        found, _ = _read(scope, before=before, limit=_BATCH)
        yield from found
        if len(found) < _BATCH:
            return
        before = found[-1].cursor


def _exported(column: table.Column, event: Event, scope: Scope) -> str:
    if column.key == "amount" and event.amount is not None:
        digits = formats.minor_digits(event.currency or "usd")
        return f"{event.amount / 10**digits:.{digits}f}"
    cell = column.read(event, scope.zone)
    return "" if cell.text == "–" else cell.value or cell.text


def _objects() -> Objects:
    server = current_server()
    return Objects(server.store.workspace.settings().workspace_id, request.host_url)


def _raw(events: Sequence[Event]) -> list[dict[str, Any]]:
    objects = _objects()
    return [event_object(event, objects) for event in events]


def _nothing(scope: Scope) -> empty.Nothing:
    return empty.reason(scope, scope.period(current_server().queries), "events.index")


def _nothing_new() -> Response:
    return Response(status=204)

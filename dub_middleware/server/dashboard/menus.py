"""Choosing filters, dates and the time zone: menus, and the pages behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import available_timezones

from flask import Blueprint, Response, abort, redirect, request
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as AnyResponse

from dub_middleware.server.dashboard.filters import CLOSED, LABELS, Scope, address
from dub_middleware.server.dashboard.groupings import GROUPINGS, name_of
from dub_middleware.server.dashboard.pages import answer, current_server, page, viewer_zone
from dub_middleware.server.dashboard.zones import zones

blueprint = Blueprint("menus", __name__)

#: the pages that have a scope, which these menus may lead back to
PAGES = ("analytics.index", "events.index")
_OWN = ("field", "verb", "value", "to")


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter in words, and the addresses of the page without it and with its opposite."""

    name: str
    verb: str
    value: str
    remove: str
    flip: str


def chips(scope: Scope, endpoint: str, **place: str) -> list[Chip]:
    """The filters of a scope, on the page that ``endpoint`` and ``place`` name."""
    store = current_server().store
    return [
        Chip(
            name=LABELS.get(field, field),
            verb="is not" if chosen.exclude else "is",
            value=" or ".join(name_of(store, field, value) for value in chosen.values),
            remove=scope.with_filter(field, ()).url(endpoint, **place),
            flip=scope.with_filter(field, chosen.values, exclude=not chosen.exclude).url(endpoint, **place),
        )
        for field, chosen in scope.filters.items()
    ]


@page(blueprint, "/filter")
def choose() -> AnyResponse:
    """The form of one filter more, and with a value the way back to the page with it."""
    to, kept = _way_back()
    field, value = request.args.get("field", ""), request.args.get("value", "").strip()
    if field in LABELS and value:
        name = f"{field}!" if request.args.get("verb") == "not" else field
        values = [text for text in kept.poplist(name) if text != value]
        kept.poplist(f"{field}!" if name == field else field)
        kept.setlist(name, [*values, value])
        return redirect(address(to, kept.to_dict(flat=False)))
    return answer(
        "filter.html",
        {"fields": LABELS},
        labels=LABELS,
        parameters=kept.to_dict(flat=False),
        to=to,
        field=field,
        values_url=_values_url,
        closed=CLOSED,
    )


def _way_back() -> tuple[str, MultiDict[str, str]]:
    """The page to go back to and its parameters, without those of the form or of Flask's `url_for`."""
    to = request.args.get("to", PAGES[0])
    if to not in PAGES:
        abort(404)
    own = (*_OWN, "endpoint")
    pairs = request.args.items(multi=True)
    return to, MultiDict((name, text) for name, text in pairs if name not in own and name[:1] != "_")


def _values_url(field: str, parameters: Mapping[str, list[str]]) -> str:
    """Where the values of a field are to be had, under the other filters; "" when nothing lists them."""
    key = next((key for key, grouping in GROUPINGS.items() if grouping.field == field), "")
    others = {name: texts for name, texts in parameters.items() if name.removesuffix("!") != field}
    return address("breakdown.index", {**others, "key": key}) if key else ""


@page(blueprint, "/timezone")
def zone() -> Response:
    """Every time zone, as links back to the page with it."""
    to, state = _way_back()
    state.poplist("tz")
    kept = state.to_dict(flat=False)
    asked = request.args.get("tz", "")
    chosen = asked if asked in available_timezones() else viewer_zone().key
    found = zones(current_server().queries.now(), chosen)
    return answer(
        "timezone.html",
        {"zones": found},
        chosen=chosen,
        url=lambda name: address(to, {**kept, "tz": name}),
        without=address(to, kept),
    )

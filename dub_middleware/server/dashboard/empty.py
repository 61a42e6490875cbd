"""Why a page has nothing to show, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dub_middleware.server.dashboard import formats
from dub_middleware.server.dashboard.filters import Scope
from dub_middleware.server.dashboard.menus import Chip, chips
from dub_middleware.server.dashboard.pages import current_server
from dub_middleware.server.dashboard.words import PRESETS
from dub_middleware.server.queries import Filters, Range
from dub_middleware.server.store import Event, Link

_LINKS = 100  # among which one to try out is looked for


@dataclass(frozen=True, slots=True)
class Nothing:
    """Why: no event ``ever``, none in the ``range``, or none that the ``filters`` let through.

    ``url`` shows the last events there are; ``label`` names that range. ``link`` is one to try out.
    """

    why: Literal["ever", "range", "filters"]
    label: str = ""
    url: str = ""
    last: str = ""
    chips: tuple[Chip, ...] = ()
    clear: str = ""
    link: Link | None = None


def reason(scope: Scope, period: Range, endpoint: str) -> Nothing:
    """Why there is no event in this range under these filters."""
    last = _last(scope.filters)
    if last is not None:
        label, url = _range_with(scope, last, endpoint)
        return Nothing("range", label, url, formats.moment(last.timestamp, scope.zone))
    if scope.filters and _last({}) is not None:
        return Nothing(
            "filters", chips=tuple(chips(scope, endpoint)), clear=scope.without_filters().url(endpoint)
        )
    return Nothing("ever", link=_to_try())


def _to_try() -> Link | None:
    """The newest link that leads somewhere, one that asks for no password first."""
    server = current_server()
    now = server.queries.now()
    usable = [
        link
        for link in server.store.links.page(limit=_LINKS)
        if link.disabled_at is None and (link.expires_at is None or link.expires_at > now)
    ]
    return next((link for link in usable if not link.password), usable[0] if usable else None)


def _last(filters: Filters) -> Event | None:
    found, _ = current_server().queries.live(None, filters, limit=1)
    return found[0] if found else None


def _range_with(scope: Scope, last: Event, endpoint: str) -> tuple[str, str]:
    """The shortest of the usual ranges that reaches back to an event, or the days around it."""
    queries = current_server().queries
    for preset in PRESETS:
        if preset.interval in ("24h", "7d", "30d", "90d", "1y"):
            period = queries.period(preset.interval, timezone=scope.zone.key)
            if period.start <= last.timestamp < period.end:
                return preset.label, scope.url(endpoint, interval=preset.interval)
    day = last.timestamp.astimezone(scope.zone).date().isoformat()
    return formats.day(last.timestamp.astimezone(scope.zone)), scope.url(endpoint, start=day, end=day)

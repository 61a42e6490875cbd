"""The questions that the views and the API ask; rows out, nothing of the web in it.

::

    queries = Queries(store)
    period = queries.period("30d", timezone="Asia/Kathmandu")
    queries.totals(period)                                     # Counts(clicks, leads, sales, sale_amount)
    queries.timeseries(period, {"country": Filter(("DE", "FR"))})
    queries.funnel(period, {"device": Filter(("Mobile",), exclude=True)})
    queries.breakdown("top_links", period, limit=10)
    queries.timeseries(period.previous())                      # to compare with

Answers without filters, or with one of few values (country, device, …), come from roll-ups and cost the same
at any number of events. Everything else reads the events of the range.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Literal

import sqlalchemy as sa

from dub_middleware.server.queries import breakdown as _breakdown
from dub_middleware.server.queries import counts as _counts
from dub_middleware.server.queries.breakdown import GROUPS, MAX_ROWS, Group, Metric
from dub_middleware.server.queries.counts import Counts, Point, add_up
from dub_middleware.server.queries.filters import (
    FIELDS,
    Filter,
    Filters,
    MetadataFilter,
    MetadataQuery,
    select,
)
from dub_middleware.server.queries.ranges import (
    EARLIEST,
    Comparison,
    Granularity,
    Interval,
    Range,
    custom_range,
    interval_range,
    named_zone,
)
from dub_middleware.server.store import Customer, Event, EventType, Link, Store
from dub_middleware.server.store.events import is_type
from dub_middleware.server.store.link_rows import load_links
from dub_middleware.server.store.models import from_ms, to_ms
from dub_middleware.server.store.schema import events, links

__all__ = [
    "EARLIEST",
    "FIELDS",
    "GROUPS",
    "Comparison",
    "Counts",
    "Filter",
    "Filters",
    "Granularity",
    "Group",
    "Interval",
    "MetadataFilter",
    "MetadataQuery",
    "Metric",
    "Point",
    "Queries",
    "Range",
    "Step",
    "add_up",
    "steps",
]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the funnel; rates between 0 and 1, None where there is nothing to divide by.

    The counts are independent of each other, so a step may be larger than the one before: ``drop_off`` is 0
    then.
    """

    name: Literal["clicks", "leads", "sales"]
    count: int
    of_first: float | None
    of_previous: float | None
    dropped: int
    drop_off: float | None


def steps(counts: Counts) -> list[Step]:
    """The funnel that these numbers make."""
    found: list[Step] = []
    for name in ("clicks", "leads", "sales"):
        count = getattr(counts, name)
        first, previous = (found[0].count, found[-1].count) if found else (count, count)
        kept = count / previous if previous else None
        found.append(
            Step(
                name=name,
                count=count,
                of_first=count / first if first else None,
                of_previous=kept,
                dropped=max(0, previous - count),
                drop_off=None if kept is None else max(0.0, 1 - kept),
            )
        )
    return found


class Queries:
    """Ask a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def period(
        self,
        interval: Interval = "30d",
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        timezone: str | None = None,
    ) -> Range:
        """The range that an interval names, or with ``start`` the whole days from there to ``end`` (now)."""
        zone, now = named_zone(timezone), self.now()
        if start is not None:
            return custom_range(start, end or now, zone, now)
        return interval_range(interval, zone, now, self._first() if interval == "all" else now)

    def now(self) -> datetime:
        return from_ms(self._store.now())

    def totals(
        self, period: Range, filters: Filters | None = None, *, metadata: MetadataQuery = ()
    ) -> Counts:
        """How many of each in the whole range."""
        with self._fresh() as connection:
            selection = select(self._store, connection, filters or {}, metadata)
            return _counts.total(connection, period, selection)

    def timeseries(
        self, period: Range, filters: Filters | None = None, *, metadata: MetadataQuery = ()
    ) -> list[Point]:
        """One point a bucket, zero-filled; the sum of all is `totals`."""
        with self._fresh() as connection:
            selection = select(self._store, connection, filters or {}, metadata)
            return _counts.series(connection, period, selection)

    def funnel(
        self, period: Range, filters: Filters | None = None, *, metadata: MetadataQuery = ()
    ) -> list[Step]:
        """Clicks, leads and sales with what each keeps of the first and of the one before."""
        return steps(self.totals(period, filters, metadata=metadata))

    def breakdown(
        self,
        group_by: str,
        period: Range,
        filters: Filters | None = None,
        *,
        metric: Metric = "composite",
        limit: int = MAX_ROWS,
        keep_unknown: bool = False,
        metadata: MetadataQuery = (),
    ) -> list[Group]:
        """Counts by one of `GROUPS`, most first. For ``top_links`` each ``value`` is a `Link`.

        Cities come as ``country<TAB>region<TAB>city``. Raises `ValueError` for an unknown grouping.
        """
        asked = {group_by: keep_unknown}
        return self.breakdowns(asked, period, filters, metric=metric, limit=limit, metadata=metadata)[
            group_by
        ]

    def breakdowns(
        self,
        groupings: Mapping[str, bool],
        period: Range,
        filters: Filters | None = None,
        *,
        metric: Metric = "composite",
        limit: int = MAX_ROWS,
        metadata: MetadataQuery = (),
    ) -> dict[str, list[Group]]:
        """Several breakdowns for little more than one; each maps to whether it keeps what is not known."""
        with self._fresh() as connection:
            selection = select(self._store, connection, filters or {}, metadata)
            found = _breakdown.break_down(
                connection, groupings, period, selection, metric=metric, limit=limit
            )
            if groups := found.get("top_links"):
                known = load_links(connection, (group.value for group in groups))
                found["top_links"] = [Group(known[group.value], group.counts) for group in groups]
            return found

    def events(
        self,
        period: Range,
        filters: Filters | None = None,
        *,
        types: Collection[EventType] = (),
        page: int = 1,
        limit: int = 100,
        descending: bool = True,
        metadata: MetadataQuery = (),
        of_links: bool = False,
    ) -> list[Event]:
        """One page of events in the order of time; those of deleted links too, unless ``of_links``."""
        with self._store.database.read() as connection:
            where = list(select(self._store, connection, filters or {}, metadata).where)
        where += [events.c.ts >= to_ms(period.start), events.c.ts < to_ms(period.end)]
        where += [sa.or_(*map(is_type, types))] if types else []
        where += [events.c.link.in_(sa.select(links.c.pk))] if of_links else []
        return self._store.events.page(where, limit=limit, offset=(page - 1) * limit, descending=descending)

    def live(
        self,
        cursor: str | None = None,
        filters: Filters | None = None,
        *,
        types: Collection[EventType] = (),
        limit: int = 50,
        period: Range | None = None,
        before: str | None = None,
    ) -> tuple[list[Event], str]:
        """The newest events, newest first, or with a cursor those behind it, oldest first; and the next
        cursor.

        Polling with the cursor shows every event once. ``before``, the cursor of one event, goes the other
        way: the newest of those older than it. ``period`` leaves out what is outside of it. Raises
        `ValueError` for a cursor nobody gave out.
        """
        with self._store.database.read() as connection:
            where = list(select(self._store, connection, filters or {}).where)
        if period is not None:
            where += [events.c.ts >= to_ms(period.start), events.c.ts < to_ms(period.end)]
        if cursor is None:
            return self._store.events.latest(limit=limit, types=types, where=where, before=before)
        return self._store.events.after(cursor, limit=limit, types=types, where=where)

    def journey(self, customer: Customer, *, limit: int = 500) -> list[Event]:
        """Everything of one customer from click to sale, oldest first."""
        with self._store.database.read() as connection:
            where = select(self._store, connection, {"customer_id": Filter((customer.id,))}).where
        return self._store.events.page(where, limit=limit, descending=False)

    def links(self, pks: Collection[int]) -> dict[int, Link]:
        with self._fresh() as connection:
            return load_links(connection, pks)

    @contextlib.contextmanager
    def _fresh(self) -> Iterator[sa.Connection]:
        self._store.fold()
        with self._store.database.read() as connection:
            yield connection

    def _first(self) -> datetime:
        """Where "all" begins: with the workspace, or with an older event that was brought along."""
        created = self._store.workspace.settings().created_at
        with self._store.database.read() as connection:
            first = connection.execute(sa.select(events.c.ts).order_by(events.c.ts).limit(1)).scalar()
        oldest = created if first is None else min(created, from_ms(first))
        return max(oldest, EARLIEST).astimezone(timezone.utc)

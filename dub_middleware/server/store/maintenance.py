"""Regular upkeep: fold, forget what has expired, give the disk back."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from dub_middleware.server.store.claims import CLICK_WINDOW, LEAD_WINDOW, SALE_WINDOW
from dub_middleware.server.store.engine import Database
from dub_middleware.server.store.rollups import DAY, QUARTER, Rollups
from dub_middleware.server.store.schema import (
    click_claims,
    events,
    lead_claims,
    rollup_day,
    rollup_quarter,
    sale_claims,
    webhook_deliveries,
)

CHUNK = 10_000  # rows a transaction: writers wait milliseconds
DELIVERIES_KEPT = 30 * DAY


def maintain(database: Database, rollups: Rollups, now: Callable[[], int], retention_days: int | None) -> int:
    """Fold, drop what has expired and events older than ``retention_days``; return how many events went."""
    rollups.fold()
    present = now()
    for claims, window in (
        (click_claims, CLICK_WINDOW),
        (lead_claims, LEAD_WINDOW),
        (sale_claims, SALE_WINDOW),
    ):
        with database.write(durable=False) as connection:
            connection.execute(sa.delete(claims).where(claims.c.ts <= present - window))
    with database.write(durable=False) as connection:
        old = webhook_deliveries.c.ts <= present - DELIVERIES_KEPT
        connection.execute(sa.delete(webhook_deliveries).where(old))
    dropped = 0 if retention_days is None else _forget(database, present // DAY - retention_days)
    if database.is_sqlite:
        with database.engine.connect() as connection:
            # outside a transaction; it does nothing while somebody reads, the next run will
            raw = connection.connection.driver_connection
            assert raw is not None
            raw.execute("PRAGMA optimize")
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return dropped


def _forget(database: Database, first_day: int) -> int:
    """Drop events and roll-ups before a UTC day, so that every view still shows the same numbers."""
    cutoff = first_day * DAY
    with database.write() as connection:
        connection.execute(sa.delete(rollup_day).where(rollup_day.c.day < first_day))
        connection.execute(sa.delete(rollup_quarter).where(rollup_quarter.c.quarter < cutoff // QUARTER))
    dropped = 0
    while True:
        oldest = sa.select(events.c.id).where(events.c.ts < cutoff).order_by(events.c.ts).limit(CHUNK)
        with database.write() as connection:
            gone = connection.execute(sa.delete(events).where(events.c.id.in_(oldest))).rowcount
        dropped += gone
        if gone < CHUNK:
            return dropped

"""The outbox in PostgreSQL when PostgreSQL itself goes away."""

from __future__ import annotations

import pytest

from faults import Client, SlowSegment, Tally, arrivals
from postgres_server import PostgresServer

pytestmark = [pytest.mark.faults, pytest.mark.postgres]


@pytest.mark.parametrize("mode", ["immediate", "fast"])
def test_a_restart_in_the_middle_loses_nothing(
    segment: SlowSegment,
    client: Client,
    tally: Tally,
    postgres_server: PostgresServer,
    postgres_url: str,
    mode: str,
) -> None:
    """What is tracked while it is away waits in memory; what was committed is still there."""
    web = client(segment, outbox=postgres_url)
    receipts = [web.track_lead(customer_external_id=f"before-{n}") for n in range(100)]
    postgres_server.stop(mode)
    try:
        receipts += [web.track_lead(customer_external_id=f"away-{n}") for n in range(100)]
        assert receipts[-1].storage == "in_memory"
    finally:
        postgres_server.start()
    receipts += [web.track_lead(customer_external_id=f"after-{n}") for n in range(100)]
    assert web.flush(60)
    assert {receipt.storage for receipt in receipts} <= {"stored", "in_memory"}
    tally({receipt.id for receipt in receipts}, arrivals(segment))

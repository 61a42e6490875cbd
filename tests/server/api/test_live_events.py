"""Events are followed by a cursor: each once, in the order of their commits."""

from __future__ import annotations

from typing import Any

import pytest

from api_client import Api
from dub_middleware.server import Server
from dub_middleware.server.store import Context, Link
from traffic import record_traffic
from waiting import wait_until


@pytest.fixture
def links(server: Server) -> list[Link]:
    return record_traffic(server)


def test_the_latest_come_first_and_then_what_is_behind_the_cursor(
    api: Api, server: Server, links: list[Link]
) -> None:
    answer = api("GET", "/events/live?limit=3").json()
    assert [event["event"] for event in answer["events"]] == ["sale", "sale", "sale"]
    assert [event["timestamp"] for event in answer["events"]] == sorted(
        event["timestamp"] for event in answer["events"]
    )

    def ask(**query: Any) -> Any:
        return api("GET", "/events/live", params={"cursor": answer["cursor"], **query}).json()

    def follow(**query: Any) -> list[str]:
        nonlocal answer
        answer = ask(**query)
        return [event["click"]["id"] for event in answer["events"]]

    def wait_for_events(count: int) -> None:
        """Another transaction, such as one of the delivery of webhooks, may hold them back for a while."""
        wait_until(lambda: len(ask()["events"]) == count, what=f"{count} events behind the cursor")

    assert follow() == []
    for number in range(5):
        server.store.record_click(links[1], Context(url="https://shop.test/b"), click_id=f"new{number}")
    wait_for_events(5)
    assert follow(limit=2) == ["new0", "new1"]
    assert follow() == ["new2", "new3", "new4"]
    assert follow() == []
    server.store.record_click(links[1], Context(url="https://shop.test/b"), click_id="other")
    server.store.record_click(links[0], Context(url="https://shop.test/a", country="FR"), click_id="french")
    wait_for_events(2)
    assert follow(country="FR", event="clicks,leads") == ["french"]


@pytest.mark.parametrize("cursor", ["x", "1", "-1.5", "9" * 40])
def test_a_cursor_that_nobody_gave_out_is_told(api: Api, cursor: str) -> None:
    refused = (422, "unprocessable_entity", "Invalid cursor: it is none that an answer gave.")
    assert api.refused("GET", f"/events/live?cursor={cursor}") == refused

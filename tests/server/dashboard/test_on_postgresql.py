"""The same pages over PostgreSQL: what each asks the database is understood there too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from werkzeug.test import Client

from dub_middleware.server.app import Server
from dub_middleware.server.options import Options
from dub_middleware.server.store import Store

if TYPE_CHECKING:
    from conftest import Record

    from standing_clock import Clock

pytestmark = pytest.mark.postgres


@pytest.fixture
def server(postgres_url: str, clock: Clock) -> Iterator[Server]:
    server = Server(Options.of({"database_url": postgres_url}), Store(postgres_url, clock=clock))
    yield server
    server.close()


def test_every_view_counts_what_was_recorded(client: Client, record: Record) -> None:
    record(customer="ada", name="Ada Lovelace", amount=4900, country="NP")
    record(country="DE")
    for query, clicks in (("", 2), ("?country=NP", 1), ("?country!=NP&device=Desktop", 1)):
        found = client.get(f"/analytics.json{query}").json
        assert found is not None
        assert found["totals"]["clicks"] == found["funnel"][0]["count"] == clicks
        assert sum(row["counts"]["clicks"] for row in found["breakdowns"]["top_links"]) == clicks
    for search, count in (("nepal", 3), ("LOVELACE", 2), ("100%", 0)):
        found = client.get("/events.json", query_string={"q": search}).json
        assert found is not None
        assert len(found["events"]) == count
    for path in (
        "/?country=%00",
        "/?link_id=a%00b",
        "/events?q=%00",
        "/events?q=a%00b",
        "/links?q=a%00b",
        "/customers?q=a%00b",
        "/customers?link_id=a%00b",
        "/customers?bought=no",
        "/",
        "/?view=funnel&compare=previous",
        "/events",
        "/breakdown/utm_sources",
        "/events.csv",
    ):
        assert client.get(path).status_code == 200, path
    for path in ("/links/a%00b", "/customers/a%00b", "/webhooks/a%00b"):
        assert client.get(path).status_code == 404, path
    form = {"url": "https://acme.test/", "key": "nul", "comments": "a\0b", "utm_source": "a\0b"}
    assert client.post("/links/new", data=form).status_code == 303
    assert (
        client.post(
            "/webhooks/new", data={"name": "a\0b", "url": "https://acme.test/", "triggers": "lead.created"}
        ).status_code
        == 303
    )
    assert client.post("/settings/keys", data={"name": "a\0b"}).status_code == 200


def test_the_stream_goes_on_behind_its_cursor(client: Client, record: Record) -> None:
    record()
    first = client.get("/events.json").json
    assert first is not None
    assert client.get(f"/events/new?after={first['cursor']}").status_code == 204
    record()
    told = client.get(f"/events/new?after={first['cursor']}").json
    assert told is not None
    assert told["count"] == 1

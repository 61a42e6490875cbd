"""Event streams, where they are asked for: news at once, and no more streams than allowed."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from werkzeug.test import Client

from dub_middleware.errors import ConfigError
from dub_middleware.server.app import Server
from dub_middleware.server.dashboard import push
from dub_middleware.server.options import Options
from dub_middleware.server.store import Store

if TYPE_CHECKING:
    from conftest import Record
    from playwright.sync_api import Page

    from standing_clock import Clock


STREAMS = 3


@pytest.fixture
def server(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(push, "LOOKS_EVERY", 0.01)
    url = f"sqlite:///{tmp_path}/dub.db"
    server = Server(Options.of({"database_url": url, "event_streams": STREAMS}), Store(url, clock=clock))
    yield server
    server.close()


def listen(site: str, cursor: str) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    connection = http.client.HTTPConnection(urlsplit(site).netloc, timeout=60)
    connection.request("GET", f"/events/stream?after={cursor}")
    return connection, connection.getresponse()


def test_a_stream_tells_of_what_is_committed_and_ends_itself(
    site: str, server: Server, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    cursor = server.store.events.cursor()
    connection, stream = listen(site, cursor)
    assert stream.getheader("Content-Type") == "text/event-stream; charset=utf-8"
    assert stream.readline() == b": here\n"
    record()
    told = b"".join(stream.readline() for _ in range(2)).strip()
    assert told == f"data: {server.store.events.cursor()}".encode()
    connection.close()
    monkeypatch.setattr(push, "LASTS", 0)
    connection, stream = listen(site, cursor)
    assert stream.read() == b": here\n\n"
    connection.close()


def test_more_streams_than_allowed_are_refused_and_pages_go_on(site: str, client: Client) -> None:
    opened = [listen(site, "") for _ in range(STREAMS)]
    assert [stream.status for _, stream in opened] == [200] * STREAMS
    refused = client.get("/events/stream")
    assert refused.status_code == 503
    assert client.get("/").status_code == 200
    for connection, _ in opened:
        connection.close()


@pytest.mark.parametrize("value", [0, -1, True, "4"])
def test_the_number_of_streams_is_a_number(value: object) -> None:
    with pytest.raises(ConfigError, match="event_streams"):
        Options.of({"event_streams": value})


@pytest.mark.browser
def test_a_page_asks_as_soon_as_it_is_told(site: str, view: Page, record: Record) -> None:
    from playwright.sync_api import expect

    view.goto(f"{site}/events")
    record()
    expect(view.locator("tr.event")).to_have_count(1)

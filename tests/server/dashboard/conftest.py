"""A server on SQLite with a clock that stands, and a client that asks its pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.test import Client

from dub_middleware.server.app import Server
from dub_middleware.server.options import Options
from dub_middleware.server.store import Store
from standing_clock import Clock

LOCAL = {"REMOTE_ADDR": "127.0.0.1"}  # the test client has no address of its own


@pytest.fixture
def server(tmp_path: Path, clock: Clock) -> Iterator[Server]:
    url = f"sqlite:///{tmp_path}/dub.db"
    server = Server(Options.of({"database_url": url}), Store(url, clock=clock))
    yield server
    server.close()


@pytest.fixture
def client(server: Server) -> Client:
    return Client(lambda environ, start_response: server(LOCAL | environ, start_response))

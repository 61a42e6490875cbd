"""Fixtures of the server's tests: a store on each database, with a clock that stands still until told."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from dub_middleware.server import Options, Server
from dub_middleware.server.store import Store
from standing_clock import Clock
from wsgi_server import serving


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime(2026, 3, 18, 12, tzinfo=timezone.utc))


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without events, once of each kind; the SQLite file has been opened by a store before."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_file"), tmp_path / "dub.db")
        return f"sqlite:///{tmp_path}/dub.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture(scope="session")
def sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with nothing in it: its tables are made once and the file is copied for each test."""
    path = tmp_path_factory.mktemp("sqlite") / "dub.db"
    Store(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def open_store(database_url: str, clock: Clock) -> Iterator[Callable[[], Store]]:
    """Open the database once more, as another process would."""
    opened: list[Store] = []

    def open_one() -> Store:
        opened.append(Store(database_url, clock=clock))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[[], Store]) -> Store:
    return open_store()


@pytest.fixture
def server_options() -> dict[str, Any]:
    """The options of `server`, for a test module to override."""
    return {}


@pytest.fixture
def server(store: Store, database_url: str, server_options: dict[str, Any]) -> Iterator[Server]:
    """The whole server on the standing clock, without a port."""
    server = Server(Options(database_url=database_url, **server_options), store)
    yield server
    server.close()


@pytest.fixture
def base_url(server: Server) -> Iterator[str]:
    """Where `server` listens, on real threads."""
    with serving(server) as url:
        yield url

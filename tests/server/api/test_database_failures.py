"""What a caller reads while the database cannot be written, and that the same call works afterwards."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from api_client import KEY, PLAIN
from dub_middleware.server import Server
from dub_middleware.server.store import sqlite_file


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """SQLite's file: another process can lock it as a whole."""
    return f"sqlite:///{tmp_path}/dub.db"


def test_lead_is_not_acknowledged_while_the_database_is_locked(
    base_url: str, click: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_TIMEOUT", 100)
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=f"{base_url}/api", headers=headers, **PLAIN) as client:
        link = {"url": "https://shop.test/", "key": "launch", "trackConversion": True}
        assert client.post("/links", json=link).status_code == 200
        lead = {"clickId": click("launch"), "eventName": "Sign up", "customerExternalId": "42"}

        with contextlib.closing(sqlite3.connect(tmp_path / "dub.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            refused = client.post("/track/lead", json=lead)
        assert refused.status_code == 500
        assert refused.json()["error"]["code"] == "internal_server_error"

        accepted = client.post("/track/lead", json=lead)
        assert accepted.status_code == 200
        assert accepted.json()["customer"]["externalId"] == "42"
        assert client.get("/analytics", params={"event": "leads"}).json()["leads"] == 1


def test_a_count_that_takes_too_long_is_given_up_with_a_message(
    base_url: str, server: Server, click: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.links.create({"url": "https://shop.test/", "key": "launch"})
    click("launch")
    copied = "ts, type, link, country, continent, device, browser, os, referer, referer_url, url, trigger, ua"
    numbers = "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 5000)"
    with server.store.database.write() as connection:
        connection.exec_driver_sql(
            f"{numbers} INSERT INTO events (click_id, {copied}) SELECT n, {copied} FROM s, events"
        )
    # two filters at once are counted event by event, everything else here is done in a few steps
    filtered = {"event": "clicks", "interval": "all", "country": "Unknown", "continent": "Unknown"}
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=base_url, headers=headers, params=filtered, **PLAIN) as client:
        assert client.get("/api/analytics").json()["clicks"] == 5001
        monkeypatch.setattr(sqlite_file, "READ_LIMIT", 0)
        monkeypatch.setattr(sqlite_file, "STEPS", 20_000)
        told = client.get("/api/analytics")
        page = client.get("/", headers={"Accept": "application/json"})
    assert (told.status_code, page.status_code) == (422, 422)
    assert "shorter period" in told.json()["error"]["message"]
    assert "shorter period" in page.json()["error"]["message"]

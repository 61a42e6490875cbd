"""What a caller reads while the database cannot be written, and that the same call works afterwards."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from api_client import KEY
from dub_middleware.server.store import sqlite_file


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """SQLite's file: another process can lock it as a whole."""
    return f"sqlite:///{tmp_path}/dub.db"


def test_lead_is_not_acknowledged_while_the_database_is_locked(
    base_url: str, click: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_TIMEOUT", 100)
    with httpx.Client(base_url=f"{base_url}/api", headers={"Authorization": f"Bearer {KEY}"}) as client:
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

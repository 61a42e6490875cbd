"""The official client and plain requests, both against a server on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from dub import Dub

from api_client import KEY, PLAIN, Api
from dub_middleware.server import Server

PERSON = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36"


@pytest.fixture
def server_options() -> dict[str, Any]:
    return {"api_key": KEY, "analytics_rate_limit": None, "rate_limit": None}


@pytest.fixture
def dub(base_url: str) -> Iterator[Dub]:
    """The official client, as it is."""
    with Dub(token=KEY, server_url=f"{base_url}/api", timeout_ms=60_000) as client:
        yield client


@pytest.fixture
def api(base_url: str) -> Iterator[Api]:
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    with httpx.Client(base_url=base_url, headers=headers, **PLAIN) as client:
        yield Api(client)


@pytest.fixture
def click(server: Server, base_url: str) -> Callable[..., str]:
    """Click a short link as a person and return the click id."""

    def click(key: str, *, query: str = "", agent: str = PERSON, **headers: str) -> str:
        response = httpx.get(f"{base_url}/l/{key}{query}", headers={"User-Agent": agent, **headers}, **PLAIN)
        assert response.status_code == 302, response.text
        return response.cookies[f"dub_id_{server.options.domains[0]}_{key}"]

    return click

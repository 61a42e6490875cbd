"""A server with one link, a real `dub` client, and a browser's and a visitor's HTTP clients."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest
from dub import Dub

from api_client import PLAIN
from dub_middleware.server import Server
from dub_middleware.server.store import Context, Link

SECRET = "dub_secretsecretsecretsecret"
PUBLISHABLE = "dub_pk_publicpublicpublic"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0"


@pytest.fixture
def server_options() -> dict[str, object]:
    return {"api_key": SECRET, "publishable_key": PUBLISHABLE, "rate_limit": None}


@pytest.fixture
def link(server: Server) -> Link:
    return server.store.links.create(
        {"domain": "go.localhost", "key": "launch", "url": "https://shop.test/", "external_id": "e1"}
    )


@pytest.fixture
def dub(base_url: str) -> Iterator[Dub]:
    """The official client with the secret key."""
    with Dub(token=SECRET, server_url=f"{base_url}/api") as client:
        yield client


@pytest.fixture
def visitor(base_url: str) -> Iterator[httpx.Client]:
    """A browser without any key."""
    with httpx.Client(base_url=f"{base_url}/api", headers={"User-Agent": BROWSER}, **PLAIN) as client:
        yield client


@pytest.fixture
def http(base_url: str) -> Iterator[httpx.Client]:
    """Plain HTTP with the secret key."""
    headers = {"Authorization": f"Bearer {SECRET}"}
    with httpx.Client(base_url=f"{base_url}/api", headers=headers, **PLAIN) as client:
        yield client


@pytest.fixture
def page(base_url: str) -> Iterator[httpx.Client]:
    """A browser with the publishable key."""
    headers = {"User-Agent": BROWSER, "Authorization": f"Bearer {PUBLISHABLE}"}
    with httpx.Client(base_url=f"{base_url}/api", headers=headers, **PLAIN) as client:
        yield client


@pytest.fixture
def click(server: Server, link: Link) -> Callable[..., str]:
    """Record a click of somebody new, on `link` or another one."""

    def record(on: Link = link) -> str:
        return server.store.record_click(on, Context(url=on.url, country="DE")).click_id

    return record

"""A server with a clock that stands, what has happened on it, and a browser that looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.test import Client

from dub_middleware.server.app import Server
from dub_middleware.server.options import Options
from dub_middleware.server.store import Context, CustomerDetails, Link, Store
from standing_clock import Clock
from wsgi_server import serving

if TYPE_CHECKING:
    from playwright.sync_api import Page

Record = Callable[..., str]

LOCAL = {"REMOTE_ADDR": "127.0.0.1"}  # the test client has no address of its own


@pytest.fixture
def options() -> dict[str, Any]:
    """Options of `server`, for a test module to override."""
    return {}


@pytest.fixture
def server(tmp_path: Path, clock: Clock, options: dict[str, Any]) -> Iterator[Server]:
    url = f"sqlite:///{tmp_path}/dub.db"
    server = Server(Options.of({"database_url": url, **options}), Store(url, clock=clock))
    yield server
    server.close()


@pytest.fixture
def client(server: Server) -> Client:
    return Client(lambda environ, start_response: server(LOCAL | environ, start_response))


@pytest.fixture
def link(server: Server) -> Link:
    return server.store.links.create({"domain": "go.localhost", "key": "launch", "url": "https://acme.test/"})


@pytest.fixture
def record(server: Server, link: Link) -> Record:
    """Record a click and, where named, the lead and sale of ``customer``; return the click id."""
    number = 0

    def record(
        *,
        customer: str = "",
        amount: int = 0,
        name: str | None = None,
        **context: str,
    ) -> str:
        nonlocal number
        number += 1
        known = {"country": "DE", "browser": "Firefox", "os": "Linux", "url": link.url} | context
        click = server.store.record_click(link, Context(**known), identity=f"visitor-{number}")
        if customer:
            details = CustomerDetails(external_id=customer, name=name, email=f"{customer}@example.com")
            server.store.record_lead(
                details, "Sign up", click_id=click.click_id, metadata={"plan_name": "Pro"}
            )
        if amount:
            details = CustomerDetails(external_id=customer)
            server.store.record_sale(details, amount, "usd", invoice_id=f"inv-{number}")
        return click.click_id

    return record


@pytest.fixture
def history(record: Record, clock: Clock) -> int:
    """Six weeks of events up to now: a click every 12 hours, every third a lead, every ninth a sale."""
    clicks = 84
    clock.advance(days=-42)
    for number in range(clicks):
        clock.advance(hours=12)
        record(
            customer=f"user-{number}" if number % 3 == 0 else "",
            amount=4900 if number % 9 == 0 else 0,
            country=("DE", "US", "NP")[number % 3],
            device=("Desktop", "Mobile")[number % 2],
            referer=("(direct)", "news.test", "search.test")[number % 3],
        )
    return clicks


@pytest.fixture
def site(server: Server) -> Iterator[str]:
    with serving(server) as url:
        yield url


@pytest.fixture
def view(page: Page, site: str) -> Iterator[Page]:
    """A tab in UTC; the test fails when the page breaks its policy or an error reaches the console."""
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.add_init_script(
        "addEventListener('securitypolicyviolation', (event) => console.error(event.violatedDirective))"
    )
    page.context.add_cookies([{"name": "dub_tz", "value": "UTC", "url": site}])
    page.goto(site)
    yield page
    page.unroute_all(behavior="ignoreErrors")
    assert faults == []

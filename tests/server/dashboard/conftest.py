"""A server with a clock that stands, what has happened on it, and a browser that looks."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
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

NOW = datetime(2026, 3, 18, 12, tzinfo=timezone.utc)  # where the clock stands
CLICKS = 84  # of `history`
LOCAL = {"REMOTE_ADDR": "127.0.0.1"}  # the test client has no address of its own


@pytest.fixture
def options() -> dict[str, Any]:
    """Options of `server`, for a test module to override."""
    return {}


@pytest.fixture
def server(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock, options: dict[str, Any]
) -> Iterator[Server]:
    url = f"sqlite:///{tmp_path}/dub.db"
    past = "history_file" if "history" in request.fixturenames else "sqlite_file"
    shutil.copy(request.getfixturevalue(past), tmp_path / "dub.db")
    server = Server(Options.of({"database_url": url, **options}), Store(url, clock=clock))
    yield server
    server.close()


@pytest.fixture
def client(server: Server) -> Client:
    return Client(lambda environ, start_response: server(LOCAL | environ, start_response))


@pytest.fixture
def link(server: Server) -> Link:
    return launch(server.store)


def launch(store: Store) -> Link:
    """The link of most tests."""
    found = store.links.find("go.localhost", "launch")
    return found or store.links.create(
        {"domain": "go.localhost", "key": "launch", "url": "https://acme.test/"}
    )


@pytest.fixture
def record(server: Server, link: Link) -> Record:
    """Record a click and, where named, the lead and sale of ``customer``; return the click id."""
    return recorder(server.store, link)


def recorder(store: Store, link: Link, prefix: str = "") -> Record:
    """What `record` gives to tests; visitors and invoices are numbered behind ``prefix``."""
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
        click = store.record_click(link, Context(**known), identity=f"{prefix}visitor-{number}")
        if customer:
            details = CustomerDetails(external_id=customer, name=name, email=f"{customer}@example.com")
            store.record_lead(details, "Sign up", click_id=click.click_id, metadata={"plan_name": "Pro"})
        if amount:
            details = CustomerDetails(external_id=customer)
            store.record_sale(details, amount, "usd", invoice_id=f"{prefix}inv-{number}")
        return click.click_id

    return record


@pytest.fixture
def history() -> int:
    """Six weeks of events up to now: a click every 12 hours, every third a lead, every ninth a sale."""
    return CLICKS


@pytest.fixture(scope="session")
def history_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database that `history` stands for: made once, copied for each test."""
    path = tmp_path_factory.mktemp("history") / "dub.db"
    clock = Clock(NOW)
    store = Store(f"sqlite:///{path}", clock=clock)
    record = recorder(store, launch(store), "old-")
    clock.advance(days=-42)
    for number in range(CLICKS):
        clock.advance(hours=12)
        record(
            customer=f"user-{number}" if number % 3 == 0 else "",
            amount=4900 if number % 9 == 0 else 0,
            country=("DE", "US", "NP")[number % 3],
            device=("Desktop", "Mobile")[number % 2],
            referer=("(direct)", "news.test", "search.test")[number % 3],
        )
    store.close()
    return path


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

"""Fixtures for every test: one Chromium and one PostgreSQL for the whole run, fresh for each test."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from postgres_server import PostgresServer, find_binaries

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

# How long an example takes to make or to run says how busy the machine is, and nothing about the code.
settings.register_profile(
    "suite", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.load_profile("suite")

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# Of this switch only the last counts, so that Playwright's own list is repeated. The first three load pages
# for the address bar, which nobody sees, in a process of its own for each window: half of what a test costs.
CHROMIUM_DISABLED = (
    *("WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "WebUIOmniboxFullPopup"),
    *("AimEnabled", "AvoidCorsURLLoaderRestartOnRedirect", "AvoidUnnecessaryBeforeUnloadCheckSync"),
    *("DestroyProfileOnBrowserClose", "HttpsFirstBalancedModeAutoEnable", "HttpsUpgrades", "LensOverlay"),
    *("MediaRouter", "NetworkTimeServiceQuerying", "OptimizationHints", "PaintHolding"),
    *("PreconnectToSearch", "ThirdPartyStoragePartitioning"),
)

PATIENCE = 60_000  # milliseconds for what a page shall do: a busy machine is no failure

# Every name resolves to this machine: a test may use any host (www.shop.test), none reaches the network.
CHROMIUM_ARGS = [
    f"--disable-features={','.join(CHROMIUM_DISABLED)}",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * 127.0.0.1",
]


def chromium_path() -> str | None:
    """Find Chromium: ``DUB_TEST_CHROMIUM``, then the usual names on the PATH."""
    if named := os.environ.get("DUB_TEST_CHROMIUM"):
        return named
    return next((path for name in CHROMIUM_NAMES if (path := shutil.which(name))), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One headless Chromium for the run; ask for `context` or `page` unless a test needs the process."""
    from playwright.sync_api import expect, sync_playwright

    path = chromium_path()
    if path is None:
        pytest.fail(
            "Chromium is not installed: apt-get install chromium, or set DUB_TEST_CHROMIUM to its path.",
            pytrace=False,
        )
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, headless=True, args=CHROMIUM_ARGS)
        _hide_event_loop()
        yield launched
        _show_event_loop(launched)
        launched.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser profile of this test alone: own cookies, cache and storage."""
    _show_event_loop(browser)
    # as people have it: one that calls itself headless counts as a bot, whose clicks are not recorded
    agent = f"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{browser.version}"
    fresh = browser.new_context(user_agent=f"{agent} Safari/537.36")
    fresh.set_default_timeout(PATIENCE)
    yield fresh
    fresh.close()
    _hide_event_loop()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """An empty tab of `context`."""
    return context.new_page()


# Playwright's sync API leaves its loop marked as running in this thread between two calls,
# where every later test's asyncio.run() would refuse to start: mark it only while a browser test runs.
def _hide_event_loop() -> None:
    asyncio._set_running_loop(None)


def _show_event_loop(browser: Browser) -> None:
    asyncio._set_running_loop(browser._impl_obj._loop)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL of this test run, started when the first test asks for it."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("needs the PostgreSQL server programs (Debian: apt install postgresql)")
    server = PostgresServer(binaries)
    server.start()
    yield server
    server.close()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of an empty database, which is this test's alone."""
    url = postgres_server.create_database()
    yield url
    postgres_server.take_back(url)

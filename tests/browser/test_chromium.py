"""The shared Chromium fixture itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("run", ["first", "second"])
def test_each_test_has_its_own_cookies(context: BrowserContext, run: str) -> None:
    assert context.cookies() == []
    context.add_cookies([{"name": "dub_id", "value": run, "url": "http://www.shop.test/"}])


def test_a_page_runs_javascript(page: Page) -> None:
    assert page.evaluate("() => 6 * 7") == 42


def test_event_loops_still_start_after_a_browser_test() -> None:
    async def answer() -> int:
        return 42

    assert asyncio.run(answer()) == 42

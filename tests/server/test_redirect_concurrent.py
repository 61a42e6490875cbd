"""Many visitors at once, each twice: every visitor is one click, and none is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx

from dub_middleware.server import Server

PERSON = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36"
VISITORS = 40


def test_visitors_who_click_at_the_same_time_are_counted_once_each(server: Server, base_url: str) -> None:
    server.links.create({"url": "https://shop.test/", "key": "x", "track_conversion": True})

    def follow(number: int) -> str:
        headers = {"User-Agent": PERSON, "X-Forwarded-For": f"203.0.113.{number % VISITORS}"}
        response = httpx.get(f"{base_url}/l/x", headers=headers, timeout=60)
        assert response.status_code == 302
        return response.headers["Location"]

    with ThreadPoolExecutor(8) as pool:
        locations = list(pool.map(follow, range(VISITORS * 2)))
    assert len(set(locations)) == VISITORS
    assert server.queries.totals(server.queries.period("all")).clicks == VISITORS

"""Events from a page of another origin: fetch, beacons and Segment's own analytics.js, in Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.shared_data import SharedDataMiddleware
from werkzeug.wrappers import Response

from dub_middleware import DubMiddleware
from dub_middleware.segment.gateway import create_gateway
from waiting import wait_until
from wsgi_server import serving

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

KEY = "wk_test"
SCRIPTS = Path(__file__).parents[1] / "segment/node/node_modules/@segment/analytics-next/dist/umd"
EVENT = {"type": "track", "userId": "42", "event": "Sign Up", "writeKey": KEY}

SEND = {
    "fetch of analytics.js": """([url, event]) => fetch(url + '/v1/t', {method: 'post', keepalive: true,
        headers: {'Content-Type': 'text/plain', Authorization: 'Basic ' + btoa(event.writeKey + ':')},
        body: JSON.stringify(event)}).then(answer => answer.json())""",
    "fetch of JSON": """([url, event]) => fetch(url + '/v1/track', {method: 'POST',
        headers: {'Content-Type': 'application/json', 'X-Retry-Count': '1'},
        body: JSON.stringify(event)}).then(answer => answer.json())""",
    "batch": """([url, event]) => fetch(url + '/v1/b', {method: 'POST',
        headers: {'Content-Type': 'text/plain'},
        body: JSON.stringify({writeKey: event.writeKey, batch: [event]})}).then(answer => answer.json())""",
    "beacon": """([url, event]) =>
        ({success: navigator.sendBeacon(url + '/v1/track', JSON.stringify(event))})""",
}


@pytest.fixture
def arrived() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def gateway(arrived: list[dict[str, Any]]) -> Iterator[str]:
    with create_gateway([arrived.append], write_keys=KEY, outbox=None) as app, serving(app) as url:
        yield url.replace("127.0.0.1", "events.test")


@pytest.fixture
def shop(page: Page) -> Iterator[Page]:
    site = Response("<!doctype html><title>Shop</title>", content_type="text/html")
    with serving(SharedDataMiddleware(site, {"/segment": str(SCRIPTS)})) as url:
        page.goto(url.replace("127.0.0.1", "www.shop.test"))
        yield page


@pytest.mark.parametrize("script", SEND.values(), ids=SEND)
def test_a_page_sends_events(shop: Page, gateway: str, arrived: list[dict[str, Any]], script: str) -> None:
    assert shop.evaluate(script, [gateway, EVENT]) == {"success": True}
    wait_until(lambda: arrived, what="the event")
    assert arrived[0]["event"] == "Sign Up"
    assert arrived[0]["context"]["ip"] == "127.0.0.1"


def test_a_page_may_read_why_it_was_refused(shop: Page, gateway: str) -> None:
    script = "url => fetch(url + '/v1/t', {method: 'POST', body: '{'}).then(answer => answer.json())"
    assert shop.evaluate(script, gateway)["message"] == "The body is not JSON."


def test_mounted_in_the_site_the_endpoint_finds_the_click_in_the_cookie(
    page: Page, arrived: list[dict[str, Any]]
) -> None:
    site = DubMiddleware(Response("<!doctype html><title>Shop</title>", content_type="text/html"))
    app = create_gateway([arrived.append], write_keys=KEY, outbox=None)
    with app, serving(DispatcherMiddleware(site, {"/segment": app})) as url:
        page.goto(url.replace("127.0.0.1", "www.shop.test") + "/?dub_id=clk_1")
        assert page.evaluate(SEND["fetch of analytics.js"], ["/segment", EVENT]) == {"success": True}
        wait_until(lambda: arrived, what="the event")
    assert arrived[0]["integrations"] == {"Dub (Actions)": {"dub_id": "clk_1"}}


@pytest.mark.skipif(not SCRIPTS.exists(), reason="needs Segment's clients: make peers")
@pytest.mark.parametrize("strategy", ["standard", "batching"])
def test_analytics_js_as_it_is_published(
    shop: Page, gateway: str, arrived: list[dict[str, Any]], strategy: str
) -> None:
    shop.add_script_tag(url="/segment/index.js")
    delivery = {"strategy": strategy, "config": {"size": 3, "timeout": 100}}
    shop.evaluate(
        """async ([writeKey, cdnURL, deliveryStrategy]) => {
            const [analytics] = await AnalyticsNext.AnalyticsBrowser.load(
                {writeKey, cdnURL}, {integrations: {'Segment.io': {deliveryStrategy}}});
            await analytics.identify('42', {email: 'ada@example.com'});
            await analytics.track('Sign Up', {plan: 'pro'},
                {integrations: {'Dub (Actions)': {dub_id: 'clk1'}}});
            await analytics.page('Pricing');
        }""",
        [KEY, gateway, delivery],
    )
    wait_until(lambda: len(arrived) == 3, what="three events")
    assert sorted(event["type"] for event in arrived) == ["identify", "page", "track"]
    track = next(event for event in arrived if event["type"] == "track")
    assert track["userId"] == "42"
    assert track["properties"] == {"plan": "pro"}
    assert track["integrations"]["Dub (Actions)"] == {"dub_id": "clk1"}
    assert track["context"]["library"]["name"] == "analytics.js"
    assert track["context"]["page"]["title"] == "Shop"

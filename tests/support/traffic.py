"""Three clicks, two leads and three sales on two links, as of noon on 18 March 2026."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from dub_middleware.server import Server
from dub_middleware.server.store import Context, CustomerDetails, Link

NOW = datetime(2026, 3, 18, 12, tzinfo=timezone.utc)
_SAN_FRANCISCO = {"country": "US", "region": "US-CA", "city": "San Francisco", "continent": "NA"}
_PARIS = {"country": "FR", "region": "FR-IDF", "city": "Paris", "continent": "EU"}


def record_traffic(server: Server) -> list[Link]:
    """Create the links ``a`` and ``b`` and what comes of them."""
    a, b = links = _create_links(server)
    store = server.store

    def click(link: Link, click_id: str, hours: int, **context: Any) -> None:
        seen = Context(url=link.url, **context)
        store.record_click(link, seen, click_id=click_id, at=NOW - timedelta(hours=hours))

    phone = {"device": "Mobile", "browser": "Firefox", "os": "Android"}
    computer = {"browser": "Chrome", "os": "Linux"}
    click(a, "click1", 1, referer="t.co", trigger="qr", **phone, **_SAN_FRANCISCO)
    click(a, "click2", 2, referer_url="https://t.co/x", ip="203.0.113.9", **computer, **_PARIS)
    click(b, "click3", 48, **computer, **_PARIS)

    def ago(minutes: int) -> datetime:
        return NOW - timedelta(minutes=minutes)

    ada, eve = CustomerDetails(external_id="ada", name="Ada"), CustomerDetails(external_id="eve")
    plan = {"plan": "pro", "seats": 5, "company": {"size": "10"}}
    store.record_lead(ada, "Sign Up", click_id="click1", metadata=plan, at=ago(50))
    store.record_lead(eve, "Trial", click_id="click3", at=ago(40))
    store.record_sale(ada, 4900, "usd", invoice_id="inv_1", metadata={"plan": "pro"}, at=ago(30))
    store.record_sale(ada, 100, "usd", payment_processor="stripe", at=ago(20))
    store.record_sale(eve, 700, "usd", event_name="Renewal", at=ago(10))
    return links


def _create_links(server: Server) -> list[Link]:
    tag = server.store.workspace.add_tag("Launch", "red")
    folder = server.store.workspace.add_folder("Spring")
    first = {"tag_ids": [tag.id], "folder_id": folder.id, "partner_id": "pn_1"}
    return [
        server.links.create(
            {"url": "https://shop.test/?utm_source=news&utm_medium=mail", "key": "a", **first}
        ),
        server.links.create(
            {"url": "https://shop.test/b", "key": "b", "tenant_id": "t1", "external_id": "7"}
        ),
    ]

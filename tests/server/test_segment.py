"""Segment's tracking API in front of the server: clients of Segment write its leads and sales."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from segment.analytics import Client

from dub_middleware.conversions import Conversions, Segment
from dub_middleware.errors import ConfigError
from dub_middleware.server import Options, Server
from dub_middleware.server.store import Event, Link, Store
from dub_middleware.server.store.events import is_type
from wsgi_server import serving

WRITE_KEY = "wk_server"
KEY = "dub_abcdefghijklmnopqrstuvwx"
PERSON = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36"


@pytest.fixture
def server_options() -> dict[str, Any]:
    return {"api_key": KEY, "segment_write_key": WRITE_KEY}


@pytest.fixture
def link(store: Store) -> Link:
    return store.links.create(
        {"domain": "go.localhost", "key": "spring", "url": "https://shop.test/", "track_conversion": True}
    )


@pytest.fixture
def click_id(base_url: str, link: Link) -> str:
    """The id of a click on the link."""
    visit = httpx.get(f"{base_url}/l/spring", headers={"User-Agent": PERSON}, timeout=60)
    return str(httpx.URL(visit.headers["Location"]).params["dub_id"])


def recorded(server: Server) -> tuple[list[Event], list[Event]]:
    """The leads and the sales."""
    assert server.segment is not None
    assert server.segment.flush()
    leads, sales = (server.store.events.page([is_type(kind)], limit=50) for kind in ("lead", "sale"))
    return leads, sales


def test_leads_and_sales_of_this_packages_client(server: Server, base_url: str, click_id: str) -> None:
    with Conversions(Segment(WRITE_KEY, host=base_url), outbox=None) as conversions:
        conversions.track_lead(customer_external_id="42", click_id=click_id)
        conversions.track_sale(customer_external_id="42", amount=4900, payment_processor="stripe")
        assert conversions.flush()
    (lead,), (sale,) = recorded(server)
    assert (lead.click_id, lead.name) == (click_id, "Sign Up")
    assert (sale.click_id, sale.name, sale.amount) == (click_id, "Order Completed", 4900)


def test_the_click_may_be_among_the_traits_as_in_dubs_guide(
    server: Server, base_url: str, click_id: str
) -> None:
    client = Client(WRITE_KEY, host=base_url)
    client.track("42", "Sign Up", context={"traits": {"clickId": click_id}})
    client.flush()
    client.join()
    (lead,), _ = recorded(server)
    assert lead.click_id == click_id


def test_mappings_of_ones_own(store: Store, database_url: str, tmp_path: Path, link: Link) -> None:
    mapping = {
        "clickId": {"@path": "$.properties.click"},
        "eventName": "Demo",
        "externalId": {"@path": "$.userId"},
    }
    file = tmp_path / "mappings.json"
    file.write_text(
        json.dumps([{"partnerAction": "trackLead", "subscribe": 'event = "Booked"', "mapping": mapping}])
    )
    options = Options(database_url=database_url, segment_write_key=WRITE_KEY, segment_mappings=file)
    server = Server(options, store)
    with serving(server) as url:
        visit = httpx.get(f"{url}/l/spring", headers={"User-Agent": PERSON}, timeout=60)
        click = httpx.URL(visit.headers["Location"]).params["dub_id"]
        event = {"writeKey": WRITE_KEY, "userId": "42", "event": "Booked", "properties": {"click": click}}
        assert httpx.post(f"{url}/v1/track", json=event, timeout=60).json() == {"success": True}
        (lead,), _ = recorded(server)
    server.close()
    assert (lead.click_id, lead.name) == (click, "Demo")


def test_without_a_write_key_there_is_no_tracking_api(store: Store, database_url: str) -> None:
    server = Server(Options(database_url=database_url, api_key=KEY), store)
    assert server.segment is None
    server.close()


@pytest.mark.parametrize("key", ["", "a b", "a:b", 7])
def test_a_wrong_write_key_is_told_at_start_up(key: Any) -> None:
    with pytest.raises(ConfigError, match="segment_write_key must be"):
        Options(segment_write_key=key)

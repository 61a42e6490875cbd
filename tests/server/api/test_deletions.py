"""What becomes of analytics when links and customers go."""

from __future__ import annotations

from typing import Any

import pytest
from dub import Dub
from werkzeug.test import Client

from dub_middleware.server import Server
from dub_middleware.server.store import Link
from traffic import record_traffic

LOCAL = {"REMOTE_ADDR": "127.0.0.1"}


@pytest.fixture
def links(server: Server) -> list[Link]:
    return record_traffic(server)


def test_events_of_deleted_links_do_not_shorten_a_page(dub: Dub, links: list[Link]) -> None:
    dub.links.delete(link_id=links[0].id)
    page: Any = dub.events.list(request={"limit": 1})
    assert [event.click.id for event in page] == ["click3"]


def test_a_deleted_customer_keeps_the_id_and_has_no_name(dub: Dub, server: Server, links: list[Link]) -> None:
    ada = dub.customers.get(request={"id": "ext_ada"}).id
    before: Any = dub.events.list(request={"event": "leads", "customer_id": ada})
    dub.customers.delete(id="ext_ada")
    lead: Any = dub.events.list(request={"event": "leads", "sort_order": "asc"})[0]
    assert (lead.customer.id, lead.customer.external_id) == (ada, ada)
    assert (lead.customer.name, lead.customer.email) == ("Deleted Customer", "deleted@customer.com")
    assert lead.customer.created_at == "1970-01-01T00:00:00.000Z"
    after: Any = dub.events.list(request={"event": "leads", "customer_id": ada})
    assert [event.event_id for event in after] == [event.event_id for event in before] == [lead.event_id]
    exported = Client(server).get("/events/export.json?type=sale", environ_base=LOCAL).json
    assert exported is not None
    assert [event["customer"]["id"] for event in exported if event["sale"]["invoiceId"] == "inv_1"] == [ada]

"""What becomes of analytics when links and customers go."""

from __future__ import annotations

from typing import Any

import pytest
from dub import Dub

from dub_middleware.server import Server
from dub_middleware.server.store import Link
from traffic import record_traffic


@pytest.fixture
def links(server: Server) -> list[Link]:
    return record_traffic(server)


def test_events_of_deleted_links_do_not_shorten_a_page(dub: Dub, links: list[Link]) -> None:
    dub.links.delete(link_id=links[0].id)
    page: Any = dub.events.list(request={"limit": 1})
    assert [event.click.id for event in page] == ["click3"]


def test_a_deleted_customer_has_no_name(dub: Dub, links: list[Link]) -> None:
    dub.customers.delete(id="ext_ada")
    lead: Any = dub.events.list(request={"event": "leads", "sort_order": "asc"})[0]
    assert (lead.customer.name, lead.customer.email) == ("Deleted Customer", "deleted@customer.com")

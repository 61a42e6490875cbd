"""No address and no form that somebody makes by hand breaks a page, on either database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import Client

from dub_middleware.server.app import Server
from dub_middleware.server.dashboard.filters import LABELS
from dub_middleware.server.options import Options
from dub_middleware.server.store import Store

if TYPE_CHECKING:
    from conftest import Record

    from dub_middleware.server.store import Link

PAGES = (
    *(
        "/",
        "/analytics.csv",
        "/breakdown/cities",
        "/breakdown/top_links.csv",
        "/filter",
        "/timezone",
        "/login",
    ),
    *("/events", "/events/new", "/events.csv", "/events/export.json", "/events/1", f"/events/{2**63}"),
    *("/links", "/links/new", "/links/{link}", "/links/{link}/qr.svg", "/customers", "/customers/{customer}"),
    *(
        "/webhooks",
        "/webhooks/new",
        "/webhooks/{webhook}",
        "/webhooks/{webhook}/new",
        "/settings",
        "/install",
    ),
)
NAMES = (
    *("interval", "start", "end", "tz", "by", "compare", "metric", "unit", "view", "show", "places", "links"),
    *(
        "sort",
        "order",
        "q",
        "type",
        "before",
        "after",
        "rows",
        "columns",
        "page",
        "archived",
        "bought",
        "done",
    ),
    *("done", "to", "field", "value", "verb", "url", "download", "next", "endpoint", "_anchor", "_external"),
    *(name + mark for name in LABELS for mark in ("", "!")),
)
ODD = (
    "\0",
    "a\0b",
    "\ud800",
    "a\tb",
    "%",
    "'",
    "é" * 300,
    "-1",
    "1",
    str(2**63),
    "9" * 5000,
    f"0.{2**63}",
    "٣",
)
ODD += ("", "all", "9999-12-31", "2022-09-22", "0001-01-01")
_LINK = {"url": "https://acme.test/", "key": "odd", "domain": "go.localhost"}
_WEBHOOK = {"name": "Shop", "url": "https://acme.test/", "triggers": "lead.created", "links": ""}
FORMS = {
    "/links/new": _LINK,
    "/links/{link}": _LINK,
    "/webhooks/new": _WEBHOOK,
    "/webhooks/{webhook}": _WEBHOOK,
    "/settings": {"name": "Acme", "timezone": "UTC", "allowed_hostnames": "", "retention_days": ""},
    "/settings/keys": {"name": "shop", "kind": "secret", "days": ""},
    "/settings/domains": {"slug": "go.acme.test", "primary": "1"},
}
OF_LINKS = (
    "tag_ids",
    "utm_source",
    "external_id",
    "comments",
    "expired_url",
    "password",
    "expires_at",
    "zone",
)


@pytest.fixture
def server(database_url: str, clock: Callable[[], float]) -> Iterator[Server]:
    server = Server(Options.of({"database_url": database_url}), Store(database_url, clock=clock))
    yield server
    server.close()


@pytest.fixture
def place(server: Server, link: Link, record: Record) -> Callable[[str], str]:
    """A path with the ids of what there is."""
    customers = server.store.customers
    record(customer="ada", amount=4900, country="NP")
    ids = {
        "link": link.id,
        "customer": customers.page()[0].id,
        "webhook": server.store.webhooks.create("Shop", "https://acme.test/", ["lead.created"]).id,
    }
    return lambda path: path.format(**ids)


@settings(
    max_examples=40,
    suppress_health_check=[*settings().suppress_health_check, HealthCheck.function_scoped_fixture],
    database=None,
)
@given(
    path=st.sampled_from(PAGES),
    query=st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(ODD) | st.text(max_size=8)), max_size=4),
)
def test_no_address_breaks_a_page(
    client: Client, place: Callable[[str], str], path: str, query: list[tuple[str, str]]
) -> None:
    response = client.get(place(path), query_string=urlencode(query, errors="surrogatepass"))
    assert response.status_code in (200, 204, 302, 400, 404)


@pytest.mark.parametrize("value", ["a\0b", "\ud800", str(2**63)], ids=["NUL", "half a pair", "large"])
def test_every_parameter_may_be_odd(client: Client, place: Callable[[str], str], value: str) -> None:
    for path, names in {
        "/": ("country", "link_id", "tag_id", "folder_id!", "region", "customer_id", "url", "utm_term"),
        "/events": ("q", "before", "columns"),
        "/events/new": ("after",),
        "/webhooks/{webhook}": ("before",),
        "/customers": ("q", "link_id", "page"),
        "/links": ("q", "page"),
        f"/events/{2**63}": ("tz",),
    }.items():
        for name in names:
            response = client.get(place(path), query_string=urlencode({name: value}, errors="surrogatepass"))
            assert response.status_code in (200, 204, 400, 404), (path, name)


@pytest.mark.parametrize("value", ["a\0b", "\ud800", str(2**63)], ids=["NUL", "half a pair", "large"])
@pytest.mark.parametrize("path", FORMS)
def test_every_field_may_be_odd(client: Client, place: Callable[[str], str], path: str, value: str) -> None:
    for number, name in enumerate((*FORMS[path], *(OF_LINKS if "links" in path else ()))):
        # of its own key, or the second one would be refused before it is looked at
        own = {"key": f"odd{number}"} if path == "/links/new" else {}
        body = urlencode({**FORMS[path], **own, name: value}, errors="surrogatepass")
        response = client.post(place(path), data=body, content_type="application/x-www-form-urlencoded")
        assert response.status_code in (200, 303, 400, 404, 422), name

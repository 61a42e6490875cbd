"""Going back through the events, and searching in them, on both databases."""

from __future__ import annotations

import pytest

from dub_middleware.server.queries import Filter, Queries
from dub_middleware.server.store import Context, CustomerDetails, Link, Store
from standing_clock import Clock


@pytest.fixture
def link(store: Store) -> Link:
    return store.links.create({"domain": "go.localhost", "key": "launch", "url": "https://acme.test/"})


def test_the_pages_before_an_event_hold_every_older_one_once(store: Store, link: Link, clock: Clock) -> None:
    clicks = [
        store.record_click(link, Context(url=link.url), identity=str(number)).click_id for number in range(25)
    ]
    seen: list[str] = []
    before: str | None = None
    while True:
        found, _ = store.events.latest(limit=10, before=before)
        seen += [event.click_id for event in found]
        store.record_click(link, Context(url=link.url), identity=f"meanwhile-{len(seen)}")
        if len(found) < 10:
            break
        before = found[-1].cursor
    assert seen == clicks[::-1]


def test_an_events_cursor_continues_behind_it(store: Store, link: Link) -> None:
    for number in range(3):
        store.record_click(link, Context(url=link.url), identity=str(number))
    newest, end = store.events.latest(limit=3)
    after, cursor = store.events.after(newest[-1].cursor or "")
    assert [event.id for event in after] == [newest[1].id, newest[0].id]
    assert cursor == end
    assert store.events.get(newest[0].id) == newest[0]
    assert store.events.get(10**9) is None


def test_a_range_leaves_out_what_is_outside(store: Store, link: Link, clock: Clock) -> None:
    queries = Queries(store)
    store.record_click(link, Context(url=link.url), identity="old")
    clock.advance(days=3)
    store.record_click(link, Context(url=link.url), identity="new")
    found, _ = queries.live(period=queries.period("24h"))
    assert len(found) == 1
    with pytest.raises(ValueError, match="is not a cursor"):
        queries.live(before="yesterday")


@pytest.mark.parametrize(
    ("text", "types"),
    [
        ("LAUNCH", ["sale", "lead", "click"]),
        ("go.localhost/lau", ["sale", "lead", "click"]),
        ("grace", ["sale", "lead"]),
        ("Subscri", ["sale"]),
        ("inv_1", ["sale"]),
        ("inv_", []),
        ("np", ["sale", "lead", "click"]),
        ("Kathm", ["sale", "lead", "click"]),
        ("100%", []),
        ("_", []),
    ],
)
def test_a_search_looks_into_every_part(store: Store, link: Link, text: str, types: list[str]) -> None:
    city = "NP\tNP-BA\tKathmandu"
    context = Context(url=link.url, country="NP", region="NP-BA", city=city)
    click = store.record_click(link, context, identity="1")
    customer = CustomerDetails(external_id="42", name="Grace Hopper")
    store.record_lead(customer, "Sign up", click_id=click.click_id)
    store.record_sale(customer, 500, "usd", event_name="Subscription", invoice_id="inv_1")
    found, _ = Queries(store).live(filters={"search": Filter((text,))})
    assert [event.type for event in found] == types

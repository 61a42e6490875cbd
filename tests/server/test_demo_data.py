"""Demo data: believable, made anew when stale, and gone without a trace."""

from __future__ import annotations

import itertools

import pytest
import sqlalchemy as sa

from dub_middleware.errors import ConfigError
from dub_middleware.server import demo_data
from dub_middleware.server.demo_data import DemoVisitors, live, make_demo, remove_demo
from dub_middleware.server.queries import Queries
from dub_middleware.server.store import Context, CustomerDetails, Store
from dub_middleware.server.store.schema import events, rollup_day, rollup_quarter
from standing_clock import Clock
from waiting import wait_until

#: the rest is the same on both databases
once = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def store(store: Store) -> Store:
    store.workspace.add_domain("go.localhost", primary=True)
    return store


@once
def test_it_looks_like_a_quarter_of_a_real_shop(store: Store) -> None:
    shares: list[float] = []
    assert make_demo(store, shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    queries = Queries(store)
    period = queries.period("90d")
    counts = queries.totals(period)
    assert counts.clicks > 4000
    assert 0.05 < counts.leads / counts.clicks < 0.2
    assert 0.2 < counts.sales / counts.leads < 0.8
    for group_by, least in (
        ("countries", 10),
        ("devices", 3),
        ("browsers", 4),
        ("referers", 8),
        ("triggers", 2),
    ):
        assert len(queries.breakdown(group_by, period)) >= least
    days = queries.timeseries(period)
    weekday = [day.counts.clicks for day in days if day.start.weekday() < 5]
    weekend = [day.counts.clicks for day in days if day.start.weekday() >= 5]
    assert sum(weekend) / len(weekend) < 0.8 * sum(weekday) / len(weekday)
    assert all(event.timestamp <= queries.now() for event in store.events.latest(limit=50)[0])
    for customer in store.customers.page(limit=20, sort_by="sale_amount"):
        steps = queries.journey(customer)
        assert [step.type for step in steps[:3]] == ["click", "lead", "sale"]
        assert all(earlier.timestamp <= later.timestamp for earlier, later in itertools.pairwise(steps))
        sales = [step for step in steps if step.type == "sale"]
        assert (customer.sales, customer.sale_amount) == (len(sales), sum(step.amount or 0 for step in sales))
        assert [step.is_first_sale for step in sales] == [True] + [False] * (len(sales) - 1)
        assert customer.email is not None
        assert customer.email.endswith(".example")


def test_it_goes_without_a_trace_and_leaves_what_is_real(store: Store) -> None:
    make_demo(store)
    own = store.links.create({"domain": "go.localhost", "key": "own", "url": "https://shop.test/"})
    click = store.record_click(own, Context(url=own.url))
    store.record_lead(CustomerDetails(external_id="42"), "Sign up", click_id=click.click_id)
    assert remove_demo(store) > 4000
    counts = Queries(store).totals(Queries(store).period("all"))
    assert (counts.clicks, counts.leads, counts.sales, counts.sale_amount) == (1, 1, 0, 0)
    assert store.customers.count() == store.links.count() == 1
    assert store.workspace.tags() == []
    assert not store.workspace.settings().is_demo
    kept = store.links.get(own.id)
    assert kept is not None
    assert (kept.clicks, kept.leads) == (1, 1)
    with store.database.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(events)).scalar() == 2
        for table in (rollup_day, rollup_quarter):
            assert not connection.execute(sa.select(table).where(table.c.clicks + table.c.leads <= 0)).first()


@once
def test_it_is_kept_for_the_day_and_made_anew_when_stale(store: Store, clock: Clock) -> None:
    assert make_demo(store)
    assert not make_demo(store)
    clock.advance(days=3)
    assert make_demo(store)
    assert store.links.count() == len(demo_data.CAMPAIGNS)


@once
def test_it_never_mixes_into_real_events(store: Store) -> None:
    own = store.links.create({"domain": "go.localhost", "key": "launch", "url": "https://shop.test/"})
    store.record_click(own, Context(url=own.url))
    with pytest.raises(ConfigError, match="holds real events"):
        make_demo(store)
    assert store.links.count() == 1


@once
def test_visitors_come_while_one_looks_until_the_demo_is_removed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "PAUSE", 0.001)
    make_demo(store)
    cursor = store.events.cursor()
    visitors = DemoVisitors(store)
    seen: set[str] = set()

    def all_sorts() -> bool:
        nonlocal cursor
        found, cursor = store.events.after(cursor)
        seen.update(event.type for event in found)
        return seen == {"click", "lead", "sale"}

    wait_until(all_sorts, timeout=60)
    remove_demo(store)
    wait_until(lambda: not visitors.is_alive)
    visitors.close()

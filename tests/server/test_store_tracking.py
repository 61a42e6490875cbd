"""Clicks, leads and sales count once, on both databases, however many ask at the same time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from dub_middleware.errors import AttributionError, ConflictError
from dub_middleware.server.store import Context, Customer, CustomerDetails, Event, EventType, Link, Store
from dub_middleware.server.store.events import is_type
from standing_clock import Clock

ADA = CustomerDetails(external_id="42", email="ada@example.com")


@pytest.fixture
def link(store: Store) -> Link:
    return store.links.create({"domain": "go.localhost", "key": "Launch", "url": "https://shop.test/"})


@pytest.fixture
def click_id(store: Store, link: Link) -> str:
    return click(store, link)


def click(store: Store, link: Link, identity: str | None = None) -> str:
    return store.record_click(link, Context(url=link.url, country="DE"), identity=identity).click_id


def told(customer: Customer) -> dict[str, object]:
    return {"amount": customer.sale_amount, "customer": customer.name}


def last_event(store: Store, kind: EventType) -> Event:
    return store.events.page([is_type(kind)], limit=1)[0]


def types(store: Store) -> list[str]:
    return [event.type for event in store.events.after("0.0")[0]]


class TestClicks:
    def test_a_click_keeps_what_is_known_of_the_visitor(self, store: Store, link: Link) -> None:
        context = Context(
            url="https://shop.test/p?session=1&utm_source=news&ref=x#top",
            referer="example.com",
            referer_url="https://example.com/a?q=secret",
            country="FR",
            region="FR-IDF",
            city="Paris",
            continent="EU",
            device="Mobile",
            browser="Firefox",
            os="Android",
            ua="Mozilla/5.0",
            trigger="qr",
            ip="192.0.2.7",
        )
        result = store.record_click(link, context)
        found = store.events.find_click(result.click_id)
        assert found is not None
        assert found.link == link
        assert (found.context.city, found.context.region, found.context.trigger) == ("Paris", "FR-IDF", "qr")
        assert found.context.ip == "192.0.2.7"
        assert found.context.url == "https://shop.test/p?utm_source=news&ref=x"
        assert found.context.referer_url == "https://example.com/a"

    def test_an_unknown_click_is_none(self, store: Store) -> None:
        assert store.events.find_click("0123456789abcdef") is None

    def test_a_visitor_clicks_a_link_once_an_hour(self, store: Store, link: Link, clock: Clock) -> None:
        first = store.record_click(link, Context(url=link.url), identity="visitor")
        clock.advance(minutes=59, seconds=59)
        again = store.record_click(link, Context(url=link.url), identity="visitor")
        assert (again.click_id, again.recorded) == (first.click_id, False)
        assert store.claimed_click(link, "visitor") == first.click_id
        clock.advance(seconds=1)
        assert store.claimed_click(link, "visitor") is None
        later = store.record_click(link, Context(url=link.url), identity="visitor")
        assert later.recorded
        assert later.click_id != first.click_id

    def test_the_hour_is_one_link_and_one_visitor(self, store: Store, link: Link) -> None:
        other = store.links.create({"domain": "go.localhost", "key": "other", "url": "https://shop.test/"})
        assert len({click(store, link, "a"), click(store, link, "b"), click(store, other, "a")}) == 3

    def test_a_click_id_the_visitor_carries_counts_once(
        self, store: Store, link: Link, click_id: str
    ) -> None:
        again = store.record_click(link, Context(url=link.url), click_id=click_id)
        assert (again.click_id, again.recorded) == (click_id, False)
        assert types(store) == ["click"]

    def test_of_many_at_once_one_counts(self, store: Store, link: Link) -> None:
        with ThreadPoolExecutor(8) as pool:
            ids = set(pool.map(lambda _: click(store, link, "visitor"), range(32)))
        assert len(ids) == 1
        assert types(store) == ["click"]

    @pytest.mark.parametrize(
        ("ip", "kept"),
        [("192.0.2.77", "192.0.2.0"), ("2001:db8:1:2::3", "2001:db8:1::"), ("unknown", None), (None, None)],
    )
    def test_addresses_lose_the_household_when_asked(
        self, database_url: str, ip: str | None, kept: str | None
    ) -> None:
        store = Store(database_url, anonymize_ip=True)
        link = store.links.create({"domain": "d.test", "key": "k", "url": "https://shop.test/"})
        result = store.record_click(link, Context(url=link.url, ip=ip))
        found = store.events.find_click(result.click_id)
        store.close()
        assert found is not None
        assert found.context.ip == kept

    @pytest.mark.parametrize(
        "text", ["nul\0byte", "half \ud800 pair", "é" * 3000, "https://[broken?a=b"], ids=ascii
    )
    def test_hostile_text_is_stored_as_far_as_it_can_be(self, store: Store, link: Link, text: str) -> None:
        context = Context(url=text, referer=text, referer_url=text, ua=text, city=text, country=text)
        assert store.record_click(link, context).recorded


class TestLeads:
    def test_a_lead_belongs_to_its_click(self, store: Store, link: Link, click_id: str) -> None:
        result = store.record_lead(ADA, "Sign Up", click_id=click_id, metadata={"plan": "pro"})
        assert result.outcome == "recorded"
        assert result.is_new_customer
        assert result.customer is not None
        assert (result.customer.name, result.customer.country) == ("ada@example.com", "DE")
        assert result.customer.link_id == link.id
        event = last_event(store, "lead")
        assert (event.name, event.metadata) == ("Sign Up", {"plan": "pro"})
        assert (event.context.country, event.click_id) == ("DE", click_id)
        assert (event.customer, (event.event_id,)) == (result.customer, result.event_ids)

    def test_someone_without_a_name_gets_one(self, store: Store, click_id: str) -> None:
        customer = store.record_lead(CustomerDetails(external_id="7"), "Sign Up", click_id=click_id).customer
        assert customer is not None
        assert customer.name is not None
        assert len(customer.name.split()) == 3

    def test_the_same_lead_counts_once_in_seven_days(self, store: Store, click_id: str, clock: Clock) -> None:
        store.record_lead(ADA, "Sign Up", click_id=click_id)
        clock.advance(days=6, hours=23)
        again = store.record_lead(ADA, "sign up", click_id="another-click")
        assert (again.outcome, again.click_id, again.link) == ("duplicate", "another-click", None)
        assert again.customer is not None
        assert store.record_lead(ADA, "Demo", click_id=click_id).outcome == "recorded"
        clock.advance(hours=1)
        assert store.record_lead(ADA, "Sign Up", click_id=click_id).outcome == "recorded"

    def test_of_many_at_once_one_counts(self, store: Store, click_id: str) -> None:
        with ThreadPoolExecutor(8) as pool:
            results = pool.map(lambda _: store.record_lead(ADA, "Sign Up", click_id=click_id), range(16))
        assert sorted(result.outcome for result in results) == ["duplicate"] * 15 + ["recorded"]
        assert types(store) == ["click", "lead"]

    def test_a_lead_that_failed_may_be_sent_again(self, store: Store, link: Link) -> None:
        with pytest.raises(AttributionError) as error:
            store.record_lead(ADA, "Sign Up", click_id="later")
        assert error.value.reason == "click_not_found"
        store.record_click(link, Context(url=link.url), click_id="later")
        assert store.record_lead(ADA, "Sign Up", click_id="later").outcome == "recorded"

    def test_a_lead_that_failed_is_lost_for_a_week_as_at_dub_when_asked(
        self, store: Store, link: Link
    ) -> None:
        with pytest.raises(AttributionError):
            store.record_lead(ADA, "Sign Up", click_id="later", keep_claim=True)
        store.record_click(link, Context(url=link.url), click_id="later")
        assert store.record_lead(ADA, "Sign Up", click_id="later", keep_claim=True).outcome == "duplicate"

    def test_a_deferred_lead_adds_the_customer_only(self, store: Store, click_id: str) -> None:
        deferred = store.record_lead(ADA, "Sign Up", click_id=click_id, deferred=True)
        assert (deferred.outcome, types(store)) == ("deferred", ["click"])
        later = store.record_lead(ADA, "Sign Up")
        assert (later.outcome, later.click_id, later.is_new_customer) == ("recorded", click_id, False)

    def test_quantity_records_that_many(self, store: Store, link: Link, click_id: str) -> None:
        result = store.record_lead(ADA, "Seat", click_id=click_id, quantity=3)
        assert len(set(result.event_ids)) == 3
        fresh = store.links.get(link.id)
        assert fresh is not None
        assert fresh.leads == 3

    def test_nobody_without_a_click(self, store: Store) -> None:
        with pytest.raises(AttributionError) as error:
            store.record_lead(ADA, "Sign Up")
        assert error.value.reason == "no_click_id"

    def test_a_disabled_link_takes_no_leads(self, store: Store, link: Link, click_id: str) -> None:
        store.links.update(link.id, {"disabled_at": link.created_at})
        with pytest.raises(AttributionError) as error:
            store.record_lead(ADA, "Sign Up", click_id=click_id)
        assert (error.value.reason, error.value.link_id) == ("link_disabled", link.id)

    def test_a_deleted_link_takes_no_leads(self, store: Store, link: Link, click_id: str) -> None:
        store.links.delete(link.id)
        with pytest.raises(AttributionError) as error:
            store.record_lead(ADA, "Sign Up", click_id=click_id)
        assert error.value.reason == "link_not_found"

    def test_a_new_click_credits_its_link_and_leaves_the_customer(
        self, store: Store, link: Link, click_id: str
    ) -> None:
        store.record_lead(ADA, "Sign Up", click_id=click_id)
        other = store.links.create({"domain": "go.localhost", "key": "other", "url": "https://shop.test/"})
        result = store.record_lead(ADA, "Upgrade", click_id=click(store, other))
        assert result.link == other
        assert result.customer is not None
        assert (result.customer.link_id, result.customer.click_id) == (link.id, click_id)


def test_of_many_at_once_those_that_fail_leave_the_others_alone(
    store: Store, link: Link, click_id: str
) -> None:
    def record(number: int) -> str:
        who = CustomerDetails(external_id=str(number))
        try:
            return store.record_lead(who, "Sign Up", click_id="never" if number % 3 else click_id).outcome
        except AttributionError as error:
            return error.reason

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(record, range(48)))
    assert told == ["click_not_found" if number % 3 else "recorded" for number in range(48)]
    assert types(store).count("lead") == 16
    assert store.customers.count() == 16
    again = [
        store.record_lead(CustomerDetails(external_id=str(number)), "Sign Up", click_id=click_id).outcome
        for number in (0, 1, 2)
    ]
    assert again == ["duplicate", "recorded", "recorded"]  # no claim is left of what failed


class TestSales:
    @pytest.fixture(autouse=True)
    def customer(self, store: Store, click_id: str) -> None:
        store.record_lead(ADA, "Sign Up", click_id=click_id)

    def test_a_sale_belongs_to_the_customers_lead(self, store: Store, link: Link, click_id: str) -> None:
        result = store.record_sale(ADA, 4900, "usd", payment_processor="stripe", metadata={"plan": "pro"})
        assert (result.outcome, result.is_first, result.link) == ("recorded", True, link)
        event = last_event(store, "sale")
        assert event.customer == result.customer
        assert (event.amount, event.currency, event.payment_processor) == (4900, "usd", "stripe")
        assert (event.name, event.click_id, event.context.country) == ("Purchase", click_id, "DE")
        assert event.customer is not None
        assert (event.customer.sales, event.customer.sale_amount) == (1, 4900)
        assert event.customer.first_sale_at == event.timestamp

    def test_an_invoice_is_one_sale(self, store: Store, clock: Clock) -> None:
        first = store.record_sale(ADA, 4900, "usd", invoice_id="inv_1", answer=told)
        clock.advance(days=6)
        again = store.record_sale(ADA, 1, "eur", invoice_id="inv_1", answer=told)
        assert (again.outcome, again.answer) == ("replayed", first.answer)
        clock.advance(days=1)
        assert store.record_sale(ADA, 1, "usd", invoice_id="inv_1", answer=told).outcome == "recorded"

    def test_of_many_with_one_invoice_one_counts_and_all_hear_the_same(self, store: Store) -> None:
        with ThreadPoolExecutor(8) as pool:
            results = list(
                pool.map(
                    lambda amount: store.record_sale(ADA, amount, "usd", invoice_id="inv_1", answer=told),
                    range(1, 17),
                )
            )
        assert sorted(result.outcome for result in results) == ["recorded"] + ["replayed"] * 15
        assert len({str(result.answer) for result in results}) == 1
        assert types(store).count("sale") == 1

    def test_without_an_invoice_every_call_is_a_sale(self, store: Store, link: Link) -> None:
        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(lambda _: store.record_sale(ADA, 100, "usd"), range(16)))
        assert sum(result.is_first for result in results) == 1
        fresh = store.links.get(link.id)
        assert fresh is not None
        assert (fresh.sales, fresh.sale_amount, fresh.conversions) == (16, 1600, 1)
        customer = store.customers.get_by_external_id("42")
        assert customer is not None
        assert (customer.sales, customer.sale_amount) == (16, 1600)

    def test_amount_zero_is_no_sale_and_keeps_the_invoice_free(self, store: Store) -> None:
        assert store.record_sale(ADA, 0, "usd", invoice_id="inv_1").outcome == "zero_amount"
        assert store.record_sale(ADA, 1, "usd", invoice_id="inv_1").outcome == "recorded"

    def test_a_stranger_is_no_sale(self, store: Store) -> None:
        stranger = CustomerDetails(external_id="7")
        assert store.record_sale(stranger, 1, "usd", invoice_id="i").outcome == "unknown_customer"
        assert store.record_sale(ADA, 1, "usd", invoice_id="i").outcome == "recorded"

    def test_a_stranger_with_a_click_is_a_direct_sale(self, store: Store, link: Link) -> None:
        stranger = CustomerDetails(external_id="7")
        result = store.record_sale(stranger, 100, "usd", click_id=click(store, link))
        assert (result.outcome, result.is_first) == ("recorded", True)
        assert result.lead is not None
        assert last_event(store, "lead").name == "Direct sale tracking lead event"
        assert types(store) == ["click", "lead", "click", "lead", "sale"]

    def test_of_many_direct_sales_of_one_stranger_one_brings_the_lead(self, store: Store, link: Link) -> None:
        fresh = click(store, link)
        with ThreadPoolExecutor(8) as pool:
            results = list(
                pool.map(
                    lambda _: store.record_sale(CustomerDetails(external_id="7"), 100, "usd", click_id=fresh),
                    range(16),
                )
            )
        assert {result.outcome for result in results} == {"recorded"}
        assert sum(result.is_first for result in results) == 1
        assert types(store).count("lead") == 2  # Ada's and the stranger's

    def test_the_lead_is_the_latest_or_the_latest_of_the_name_given(self, store: Store) -> None:
        other = store.links.create({"domain": "go.localhost", "key": "other", "url": "https://shop.test/"})
        store.record_lead(ADA, "Upgrade", click_id=click(store, other))
        assert store.record_sale(ADA, 1, "usd").link == other
        named = store.record_sale(ADA, 1, "usd", lead_event_name="Sign Up")
        assert named.link != other
        with pytest.raises(AttributionError) as error:
            store.record_sale(ADA, 1, "usd", lead_event_name="sign up")  # the case counts here
        assert error.value.reason == "lead_not_found"

    def test_a_customer_is_new_once_on_every_link(self, store: Store) -> None:
        other = store.links.create({"domain": "go.localhost", "key": "other", "url": "https://shop.test/"})
        assert store.record_sale(ADA, 1, "usd").is_first
        store.record_lead(ADA, "Upgrade", click_id=click(store, other))
        firsts = [store.record_sale(ADA, 1, "usd").is_first for _ in range(2)]
        assert firsts == [True, False]
        assert not store.record_sale(ADA, 1, "usd", lead_event_name="Sign Up").is_first

    def test_a_customer_who_never_signed_up_has_no_lead(self, store: Store) -> None:
        store.customers.create(CustomerDetails(external_id="8"))
        with pytest.raises(AttributionError) as error:
            store.record_sale(CustomerDetails(external_id="8"), 1, "usd")
        assert error.value.reason == "lead_not_found"

    def test_a_disabled_link_takes_no_sales(self, store: Store, link: Link) -> None:
        store.links.update(link.id, {"disabled_at": link.created_at})
        with pytest.raises(AttributionError) as error:
            store.record_sale(ADA, 1, "usd", invoice_id="inv_1")
        assert (error.value.reason, error.value.link_id) == ("link_disabled", link.id)
        store.links.update(link.id, {"disabled_at": None})
        assert store.record_sale(ADA, 1, "usd", invoice_id="inv_1").outcome == "recorded"


def test_two_processes_share_one_database(open_store: Callable[[], Store]) -> None:
    first, second = open_store(), open_store()
    link = first.links.create({"domain": "go.localhost", "key": "a", "url": "https://shop.test/"})
    with pytest.raises(ConflictError):
        second.links.create({"domain": "GO.localhost", "key": "A", "url": "https://shop.test/"})

    def hit(number: int) -> None:
        store = (first, second)[number % 2]
        store.record_click(link, Context(url=link.url, browser=f"Browser {number % 5}"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(hit, range(64)))
    assert len(first.events.after("0.0")[0]) == 64
    counted = [store.links.get(link.id) for store in (first, second)]
    assert [link and link.clicks for link in counted] == [64, 64]

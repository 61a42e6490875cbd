"""``/track/sale`` through the official client, and ``/track/sale/client`` as a browser calls it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from dub import Dub
from dub.models import errors

from databases import ON_SQLITE
from dub_middleware.server import Server
from dub_middleware.server.store import CustomerDetails, Event, Link
from dub_middleware.server.store.events import is_type
from standing_clock import Clock

Click = Callable[..., str]


def sales(server: Server) -> list[Event]:
    return server.store.events.page([is_type("sale")], limit=50)


@pytest.fixture
def customer(server: Server, click: Click) -> str:
    """Somebody who has signed up."""
    result = server.store.record_lead(
        CustomerDetails(external_id="42", name="Ada"), "Sign Up", click_id=click()
    )
    assert result.customer is not None
    return result.customer.id


def test_a_sale_is_answered_with_what_was_recorded(dub: Dub, server: Server, customer: str) -> None:
    request = {
        "customer_external_id": "42",
        "amount": 4900,
        "currency": "USD",
        "event_name": "Plan bought",
        "payment_processor": "stripe",
        "invoice_id": "inv_1",
        "metadata": {"plan": "pro"},
    }
    answer = dub.track.sale(request=request)
    assert answer.model_dump(exclude_unset=True) == {
        "eventName": "Plan bought",
        "customer": {
            "id": customer,
            "name": "Ada",
            "email": None,
            "avatar": None,
            "externalId": "42",
        },
        "sale": {
            "amount": 4900,
            "currency": "usd",
            "paymentProcessor": "stripe",
            "invoiceId": "inv_1",
            "metadata": {"plan": "pro"},
        },
    }
    [event] = sales(server)
    assert (event.amount, event.currency, event.invoice_id, event.is_first_sale) == (
        4900,
        "usd",
        "inv_1",
        True,
    )


def test_an_invoice_is_one_sale_for_seven_days_whatever_else_is_said(
    http: httpx.Client, server: Server, customer: str, clock: Clock
) -> None:
    body = {"customerExternalId": "42", "amount": 4900, "invoiceId": "inv_1", "metadata": {"b": 1, "a": 2}}
    first = http.post("/track/sale", json=body)
    clock.advance(days=6)
    again = http.post("/track/sale", json=body | {"amount": 1, "customerExternalId": "nobody"})
    assert again.json() == first.json()
    assert len(sales(server)) == 1
    clock.advance(days=1)
    http.post("/track/sale", json=body)
    assert len(sales(server)) == 2


def test_of_eight_at_once_with_one_invoice_one_is_recorded(
    http: httpx.Client, server: Server, customer: str
) -> None:
    def sell(amount: int) -> str:
        body = {"customerExternalId": "42", "amount": amount, "invoiceId": "inv_1"}
        return http.post("/track/sale", json=body).text

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(sell, range(1, 25)))
    assert len(answers) == 1
    [event] = sales(server)
    assert f'"amount":{event.amount},' in answers.pop()


def test_without_an_invoice_every_call_is_a_sale_and_one_is_the_first(
    http: httpx.Client, server: Server, customer: str, link: Link
) -> None:
    body = {"customerExternalId": "42", "amount": 100}
    with ThreadPoolExecutor(8) as pool:
        codes = set(pool.map(lambda _: http.post("/track/sale", json=body).status_code, range(16)))
    assert codes == {200}
    assert sum(event.is_first_sale for event in sales(server)) == 1
    fresh = server.store.links.get(link.id)
    assert fresh is not None
    assert (fresh.sales, fresh.sale_amount, fresh.conversions) == (16, 1600, 1)


@ON_SQLITE
class TestFaithful:
    @pytest.fixture
    def server_options(self, server_options: dict[str, Any]) -> dict[str, Any]:
        return server_options | {"faithful": True}

    def test_an_invoice_is_looked_at_before_and_noted_after(
        self, http: httpx.Client, server: Server, customer: str
    ) -> None:
        body = {"customerExternalId": "42", "amount": 100, "invoiceId": "inv_1"}
        first = http.post("/track/sale", json=body)
        assert http.post("/track/sale", json=body | {"amount": 5}).json() == first.json()
        assert len(sales(server)) == 1
        nothing = http.post("/track/sale", json=body | {"amount": 0, "invoiceId": "inv_2"})
        assert nothing.json()["sale"] is None
        assert http.post("/track/sale", json=body | {"invoiceId": "inv_2"}).json()["sale"]


@pytest.mark.usefixtures("customer")
class TestMoney:
    @ON_SQLITE
    def test_yen_become_cents(self, dub: Dub, server: Server) -> None:
        answer = dub.track.sale(request={"customer_external_id": "42", "amount": 1437, "currency": "jpy"})
        assert answer.sale is not None
        assert answer.sale.currency == "usd"
        assert 900 <= answer.sale.amount <= 1100
        assert sales(server)[0].amount == answer.sale.amount

    @ON_SQLITE
    @pytest.mark.parametrize("currency", ["xyz", ""])
    def test_money_without_a_rate_stays_what_it_is(self, http: httpx.Client, currency: str) -> None:
        body = {"customerExternalId": "42", "amount": 5, "currency": currency.upper()}
        sale = http.post("/track/sale", json=body).json()["sale"]
        assert (sale["amount"], sale["currency"]) == (5, currency)

    @ON_SQLITE
    def test_more_than_sums_can_bear_is_refused(self, http: httpx.Client, server: Server) -> None:
        body = {"customerExternalId": "42", "amount": 10**12 + 1}
        answer = http.post("/track/sale", json=body)
        assert answer.status_code == 422
        assert answer.json()["error"]["message"] == (
            "too_big: amount: Too big: expected number to be <=1000000000000"
        )
        assert http.post("/track/sale", json=body | {"currency": "idr"}).json()["sale"]["amount"] < 10**12
        assert len(sales(server)) == 1

    @ON_SQLITE
    def test_nothing_paid_is_no_sale(self, http: httpx.Client, server: Server) -> None:
        body = {"customerExternalId": "42", "amount": 0, "invoiceId": "inv_1"}
        nothing = {"eventName": "Purchase", "customer": None, "sale": None}
        assert http.post("/track/sale", json=body).json() == nothing
        assert http.post("/track/sale", json=body | {"amount": 1}).json()["sale"]["amount"] == 1


class TestStrangers:
    def test_a_stranger_is_no_sale(self, dub: Dub, server: Server) -> None:
        answer = dub.track.sale(request={"customer_external_id": "7", "amount": 100, "invoice_id": "i"})
        assert (answer.event_name, answer.customer, answer.sale) == ("Purchase", None, None)
        assert sales(server) == []

    def test_a_stranger_with_a_click_is_a_direct_sale(self, dub: Dub, server: Server, click: Click) -> None:
        who = {"customer_external_id": "7", "customer_name": "Eve", "customer_email": "eve@example.com"}
        answer = dub.track.sale(request=who | {"amount": 100, "click_id": click()})
        assert answer.customer is not None
        assert (answer.customer.name, answer.customer.external_id) == ("Eve", "7")
        assert answer.sale is not None
        events = server.store.events.page([], limit=50)
        assert [event.name for event in events] == ["Purchase", "Direct sale tracking lead event", None]

    @ON_SQLITE
    def test_a_direct_sale_of_nothing_leaves_the_lead(
        self, http: httpx.Client, server: Server, click: Click
    ) -> None:
        body = {"customerExternalId": "7", "amount": 0, "clickId": click(), "leadEventName": "Order"}
        assert http.post("/track/sale", json=body).json()["customer"] is None
        assert [event.name for event in server.store.events.page([is_type("lead")], limit=50)] == ["Order"]


@ON_SQLITE
def test_sales_that_belong_nowhere(dub: Dub, server: Server, link: Link, click: Click, customer: str) -> None:
    def refusal(**more: Any) -> str:
        with pytest.raises(errors.NotFound) as caught:
            dub.track.sale(request={"customer_external_id": "42", "amount": 100, "invoice_id": "i"} | more)
        return str(caught.value.data.error.message)

    assert refusal(lead_event_name="Trial") == (
        "Lead event not found for externalId: 42 and leadEventName: Trial"
    )
    click_id = click()
    server.store.record_lead(CustomerDetails(external_id="8"), "Sign Up", click_id=click_id, deferred=True)
    assert refusal(customer_external_id="8") == (
        "Lead event not found for externalId: 8 and leadEventName: null"
    )
    assert refusal(customer_external_id="9", click_id="never") == "Click event not found for clickId: never"
    server.store.links.update(link.id, {"disabled_at": server.queries.now()})
    assert refusal() == f"Link {link.id} for customer {customer} is disabled, sale not tracked"
    assert refusal(customer_external_id="9", click_id=click_id) == (
        f"Link {link.id} for clickId {click_id} is disabled, sale not tracked"
    )
    server.store.links.update(link.id, {"disabled_at": None})
    assert dub.track.sale(request={"customer_external_id": "42", "amount": 1, "invoice_id": "i"}).sale
    server.store.links.delete(link.id)
    assert refusal(invoice_id="j") == f"Link not found for customer {customer}"
    assert refusal(customer_external_id="9", click_id=click_id, invoice_id="k") == (
        f"Link not found for clickId: {click_id}"
    )
    assert len(sales(server)) == 1


@ON_SQLITE
@pytest.mark.parametrize("name", ["externalId", "customerId"])
@pytest.mark.usefixtures("customer")
def test_older_names_of_the_customer_id_count(http: httpx.Client, name: str) -> None:
    answer = http.post("/track/sale", json={name: "42", "amount": 100}).json()
    assert answer["customer"]["externalId"] == "42"


@pytest.mark.usefixtures("customer")
def test_a_page_reports_a_sale(page: httpx.Client, server: Server) -> None:
    answer = page.post("/track/sale/client", json={"customerExternalId": " 42 ", "amount": 100})
    assert answer.status_code == 200
    assert answer.json()["sale"]["amount"] == 100
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["x-ratelimit-remaining"] == "599"
    assert len(sales(server)) == 1


NOT_AN_AMOUNT = "invalid_type: amount: amount is required"
NOT_A_PROCESSOR = (
    'invalid_value: paymentProcessor: Invalid option: expected one of "stripe"|"shopify"|"polar"|"paddle"|'
    '"apple"|"revenuecat"|"dub"|"custom"'
)


@ON_SQLITE
@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param({}, NOT_AN_AMOUNT, id="nothing"),
        pytest.param({"amount": None}, NOT_AN_AMOUNT, id="null"),
        pytest.param({"amount": "1"}, NOT_AN_AMOUNT, id="text"),
        pytest.param({"amount": True}, NOT_AN_AMOUNT, id="boolean"),
        pytest.param(
            {"amount": 1.5},
            "invalid_type: amount: Invalid input: expected int, received number",
            id="fraction",
        ),
        pytest.param(
            {"amount": -1.5},
            "invalid_type: amount: Invalid input: expected int, received number",
            id="negative-fraction",
        ),
        pytest.param({"amount": -1}, "too_small: amount: amount cannot be negative", id="negative"),
        pytest.param(
            {"amount": 2**53},
            "too_big: amount: Too big: expected int to be <=9007199254740991",
            id="too-much",
        ),
        pytest.param({"amount": 1, "paymentProcessor": "cash"}, NOT_A_PROCESSOR, id="processor"),
        pytest.param({"amount": 1, "paymentProcessor": None}, NOT_A_PROCESSOR, id="processor-null"),
        pytest.param(
            {"amount": 1, "currency": None},
            "invalid_type: currency: Invalid input: expected string, received null",
            id="currency-null",
        ),
        pytest.param(
            {"amount": 1, "eventName": None},
            "invalid_type: eventName: Invalid input: expected string, received null",
            id="name-null",
        ),
        pytest.param(
            {"amount": 1, "invoiceId": 7},
            "invalid_type: invoiceId: Invalid input: expected string, received number",
            id="invoice-number",
        ),
    ],
)
def test_wrong_bodies(http: httpx.Client, body: dict[str, Any], message: str) -> None:
    answer = http.post("/track/sale", json=body)
    assert (answer.status_code, answer.json()["error"]["message"]) == (422, message)


@ON_SQLITE
def test_browsers_must_name_the_customer_and_servers_too(http: httpx.Client, page: httpx.Client) -> None:
    answer = page.post("/track/sale/client", json={}).json()
    assert answer["error"]["message"] == (
        "invalid_type: customerExternalId: Invalid input: expected string, received undefined"
    )
    assert http.post("/track/sale", json={"amount": 1}).json()["error"] == {
        "code": "bad_request",
        "message": "customerExternalId is required",
        "doc_url": "https://dub.co/docs/api-reference/errors#bad-request",
    }

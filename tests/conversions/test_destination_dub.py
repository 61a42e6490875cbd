"""The Dub API as a destination: what Dub's answers mean for a lead and for a sale."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

import pytest

from dub_middleware.conversions import DubAPI, LeadResult, SaleResult
from dub_middleware.conversions.destinations import Delivery, Outcome
from dub_middleware.conversions.events import Lead, Sale
from dub_middleware.errors import APIError, ConfigError
from dub_stub import KEY, DubStub, envelope, refuse
from stub_http import Fault, raw, status

ID = "0123456789abcdef0123456789abcdef"
CLICK = "clk0123456789abc"


@pytest.fixture
def stub() -> Iterator[DubStub]:
    with DubStub() as running:
        yield running


@pytest.fixture
def dub(stub: DubStub) -> Iterator[DubAPI]:
    made = DubAPI(KEY, base_url=stub.url)
    yield made
    made.close()


def send(
    dub: DubAPI,
    event: Lead | Sale,
    *,
    attempt: int = 1,
    ambiguous: bool = False,
    age: float = 0.0,
) -> Outcome:
    payload = dub.prepare(event, id=ID, timestamp=datetime.now(timezone.utc))
    created = time.time() - age
    (outcome,) = dub.send([Delivery(ID, event.kind, event.key, payload, created, attempt, ambiguous)])
    return outcome


def lead(**fields: object) -> Lead:
    return Lead(**{"customer_external_id": "42", "click_id": CLICK, **fields})  # type: ignore[arg-type]


def sale(**fields: object) -> Sale:
    return Sale(**{"customer_external_id": "42", "amount": 4900, **fields})  # type: ignore[arg-type]


class TestRequests:
    def test_a_lead_carries_every_field_under_dubs_names(self, stub: DubStub, dub: DubAPI) -> None:
        send(
            dub,
            lead(
                event_name="Demo booked",
                customer_name="Ada Løvelace",
                customer_email="ada@example.com",
                customer_avatar="https://example.com/ada.png",
                mode="wait",
                event_quantity=3,
                metadata={"plan": "pro", "seats": 5},
            ),
        )
        (request,) = stub.requests
        assert request.path == "/track/lead"
        assert request.json() == {
            "clickId": CLICK,
            "eventName": "Demo booked",
            "customerExternalId": "42",
            "customerName": "Ada Løvelace",
            "customerEmail": "ada@example.com",
            "customerAvatar": "https://example.com/ada.png",
            "mode": "wait",
            "eventQuantity": 3,
            "metadata": {"plan": "pro", "seats": 5},
        }
        assert request.headers["authorization"] == f"Bearer {KEY}"
        assert request.headers["content-type"] == "application/json"

    def test_a_sale_carries_every_field_under_dubs_names(self, stub: DubStub, dub: DubAPI) -> None:
        send(
            dub,
            sale(
                currency="EUR",
                event_name="Invoice paid",
                payment_processor="stripe",
                invoice_id="inv_1",
                lead_event_name="Sign Up",
                click_id=CLICK,
                metadata={"plan": "pro"},
            ),
        )
        (request,) = stub.requests
        assert request.path == "/track/sale"
        assert request.json() == {
            "customerExternalId": "42",
            "amount": 4900,
            "currency": "eur",
            "eventName": "Invoice paid",
            "paymentProcessor": "stripe",
            "invoiceId": "inv_1",
            "leadEventName": "Sign Up",
            "clickId": CLICK,
            "metadata": {"plan": "pro"},
        }

    def test_a_sale_without_an_invoice_id_gets_one_for_all_its_retries(
        self, stub: DubStub, dub: DubAPI
    ) -> None:
        send(dub, lead())
        assert send(dub, sale()).state == "delivered"
        assert send(dub, sale(), attempt=2).state == "delivered"
        assert [body["invoiceId"] for body in stub.sales] == [f"dmw_{ID}"]

    def test_the_path_of_the_base_url_is_kept(self, stub: DubStub) -> None:
        dub = DubAPI(KEY, base_url=f"{stub.url}/api/")
        send(dub, lead())
        dub.close()
        assert stub.requests[0].path == "/api/track/lead"


class TestLeads:
    def test_a_recorded_lead_is_delivered_with_its_typed_result(self, dub: DubAPI) -> None:
        outcome = send(dub, lead(customer_name="Ada"))
        assert (outcome.state, outcome.status) == ("delivered", 200)
        result = outcome.response
        assert isinstance(result, LeadResult)
        assert result.click is not None
        assert result.click.id == CLICK
        assert result.link is not None
        assert result.link.short_link == "https://go.localhost/spring"
        assert result.customer is not None
        assert result.customer.external_id == "42"
        assert result.raw["customer"]["name"] == "Ada"

    def test_the_same_lead_again_is_a_duplicate(self, dub: DubAPI) -> None:
        send(dub, lead())
        outcome = send(dub, lead())
        assert outcome.state == "duplicate"
        assert outcome.response.link is None

    @pytest.mark.parametrize(
        "again", [{"attempt": 2}, {"ambiguous": True}], ids=["second-attempt", "answer-lost"]
    )
    def test_a_repeat_that_dub_has_seen_is_never_called_delivered(
        self, stub: DubStub, dub: DubAPI, again: dict[str, int]
    ) -> None:
        stub.unknown_clicks.add(CLICK)  # the first attempt burns the lead and fails
        assert send(dub, lead()).state == "rejected"
        stub.unknown_clicks.clear()
        assert send(dub, lead(), **again).state == "unconfirmed"  # type: ignore[arg-type]
        assert stub.leads == []

    def test_an_unknown_click_is_rejected_at_once(self, stub: DubStub, dub: DubAPI) -> None:
        stub.unknown_clicks.add(CLICK)
        outcome = send(dub, lead())
        assert (outcome.state, outcome.status) == ("rejected", 404)
        error = outcome.response
        assert isinstance(error, APIError)
        assert error.code == "not_found"
        assert error.doc_url == "https://dub.co/docs/api-reference/errors#not-found"
        assert str(error) == f"404 not_found: Click event not found for clickId: {CLICK}"

    def test_a_lead_of_nobody_is_not_attributed(self, stub: DubStub, dub: DubAPI) -> None:
        """Most customers of most sites come by no link of Dub's: that is no error of anybody's."""
        outcome = send(dub, lead(click_id=""))
        assert (outcome.state, outcome.status) == ("not_attributed", 400)
        assert isinstance(outcome.response, APIError)
        assert stub.leads == []

    def test_a_deferred_lead_without_a_click_uses_the_known_one(self, stub: DubStub, dub: DubAPI) -> None:
        assert send(dub, lead(mode="deferred")).state == "delivered"
        assert stub.leads == []
        assert send(dub, lead(click_id="")).state == "delivered"
        assert len(stub.leads) == 1


class TestSales:
    def test_a_recorded_sale_is_delivered_with_its_typed_result(self, dub: DubAPI) -> None:
        send(dub, lead())
        result = send(dub, sale(invoice_id="inv_1", metadata={"a": 1})).response
        assert isinstance(result, SaleResult)
        assert result.event_name == "Purchase"
        assert result.sale is not None
        assert (result.sale.amount, result.sale.currency) == (4900, "usd")
        assert (result.sale.payment_processor, result.sale.invoice_id) == ("custom", "inv_1")

    def test_a_sale_of_nobody_is_not_attributed(self, stub: DubStub, dub: DubAPI) -> None:
        outcome = send(dub, sale())
        assert outcome.state == "not_attributed"
        assert outcome.response.sale is None
        assert stub.sales == []

    def test_a_lost_answer_does_not_count_the_sale_twice(self, stub: DubStub, dub: DubAPI) -> None:
        send(dub, lead())
        stub.fail(Fault("reset", after=True))
        assert send(dub, sale()).state == "ambiguous"
        assert send(dub, sale(), attempt=2, ambiguous=True).state == "delivered"
        assert len(stub.sales) == 1

    def test_a_lead_that_cannot_be_found_yet_is_waited_for(self, stub: DubStub, dub: DubAPI) -> None:
        send(dub, lead())
        stub.lag["42"] = 1
        outcome = send(dub, sale())
        assert (outcome.state, outcome.status) == ("retry", 404)
        assert send(dub, sale(), attempt=2).state == "delivered"

    @pytest.mark.parametrize(
        ("attempt", "age", "state"),
        [
            pytest.param(20, 600, "retry", id="within-the-hour"),
            pytest.param(2, 90_000, "retry", id="old-but-hardly-tried"),
            pytest.param(20, 3700, "rejected", id="given-up"),
        ],
    )
    def test_the_wait_for_a_lead_ends(
        self, stub: DubStub, dub: DubAPI, attempt: int, age: float, state: str
    ) -> None:
        stub.permanent = refuse(404, "Lead event not found for externalId: 42 and leadEventName: null")
        assert send(dub, sale(), attempt=attempt, age=age).state == state

    def test_a_disabled_link_is_not_waited_for(self, stub: DubStub, dub: DubAPI) -> None:
        stub.fail(refuse(404, "Link link_1 for customer cus_1 is disabled, sale not tracked"))
        assert send(dub, sale()).state == "rejected"


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        pytest.param(refuse(400, "no existing customer"), "rejected", id="400"),
        pytest.param(refuse(400, "Misconfigured authorization header."), "paused", id="400-key-format"),
        pytest.param(refuse(401, "Unauthorized: Invalid API key."), "paused", id="401"),
        pytest.param(refuse(403, "Unauthorized: Need higher plan."), "paused", id="403"),
        pytest.param(refuse(404, "Workspace not found."), "paused", id="404-workspace"),
        pytest.param(status(404), "rejected", id="404-bare"),
        pytest.param(refuse(409), "rejected", id="409"),
        pytest.param(refuse(410), "rejected", id="410"),
        pytest.param(refuse(422, "too_big: metadata"), "rejected", id="422"),
        pytest.param(refuse(408), "retry", id="408"),
        pytest.param(refuse(429, "Too many requests."), "retry", id="429"),
        pytest.param(refuse(500), "retry", id="500"),
        pytest.param(status(502), "retry", id="502"),
        pytest.param(status(503), "retry", id="503"),
        pytest.param(status(504), "ambiguous", id="504"),
        pytest.param(status(522), "retry", id="522"),
        pytest.param(status(308, Location="https://example.com/"), "rejected", id="redirect"),
        pytest.param(raw(200, b"<html>"), "ambiguous", id="200-html"),
        pytest.param(raw(200, b"[]"), "ambiguous", id="200-array"),
        pytest.param(raw(200, b"{}"), "ambiguous", id="200-empty-object"),
        pytest.param(raw(200, b""), "ambiguous", id="200-empty"),
        pytest.param(raw(200, b"{" * 60_000), "ambiguous", id="200-nested"),
        pytest.param(raw(200, b"x" * 70_000), "ambiguous", id="200-huge"),
        pytest.param(raw(500, b"<html>down</html>"), "retry", id="500-html"),
        pytest.param(raw(404, b"<html>no such page</html>"), "paused", id="404-html"),
        pytest.param(raw(405, b"Method Not Allowed"), "paused", id="405-text"),
        pytest.param(raw(400, b'{"error": 7}'), "rejected", id="400-other-envelope"),
        pytest.param(Fault("reset"), "ambiguous", id="reset"),
        pytest.param(Fault("close"), "ambiguous", id="closed"),
    ],
)
@pytest.mark.parametrize("event", [lead(), sale(click_id=CLICK)], ids=["lead", "sale"])
def test_outcome_of_a_failed_attempt(
    stub: DubStub, dub: DubAPI, fault: Fault, state: str, event: Lead | Sale
) -> None:
    stub.fail(fault)
    outcome = send(dub, event)
    if fault == status(404) and event.kind == "sale":
        state = "retry"  # no reason given: perhaps the lead is late
    assert outcome.state == state
    assert outcome.message


def test_what_is_not_dubs_api_is_named(stub: DubStub, dub: DubAPI) -> None:
    """A base_url without its /api is a slip, and no reason to let go of the event."""
    stub.fail(raw(404, b"<html>no such page</html>"), status(308, Location="https://api.shop.test/"))
    assert f"base_url={stub.url!r} is not Dub's API, it answers 404" in send(dub, lead()).message
    assert "redirects to https://api.shop.test/: base_url must be" in send(dub, lead()).message


def test_an_address_that_does_not_answer_is_named() -> None:
    dub = DubAPI(KEY, base_url="http://127.0.0.1:1/api")
    outcome = send(dub, lead())
    dub.close()
    assert outcome.state == "retry"
    assert outcome.message.startswith("http://127.0.0.1:1/api: ")


@pytest.mark.parametrize(
    ("value", "lowest", "highest"),
    [
        ("7", 7, 7),
        ("99999", 300, 300),
        (str(int(time.time() * 1000) + 100_000), 1, 100),
        ("soon", None, None),
    ],
    ids=["seconds", "long", "epoch-milliseconds", "unreadable"],
)
def test_a_refusal_says_how_long_to_wait(
    stub: DubStub, dub: DubAPI, value: str, lowest: float | None, highest: float | None
) -> None:
    stub.fail(refuse(429, "Too many requests.", Retry_After=value))
    wait = send(dub, lead()).retry_after
    if lowest is None or highest is None:
        assert wait is None
    else:
        assert wait is not None
        assert lowest <= wait <= highest


def test_no_wait_is_taken_from_a_success(stub: DubStub, dub: DubAPI) -> None:
    body = {"click": {"id": CLICK}, "link": {"id": "link_1"}, "customer": {}}
    stub.fail(status(200, body, Retry_After="1795467469498"))
    outcome = send(dub, lead())
    assert (outcome.state, outcome.retry_after) == ("delivered", None)


def test_a_slow_server_does_not_hold_up_others(stub: DubStub, dub: DubAPI) -> None:
    """One answer hangs for its whole deadline while another event goes through."""
    stub.fail(Fault("hang"))
    with ThreadPoolExecutor(2) as pool:
        hanging = pool.submit(send, dub, lead(customer_external_id="slow"))
        stub.wait_for_requests(1)
        assert send(dub, lead(customer_external_id="quick")).state == "delivered"
        stub.stopping.set()
        assert hanging.result(60).state == "ambiguous"


class TestOptions:
    def test_key_and_address_may_come_from_the_environment(
        self, stub: DubStub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DUB_API_KEY", KEY)
        monkeypatch.setenv("DUB_BASE_URL", stub.url)
        dub = DubAPI()
        assert send(dub, lead()).state == "delivered"
        assert repr(DubAPI(base_url="https://api.dub.co")) == "DubAPI(base_url='https://api.dub.co')"
        dub.close()

    def test_the_key_is_not_sent_in_the_clear(self) -> None:
        with pytest.raises(ConfigError, match=r"say 'https://api\.dub\.co'"):
            DubAPI(KEY, base_url="http://api.dub.co")

    def test_a_wrong_variable_is_told_under_its_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DUB_API_KEY", "dub_pk_abc")
        with pytest.raises(ConfigError, match=r"^DUB_API_KEY is a publishable key"):
            DubAPI()
        monkeypatch.setenv("DUB_BASE_URL", "api.dub.co")
        with pytest.raises(ConfigError, match=r"^DUB_BASE_URL must be an http or https URL"):
            DubAPI(KEY)

    def test_a_missing_key_says_where_to_get_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("DUB_API_KEY", raising=False)
        with pytest.raises(ConfigError, match=r"DUB_API_KEY; keys are made at https://app\.dub\.co"):
            DubAPI()

    @pytest.mark.parametrize(
        "key", ["dub_a b", "dub_\n", "dub_é", "dub_pk_abc"], ids=["space", "newline", "non-ascii", "public"]
    )
    def test_a_wrong_key_is_refused_without_being_shown(self, key: str) -> None:
        with pytest.raises(ConfigError) as caught:
            DubAPI(key)
        assert caught.value.option == "api_key"
        assert key not in str(caught.value)

    @pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf"), "20", True])
    def test_a_wrong_rate_is_refused(self, rate: object) -> None:
        with pytest.raises(ConfigError, match=r"rate_limit must be a number of requests a second above 0"):
            DubAPI(KEY, rate_limit=rate)  # type: ignore[arg-type]

    def test_requests_keep_to_the_rate(self, stub: DubStub) -> None:
        dub = DubAPI(KEY, base_url=stub.url, rate_limit=50)
        start = time.monotonic()
        for number in range(11):
            send(dub, lead(customer_external_id=str(number)))
        dub.close()
        assert time.monotonic() - start >= 10 / 50  # ten intervals between eleven requests

    def test_only_dubs_own_address_has_a_rate_by_default(self) -> None:
        assert DubAPI(KEY)._pace is not None
        assert DubAPI(KEY, base_url="https://api.dub.co/")._pace is not None
        assert DubAPI(KEY, base_url="https://dub.example.com")._pace is None


def test_the_stub_speaks_dubs_envelope() -> None:
    assert json.dumps(envelope(429, "Too many requests.")) == (
        '{"error": {"code": "rate_limit_exceeded", "message": "Too many requests.", '
        '"doc_url": "https://dub.co/docs/api-reference/errors#rate-limit_exceeded"}}'
    )

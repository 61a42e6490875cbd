"""``/track/lead`` through the official client, and ``/track/lead/client`` as a browser calls it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from dub import Dub
from dub.models import errors

from databases import ON_SQLITE
from dub_middleware.server import Server
from dub_middleware.server.store import Event, Link
from dub_middleware.server.store.events import is_type
from standing_clock import Clock

Click = Callable[..., str]

NO_CLICK = (
    "The `clickId` property was not provided in the request, and no existing customer with the provided "
    "`customerExternalId` was found."
)


def leads(server: Server) -> list[Event]:
    return server.store.events.page([is_type("lead")], limit=50)


def lead(click_id: str, **more: Any) -> dict[str, Any]:
    return {"click_id": click_id, "event_name": "Sign Up", "customer_external_id": "42"} | more


def test_a_lead_is_counted_once_in_seven_days(
    dub: Dub, server: Server, link: Link, click: Click, clock: Clock
) -> None:
    click_id = click()
    who = {
        "customer_name": "Ada",
        "customer_email": "ada@example.com",
        "customer_avatar": "https://a.test/a.png",
    }
    first = dub.track.lead(request=lead(click_id, **who))
    assert first.click.id == click_id
    assert first.link is not None
    assert first.link.model_dump() == {
        "id": link.id,
        "domain": "go.localhost",
        "key": "launch",
        "shortLink": "http://go.localhost:8787/launch",
        "url": "https://shop.test/",
        "partnerId": None,
        "programId": None,
        "tenantId": None,
        "externalId": "e1",
    }
    customer = {
        "name": "Ada",
        "email": "ada@example.com",
        "avatar": "https://a.test/a.png",
        "externalId": "42",
    }
    assert first.customer.model_dump() == customer
    # the name is compared without case, with dashes for spaces; the answer tells of the click given now
    again = dub.track.lead(request=lead("another", event_name="sign-up"))
    assert (again.click.id, again.link, again.customer) == ("another", None, first.customer)
    assert dub.track.lead(request=lead(click_id, event_name="Upgrade")).link == first.link
    assert [event.name for event in leads(server)] == ["Upgrade", "Sign Up"]
    clock.advance(days=7)
    assert dub.track.lead(request=lead(click_id)).link == first.link
    assert len(leads(server)) == 3


def test_a_deferred_lead_is_the_customer_only_until_it_comes_without_a_click(
    dub: Dub, server: Server, link: Link, click: Click
) -> None:
    click_id = click()
    deferred = dub.track.lead(request=lead(click_id, mode="deferred"))
    assert deferred.link is not None
    assert leads(server) == []
    assert server.store.customers.get_by_external_id("42")
    counted = dub.track.lead(request=lead(""))
    assert (counted.click.id, counted.link) == (click_id, deferred.link)
    assert [event.link and event.link.id for event in leads(server)] == [link.id]


def test_a_sale_may_follow_at_once(dub: Dub, click: Click) -> None:
    dub.track.lead(request=lead(click(), mode="wait"))
    sale = dub.track.sale(request={"customer_external_id": "42", "amount": 100})
    assert sale.sale is not None


def test_a_quantity_is_that_many_leads(dub: Dub, server: Server, click: Click) -> None:
    dub.track.lead(request=lead(click(), event_quantity=3, metadata={"plan": "pro", "ü": None}))
    found = leads(server)
    assert len({event.event_id for event in found}) == 3
    assert found[0].metadata == {"plan": "pro", "ü": None}


@ON_SQLITE
@pytest.mark.parametrize("name", ["customerExternalId", "externalId", "customerId"])
def test_older_names_of_the_customer_id_count(
    http: httpx.Client, server: Server, click: Click, name: str
) -> None:
    body = {"clickId": click(), "eventName": " Sign Up ", name: "42", "unknown": {}}
    answer = http.post("/track/lead", json=body).json()
    assert answer["customer"]["externalId"] == "42"
    assert leads(server)[0].name == "Sign Up"


@ON_SQLITE
def test_metadata_of_ten_thousand_characters_passes(dub: Dub, server: Server, click: Click) -> None:
    metadata = {"ä": text(9_992)}
    dub.track.lead(request=lead(click(), metadata=metadata))
    assert leads(server)[0].metadata == metadata


def test_one_events_metadata_breaks_no_answer_with_the_others(
    http: httpx.Client, server: Server, click: Click
) -> None:
    odd = '{"a": [1e400, {"b": -1e400}], "c\\u0000": "\\ud800\\u0000x", "d": "Infinity", "e": 1.5, "f": 1%s}'
    metadata = odd % ("0" * 400)
    body = f'{{"clickId": "{click()}", "eventName": "a", "customerExternalId": "42", "metadata": {metadata}}}'
    assert http.post("/track/lead", content=body).status_code == 200
    told = {"a": [None, {"b": None}], "c": "\ufffdx", "d": "Infinity", "e": 1.5, "f": None}
    assert leads(server)[0].metadata == told
    for text in ("1e999", "1e-999", "9" * 400, "7"):
        metadata = f'{{"a": "{text}"}}'
        body = f'{{"eventName": "{text[:20]}", "customerExternalId": "42", "metadata": {metadata}}}'
        assert http.post("/track/lead", content=body).status_code == 200
    counted = http.get("/analytics", params={"event": "leads", "query": "metadata['a']>1"})
    assert counted.json()["leads"] == 1


@pytest.mark.parametrize(("depth", "status"), [(99, 200), (100, 422), (900, 422)])
def test_metadata_is_nested_within_reason(http: httpx.Client, click: Click, depth: int, status: int) -> None:
    deep = "[" * depth + "]" * depth
    who = f'"clickId": "{click()}", "eventName": "a", "customerExternalId": "1"'
    body = f'{{{who}, "metadata": {{"a": {deep}}}}}'
    answer = http.post("/track/lead", content=body)
    assert answer.status_code == status
    assert status == 200 or "nested deeper than 100 levels" in answer.text


@ON_SQLITE
def test_someone_without_a_name_gets_one(dub: Dub, click: Click) -> None:
    assert dub.track.lead(request=lead(click(), customer_email="a@b.co")).customer.name == "a@b.co"
    named = dub.track.lead(request=lead(click(), customer_external_id="7")).customer.name
    assert named is not None
    assert len(named.split()) == 3


@ON_SQLITE
def test_an_existing_customer_is_never_changed_but_a_new_click_credits_its_link(
    dub: Dub, server: Server, click: Click, link: Link
) -> None:
    dub.track.lead(request=lead(click(), customer_name="Ada"))
    other = server.store.links.create({"domain": "go.localhost", "key": "o", "url": "https://o.test/"})
    answer = dub.track.lead(request=lead(click(other), event_name="Upgrade", customer_name="Eve"))
    assert (answer.customer.name, answer.link and answer.link.id) == ("Ada", other.id)
    customer = server.store.customers.get_by_external_id("42")
    assert customer is not None
    assert customer.link_id == link.id


@ON_SQLITE
def test_leads_that_belong_nowhere(dub: Dub, server: Server, link: Link, click: Click) -> None:
    with pytest.raises(errors.BadRequest) as nobody:
        dub.track.lead(request=lead(""))
    assert nobody.value.data.error.message == NO_CLICK
    with pytest.raises(errors.NotFound) as unknown:
        dub.track.lead(request=lead("never"))
    assert unknown.value.data.error.message == "Click event not found for clickId: never"
    click_id = click()
    server.store.links.update(link.id, {"disabled_at": server.queries.now()})
    with pytest.raises(errors.NotFound) as disabled:
        dub.track.lead(request=lead(click_id))
    assert disabled.value.data.error.message == (
        f"Link {link.id} for clickId {click_id} is disabled, lead not tracked"
    )
    server.store.links.update(link.id, {"disabled_at": None, "archived": True})
    assert dub.track.lead(request=lead(click_id)).link, "a failed call has not used up the lead"
    server.store.links.delete(link.id)
    with pytest.raises(errors.NotFound) as gone:
        dub.track.lead(request=lead(click_id, event_name="Other"))
    assert gone.value.data.error.message == f"Link not found for clickId: {click_id}"
    assert len(leads(server)) == 1


@ON_SQLITE
class TestFaithful:
    @pytest.fixture
    def server_options(self, server_options: dict[str, Any]) -> dict[str, Any]:
        return server_options | {"faithful": True}

    def test_a_failed_lead_is_used_up(self, dub: Dub, server: Server, click: Click) -> None:
        with pytest.raises(errors.NotFound):
            dub.track.lead(request=lead("never"))
        assert dub.track.lead(request=lead(click())).link is None
        assert leads(server) == []


class TestBrowser:
    def test_a_page_reports_a_lead(self, page: httpx.Client, server: Server, click: Click) -> None:
        body = {"clickId": click(), "eventName": "Sign Up", "customerExternalId": " 42 "}
        answer = page.post("/track/lead/client", json=body)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.json()["customer"]["externalId"] == "42"
        assert answer.json()["link"]["key"] == "launch"
        assert page.post("/track/lead/client", json=body).json()["link"] is None
        assert len(leads(server)) == 1

    @ON_SQLITE
    def test_keys_come_before_json_before_hosts_before_fields(
        self, page: httpx.Client, server: Server
    ) -> None:
        server.store.workspace.change_settings(allowed_hostnames=["shop.test"])
        path = "/track/lead/client"
        assert page.options(path).status_code == 204
        assert page.post(path, content=b"{", headers={"Authorization": ""}).status_code == 401
        assert page.post(path, content=b"{").status_code == 400
        assert page.post(path, json={}).status_code == 403
        assert page.post(path, json={}, headers={"Origin": "https://shop.test"}).status_code == 422


def text(size: int) -> str:
    return "x" * size


RIGHT = {"clickId": "", "eventName": "x", "customerExternalId": "42"}
NOT_A_QUANTITY = "invalid_type: eventQuantity: Invalid input: expected"
NOT_A_MODE = 'invalid_value: mode: Invalid option: expected one of "async"|"wait"|"deferred"'
TOO_MUCH = "custom: metadata: Metadata must be less than 10,000 characters when stringified"


@ON_SQLITE
@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(None, "invalid_type: : Invalid input: expected object, received null", id="null"),
        pytest.param("x", "invalid_type: : Invalid input: expected object, received string", id="text"),
        pytest.param(
            {}, "invalid_type: eventName: Invalid input: expected string, received undefined", id="nothing"
        ),
        pytest.param({"eventName": "  "}, "too_small: eventName: eventName is required", id="blank-name"),
        pytest.param(
            {"eventName": text(256)},
            "too_big: eventName: Too big: expected string to have <=255 characters",
            id="long-name",
        ),
        pytest.param(
            {"customerEmail": ""}, "invalid_format: customerEmail: Invalid email address", id="empty-email"
        ),
        pytest.param(
            {"customerEmail": f"{text(100)}@x.com"},
            "too_big: customerEmail: Too big: expected string to have <=100 characters",
            id="long-email",
        ),
        pytest.param(
            {"customerName": text(101)},
            "too_big: customerName: Too big: expected string to have <=100 characters",
            id="long-customer-name",
        ),
        pytest.param({"mode": "now"}, NOT_A_MODE, id="mode"),
        pytest.param({"mode": None}, NOT_A_MODE, id="mode-null"),
        pytest.param(
            {"eventQuantity": 0}, "too_small: eventQuantity: Too small: expected number to be >0", id="none"
        ),
        pytest.param({"eventQuantity": 1.5}, f"{NOT_A_QUANTITY} int, received number", id="half"),
        pytest.param(
            {"eventQuantity": 101}, "too_big: eventQuantity: Too big: expected number to be <=100", id="101"
        ),
        pytest.param({"eventQuantity": "2"}, f"{NOT_A_QUANTITY} number, received string", id="text-quantity"),
        pytest.param({"metadata": {"a": text(9_993)}}, TOO_MUCH, id="metadata-10001"),
        pytest.param(
            {"metadata": "x"},
            "invalid_type: metadata: Invalid input: expected record, received string",
            id="metadata-text",
        ),
        pytest.param(
            {"metadata": []},
            "invalid_type: metadata: Invalid input: expected record, received array",
            id="metadata-list",
        ),
    ],
)
def test_wrong_bodies(http: httpx.Client, body: Any, message: str) -> None:
    if isinstance(body, dict) and body:
        body = RIGHT | body
    answer = http.post("/track/lead", content=json.dumps(body))
    assert (answer.status_code, answer.json()["error"]["message"]) == (422, message)


@ON_SQLITE
@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(
            {}, "invalid_type: clickId: Invalid input: expected string, received undefined", id="nothing"
        ),
        pytest.param(
            RIGHT | {"customerExternalId": ""},
            "too_small: customerExternalId: customerExternalId is required",
            id="empty-id",
        ),
        pytest.param(
            RIGHT | {"customerExternalId": text(101)},
            "too_big: customerExternalId: Too big: expected string to have <=100 characters",
            id="long-id",
        ),
    ],
)
def test_wrong_bodies_of_browsers(page: httpx.Client, body: Any, message: str) -> None:
    answer = page.post("/track/lead/client", json=body)
    assert (answer.status_code, answer.json()["error"]["message"]) == (422, message)


@ON_SQLITE
@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"eventName": "x"}, id="no-id"),
        pytest.param({"eventName": "x", "customerExternalId": "", "externalId": None}, id="all-empty"),
    ],
)
def test_somebody_must_be_named(http: httpx.Client, body: dict[str, Any]) -> None:
    answer = http.post("/track/lead", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")
    assert answer.json()["error"]["message"] == "customerExternalId is required"


def test_odd_texts_are_kept_as_far_as_a_database_can(
    http: httpx.Client, server: Server, click: Click
) -> None:
    body = (
        '{"clickId": "%s", "eventName": "Sign\\u0000 Up \\ud83d", "customerExternalId": "42",'
        ' "metadata": {"half": "\\ud83d", "nul": "\\u0000"}, "customerName": "Zoë 😀", "eventQuantity": 1.0}'
    )
    answer = http.post("/track/lead", content=body % click())
    assert answer.status_code == 200
    assert answer.json()["customer"] == {
        "name": "Zoë 😀",
        "email": None,
        "avatar": None,
        "externalId": "42",
    }
    [event] = leads(server)
    assert (event.name, event.metadata) == ("Sign Up �", {"half": "�", "nul": ""})


@pytest.mark.parametrize("odd", ["\\u0000", "\\ud83d"], ids=["nul", "half-a-pair"])
def test_an_odd_id_is_refused_not_turned_into_another_one(http: httpx.Client, odd: str) -> None:
    answer = http.post("/track/sale", content=f'{{"customerExternalId": "42{odd}", "amount": 1}}')
    assert answer.status_code == 422
    assert answer.json()["error"]["message"].startswith("invalid_format: customerExternalId: Invalid string")

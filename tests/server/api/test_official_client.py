"""The official client goes the whole way, from a short link to the sale, and reads every error."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from dub import Dub
from dub.models import errors

from api_client import KEY
from dub_middleware.server import Server

CUSTOMER = {"customer_external_id": "42", "customer_name": "Ada", "customer_email": "ada@example.com"}


def test_from_the_link_to_the_sale(dub: Dub, click: Callable[..., str]) -> None:
    link = dub.links.create(request={"url": "https://shop.test/", "key": "launch", "track_conversion": True})
    click_id = click("launch", **{"CF-IPCountry": "FR"})
    lead = dub.track.lead(request={"click_id": click_id, "event_name": "Sign Up", **CUSTOMER})
    assert lead.click.id == click_id
    assert lead.link is not None
    assert lead.link.id == link.id
    bought = {"customer_external_id": "42", "amount": 4900, "invoice_id": "inv_1"}
    sale = dub.track.sale(request=bought)
    assert sale.sale is not None
    assert sale.sale.amount == 4900
    assert dub.track.sale(request=bought) == sale, "one invoice is one sale"

    counted: Any = dub.links.get(request={"link_id": link.id})
    assert (counted.clicks, counted.leads, counted.sales, counted.sale_amount) == (1, 1, 1, 4900)
    assert counted.conversions == 1
    totals: Any = dub.analytics.retrieve(request={"event": "composite", "link_id": link.id, "country": "FR"})
    assert (totals.clicks, totals.leads, totals.sales, totals.sale_amount) == (1, 1, 1, 4900)
    (event,) = dub.events.list(request={"event": "sales"})
    assert isinstance(event.click.id, str)
    assert (event.click.id, event.customer.name, event.sale.invoice_id) == (click_id, "Ada", "inv_1")
    customers = dub.customers.list(request={"link_id": link.id})
    assert customers is not None
    assert [customer.email for customer in customers.result] == ["ada@example.com"]


def test_the_asynchronous_half_of_the_client(base_url: str, click: Callable[..., str]) -> None:
    async def go(make_click: Callable[[str], str]) -> tuple[Any, ...]:
        async with Dub(token=KEY, server_url=f"{base_url}/api") as dub:
            await dub.links.create_async(request={"url": "https://shop.test/", "key": "x"})
            click_id = await asyncio.to_thread(make_click, "x")
            lead = await dub.track.lead_async(
                request={"click_id": click_id, "event_name": "Trial", **CUSTOMER}
            )
            sale = await dub.track.sale_async(request={"customer_external_id": "42", "amount": 100})
            totals: Any = await dub.analytics.retrieve_async(request={"event": "composite"})
            events = await dub.events.list_async(request={"event": "leads"})
            links = await dub.links.list_async(request={})
            return lead, sale, totals, events, links

    lead, sale, totals, events, links = asyncio.run(go(click))
    assert lead.customer.name == "Ada"
    assert sale.sale.amount == totals.sale_amount == 100
    assert (len(events), links.result[0].sales) == (1, 1)


class TestErrors:
    @pytest.fixture
    def server_options(self) -> dict[str, Any]:
        return {"api_key": KEY, "analytics_rate_limit": 1}

    def test_every_error_has_a_class_of_its_own(self, dub: Dub, base_url: str) -> None:
        dub.links.create(request={"url": "https://shop.test/", "key": "x"})
        with pytest.raises(errors.Conflict) as conflict:
            dub.links.create(request={"url": "https://shop.test/", "key": "x"})
        assert conflict.value.data.error.code == "conflict"
        assert conflict.value.data.error.doc_url == "https://dub.co/docs/api-reference/errors#conflict"
        with pytest.raises(errors.NotFound):
            dub.links.get(request={"link_id": "link_none"})
        with pytest.raises(errors.BadRequest):
            dub.links.get(request={})
        with pytest.raises(errors.Forbidden):
            dub.links.create(request={"url": "https://shop.test/", "domain": "other.test"})
        with pytest.raises(errors.UnprocessableEntity, match="Invalid destination URL"):
            dub.links.create(request={"url": "nowhere"})
        with (
            Dub(token="dub_wrong", server_url=f"{base_url}/api") as stranger,
            pytest.raises(errors.Unauthorized),
        ):
            stranger.links.list(request={})

    @pytest.mark.parametrize(
        ("group", "method", "asked"),
        [
            ("domains", "check_status", {"domains": ["acme.link"]}),
            ("domains", "register", {"domain": "acme.link"}),
            ("partners", "list", {}),
            ("commissions", "list", {}),
            ("payouts", "list", {}),
            ("bounties", "list_submissions", {"bounty_id": "b"}),
            ("discount_codes", "list", {"partner_id": "p"}),
            ("embed_tokens", "referrals", {"partner_id": "p"}),
            ("program_applications", "list", {}),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_what_is_not_served_is_not_found(
        self, dub: Dub, group: str, method: str, asked: dict[str, Any]
    ) -> None:
        with pytest.raises(errors.NotFound, match=r"^No endpoint (GET|POST) /.*/openapi\.json"):
            getattr(getattr(dub, group), method)(request=asked)

    def test_the_rate_limit_says_how_long_to_wait(self, dub: Dub) -> None:
        dub.analytics.retrieve(request={})
        with pytest.raises(errors.RateLimitExceeded) as limit:
            dub.analytics.retrieve(request={})
        assert limit.value.headers["retry-after"] == "1"

    def test_a_key_may_only_do_what_its_scopes_say(self, server: Server, base_url: str) -> None:
        key, _ = server.store.keys.create(scopes=["links.read"])
        with Dub(token=key, server_url=f"{base_url}/api") as reader:
            assert reader.links.list(request={}) is not None
            with pytest.raises(errors.Forbidden, match=r"'links\.write'"):
                reader.links.create(request={"url": "https://shop.test/"})
            with pytest.raises(errors.Forbidden, match=r"'analytics\.read'"):
                reader.events.list(request={})

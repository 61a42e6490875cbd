"""The whole way in one piece: a click, the Acme shop, Segment, Dub (Actions), Dub, and back to Segment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from demo_app import create_app
from dub_middleware.conversions import Conversions, Segment
from dub_middleware.segment import DubActions, DubSource, create_gateway
from dub_middleware.webhooks import WebhookApp, sign
from dub_stub import KEY, DubStub
from wsgi_server import serving

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

CLICK = "clk0123456789abc"
SECRET = "whsec_0123456789abcdef0123456789abcdef"
SALE = {
    "externalId": {"@path": "$.userId"},
    "amount": {"@path": "$.properties.revenue"},
    "eventName": {"@path": "$.event"},
    "invoiceId": {"@path": "$.properties.order_id"},
    "currency": {"@path": "$.properties.currency"},
    # the one required field that Segment does not fill in
    "paymentProcessor": {"@path": "$.properties.payment_processor"},
}
GUIDE_LEAD = {
    "clickId": {"@path": "$.context.traits.clickId"},
    "eventName": {"@path": "$.event"},
    "externalId": {"@path": "$.userId"},
    "customerName": {"@path": "$.context.traits.name"},
    "customerEmail": {"@path": "$.context.traits.email"},
    "customerAvatar": {"@path": "$.context.traits.avatar"},
}
MAPPINGS = {
    "default": [{"partnerAction": "trackLead"}, {"partnerAction": "trackSale", "mapping": SALE}],
    "guide": [
        {"partnerAction": "trackLead", "mapping": GUIDE_LEAD},
        {"partnerAction": "trackSale", "mapping": SALE},
    ],
}


@pytest.fixture
def dub() -> Iterator[DubStub]:
    with DubStub() as stub:
        yield stub


@pytest.mark.parametrize("mappings", MAPPINGS.values(), ids=MAPPINGS)
def test_a_click_becomes_a_lead_and_a_sale_at_dub_and_comes_back_to_segment(
    page: Page, dub: DubStub, tmp_path: Path, mappings: list[dict[str, Any]]
) -> None:
    seen: list[dict[str, Any]] = []
    outbox = f"sqlite:///{tmp_path / 'outbox.db'}"
    actions = DubActions(KEY, dub.url, mappings, outbox=None)
    gateway = create_gateway([actions, seen.append], write_keys="wk", outbox=outbox)
    with gateway, serving(gateway) as segment:
        conversions = Conversions(Segment("wk", host=segment), outbox=f"sqlite:///{tmp_path / 'shop.db'}")
        with conversions, serving(create_app({"DUB_CONVERSIONS": conversions})) as url:
            page.goto(f"{url}/?dub_id={CLICK}")
            buy(page)
            assert conversions.flush()
        assert gateway.flush()
        (lead,) = dub.leads
        (sale,) = dub.sales
        customer = lead["customerExternalId"]
        assert lead["clickId"] == CLICK
        assert (lead["eventName"], lead["customerEmail"]) == ("Sign Up", "ada@example.com")
        assert sale["customerExternalId"] == customer
        assert (sale["eventName"], sale["amount"], sale["currency"]) == ("Order Completed", 4900, "usd")
        assert sale["invoiceId"].startswith("ACME-")

        seen.clear()
        source = DubSource("wk", segment, outbox=None)
        assert tell(WebhookApp(SECRET, source), lead) == 200
        assert source.flush()
        assert gateway.flush()
        source.close()
        assert [(call["type"], call["userId"], call["anonymousId"]) for call in seen] == [
            ("identify", customer, CLICK),
            ("track", customer, CLICK),
        ]
        assert seen[1]["event"] == "Sign Up"
        assert len(dub.leads) == 1  # what came from Dub does not go back


def buy(page: Page) -> None:
    """From the landing page to the account, by what a visitor clicks and types."""
    page.get_by_role("link", name="Sign up").click()
    page.get_by_label("Name").fill("Ada")
    page.get_by_label("Email").fill("ada@example.com")
    page.get_by_role("button", name="Sign up").click()
    page.get_by_role("button", name="Pay $49").click()
    page.get_by_role("heading", name="Look up, Ada.").wait_for()


def tell(app: WebhookApp, lead: dict[str, Any]) -> int:
    """Send the webhook that Dub would send for the lead."""
    body = json.dumps(
        {
            "id": "evt_1",
            "event": "lead.created",
            "createdAt": datetime.now(timezone.utc).isoformat(),
            "data": {
                "eventName": lead["eventName"],
                "click": {"id": lead["clickId"]},
                "link": {"id": "link_1"},
                "customer": {
                    "id": "cus_1",
                    "externalId": lead["customerExternalId"],
                    "email": lead["customerEmail"],
                },
            },
        }
    ).encode()
    with serving(app) as url:
        return httpx.post(
            url, content=body, headers={"Dub-Signature": sign(SECRET, body)}, timeout=60
        ).status_code

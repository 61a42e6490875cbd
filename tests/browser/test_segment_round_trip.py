"""The whole way in one piece: a visitor's click, a shop, Segment's API, Dub (Actions), Dub, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from flask import Flask

from dub_middleware.conversions import Conversions, Segment
from dub_middleware.flask import Dub
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
PAGE = """<!doctype html><title>Shop</title><head></head>
<form method="post" action="/sign-up"><button>Sign up</button></form>
<form method="post" action="/order"><button>Order</button></form>"""


def shop(conversions: Conversions) -> Flask:
    app = Flask("shop")
    Dub(app)

    @app.get("/")
    def home() -> str:
        return PAGE

    @app.post("/sign-up")
    def sign_up() -> str:
        conversions.track_lead(
            customer_external_id="42", customer_name="Ada", customer_email="ada@example.com"
        )
        return PAGE

    @app.post("/order")
    def order() -> str:
        conversions.track_sale(
            customer_external_id="42", amount=4900, currency="eur", invoice_id="inv_1",
            payment_processor="stripe",
        )  # fmt: skip
        return PAGE

    return app


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
        with conversions, serving(shop(conversions)) as url:
            page.goto(f"{url}/?dub_id={CLICK}")
            page.click("text=Sign up")
            page.click("text=Order")
            assert conversions.flush()
        assert gateway.flush()
        (lead,) = dub.leads
        (sale,) = dub.sales
        assert lead["clickId"] == CLICK
        assert lead["customerExternalId"] == "42"
        assert (lead["eventName"], lead["customerEmail"]) == ("Sign Up", "ada@example.com")
        assert sale["customerExternalId"] == "42"
        assert (sale["eventName"], sale["amount"], sale["currency"]) == ("Order Completed", 4900, "eur")
        assert (sale["invoiceId"], sale["paymentProcessor"]) == ("inv_1", "stripe")

        seen.clear()
        source = DubSource("wk", segment, outbox=None)
        assert tell(WebhookApp(SECRET, source), lead) == 200
        assert source.flush()
        assert gateway.flush()
        source.close()
        assert [(call["type"], call["userId"], call["anonymousId"]) for call in seen] == [
            ("identify", "42", CLICK),
            ("track", "42", CLICK),
        ]
        assert seen[1]["event"] == "Sign Up"
        assert len(dub.leads) == 1  # what came from Dub does not go back


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
        return httpx.post(url, content=body, headers={"Dub-Signature": sign(SECRET, body)}).status_code

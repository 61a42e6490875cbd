"""What users' own tests get from `dub_middleware.testing`."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask

from dub_middleware.conversions import Conversions, DubAPI
from dub_middleware.flask import Dub
from dub_middleware.testing import LocalDub


def test_an_app_is_tested_from_click_to_sale(local_dub: LocalDub, tmp_path: Path) -> None:
    conversions = Conversions(
        DubAPI(api_key=local_dub.api_key, base_url=local_dub.api_url),
        outbox=f"sqlite:///{tmp_path}/outbox.db",
    )
    app = Flask(__name__)
    dub = Dub(app, conversions=conversions)

    @app.post("/signup")
    def signup() -> str:
        dub.track_lead(customer_external_id="42", customer_email="ada@example.com")
        dub.track_sale(customer_external_id="42", amount=4900, invoice_id="inv_1")
        return "welcome"

    click_id = local_dub.click()
    visitor = app.test_client()
    visitor.get(f"/?dub_id={click_id}")
    visitor.post("/signup").close()
    assert conversions.flush(10)
    conversions.close()
    (lead,), (sale,) = local_dub.events("leads"), local_dub.events("sales")
    assert lead["click"]["id"] == sale["click"]["id"] == click_id
    assert (lead["customer"]["email"], sale["sale"]["amount"]) == ("ada@example.com", 4900)


def test_every_click_is_somebody_elses(local_dub: LocalDub) -> None:
    ids = {local_dub.click("https://shop.test/pricing") for _ in range(3)}
    assert len(ids) == len(local_dub.events("clicks")) == 3


def test_the_plugin_is_there_without_being_asked_for(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.pluginmanager.has_plugin("dub_middleware")

"""Made-up visitors who come while one looks."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Sequence

from dub_middleware.errors import DubError
from dub_middleware.server.demo_data.campaigns import CAMPAIGNS, PRICES
from dub_middleware.server.demo_data.people import BUYERS, LEADS, pick, visit
from dub_middleware.server.store import CustomerDetails, Store, random_text
from dub_middleware.server.store.customers import random_name
from dub_middleware.server.store.link_rows import load_links
from dub_middleware.server.store.models import from_ms

PAUSE = 4.0  # seconds between two visitors at first
SLOWER = 1.05  # each one longer than the pause before, or an hour would outdo the days of the charts
LONGEST = 300.0
PKS = "demo_links"  # where the numbers of the demo's links are kept

_log = logging.getLogger("dub_middleware.server")


class DemoVisitors:
    """A click every few seconds, after a while every few minutes; now and then a lead or a sale.

    They stop with `close`, and when the demo data is removed.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rng = random.Random()
        self._clicked: list[str] = []
        self._signed_up: list[CustomerDetails] = []
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dub-demo-visitors", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def close(self) -> None:
        self._closed.set()
        self._thread.join(5)

    def _run(self) -> None:
        pause = PAUSE
        while not self._closed.wait(self._rng.expovariate(1 / pause)):
            pause = min(pause * SLOWER, LONGEST)
            pks = self._store.workspace.value(PKS, list)
            if not pks:
                return
            try:
                self._come(pks)
            except DubError as error:
                _log.warning("a demo visitor stayed away: %s", error)

    def _come(self, pks: Sequence[int]) -> None:
        store, rng = self._store, self._rng
        if self._signed_up and rng.random() < BUYERS / 4:
            buyer = self._signed_up.pop(rng.randrange(len(self._signed_up)))
            store.record_sale(buyer, pick(rng, PRICES), "usd", invoice_id=f"demo_{random_text(12)}")
        elif self._clicked and rng.random() < LEADS * 2:
            name = random_name()
            details = CustomerDetails(
                external_id=f"demo-{random_text(10)}",
                name=name,
                email=f"{name.lower().replace(' ', '.')}@acme.example",
            )
            store.record_lead(details, "Sign up", click_id=self._clicked.pop(), metadata={"plan": "free"})
            self._signed_up.append(details)
        else:
            with store.database.read() as connection:
                links = load_links(connection, pks)
            campaign = pick(rng, {campaign: campaign.weight for campaign in CAMPAIGNS})
            link = next((link for link in links.values() if link.key.endswith(campaign.key)), None)
            if link is not None:
                _, context = visit(rng, link, campaign, from_ms(store.now()))
                self._clicked = [*self._clicked[-20:], store.record_click(link, context).click_id]

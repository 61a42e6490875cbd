"""Made-up links, clicks, customers and sales of 90 days, for looking around before there is anything to see.

All of it hangs on links with the tag "Demo", and nothing else does, so it can be taken out again.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from dub_middleware.errors import ConfigError
from dub_middleware.server.demo_data.campaigns import CAMPAIGNS, Campaign
from dub_middleware.server.demo_data.live import PKS, DemoVisitors
from dub_middleware.server.demo_data.people import sign_up, visit
from dub_middleware.server.store import Customer, Event, Link, Store
from dub_middleware.server.store.ids import new_click_id
from dub_middleware.server.store.models import from_ms

__all__ = ["DemoVisitors", "make_demo", "remove_demo"]

DAYS = 90
CLICKS_A_DAY = 95  # on an ordinary weekday at the end of the time; at its beginning, two thirds of that
STALE = timedelta(hours=12)  # older demo data is made anew: a chart that ends last week shows nothing

TAG = "demo_tag"  # where the id of the tag is kept

Progress = Callable[[float], None]


def make_demo(store: Store, progress: Progress = lambda share: None) -> bool:
    """Fill an empty database; False when it holds demo data of today already.

    ``progress`` hears of the share that is done. Raises `ConfigError` when the database holds real events.
    """
    pks = store.workspace.value(PKS, list)
    newest = store.history.newest(pks)
    now = from_ms(store.now())
    if newest is not None and now - newest < STALE:
        return False
    if pks:
        remove_demo(store)
    elif store.history.newest() is not None:
        raise ConfigError(
            "demo", "This database holds real events: give the demo data a database of its own (--database)."
        )
    rng = random.Random(DAYS)  # the same picture each time
    links = _links(store, now)
    store.workspace.keep_value(PKS, [link.pk for link in links])
    store.workspace.change_settings(is_demo=True)
    progress(0.05)
    customers: list[Customer] = []
    past: list[Event] = []
    for day in range(DAYS, -1, -1):
        for campaign, click in _clicks(rng, links, now, day):
            past.append(click)
            if came := sign_up(rng, campaign, click, now):
                customers.append(came[0])
                past += came[1]
        progress(0.05 + 0.75 * (DAYS - day) / DAYS)
    past.sort(key=lambda event: event.timestamp)
    store.history.add(customers, past)
    progress(0.9)
    store.fold()
    progress(1.0)
    return True


def remove_demo(store: Store) -> int:
    """Take the demo data out, and nothing else; return how many events went."""
    gone = store.history.erase(store.workspace.value(PKS, list))
    store.workspace.keep_value(PKS, [])
    store.workspace.change_settings(is_demo=False)
    store.workspace.delete_tag(store.workspace.value(TAG, str))
    return gone


def _links(store: Store, now: datetime) -> list[Link]:
    domain = store.workspace.domains()[0].slug
    tag = next((tag for tag in store.workspace.tags() if tag.name == "Demo"), None)
    if tag is None:  # one that was there before stays when the demo goes
        tag = store.workspace.add_tag("Demo", "purple")
        store.workspace.keep_value(TAG, tag.id)
    rows: list[dict[str, Any]] = []
    for campaign in CAMPAIGNS:
        source, medium, name = campaign.utm or (None, None, None)
        query = f"?utm_source={source}&utm_medium={medium}&utm_campaign={name}" if campaign.utm else ""
        rows.append(
            {
                "domain": domain,
                "key": campaign.key
                if store.links.find(domain, campaign.key) is None
                else f"demo-{campaign.key}",
                "url": f"https://acme.example{campaign.path}{query}",
                "track_conversion": True,
                "utm_source": source,
                "utm_medium": medium,
                "utm_campaign": name,
                "comments": "Made up, to look around.",
                "tag_ids": [tag.id],
                "created_at": now - timedelta(days=DAYS),
            }
        )
    return store.links.create_many(rows)


def _clicks(
    rng: random.Random, links: Sequence[Link], now: datetime, days_ago: int
) -> Iterator[tuple[Campaign, Event]]:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days_ago)
    growth = 1 - days_ago / DAYS / 3
    week = (1.0, 1.08, 1.05, 1.0, 0.9, 0.5, 0.55)[midnight.weekday()]
    for link, campaign in zip(links, CAMPAIGNS, strict=True):
        peak = 1.0
        if campaign.peak is not None and days_ago <= campaign.peak:
            peak += 9 * math.exp((days_ago - campaign.peak) / 1.6)
        expected = CLICKS_A_DAY * growth * week * peak * campaign.weight / 100
        for _ in range(round(rng.gauss(expected, math.sqrt(expected)))):
            moment, context = visit(rng, link, campaign, midnight)
            if moment < now:
                yield (
                    campaign,
                    Event(
                        id=0,
                        type="click",
                        timestamp=moment,
                        click_id=new_click_id(),
                        link=link,
                        context=context,
                    ),
                )

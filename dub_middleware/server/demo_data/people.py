"""Made-up visitors: one click, and what may come of it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from dub_middleware.server.demo_data.campaigns import DEVICES, MOBILES, PLACES, PLANS, PRICES, Campaign
from dub_middleware.server.store import Context, Customer, Event, Link, new_id
from dub_middleware.server.store.customers import random_name
from dub_middleware.server.store.ids import random_text
from dub_middleware.server.store.models import DIRECT

LEADS = 0.085  # of clicks
BUYERS = 0.34  # of leads

T = TypeVar("T")


def visit(rng: random.Random, link: Link, campaign: Campaign, midnight: datetime) -> tuple[datetime, Context]:
    (country, region, city, continent), offset = pick(rng, PLACES)
    device, browser, os = pick(rng, MOBILES if campaign.is_qr else DEVICES)
    # people are awake from eight to midnight, most of them click in the early afternoon
    local_hour = min(23.99, max(0.0, rng.gauss(14.5, 4.2)))
    referer = rng.choice(campaign.referers)
    context = Context(
        url=link.url,
        referer=referer,
        referer_url=referer if referer == DIRECT else f"https://{referer}/",
        country=country,
        region=region,
        city=city,
        continent=continent,
        device=device,
        browser=browser,
        os=os,
        trigger="qr" if campaign.is_qr else "link",
    )
    return midnight + timedelta(hours=(local_hour - offset) % 24), context


def sign_up(
    rng: random.Random, campaign: Campaign, click: Event, now: datetime
) -> tuple[Customer, list[Event]] | None:
    """Who came of a click, with their lead and sales; for most clicks nobody."""
    is_desktop = click.context.device == "Desktop"
    signed_up = click.timestamp + timedelta(minutes=1 + rng.expovariate(1 / 25))
    if rng.random() > LEADS * campaign.appeal * (1.25 if is_desktop else 0.6) or signed_up >= now:
        return None
    assert click.link is not None
    times = _purchases(rng, signed_up, now)
    amount = pick(rng, PRICES)
    name = random_name()
    customer = Customer(
        pk=0,
        id=new_id("cus"),
        external_id=f"demo-{random_text(10)}",
        name=name,
        email=f"{name.lower().replace(' ', '.')}@acme.example",
        country=click.context.country,
        click_id=click.click_id,
        link_pk=click.link.pk,
        clicked_at=click.timestamp,
        sales=len(times),
        sale_amount=len(times) * amount,
        first_sale_at=times[0] if times else None,
        created_at=signed_up,
    )
    lead = replace(
        click,
        type="lead",
        timestamp=signed_up,
        event_id=random_text(16),
        name="Sign up",
        customer=customer,
        metadata={"plan": "free"},
    )
    sales = [
        replace(
            lead,
            type="sale",
            timestamp=moment,
            event_id=random_text(16),
            name="Renewal" if number else "Purchase",
            amount=amount,
            currency="usd",
            payment_processor="stripe",
            invoice_id=f"demo_{random_text(12)}",
            is_first_sale=number == 0,
            metadata={"plan": PLANS[amount]},
        )
        for number, moment in enumerate(times)
    ]
    return customer, [lead, *sales]


def _purchases(rng: random.Random, signed_up: datetime, now: datetime) -> list[datetime]:
    """When somebody bought: some never, some within the hour, most within a week, then every month."""
    if rng.random() > BUYERS:
        return []
    first = signed_up + timedelta(days=rng.choice((0.02, 0.1, 1, 2, 5)) * rng.uniform(0.5, 1.5))
    months = range(rng.choice((1, 2, 4)))
    times = [first + timedelta(days=30 * month, minutes=rng.uniform(0, 60)) for month in months]
    return [moment for moment in times if moment < now]


def pick(rng: random.Random, choices: Mapping[T, float]) -> T:
    return rng.choices(list(choices), list(choices.values()))[0]

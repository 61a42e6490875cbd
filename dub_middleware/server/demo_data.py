"""Made-up links, clicks, customers and sales of 90 days, for looking around before there is anything to see.

All of it hangs on links with the tag "Demo", and nothing else does, so it can be taken out again.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from dub_middleware.errors import ConfigError, ConflictError
from dub_middleware.server.store import Context, Customer, Event, Link, Store, new_id
from dub_middleware.server.store.customers import random_name
from dub_middleware.server.store.ids import new_click_id, random_text
from dub_middleware.server.store.models import DIRECT, from_ms

DAYS = 90
CLICKS_A_DAY = 95  # on an ordinary weekday at the end of the time; it was two thirds of that at the beginning
LEADS = 0.085  # of clicks
BUYERS = 0.34  # of leads
STALE = timedelta(hours=12)  # older demo data is made anew: a chart that ends last week shows nothing

_PKS = "demo_links"

T = TypeVar("T")
Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Campaign:
    """A link and how it does: ``weight`` its share of clicks, ``appeal`` how well its visitors convert."""

    key: str
    path: str
    weight: float
    appeal: float
    referers: tuple[str, ...]
    utm: tuple[str, str, str] | None = None
    is_qr: bool = False
    peak: int | None = None  # days ago, for links with one great day


CAMPAIGNS = (
    Campaign("launch", "/", 22, 1.0, ("news.ycombinator.com", DIRECT, "t.co"), peak=38),
    Campaign(
        "newsletter", "/pricing", 16, 1.7, (DIRECT, "mail.google.com"), ("newsletter", "email", "weekly")
    ),
    Campaign(
        "search", "/", 15, 1.1, ("google.com", "bing.com", "duckduckgo.com"), ("google", "cpc", "brand")
    ),
    Campaign("youtube", "/tour", 12, 0.8, ("youtube.com",), ("youtube", "video", "review"), peak=17),
    Campaign("linkedin", "/teams", 9, 1.3, ("linkedin.com", "lnkd.in"), ("linkedin", "social", "teams")),
    Campaign("podcast", "/podcast", 8, 1.4, (DIRECT,), ("podcast", "audio", "episode-12")),
    Campaign("docs", "/docs", 7, 0.5, ("github.com", "stackoverflow.com", "google.com")),
    Campaign("poster", "/hello", 6, 0.6, (DIRECT,), ("poster", "print", "fair"), is_qr=True, peak=61),
    Campaign("friends", "/invite", 5, 2.2, (DIRECT, "wa.me", "t.co"), ("referral", "social", "invite")),
)
#: (country, region, city, continent), hours from UTC → weight
PLACES = {
    (("US", "US-CA", "San Francisco", "NA"), -8): 26,
    (("US", "US-NY", "New York", "NA"), -5): 14,
    (("DE", "DE-BE", "Berlin", "EU"), 1): 11,
    (("GB", "GB-ENG", "London", "EU"), 0): 10,
    (("IN", "IN-KA", "Bengaluru", "AS"), 5.5): 9,
    (("FR", "FR-IDF", "Paris", "EU"), 1): 7,
    (("BR", "BR-SP", "São Paulo", "SA"), -3): 5,
    (("CA", "CA-ON", "Toronto", "NA"), -5): 5,
    (("JP", "JP-13", "Tokyo", "AS"), 9): 4,
    (("NL", "NL-NH", "Amsterdam", "EU"), 1): 3,
    (("AU", "AU-NSW", "Sydney", "OC"), 10): 3,
    (("NG", "NG-LA", "Lagos", "AF"), 1): 2,
}
MOBILES = {
    ("Mobile", "Mobile Safari", "iOS"): 17,
    ("Mobile", "Chrome", "Android"): 15,
    ("Tablet", "Mobile Safari", "iOS"): 3,
}
#: device, browser, system → weight
DEVICES = {
    ("Desktop", "Chrome", "Mac OS"): 30,
    ("Desktop", "Chrome", "Windows"): 22,
    ("Desktop", "Firefox", "Linux"): 7,
    ("Desktop", "Edge", "Windows"): 6,
    ("Desktop", "Safari", "Mac OS"): 6,
    **MOBILES,
}
#: cents → weight, and what they buy
PRICES = {1900: 48, 4900: 32, 9900: 14, 29900: 6}
PLANS = {1900: "starter", 4900: "pro", 9900: "business", 29900: "enterprise"}


def make_demo(store: Store, progress: Progress = lambda share: None) -> bool:
    """Fill an empty database; False when it holds demo data of today already.

    ``progress`` hears of the share that is done. Raises `ConfigError` when the database holds real events.
    """
    pks = store.workspace.value(_PKS, list)
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
    store.workspace.keep_value(_PKS, [link.pk for link in links])
    store.workspace.change_settings(is_demo=True)
    progress(0.05)
    customers: list[Customer] = []
    past: list[Event] = []
    for day in range(DAYS, -1, -1):
        for campaign, click in _clicks(rng, links, now, day):
            past.append(click)
            if came := _sign_up(rng, campaign, click, now):
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
    gone = store.history.erase(store.workspace.value(_PKS, list))
    store.workspace.keep_value(_PKS, [])
    store.workspace.change_settings(is_demo=False)
    if tag := next((tag for tag in store.workspace.tags() if tag.name == "Demo"), None):
        store.workspace.delete_tag(tag.id)
    return gone


def _links(store: Store, now: datetime) -> list[Link]:
    domain = store.workspace.domains()[0].slug
    try:
        tag = store.workspace.add_tag("Demo", "purple")
    except ConflictError:
        tag = next(tag for tag in store.workspace.tags() if tag.name == "Demo")
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
            moment, context = _visit(rng, link, campaign, midnight)
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


def _visit(
    rng: random.Random, link: Link, campaign: Campaign, midnight: datetime
) -> tuple[datetime, Context]:
    (country, region, city, continent), offset = _pick(rng, PLACES)
    device, browser, os = _pick(rng, MOBILES if campaign.is_qr else DEVICES)
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


def _sign_up(
    rng: random.Random, campaign: Campaign, click: Event, now: datetime
) -> tuple[Customer, list[Event]] | None:
    """Who came of a click, with their lead and sales; for most clicks nobody."""
    is_desktop = click.context.device == "Desktop"
    signed_up = click.timestamp + timedelta(minutes=1 + rng.expovariate(1 / 25))
    if rng.random() > LEADS * campaign.appeal * (1.25 if is_desktop else 0.6) or signed_up >= now:
        return None
    assert click.link is not None
    times = _purchases(rng, signed_up, now)
    amount = _pick(rng, PRICES)
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


def _pick(rng: random.Random, choices: Mapping[T, float]) -> T:
    return rng.choices(list(choices), list(choices.values()))[0]

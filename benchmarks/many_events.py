"""Fill a store with a year of events by SQL alone: one lead to thirteen clicks, one sale to three leads."""

from __future__ import annotations

import sqlalchemy as sa

from dub_middleware.server.store import Context, CustomerDetails, Store
from dub_middleware.server.store.events import is_type
from dub_middleware.server.store.models import CONTEXT_WORDS
from dub_middleware.server.store.schema import events

CHUNK = 250_000  # rows a statement
LINKS = 50
YEAR = 365 * 24 * 60 * 60 * 1000  # milliseconds
PLACES = [("DE", "DE-BE", "Berlin", "EU"), ("US", "US-CA", "Oakland", "NA"), ("JP", "JP-13", "Tokyo", "AS")]
AGENTS = [("Desktop", "Chrome", "Windows"), ("Mobile", "Safari", "iOS"), ("Mobile", "Chrome", "Android")]

#: every row copies where it came from out of one of the clicks that were recorded the ordinary way
_ROWS = """
INSERT INTO events (ts, type, link, click_id, {words}, event_id, customer, amount, "first", event_name,
                    currency, payment_processor)
SELECT {start} + {step} * n, kind, {link} + n % {links}, 'c' || n, {copied}, {of_lead} 'e' || n END,
       {of_lead} {customer} END, {of_sale} 100 + n % 10000 END, {of_sale} {false} END,
       CASE kind WHEN 1 THEN {lead_name} WHEN 2 THEN {sale_name} END, {of_sale} {currency} END,
       {of_sale} {processor} END
FROM (SELECT n, CASE WHEN n % 43 < 39 THEN 0 WHEN n % 43 < 42 THEN 1 ELSE 2 END AS kind
      FROM ({numbers}) numbers) kinds
JOIN events click ON click.id = {click} + n % {clicks}
"""
_NUMBERS = {
    True: "WITH RECURSIVE s(n) AS (SELECT {0} UNION ALL SELECT n+1 FROM s WHERE n+1 < {1}) SELECT n FROM s",
    False: "SELECT n FROM generate_series(CAST({0} AS bigint), {1} - 1) AS n",
}


def fill(database_url: str, number: int) -> Store:
    """Return a store with ``number`` events and a few more, all of them folded."""
    store = Store(database_url)
    values = _record_patterns(store) | {"step": YEAR // number, "start": store.now() - YEAR}
    numbers = _NUMBERS[store.database.is_sqlite]
    _drop_indexes(store)
    for begin in range(0, number, CHUNK):
        chunk = numbers.format(begin, min(begin + CHUNK, number))
        with store.database.write(durable=False) as connection:
            connection.execute(sa.text(_ROWS.format(numbers=chunk, **values)))
    _create_indexes(store)
    store.fold()
    return store


def _record_patterns(store: Store) -> dict[str, object]:
    """Record a few events as the server does, and return what copies of them need."""
    pages = [
        store.links.create({"domain": "bench.localhost", "key": f"k{n}", "url": f"https://shop.test/{n}"})
        for n in range(LINKS)
    ]
    for country, region, city, continent in PLACES:
        for device, browser, system in AGENTS:
            context = Context(
                url=pages[0].url,
                country=country,
                region=region,
                city=city,
                continent=continent,
                device=device,
                browser=browser,
                os=system,
            )
            click_id = store.record_click(pages[0], context).click_id
    who = CustomerDetails(external_id="bench")
    store.record_lead(who, "Sign Up", click_id=click_id)
    store.record_sale(who, 4900, "usd")
    with store.database.read() as connection:
        lead, sale = (
            connection.execute(sa.select(events).where(is_type(kind))).mappings().one()
            for kind in ("lead", "sale")
        )
        first_click = connection.execute(sa.select(sa.func.min(events.c.id))).scalar_one()
    return {
        "words": ", ".join(f'"{name}"' for name in CONTEXT_WORDS),
        "copied": ", ".join(f'click."{name}"' for name in CONTEXT_WORDS),
        "link": pages[0].pk,
        "links": LINKS,
        "click": first_click,
        "clicks": len(PLACES) * len(AGENTS),
        "customer": lead["customer"],
        "lead_name": lead["event_name"],
        "sale_name": sale["event_name"],
        "currency": sale["currency"],
        "processor": sale["payment_processor"],
        "of_lead": "CASE WHEN kind > 0 THEN",
        "of_sale": "CASE WHEN kind = 2 THEN",
        "false": "0" if store.database.is_sqlite else "false",
    }


def _drop_indexes(store: Store) -> None:
    with store.database.write() as connection:
        for index in events.indexes:
            index.drop(connection)


def _create_indexes(store: Store) -> None:
    with store.database.write(durable=False) as connection:
        for index in sorted(events.indexes, key=lambda index: str(index.name)):
            index.create(connection)
    with store.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")

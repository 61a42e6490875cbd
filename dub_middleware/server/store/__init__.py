"""The server's store: one workspace in one database, SQLite or PostgreSQL, through SQLAlchemy Core.

::

    store = Store("sqlite:///dub.db")                      # or postgresql://user@host/name
    link = store.links.create({"domain": "go.localhost", "key": "launch", "url": "https://shop.test/"})
    click = store.record_click(link, Context(url=link.url), identity=hash_of_ip_and_user_agent)
    lead = store.record_lead(CustomerDetails(external_id="42"), "Sign Up", click_id=click.click_id)
    sale = store.record_sale(CustomerDetails(external_id="42"), 4900, "usd", invoice_id="inv_1",
    answer=render)

    events, cursor = store.events.latest(limit=50)
    events, cursor = store.events.after(cursor)            # every event exactly once, in the order of commits

- `Store.record_click`, `Store.record_lead`, `Store.record_sale`: one transaction each, de-duplicated by
  constraints.
- ``store.links``, ``.customers``, ``.events``, ``.workspace`` (settings, domains, tags, folders), ``.keys``,
  ``.webhooks``: see the class of each.
- `Store.fold` brings roll-ups and link counters up to date; readers that need it call it themselves.
- `Store.maintain` is for a background thread, every minute or so.

Records and results are frozen dataclasses (`models`), times aware UTC datetimes, amounts minor units.
Raises `ConfigError` for a URL it cannot use, `StoreError` when the database does not answer or is newer than
this version, `ConflictError` and `AttributionError` where the methods say so. Nothing here knows of HTTP.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from dub_middleware.server.store.contexts import Contexts
from dub_middleware.server.store.customers import Customers
from dub_middleware.server.store.engine import Database
from dub_middleware.server.store.events import Events
from dub_middleware.server.store.history import History
from dub_middleware.server.store.ids import new_click_id, new_id, random_text
from dub_middleware.server.store.links import LinkQuery, Links
from dub_middleware.server.store.maintenance import maintain
from dub_middleware.server.store.migrations import migrate
from dub_middleware.server.store.models import (
    ApiKey,
    ClickResult,
    Context,
    Customer,
    CustomerDetails,
    Domain,
    Event,
    EventType,
    Folder,
    LeadResult,
    Link,
    SaleResult,
    Settings,
    Tag,
    Webhook,
    WebhookDelivery,
)
from dub_middleware.server.store.recent_links import RecentLinks
from dub_middleware.server.store.rollups import Rollups
from dub_middleware.server.store.stream import Stream
from dub_middleware.server.store.tracking import Tracking
from dub_middleware.server.store.webhooks import Webhooks
from dub_middleware.server.store.words import Words
from dub_middleware.server.store.workspace import Keys, Workspace

__all__ = [
    "ApiKey",
    "ClickResult",
    "Context",
    "Customer",
    "CustomerDetails",
    "Domain",
    "Event",
    "EventType",
    "Folder",
    "LeadResult",
    "Link",
    "LinkQuery",
    "SaleResult",
    "Settings",
    "Store",
    "Tag",
    "Webhook",
    "WebhookDelivery",
    "new_click_id",
    "new_id",
    "random_text",
]


class Store:
    """Everything the server knows; safe to use from many threads and many processes.

    ``clock`` gives epoch seconds. ``anonymize_ip`` keeps addresses of clicks as /24 or /48 networks only.
    Creates or migrates the schema. A process may fork between two calls, not within one.
    """

    def __init__(
        self, database_url: str, *, clock: Callable[[], float] = time.time, anonymize_ip: bool = False
    ) -> None:
        def now() -> int:
            return int(clock() * 1000)

        self.now = now
        self.database = Database(database_url)
        try:
            migrate(self.database)
        except BaseException:
            self.database.close()
            raise
        self.stream = Stream(self.database)
        self.words = Words(self.database)
        self.rollups = Rollups(self.database, self.stream)
        self.fold = self.rollups.fold
        recent_links = RecentLinks(self.database)
        self.links = Links(self.database, now, self.fold, recent_links)
        self.customers = Customers(self.database, now)
        self.events = Events(self.database, self.words, self.stream)
        self.workspace = Workspace(self.database, now)
        self.keys = Keys(self.database, now)
        self.webhooks = Webhooks(self.database, now)
        contexts = Contexts(self.words, anonymize_ip=anonymize_ip)
        tracking = Tracking(self.database, self.words, contexts, recent_links, now)
        self.history = History(self.database, self.words, self.rollups, contexts)
        self.record_click = tracking.record_click
        self.record_lead = tracking.record_lead
        self.record_sale = tracking.record_sale
        self.claimed_click = tracking.claimed_click

    def maintain(self) -> int:
        """Fold, expire claims and logs, apply the retention setting; return how many events were dropped."""
        return maintain(self.database, self.rollups, self.now, self.workspace.settings().retention_days)

    def close(self) -> None:
        self.database.close()

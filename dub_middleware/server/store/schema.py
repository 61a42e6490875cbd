"""The tables, the same on SQLite and PostgreSQL.

Times are epoch milliseconds in UTC, amounts minor units (cents). An event row holds numbers only where text
repeats: `words` is the dictionary. On PostgreSQL `events` has one column more, ``xid`` (see `migrations`).
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

CLICK, LEAD, SALE = 0, 1, 2

metadata = sa.MetaData()

# SQLite counts rows in an INTEGER PRIMARY KEY only, never in a BIGINT
Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
Ms = sa.BigInteger
Json = sa.JSON(none_as_null=True)


_Part = sa.Column[Any] | sa.Index | sa.UniqueConstraint


def _table(name: str, *parts: _Part, compact: bool = False) -> sa.Table:
    # compact: the primary key is the table, no second b-tree; elsewhere AUTOINCREMENT never gives an id
    # twice, or events of a deleted link would become those of the next one
    return sa.Table(name, metadata, *parts, sqlite_with_rowid=not compact, sqlite_autoincrement=not compact)


def _serial() -> sa.Column[int]:
    return sa.Column("pk", Id, primary_key=True, autoincrement=True)


schema_version = _table(
    "schema_version", sa.Column("version", sa.Integer, primary_key=True, autoincrement=False), compact=True
)

settings = _table(
    "settings", sa.Column("name", sa.Text, primary_key=True), sa.Column("value", Json), compact=True
)

domains = _table(
    "domains",
    sa.Column("slug", sa.Text, primary_key=True),
    sa.Column("is_primary", sa.Boolean, nullable=False),
    sa.Column("details", Json, nullable=False),
    sa.Column("created_at", Ms, nullable=False),
    compact=True,
)

links = _table(
    "links",
    _serial(),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("domain", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("folded_key", sa.Text, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("external_id", sa.Text, unique=True),
    sa.Column("tenant_id", sa.Text),
    sa.Column("program_id", sa.Text),
    sa.Column("partner_id", sa.Text),
    sa.Column("folder_id", sa.Text),
    sa.Column("user_id", sa.Text),
    sa.Column("track_conversion", sa.Boolean, nullable=False),
    sa.Column("archived", sa.Boolean, nullable=False),
    sa.Column("expires_at", Ms),
    sa.Column("disabled_at", Ms),
    sa.Column("details", Json, nullable=False),
    sa.Column("clicks", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("leads", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("conversions", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("sales", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("sale_amount", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("last_clicked", Ms),
    sa.Column("last_lead_at", Ms),
    sa.Column("last_conversion_at", Ms),
    sa.Column("created_at", Ms, nullable=False),
    sa.Column("updated_at", Ms, nullable=False),
    sa.UniqueConstraint("domain", "folded_key", name="links_domain_key"),
    sa.Index("links_created", "created_at", "pk"),
    sa.Index("links_tenant", "tenant_id"),
    sa.Index("links_folder", "folder_id"),
)

tags = _table(
    "tags",
    _serial(),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("color", sa.Text, nullable=False),
)

link_tags = _table(
    "link_tags",
    sa.Column("link", Id, primary_key=True),
    sa.Column("tag", Id, primary_key=True),
    sa.Index("link_tags_tag", "tag"),
    compact=True,
)

folders = _table(
    "folders",
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("access_level", sa.Text),
    sa.Column("description", sa.Text),
    compact=True,
)

customers = _table(
    "customers",
    _serial(),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("external_id", sa.Text, nullable=False, unique=True),
    sa.Column("name", sa.Text),
    sa.Column("email", sa.Text),
    sa.Column("avatar", sa.Text),
    sa.Column("country", sa.Text),
    sa.Column("click_id", sa.Text),
    sa.Column("link", Id),
    sa.Column("clicked_at", Ms),
    sa.Column("sales", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("sale_amount", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("first_sale_at", Ms),
    sa.Column("created_at", Ms, nullable=False),
    sa.Index("customers_created", "created_at", "pk"),
    sa.Index("customers_email", "email"),
    sa.Index("customers_link", "link"),
)

#: who a customer was whom their events still name
deleted_customers = _table(
    "deleted_customers",
    sa.Column("pk", Id, primary_key=True, autoincrement=False),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    compact=True,
)

words = _table("words", _serial(), sa.Column("text", sa.Text, nullable=False, unique=True))

#: the parts of a destination URL that breakdowns ask for; ``word`` is the URL's id in `words`
url_parts = _table(
    "url_parts",
    sa.Column("word", Id, primary_key=True, autoincrement=False),
    sa.Column("base", sa.Text, nullable=False),
    *(sa.Column(f"utm_{part}", sa.Text) for part in ("source", "medium", "campaign", "term", "content")),
    compact=True,
)

#: event columns that hold a word's id, by the name of what they mean
WORDS = (
    "event_name",
    "currency",
    "payment_processor",
    "country",
    "region",
    "city",
    "continent",
    "device",
    "browser",
    "os",
    "referer",
    "referer_url",
    "url",
    "trigger",
    "ua",
)

events = _table(
    "events",
    sa.Column("id", Id, primary_key=True, autoincrement=True),
    sa.Column("ts", Ms, nullable=False),
    sa.Column("type", sa.SmallInteger, nullable=False),
    sa.Column("link", Id, nullable=False),
    sa.Column("click_id", sa.Text, nullable=False),
    sa.Column("event_id", sa.Text),
    sa.Column("customer", Id),
    sa.Column("amount", sa.BigInteger),
    sa.Column("first", sa.Boolean),  # a sale: the customer's first through this link
    *(sa.Column(name, sa.Integer) for name in WORDS),
    sa.Column("invoice_id", sa.Text),
    sa.Column("ip", sa.Text),
    sa.Column("metadata", sa.Text),
)


def _index(name: str, *columns: sa.Column[Any], where: str | None = None, unique: bool = False) -> None:
    # SQLite matches the condition literally, so queries write the number of a type into the SQL
    condition = None if where is None else sa.text(where)
    sa.Index(name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


_index("events_ts", events.c.ts)
_index("events_leads", events.c.ts, where=f"type = {LEAD}")
_index("events_sales", events.c.ts, where=f"type = {SALE}")
_index("events_link", events.c.link, events.c.ts)
_index("events_click", events.c.click_id, where=f"type = {CLICK}", unique=True)
_index(
    "events_conversions", events.c.click_id, events.c.type, where=f"type <> {CLICK}"
)  # how far a click came
_index("events_customer", events.c.customer, events.c.ts, where="customer IS NOT NULL")

#: one visitor (hash of address and user agent) counts once an hour on one link
click_claims = _table(
    "click_claims",
    sa.Column("link", Id, primary_key=True, autoincrement=False),
    sa.Column("identity", sa.Text, primary_key=True),
    sa.Column("click_id", sa.Text, nullable=False),
    sa.Column("ts", Ms, nullable=False),
    compact=True,
)
#: one customer signs up once a week under one event name
lead_claims = _table(
    "lead_claims",
    sa.Column("customer_external_id", sa.Text, primary_key=True),
    sa.Column("event_name", sa.Text, primary_key=True),
    sa.Column("ts", Ms, nullable=False),
    compact=True,
)
#: one invoice is one sale; ``answer`` is what the first call was told
sale_claims = _table(
    "sale_claims",
    sa.Column("invoice_id", sa.Text, primary_key=True),
    sa.Column("ts", Ms, nullable=False),
    sa.Column("answer", Json),
    compact=True,
)

_counters = ("clicks", "leads", "sales", "amount", "first_sales")


def _rollup(name: str, *key: str) -> sa.Table:
    return _table(
        name,
        *(sa.Column(part, Id, primary_key=True, autoincrement=False) for part in key),
        *(sa.Column(counter, sa.BigInteger, nullable=False) for counter in _counters),
        compact=True,
    )


#: totals of a quarter of an hour: every present-day time zone is a multiple of 15 minutes from UTC
rollup_quarter = _rollup("rollup_quarter", "dim", "value", "quarter")
#: totals of a UTC day by every dimension
rollup_day = _rollup("rollup_day", "dim", "day", "value")
#: the last event that the roll-ups hold; ``xid`` is 0 on SQLite
rollup_state = _table(
    "rollup_state",
    sa.Column("only", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("xid", sa.BigInteger, nullable=False),
    sa.Column("id", sa.BigInteger, nullable=False),
    compact=True,
)

api_keys = _table(
    "api_keys",
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("hint", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False, unique=True),
    sa.Column("scopes", Json),
    sa.Column("created_at", Ms, nullable=False),
    sa.Column("expires_at", Ms),
    sa.Column("last_used_at", Ms),
    compact=True,
)

webhooks = _table(
    "webhooks",
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("secret", sa.Text, nullable=False),
    sa.Column("triggers", Json, nullable=False),
    sa.Column("link_ids", Json),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("last_failed_at", Ms),
    sa.Column("disabled_at", Ms),
    sa.Column("created_at", Ms, nullable=False),
    compact=True,
)

webhook_deliveries = _table(
    "webhook_deliveries",
    _serial(),
    sa.Column("webhook_id", sa.Text, nullable=False),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("response", sa.Text, nullable=False),
    sa.Column("duration_ms", sa.Integer, nullable=False),
    sa.Column("ts", Ms, nullable=False),
    sa.Index("webhook_deliveries_webhook", "webhook_id", "pk"),
)

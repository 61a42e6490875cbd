"""Search in events: a text that any part of an event may contain."""

from __future__ import annotations

import sqlalchemy as sa

from dub_middleware.server.store.schema import customers, events, links, words

_WORDS = (
    "event_name",
    "referer",
    "referer_url",
    "url",
    "city",
    "browser",
    "os",
    "device",
    "payment_processor",
)


def mentions(text: str) -> sa.ColumnElement[bool]:
    """An event whose link, customer, referrer, place, device or name contains ``text``, whatever the case.

    Codes (countries, regions) and ids are compared as a whole. Behind the text may stand, each after a TAB,
    codes that mean the same: of countries whose name contains it.
    """
    text, *codes = text.split("\t")
    texts = sa.select(words.c.pk).where(words.c.text.icontains(text, autoescape=True))
    code = sa.select(words.c.pk).where(words.c.text.in_([text.upper(), *codes]))
    found_links = sa.select(links.c.pk).where(
        sa.or_(
            (links.c.domain + "/" + links.c.key).icontains(text, autoescape=True),
            links.c.url.icontains(text, autoescape=True),
            links.c.id == text,
        )
    )
    people = (customers.c.name, customers.c.email, customers.c.external_id)
    found_customers = sa.select(customers.c.pk).where(
        sa.or_(*(column.icontains(text, autoescape=True) for column in people), customers.c.id == text)
    )
    return sa.or_(
        events.c.link.in_(found_links),
        events.c.customer.in_(found_customers),
        *(events.c[name].in_(texts) for name in _WORDS),
        events.c.country.in_(code),
        events.c.region.in_(code),
        *(events.c[name] == text for name in ("click_id", "event_id", "invoice_id")),
    )

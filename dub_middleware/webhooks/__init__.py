"""Webhooks from Dub: is it really Dub, what happened, and have I seen it before.

::

    app = WebhookApp("whsec_…", on_event, seen="webhooks.db")     # a WSGI app that does all of it

    verify(secret, body, request.headers["Dub-Signature"])        # or the parts, in a view of your own
    event = parse(body)
"""

from __future__ import annotations

from dub_middleware.webhooks.app import WebhookApp, WebhookResponse
from dub_middleware.webhooks.events import (
    EVENT_TYPES,
    BountyCreated,
    BountyUpdated,
    CommissionCreated,
    DiscountCodeCreated,
    DiscountCodeDeleted,
    LeadCreated,
    LinkClicked,
    LinkCreated,
    LinkDeleted,
    LinkUpdated,
    PartnerApplicationSubmitted,
    PartnerEnrolled,
    PartnerMerged,
    PayoutConfirmed,
    SaleCreated,
    WebhookEvent,
    parse,
)
from dub_middleware.webhooks.seen import ReplayGuard, SeenEvents
from dub_middleware.webhooks.signature import sign, verify

__all__ = [
    "EVENT_TYPES",
    "BountyCreated",
    "BountyUpdated",
    "CommissionCreated",
    "DiscountCodeCreated",
    "DiscountCodeDeleted",
    "LeadCreated",
    "LinkClicked",
    "LinkCreated",
    "LinkDeleted",
    "LinkUpdated",
    "PartnerApplicationSubmitted",
    "PartnerEnrolled",
    "PartnerMerged",
    "PayoutConfirmed",
    "ReplayGuard",
    "SaleCreated",
    "SeenEvents",
    "WebhookApp",
    "WebhookEvent",
    "WebhookResponse",
    "parse",
    "sign",
    "verify",
]

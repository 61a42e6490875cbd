"""Dub's JSON objects of what the store holds: links, clicks, customers. The API and webhooks share them."""

from __future__ import annotations

from datetime import datetime, timezone
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlsplit

from dub_middleware.server.store import Customer, Event, Link

ROOT_KEY = "_root"  # the key of the link behind a bare domain


class Objects:
    """Write the objects of one workspace.

    ``base_url`` is where this server is reached, such as ``http://127.0.0.1:8787``: short domains below
    ``localhost`` take its scheme and port, QR codes are served below its ``/api``.
    """

    def __init__(self, workspace_id: str, base_url: str) -> None:
        self._workspace_id = workspace_id
        self._base_url = base_url.rstrip("/")
        port = urlsplit(base_url).port
        self._local_port = "" if port is None else f":{port}"

    def short_link(self, link: Link) -> str:
        """The URL that people click."""
        return self.short_url(link.domain, "" if link.key == ROOT_KEY else _quoted(link.key))

    def short_url(self, domain: str, key: str) -> str:
        """The URL of a key of a short domain; an empty key is the domain itself."""
        path = f"/{key}" if key else ""
        if domain == "localhost" or domain.endswith(".localhost"):
            return f"http://{domain}{self._local_port}{path}"
        return f"https://{domain}{path}"

    def qr_code(self, link: Link) -> str:
        """The URL of a PNG image of the link."""
        return f"{self._base_url}/api/qr?url={self.short_link(link)}?qr=1"

    def link(self, link: Link) -> dict[str, Any]:
        """Every field of Dub's link object, in its order (https://dub.co/docs/api-reference/links)."""
        tags = [{"id": tag.id, "name": tag.name, "color": tag.color} for tag in link.tags]
        return {
            "id": link.id,
            "domain": link.domain,
            "key": link.key,
            "url": link.url,
            "trackConversion": link.track_conversion,
            "externalId": link.external_id,
            "tenantId": link.tenant_id,
            "programId": link.program_id,
            "partnerId": link.partner_id,
            "archived": link.archived,
            "expiresAt": iso(link.expires_at),
            "expiredUrl": link.expired_url,
            "disabledAt": iso(link.disabled_at),
            "password": link.password,
            "proxy": link.proxy,
            "title": link.title,
            "description": link.description,
            "image": link.image,
            "video": link.video,
            "rewrite": link.rewrite,
            "doIndex": link.do_index,
            "ios": link.ios,
            "android": link.android,
            "geo": None if link.geo is None else dict(link.geo),
            "publicStats": link.public_stats,
            "tags": tags,
            "folderId": link.folder_id,
            "comments": link.comments,
            "shortLink": self.short_link(link),
            "qrCode": self.qr_code(link),
            "utm_source": link.utm_source,
            "utm_medium": link.utm_medium,
            "utm_campaign": link.utm_campaign,
            "utm_term": link.utm_term,
            "utm_content": link.utm_content,
            "testVariants": link.test_variants,
            "testStartedAt": link.test_started_at,
            "testCompletedAt": link.test_completed_at,
            "userId": link.user_id,
            "workspaceId": self._workspace_id,
            "clicks": link.clicks,
            "leads": link.leads,
            "conversions": link.conversions,
            "sales": link.sales,
            "saleAmount": link.sale_amount,
            "lastClicked": iso(link.last_clicked),
            "createdAt": iso(link.created_at),
            "updatedAt": iso(link.updated_at),
            "tagId": tags[0]["id"] if tags else None,
            "projectId": self._workspace_id.removeprefix("ws_"),
            "webhookIds": list(link.webhook_ids),
        }


@lru_cache(10_000)
def _quoted(key: str) -> str:
    return quote(key, safe="/-._~!$&()*+,;=:@")


def click_object(event: Event, *, timestamp: datetime | None = None) -> dict[str, Any]:
    """The click that an event belongs to; ``timestamp`` says when it was if the event does not."""
    context = event.context
    return {
        "id": event.click_id,
        "timestamp": iso(timestamp or event.clicked_at or event.timestamp),
        "url": context.url,
        "country": context.country,
        "city": context.city,
        "region": context.region,
        "continent": context.continent,
        "device": context.device,
        "browser": context.browser,
        "os": context.os,
        "ua": context.ua,
        "trigger": context.trigger,
        "referer": context.referer,
        "refererUrl": context.referer_url,
        "qr": context.trigger == "qr",
        "ip": context.ip or "",
    }


def customer_object(customer: Customer) -> dict[str, Any]:
    """A customer as events and webhooks carry it."""
    return {
        "id": customer.id,
        "externalId": customer.external_id,
        "name": customer.name,
        "email": customer.email,
        "avatar": customer.avatar,
        "stripeCustomerId": None,
        "country": customer.country,
        "sales": customer.sales,
        "saleAmount": customer.sale_amount,
        "createdAt": iso(customer.created_at),
        "firstSaleAt": iso(customer.first_sale_at),
        "subscriptionCanceledAt": None,
    }


def event_customer(event: Event) -> dict[str, Any]:
    """The customer of an event; of one that was deleted only the id, and Dub's own words for the rest."""
    if event.customer is not None:
        return customer_object(event.customer)
    known = event.customer_id or ""
    gone = Customer(pk=0, id=known, external_id=known, name="Deleted Customer", email="deleted@customer.com")
    return customer_object(gone)


def iso(moment: datetime | None) -> str | None:
    """``2026-03-18T12:00:00.000Z``, as JavaScript writes a moment."""
    if moment is None:
        return None
    text = moment.astimezone(timezone.utc).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")

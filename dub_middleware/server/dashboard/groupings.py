"""What events may have in common, and what people call it: the cards, their tabs, the names of values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from dub_middleware.server.dashboard import formats
from dub_middleware.server.dashboard.filters import CLOSED
from dub_middleware.server.store import Store

Metric = Literal["clicks", "leads", "sales"]
METRICS: tuple[Metric, ...] = ("clicks", "leads", "sales")


@dataclass(frozen=True, slots=True)
class Grouping:
    """One way to break numbers down: the name of the query, of the tab, of a row, and the filter of a row."""

    key: str
    label: str
    noun: str
    field: str
    keep_unknown: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """Groupings that share a card; ``key`` is the URL parameter that chooses one."""

    key: str
    title: str
    groupings: tuple[Grouping, ...]


CARDS = (
    Card(
        "links",
        "Links",
        (
            Grouping("top_links", "Links", "link", "link_id"),
            Grouping("top_base_urls", "Pages", "destination page", "base_url"),
            Grouping("top_urls", "URLs", "destination URL", "url"),
            Grouping("top_domains", "Domains", "domain", "domain"),
            Grouping("top_link_tags", "Tags", "tag", "tag_id"),
            Grouping("top_folders", "Folders", "folder", "folder_id"),
        ),
    ),
    Card(
        "sources",
        "Referrers",
        (
            Grouping("referers", "Domains", "referrer", "referer"),
            Grouping("referer_urls", "URLs", "referrer URL", "referer_url"),
        ),
    ),
    Card(
        "places",
        "Locations",
        (
            Grouping("countries", "Countries", "country", "country", keep_unknown=True),
            Grouping("regions", "Regions", "region", "region"),
            Grouping("cities", "Cities", "city", "city"),
            Grouping("continents", "Continents", "continent", "continent", keep_unknown=True),
        ),
    ),
    Card(
        "devices",
        "Devices",
        (
            Grouping("devices", "Devices", "device", "device", keep_unknown=True),
            Grouping("browsers", "Browsers", "browser", "browser", keep_unknown=True),
            Grouping("os", "OS", "operating system", "os", keep_unknown=True),
        ),
    ),
    Card(
        "campaigns",
        "UTM parameters",
        (
            Grouping("utm_sources", "Source", "UTM source", "utm_source"),
            Grouping("utm_mediums", "Medium", "UTM medium", "utm_medium"),
            Grouping("utm_campaigns", "Campaign", "UTM campaign", "utm_campaign"),
            Grouping("utm_terms", "Term", "UTM term", "utm_term"),
            Grouping("utm_contents", "Content", "UTM content", "utm_content"),
        ),
    ),
    Card(
        "kinds",
        "Events",
        (
            Grouping("triggers", "Triggers", "trigger", "trigger"),
            Grouping("event_names", "Event names", "event name", "event_name"),
        ),
    ),
)
GROUPINGS = {grouping.key: grouping for card in CARDS for grouping in card.groupings}
#: the page parameters that choose the tab of each card
CARD_CHOICES = {card.key: tuple(grouping.key for grouping in card.groupings) for card in CARDS}


def name_of(store: Store, field: str, raw: str) -> str:
    """Name the value of a filter; links, tags, folders and customers by what people call them."""
    if field == "link_id":
        return formats.short_link(store.links.get(raw))
    if field == "customer_id":
        customer = store.customers.get(raw)
        return raw if customer is None else customer.name or customer.email or customer.external_id
    if field in CLOSED:
        return CLOSED[field].get(raw, raw)
    grouping = next((known for known in GROUPINGS.values() if known.field == field), None)
    return names(store, grouping).get(raw) or formats.value(field, raw) if grouping else raw


def names(store: Store, grouping: Grouping) -> Mapping[str, str]:
    if grouping.key == "top_link_tags":
        return {tag.id: tag.name for tag in store.workspace.tags()}
    if grouping.key == "top_folders":
        return {folder.id: folder.name for folder in store.workspace.folders()}
    return {}

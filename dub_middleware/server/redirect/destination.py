"""Where a click leads: the target of this visitor, with the click id and the parameters of the request."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl, urlsplit

from dub_middleware.server.links.urls import clean_url, is_web, parameters, with_parameters
from dub_middleware.server.moments import parse_moment
from dub_middleware.server.store import Context, Link

MAX_QUERY = 8192  # characters of a query that are looked at
MAX_FIELDS = 64

#: parameters of the short link that are meant for the redirect, not for the destination
_OURS = frozenset(("dub-no-track", "redir_url", "pw", "bot"))
_OURS_WHEN_1 = frozenset(("qr", "skip_deeplink_preview"))

Query = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Target:
    """The URL a click leads to, before parameters; ``variant`` when it was drawn for a test."""

    url: str
    variant: str | None = None


def read_query(text: str) -> Query:
    """Return the parameters of a request, none when there are too many to be meant."""
    try:
        return parse_qsl(text[:MAX_QUERY], keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        return []


def choose(link: Link, context: Context, query: Query, *, now: datetime, variant: str = "") -> Target:
    """Return where this visitor goes; ``variant`` is the URL that an earlier visit has drawn."""
    if link.ios and context.os == "iOS":
        return Target(link.ios)
    if link.android and context.os == "Android":
        return Target(link.android)
    if link.geo and context.country in link.geo:
        return Target(link.geo[context.country])
    wanted = dict(query).get("redir_url", "")
    if wanted and _is_same_site(wanted, link.url):
        return Target(wanted)
    drawn = _draw(link, now, variant)
    return Target(link.url if drawn is None else drawn, drawn)


def build(link: Link, target: str, query: Query, click_id: str | None) -> str:
    """Return the final URL; with a ``click_id`` that the destination is to know.

    Parameters of the request go on to the destination and replace its own, as at Dub, with one difference:
    ``dub_id`` cannot be chosen by whoever writes the link.
    """
    passed = {
        name: value
        for name, value in query
        if name not in _OURS and not (name in _OURS_WHEN_1 and value == "1")
    }
    added: dict[str, str | None] = {}
    if link.partner_id is not None:
        added["via"] = link.key
    if click_id is not None:
        passed.pop("dub_id", None)
        if "dub_client_reference_id=1" in target and parameters(target)["dub_client_reference_id"] == "1":
            added |= {"client_reference_id": f"dub_id_{click_id}", "dub_client_reference_id": None}
        else:
            added["dub_id"] = click_id
    return with_parameters(target, added | passed)


def _draw(link: Link, now: datetime, earlier: str) -> str | None:
    """The variant of a running A/B test, the one of an earlier visit if it is among them."""
    variants = link.test_variants
    if not variants or not link.test_started_at or not link.test_completed_at:
        return None
    start, end = (parse_moment(text, now) for text in (link.test_started_at, link.test_completed_at))
    if start is None or end is None or not start <= now < end:
        return None
    urls = [str(variant["url"]) for variant in variants]
    if earlier in urls:
        return earlier
    weights = [float(variant["percentage"]) for variant in variants]
    return random.choices(urls, weights)[0]


def _is_same_site(url: str, destination: str) -> bool:
    # leading elsewhere on the destination's host is a feature, to any host an open door
    if clean_url(url) is None or not is_web(url):
        return False
    return _origin(url) == _origin(destination)


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.netloc.lower()

"""Who stands behind a request: where from, with what, human or not; nobody's name.

::

    visitors = Visitors(secret, trusted_proxies=("10.0.0.0/8",), geoip_path="GeoLite2-City.mmdb")
    visitor = visitors.read(environ, url=link.url)
    store.record_click(link, visitor.context, identity=visitor.identity)     # unless visitor.is_bot

Addresses and countries that a proxy reports count only when the proxy is trusted; see `proxies` and `places`.
What is not known keeps Dub's own word for it: ``Unknown``, ``Desktop``, ``(direct)``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dub_middleware.server.store.models import UNKNOWN, Context, Trigger
from dub_middleware.server.visitor.agents import Agent, classify
from dub_middleware.server.visitor.bots import is_bot_request
from dub_middleware.server.visitor.places import GEO_HEADERS, Places
from dub_middleware.server.visitor.proxies import LOCAL_PROXIES, Proxies
from dub_middleware.server.visitor.referrers import referrer_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

__all__ = ["GEO_HEADERS", "LOCAL_PROXIES", "Agent", "Visitor", "Visitors", "classify"]

MAX_AGENT = 512  # characters; longer ones are nobody's, and would fill the cache

_EUROPE = "AT BE BG CY CZ DE DK EE ES FI FR GB GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"
#: Dub keeps no address of visitors from the EU and from Britain
_PRIVATE_COUNTRIES = frozenset(_EUROPE.split())


@dataclass(frozen=True, slots=True)
class Visitor:
    """One request's visitor. ``identity`` is a keyed hash of address and user agent, 64 hex digits.

    ``is_bot`` means that the request must not count as a click: a robot, a link preview, a prefetch.
    """

    context: Context
    identity: str
    is_bot: bool


class Visitors:
    """Read visitors from WSGI environs; safe to share between threads.

    ``secret`` keys the identity hash. ``trusted_proxies`` are addresses or networks of proxies whose headers
    count; ``geo_headers`` names those with the place; ``geoip_path`` is a MaxMind file asked when they say
    nothing.

    Raises:
        ConfigError: a network cannot be read, a header field does not exist, or the file is no MaxMind
            database.
        MissingDependencyError: ``geoip_path`` is given and the extra ``geo`` is not installed.
    """

    def __init__(
        self,
        secret: str,
        *,
        trusted_proxies: Sequence[str] = LOCAL_PROXIES,
        geo_headers: Mapping[str, Sequence[str]] = GEO_HEADERS,
        geoip_path: str | None = None,
    ) -> None:
        self._key = hashlib.sha256(secret.encode()).digest()
        self._proxies = Proxies(trusted_proxies)
        self._places = Places(geo_headers, geoip_path)

    def read(
        self,
        environ: WSGIEnvironment,
        *,
        url: str,
        trigger: Trigger = "link",
        referrer: str | None = None,
    ) -> Visitor:
        """Return who asks; ``url`` is where the click leads.

        A non-empty ``referrer`` (a script's ``document.referrer``) counts instead of the Referer header.
        """
        agent_text = environ.get("HTTP_USER_AGENT", "").strip()[:MAX_AGENT]
        agent = classify(agent_text)
        address, is_trusted = self._proxies.judge(environ)
        place = self._places.find(environ if is_trusted else {}, address)
        own_hosts = (_host(url), environ.get("HTTP_HOST", "").partition(":")[0].lower())
        referer, referer_url = referrer_of(referrer or environ.get("HTTP_REFERER", ""), own_hosts)
        context = Context(
            url=url,
            referer=referer,
            referer_url=referer_url,
            country=place.country,
            region=place.region,
            city=place.city,
            continent=place.continent,
            device=agent.device,
            browser=agent.browser,
            os=agent.os,
            ua=agent_text or UNKNOWN,
            trigger=trigger,
            ip=None if place.country in _PRIVATE_COUNTRIES else address or None,
        )
        identity = hashlib.blake2b(f"{address}-{agent_text}".encode(), key=self._key, digest_size=32)
        is_bot = agent.is_bot or is_bot_request(environ, referer)
        return Visitor(context, identity.hexdigest(), is_bot)

    def address(self, environ: WSGIEnvironment) -> str:
        """Return the visitor's address as far as trusted proxies vouch for it; ``""`` when there is none."""
        return self._proxies.judge(environ)[0]

    def is_secure(self, environ: WSGIEnvironment) -> bool:
        """Return whether the visitor came by HTTPS: to this server, or to a trusted proxy that says so."""
        return self._proxies.is_secure(environ)

    def close(self) -> None:
        """Close the MaxMind file."""
        self._places.close()


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""

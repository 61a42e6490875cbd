"""Where a visitor comes from, by the page that sent them."""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import urlsplit

from dub_middleware.server.store.models import DIRECT

MAX_URL = 2048
_HOST = re.compile(r"[\w.-]{1,253}|[0-9a-f:.]{2,45}")


def referrer_of(url: str, own_hosts: Collection[str] = ()) -> tuple[str, str]:
    """Return the host without ``www.`` and the URL without query and fragment; ``(direct)`` for both if none.

    A site that refers to itself refers nobody: ``own_hosts`` count as direct.
    """
    url = url.strip()[:MAX_URL]
    if not url:
        return DIRECT, DIRECT
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").removeprefix("www.")
        # the port says nothing, user and password are nobody's business
        plain = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
    except ValueError:
        return DIRECT, DIRECT
    if not _HOST.fullmatch(host) or host in {own.removeprefix("www.") for own in own_hosts}:
        return DIRECT, DIRECT
    return host, plain

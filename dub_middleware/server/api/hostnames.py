"""Which sites may send clicks and conversions from the browser: the workspace's list of host names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

_NOT_ALLOWED = (
    "Request origin '{}' is not included in the allowed hostnames for this workspace. "
    "Update your allowed hostnames here: https://app.dub.co/settings/tracking"
)


def refusal(allowed: Collection[str], environ: Mapping[str, Any]) -> str | None:
    """Return why this request is refused, or None when it is welcome; an empty list welcomes everyone.

    The page is known by its Referer, else by its Origin; ``www.`` does not count. ``*.x.y`` stands for the
    subdomains of ``x.y`` alone.
    """
    if not allowed:
        return None
    host = _source_host(environ)
    if host is not None and (
        host in allowed or any(entry[:2] == "*." and host.endswith(entry[1:]) for entry in allowed)
    ):
        return None
    return _NOT_ALLOWED.format("null" if host is None else host)


def _source_host(environ: Mapping[str, Any]) -> str | None:
    source = environ.get("HTTP_REFERER") or environ.get("HTTP_ORIGIN") or ""
    try:
        host = urlsplit(source).hostname
    except ValueError:
        return None
    return host.removeprefix("www.") if host else None

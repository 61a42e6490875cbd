"""Read one cookie from a Cookie header, build one Set-Cookie value, and the rule for its Domain.

No parser of the standard library or a framework is used: they lose or rearrange cookies beside the raw JSON
that Dub's script writes, and disagree on which of two equal names counts.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from dub_middleware.config import Config
from dub_middleware.rules import is_host_name

CLICK_ID_COOKIE = "dub_id"
PARTNER_COOKIE = "dub_partner_data"
SEAL_COOKIE = "dub_seal"

#: what a click id may be; anything else is ignored
CLICK_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")

_CLICK_ID_COOKIE = re.compile(rf"(?:^|;)[ \t]*{CLICK_ID_COOKIE}=([^;]*)")
# servers differ in how they join several Cookie lines: some with a comma
_AFTER_COMMA = re.compile(rf",\s*{CLICK_ID_COOKIE}=({CLICK_ID.pattern})(?=\s*(?:[;,]|$))")
_BEFORE_COMMA = re.compile(rf"({CLICK_ID.pattern})\s*,")


def click_id_cookie(header: str) -> str | None:
    """Return the click id of the first ``dub_id`` in a Cookie header, as the script reads it, or None."""
    if "dub_id=" not in header:
        return None
    found = _CLICK_ID_COOKIE.search(header)
    if found is None:
        later = _AFTER_COMMA.search(header)
        return later[1] if later else None
    value = found[1].strip(" \t")
    if CLICK_ID.fullmatch(value):
        return value
    joined = _BEFORE_COMMA.match(value)
    return joined[1] if joined else None


def first_cookie(header: str, name: str) -> str | None:
    """Return the value of the first cookie called *name*, as it stands in the header, or None."""
    if f"{name}=" not in header:
        return None
    found = re.search(rf"(?:^|;)[ \t]*{re.escape(name)}=([^;]*)", header)
    return found[1].strip(" \t") if found else None


def partner_cookie(header: str) -> dict[str, Any] | None:
    """Return the decoded ``dub_partner_data``: an object with partner and discount, or None.

    Reads both what Dub's script writes (raw JSON whose partner name and image are percent-encoded, with
    quotes, commas and perhaps semicolons) and a value that is percent-encoded as a whole.
    """
    found = re.search(rf"(?:^|;)[ \t]*{PARTNER_COOKIE}=", header)
    if found is None:
        return None
    rest = header[found.end() :]
    try:
        if rest[:1] == "{":
            data, _ = json.JSONDecoder().raw_decode(_as_utf8(rest))
            return _with_decoded_names(data)
        data = json.loads(unquote(rest.partition(";")[0].strip(), errors="strict"))
    except (ValueError, RecursionError):
        return None
    return _with_decoded_names(data)


def set_cookie(
    name: str,
    value: str,
    *,
    max_age: int,
    path: str,
    domain: str | None,
    same_site: str,
    secure: bool,
    http_only: bool = False,
) -> str:
    """Return a Set-Cookie value; *max_age* in seconds, 0 expires the cookie (RFC 6265bis §4.1)."""
    return (
        f"{name}={value}{f'; Domain={domain}' if domain else ''}; Max-Age={max_age}; Path={path}"
        f"; SameSite={same_site}{'; Secure' if secure else ''}{'; HttpOnly' if http_only else ''}"
    )


def cookie_domain(config: Config, host: str) -> str | None:
    """Return the Domain that the cookie gets on *host* (a Host header), or None for this host only.

    The same string that Dub's script writes, so that both always hit one cookie: ``.`` + host without a
    leading ``www.``. Addresses, single labels and anything doubtful get none.
    """
    if config.cookie_domain is None:
        return None
    automatic = _automatic_domain(host)
    if config.cookie_domain == "auto":
        return automatic
    # a Domain that does not cover the host would make browsers drop the cookie
    is_covered = automatic is not None and automatic.endswith(config.cookie_domain)
    return config.cookie_domain if is_covered else None


@lru_cache(maxsize=256)
def _automatic_domain(host: str) -> str | None:
    name, colon, port = host.lower().partition(":")
    if colon and not port.isdecimal():
        return None
    name = name.removeprefix("www.")
    return f".{name}" if is_host_name(name) else None


def _as_utf8(text: str) -> str:
    """Undo the latin-1 view of bytes that PEP 3333 gives."""
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text


def _with_decoded_names(data: Any) -> dict[str, Any] | None:
    if not isinstance(data, dict):
        return None
    partner = data.get("partner")
    if not isinstance(partner, dict):
        return data
    decoded = {
        key: unquote(value) if key in ("name", "image") and isinstance(value, str) else value
        for key, value in partner.items()
    }
    return {**data, "partner": decoded}

"""What an option may be: one function a rule, value in, normalised value out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from dub_middleware.errors import ConfigError

Rule = Callable[[str, Any], Any]

MAX_COOKIE_AGE = 34_560_000  # 400 days: what browsers cap Max-Age at (RFC 6265bis §5.5)

_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
_COOKIE_PATH = re.compile(r"/[!-:<-~]*")  # printable ASCII without ';'
_HOST = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
)
_PUBLISHABLE_KEY = re.compile(r"dub_pk_[A-Za-z0-9_-]{16,64}")
_BOOLEANS = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


def refuse(name: str, value: object, allowed: str) -> ConfigError:
    """Return the error that names the option, the value and what is allowed."""
    return ConfigError(name, f"{name}={value!r} is not allowed: it must be {allowed}.")


def one_of(*allowed: str | None) -> Rule:
    """Return the rule of a closed list."""
    shown = ", ".join(repr(item) for item in allowed)

    def rule(name: str, value: Any) -> Any:
        if (value is None or isinstance(value, str)) and value in allowed:
            return value
        raise refuse(name, value, f"one of {shown}")

    return rule


#: of cookies; the one rule to which the text None is a value
samesite = one_of("Lax", "Strict", "None")


def boolean(name: str, value: Any) -> bool:
    """Allow True and False."""
    if isinstance(value, bool):
        return value
    raise refuse(name, value, "True or False")


def switch(name: str, value: Any) -> Any:
    """Allow True, False or a callable of the environ."""
    if isinstance(value, bool) or callable(value):
        return value
    raise refuse(name, value, "True, False or a callable of the WSGI environ")


def test(name: str, value: Any) -> Any:
    """Allow None or a callable of the environ."""
    if value is None or callable(value):
        return value
    raise refuse(name, value, "None or a callable of the WSGI environ")


def auto_or_bool(name: str, value: Any) -> Any:
    """Allow True, False or "auto"."""
    if isinstance(value, bool) or value == "auto":
        return value
    raise refuse(name, value, "True, False or 'auto'")


def path(name: str, value: Any) -> str:
    """Allow a path such as ``/_dub``: unreserved characters, no trailing slash, no dot segments."""
    if isinstance(value, str) and _PATH.fullmatch(value) and not {".", ".."} & set(value.split("/")):
        return value
    raise refuse(
        name, value, "a path such as '/_dub' (leading slash, no trailing slash, A-Z a-z 0-9 . _ ~ -)"
    )


def cookie_path(name: str, value: Any) -> str:
    """Allow what RFC 6265 lets stand in Path: printable ASCII without a semicolon, from a slash on."""
    if isinstance(value, str) and len(value) <= 256 and _COOKIE_PATH.fullmatch(value):
        return value
    raise refuse(
        name, value, "a path such as '/' or '/shop' (printable ASCII, no semicolon, at most 256 characters)"
    )


def max_age(name: str, value: Any) -> int:
    """Allow whole seconds from 1 to 400 days."""
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_COOKIE_AGE:
        return value
    raise refuse(name, value, f"a whole number of seconds from 1 to {MAX_COOKIE_AGE} (400 days)")


def url(name: str, value: Any) -> str:
    """Allow an absolute http(s) URL without query, fragment or credentials; a trailing slash is dropped."""
    allowed = "an absolute http(s) URL such as 'https://api.dub.co', without query, fragment or credentials"
    if not isinstance(value, str) or not value.isascii() or re.search(r"[\x00-\x20\x7f\\]", value):
        raise refuse(name, value, allowed)
    try:
        parts = urlsplit(value)
        has_host = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        raise refuse(name, value, allowed) from None
    if (
        parts.scheme not in ("http", "https")
        or not has_host
        or parts.username
        or parts.query
        or parts.fragment
    ):
        raise refuse(name, value, allowed)
    return value.rstrip("/")


def src(name: str, value: Any) -> str | None:
    """Allow None, a path from the root, or an absolute http(s) URL."""
    if value is None:
        return None
    rooted = isinstance(value, str) and re.fullmatch(r"/(?!/)[!-~]*", value)
    if rooted or (isinstance(value, str) and re.fullmatch(r"https?://[!-~]+", value)):
        return str(value)
    raise refuse(name, value, "None, a path such as '/static/dub.js' or an absolute http(s) URL")


def publishable_key(name: str, value: Any) -> str | None:
    """Allow None or Dub's publishable key; a secret key is refused by name, without showing it."""
    if value is None or (isinstance(value, str) and _PUBLISHABLE_KEY.fullmatch(value)):
        return value
    if isinstance(value, str) and value.startswith("dub_") and not value.startswith("dub_pk_"):
        raise ConfigError(
            name,
            f"{name} holds a secret key ('dub_…'), which must never reach a browser. "
            "Use the one that starts with 'dub_pk_'.",
        )
    raise refuse(name, value, "None or 'dub_pk_' followed by 16 to 64 of A-Z a-z 0-9 _ -")


def names(name: str, value: Any) -> tuple[str, ...]:
    """Allow a list of non-empty strings; one string is a list of one."""
    items = [value] if isinstance(value, str) else value
    if isinstance(items, Sequence) and all(isinstance(item, str) and item.strip() for item in items):
        return tuple(dict.fromkeys(item.strip() for item in items))
    raise refuse(name, value, "a list of parameter names such as ['ref', 'via']")


def domains(name: str, value: Any) -> Mapping[str, str | tuple[str, ...]]:
    """Allow a mapping with the keys refer, site (a domain each) and outbound (a domain or a list of them)."""
    allowed = (
        "a mapping such as {'refer': 'go.example.com', 'site': 'example.com', 'outbound': ['example.org']}"
    )
    if value is None:
        return MappingProxyType({})
    if not isinstance(value, Mapping):
        raise refuse(name, value, allowed)
    result: dict[str, str | tuple[str, ...]] = {}
    for key, item in value.items():
        if key not in ("refer", "site", "outbound"):
            raise ConfigError(
                name, f"{name} has the key {key!r}; the keys are 'refer', 'site' and 'outbound'."
            )
        if key == "outbound":
            listed = item.split(",") if isinstance(item, str) else item
            if not isinstance(listed, Sequence):
                raise refuse(f"{name}['outbound']", item, "a domain or a list of domains")
            result[key] = tuple(_domain(f"{name}['outbound']", entry, wildcard=True) for entry in listed)
        else:
            result[key] = _domain(f"{name}[{key!r}]", item)
    return MappingProxyType(result)


def cookie_domain(name: str, value: Any) -> str | None:
    """Allow "auto", None, or a domain of two labels or more; the result has the script's leading dot."""
    if value is None or value == "auto":
        return None if value is None else "auto"
    host = value.removeprefix(".").lower() if isinstance(value, str) else ""
    if _HOST.fullmatch(host):
        return f".{host}"
    raise refuse(name, value, "'auto', None, or a domain such as 'example.com'")


def secrets(name: str, value: Any) -> tuple[str | bytes, ...] | None:
    """Allow None, a key, or a list of keys; never shows them."""
    if value is None:
        return None
    keys = [value] if isinstance(value, (str, bytes)) else value
    if isinstance(keys, Sequence) and keys and all(isinstance(key, (str, bytes)) and key for key in keys):
        return tuple(keys)
    raise ConfigError(name, f"{name} must be None, a non-empty str or bytes, or a list of them.")


def is_host_name(host: str) -> bool:
    """Return whether *host* is a lower-case DNS name of at least two labels, fit for a cookie's Domain."""
    return _HOST.fullmatch(host) is not None


def from_text(rule: Rule, name: str, value: Any) -> Any:
    """Read *value* as an environment variable is read, when it is a string and the rule wants something else.

    Raises:
        ConfigError: the text is no boolean, number or JSON where one is needed.
    """
    if not isinstance(value, str):
        return value
    if rule in (boolean, switch, auto_or_bool):
        return _BOOLEANS.get(value.lower(), value)
    if rule is max_age:
        return int(value) if value.isdecimal() and value.isascii() else value
    if rule is names:
        return [item.strip() for item in value.split(",") if item.strip()]
    if rule is domains:
        return _json(name, value)
    return None if value.lower() == "none" and rule is not samesite else value


def _json(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ConfigError(name, f"{name}={text!r} is not JSON: {error}.") from None


def _domain(name: str, value: Any, *, wildcard: bool = False) -> str:
    text = value.strip().lower() if isinstance(value, str) else ""
    host = text.removeprefix("*.") if wildcard else text
    host, _, port = host.partition(":")
    if (_HOST.fullmatch(host) or host in ("localhost", "127.0.0.1")) and (not port or port.isdecimal()):
        return text
    raise refuse(name, value, "a domain such as 'example.com', without scheme or path")

"""Every option of the server, in one frozen dataclass that refuses wrong values at start-up."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dub_middleware import rules
from dub_middleware.config import Checked, option, unknown_option
from dub_middleware.errors import ConfigError
from dub_middleware.server.visitor import LOCAL_PROXIES

_SECRET_KEY = re.compile(r"dub_(?!pk_)[A-Za-z0-9_-]{16,64}")
_DOMAINS_ALLOWED = "a list of domains such as ['go.example.com'], without scheme, port or path"
MIN_PASSWORD = 8
_DOMAIN = re.compile(
    r"(?=.{1,190}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
)


def _database_url(name: str, value: Any) -> str:
    if isinstance(value, str) and value:
        return value  # the store knows which databases there are
    raise rules.refuse(name, value, "a URL such as 'sqlite:///dub.db' or 'postgresql://user@host/name'")


def _secret_key(name: str, value: Any) -> str | None:
    if value is None or (isinstance(value, str) and _SECRET_KEY.fullmatch(value)):
        return value
    raise ConfigError(
        name, f"{name} must be None or 'dub_' followed by 16 to 64 of A-Z a-z 0-9 _ - (and not 'dub_pk_…')."
    )


def _password(name: str, value: Any) -> str | None:
    if value is None or (isinstance(value, str) and len(value) >= MIN_PASSWORD):
        return value
    raise ConfigError(name, f"{name} must be None or have at least {MIN_PASSWORD} characters.")


def checked_domain(name: str, value: Any) -> str:
    """Return a short domain in lower case, or raise `ConfigError`."""
    if isinstance(value, str) and _DOMAIN.fullmatch(value.lower()):
        return value.lower()
    raise rules.refuse(name, value, _DOMAINS_ALLOWED)


def _domains(name: str, value: Any) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, Sequence) or not listed:
        raise rules.refuse(name, value, _DOMAINS_ALLOWED)
    return tuple(dict.fromkeys(checked_domain(name, domain) for domain in listed))


def _proxies(name: str, value: Any) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if isinstance(listed, Sequence) and all(isinstance(item, str) for item in listed):
        return tuple(listed)  # `Proxies` reads the networks
    raise rules.refuse(name, value, "a list of addresses or networks such as ['10.0.0.0/8']")


def _rate(name: str, value: Any) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    raise rules.refuse(name, value, "a whole number above 0, or None for no limit")


def _streams(name: str, value: Any) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    raise rules.refuse(name, value, "a whole number above 0, or None for none")


def _file(name: str, value: Any) -> Path | None:
    if value is None:
        return None
    if isinstance(value, (str, Path)) and Path(value).is_file():
        return Path(value)
    raise rules.refuse(name, value, "None or the path of a file that exists")


def _write_key(name: str, value: Any) -> str | None:
    if value is None or (isinstance(value, str) and re.fullmatch(r"[!-9;-~]+", value)):
        return value
    raise ConfigError(
        name, f"{name} must be None or text of printable ASCII characters without spaces and colons."
    )


@dataclass(frozen=True, kw_only=True)
class Options(Checked):
    """Hold the validated options of one server.

    Raises:
        ConfigError: an option has a wrong type or value.
    """

    database_url: str = option(
        "sqlite:///dub.db", "Where everything is stored: SQLite or PostgreSQL.", _database_url, secret=True
    )
    api_key: str | None = option(
        None, "The secret key (`dub_…`); made and stored hashed when left out.", _secret_key, secret=True
    )
    publishable_key: str | None = option(
        None, "The key that browsers may see (`dub_pk_…`); made when left out.", rules.publishable_key
    )
    domains: tuple[str, ...] = option(
        ("go.localhost",), "The short domains; the first one is the default of new links.", _domains
    )
    password: str | None = option(
        None,
        "Of the dashboard. Without one it answers only on this machine.",
        _password,
        secret=True,
    )
    base_url: str = option(
        "http://127.0.0.1:8787",
        "Where the server is reached; short links below `localhost` take its port.",
        rules.url,
    )
    private_receivers: bool = option(
        False,
        "Let webhooks go to this machine and private networks; for servers that only this machine reaches.",
        rules.boolean,
    )
    faithful: bool = option(
        False,
        "Repeat Dub's defects too: burnt lead keys, epoch milliseconds in `Retry-After`.",
        rules.boolean,
    )
    anonymize_ip: bool = option(False, "Store addresses of clicks as networks only.", rules.boolean)
    rates_file: Path | None = option(
        None, "Conversion rates in the ECB's XML or CSV format, instead of the built-in table.", _file
    )
    segment_write_key: str | None = option(
        None,
        "The write key with which Segment's clients may send events to `/v1/…`; None: none may.",
        _write_key,
    )
    segment_mappings: Path | None = option(
        None, "Mappings of the destination Dub (Actions), in JSON or TOML, instead of the usual ones.", _file
    )
    trusted_proxies: tuple[str, ...] = option(
        LOCAL_PROXIES,
        "Addresses or networks of proxies that may tell the visitor's address, place and scheme.",
        _proxies,
    )
    geoip_path: Path | None = option(None, "A MaxMind file that knows where addresses are.", _file)
    rate_limit: int | None = option(
        3000, "Requests a minute that one secret key may make, in each process.", _rate
    )
    analytics_rate_limit: int | None = option(
        16, "Requests a second that one secret key may make to analytics and events, in each process.", _rate
    )
    publishable_rate_limit: int | None = option(
        600, "Requests a minute with one publishable key, in each process.", _rate
    )

    event_streams: int | None = option(
        None,
        "Event streams that may be open in each process. Each holds a thread: a quarter of them is plenty. "
        "None: pages of the dashboard ask for news every few seconds.",
        _streams,
    )

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Options:
        """Build the options from keywords. Raises `ConfigError` for an unknown one, naming the nearest."""
        known = [item.name for item in dataclasses.fields(cls)]
        for name in options:
            if name not in known:
                raise unknown_option(name, known)
        return cls(**options)

"""Build the client from settings: Flask's config, Django's ``DUB``, the environment, the command line."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

from dub_middleware import rules
from dub_middleware.config import CONVERSION_NAMES, refuse_slips, warn_of_slips
from dub_middleware.conversions.client import Conversions
from dub_middleware.conversions.destinations import Destination
from dub_middleware.conversions.destinations.dub import DUB, DubAPI
from dub_middleware.conversions.destinations.segment import Segment
from dub_middleware.conversions.worker import OnError
from dub_middleware.errors import ConfigError

#: option → its name in the environment and in Flask's config
NAMES = CONVERSION_NAMES

T = TypeVar("T")

_DUB = {"api_key": "api_key", "base_url": "base_url", "rate_limit": "rate_limit"}
_SEGMENT = {"segment_write_key": "write_key", "segment_host": "host", "segment_revenue": "revenue"}
_CLIENT = {"outbox": "outbox", "durability": "durability", "deliver": "deliver"}


def from_settings(
    settings: Mapping[str, Any] = MappingProxyType({}),
    *,
    prefix: str = "",
    environ: Mapping[str, str] = os.environ,
    on_error: OnError | None = None,
) -> Conversions:
    """Return the client that *settings*, and where they are silent the environment, describe.

    - ``api_key``, ``base_url``, ``rate_limit``: those of `DubAPI`;
    - ``segment_write_key``, ``segment_host``, ``segment_revenue``: those of `Segment`;
    - ``outbox`` (``"none"`` is memory), ``durability``, ``deliver``: those of `Conversions`.

    An API key makes Dub a destination, a write key makes Segment one; with both, both are.
    The environment has the names of `NAMES`; so has a mapping with ``prefix="DUB_"``, as Flask's config.
    Keys of others are left alone.

    Raises:
        ConfigError: there is neither key, a value is wrong, or a key of *settings* is one slip away from an
            option; such a variable is told to the log.
    """
    return build(read(settings, prefix=prefix, environ=environ), on_error=on_error)


@dataclass(frozen=True)
class Settings:
    """Hold the options that were given, and the name that each was given by."""

    values: Mapping[str, Any]
    names: Mapping[str, str]


def build(given: Settings, *, on_error: OnError | None = None) -> Conversions:
    """Return the client that settings describe; see `from_settings`."""
    destinations: list[Destination] = []
    # with the address said, a destination does not look for one in the environment of this process
    if "api_key" in given.values:
        destinations.append(_made(partial(DubAPI, base_url=DUB), given, _DUB))
    if "segment_write_key" in given.values:
        destinations.append(_made(partial(Segment, host=Segment.US), given, _SEGMENT))
    if not destinations:
        raise ConfigError(
            "api_key",
            "There is nowhere to send conversions: set api_key (DUB_API_KEY), "
            "segment_write_key (SEGMENT_WRITE_KEY) or both.",
        )
    return _made(partial(Conversions, *destinations, on_error=on_error), given, _CLIENT)


def read(
    settings: Mapping[str, Any] = MappingProxyType({}),
    *,
    prefix: str = "",
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """Return the options that *settings* or the environment give; an empty value gives none.

    Raises:
        ConfigError: a key of *settings* is one slip away from an option, or a text is no number or boolean.
    """
    names = NAMES if prefix else {option: option for option in NAMES}
    refuse_slips(settings, names.values())
    warn_of_slips(environ, NAMES.values())
    values: dict[str, Any] = {}
    given: dict[str, str] = {}
    for mapping, named in ((environ, NAMES), (settings, names)):
        for option, name in named.items():
            if mapping.get(name) not in (None, ""):
                values[option] = _value(option, name, mapping[name])
                given[option] = name
    return Settings(values, given)


def _value(option: str, name: str, value: Any) -> Any:
    if option == "deliver":
        return rules.boolean(name, rules.from_text(rules.boolean, name, value))
    if option == "rate_limit" and isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            raise rules.refuse(name, value, "a number of requests a second") from None
    if option == "outbox":
        return rules.from_text(rules.url, name, value)  # the text none is None
    return value


def _made(make: Callable[..., T], given: Settings, parameters: Mapping[str, str]) -> T:
    """Call ``make`` with its part of what is given; an error has the name that the user gave."""
    part = {option: parameter for option, parameter in parameters.items() if option in given.values}
    try:
        return make(**{parameter: given.values[option] for option, parameter in part.items()})
    except ConfigError as error:
        for option, parameter in part.items():
            if parameter == error.option:
                raise error.under(given.names[option]) from None
        raise

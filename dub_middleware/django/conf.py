"""``settings.DUB``, read once."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.signals import setting_changed

from dub_middleware.config import CONVERSION_NAMES, Config
from dub_middleware.errors import ConfigError
from dub_middleware.site import Site

if TYPE_CHECKING:
    from dub_middleware.conversions.app import AppConversions

#: keys of DUB that are no options of the middleware; "conversions" is a client of one's own
_OTHERS = frozenset({*CONVERSION_NAMES, "conversions"})


@lru_cache(maxsize=1)
def site() -> Site:
    """Return the parts that the middleware and the template tag share.

    Raises:
        ConfigError: ``settings.DUB`` is no dictionary, or one of its options is wrong.
    """
    made = Site(config())
    if has_conversions():
        conversions()  # a wrong setting stops the start, not a visitor's first purchase
    return made


@lru_cache(maxsize=1)
def conversions() -> AppConversions:
    """Return the client that ``settings.DUB`` and the environment describe.

    Raises:
        ConfigError: one of its settings is wrong.
    """
    # only an app that tracks conversions pays for their import
    from dub_middleware.conversions.app import AppConversions

    settings_ = {name.lower(): value for name, value in _options().items()}
    return AppConversions(settings_, is_strict=lambda: bool(settings.DEBUG))


def config() -> Config:
    """Build the options from ``settings.DUB``, and where it is silent from the environment."""
    return Config.from_mapping(_options(), ignore=_OTHERS, base=Config.from_env())


def has_conversions() -> bool:
    """Return whether anything about conversions is set."""
    given = {name.lower() for name in _options()}
    return bool(given & _OTHERS) or any(name in os.environ for name in CONVERSION_NAMES.values())


def _options() -> dict[str, Any]:
    options = getattr(settings, "DUB", {})
    if not isinstance(options, dict):
        raise ConfigError("DUB", f"settings.DUB={options!r} is not a dictionary of options.")
    return options


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "DUB":
        site.cache_clear()
        conversions.cache_clear()


setting_changed.connect(_forget)

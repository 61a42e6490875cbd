"""``settings.DUB``, read once."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed

from dub_middleware.config import Config
from dub_middleware.errors import ConfigError
from dub_middleware.site import Site


@lru_cache(maxsize=1)
def site() -> Site:
    """Return the parts that the middleware and the template tag share.

    Raises:
        ConfigError: ``settings.DUB`` is no dictionary, or one of its options is wrong.
    """
    return Site(config())


def config() -> Config:
    """Build the options from ``settings.DUB``."""
    options = getattr(settings, "DUB", {})
    if not isinstance(options, dict):
        raise ConfigError("DUB", f"settings.DUB={options!r} is not a dictionary of options.")
    return Config.from_mapping(options)


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "DUB":
        site.cache_clear()


setting_changed.connect(_forget)

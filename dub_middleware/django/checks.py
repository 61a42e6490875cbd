"""System checks: what is wrong with the settings is told by ``manage.py check``, with a hint."""

from __future__ import annotations

import os
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage

from dub_middleware.django import conf
from dub_middleware.errors import ConfigError

MIDDLEWARE = "dub_middleware.django.DubMiddleware"
#: what compresses pages; gzip can be opened again, brotli not
COMPRESSORS = (
    "django.middleware.gzip.GZipMiddleware",
    "compression_middleware.middleware.CompressionMiddleware",
    "django_brotli.middleware.BrotliMiddleware",
)
#: what answers with a response of its own, without the cookies of the one it replaces
REPLACERS = (
    "django.contrib.redirects.middleware.RedirectFallbackMiddleware",
    "django.contrib.flatpages.middleware.FlatpageFallbackMiddleware",
)


def check_options(**_: Any) -> list[CheckMessage]:
    """Report ``settings.DUB`` where it is wrong."""
    try:
        conf.config()
        if conf.has_conversions():
            conf.conversions()
    except ConfigError as error:
        place = "the environment" if error.option in os.environ else "settings.DUB"
        hint = f"Correct {error.option!r} in {place}."
        return [checks.Error(str(error), hint=hint, id="dub.E001")]
    return []


def check_middleware(**_: Any) -> list[CheckMessage]:
    """Report a missing middleware, and a place where it cannot do all of its work."""
    middleware = list(settings.MIDDLEWARE)
    if MIDDLEWARE not in middleware:
        hint = (
            f"Put {MIDDLEWARE!r} first in MIDDLEWARE, or right below what compresses pages; "
            "or wrap get_wsgi_application() with the WSGI class."
        )
        return [checks.Warning("DubMiddleware is not in MIDDLEWARE.", hint=hint, id="dub.W001")]
    found: list[CheckMessage] = []
    place = middleware.index(MIDDLEWARE)
    for other in middleware[place:]:
        if other in COMPRESSORS:
            hint = (
                f"Move {MIDDLEWARE!r} right below {other!r}: pages get the script before they are compressed."
            )
            found.append(checks.Warning(f"DubMiddleware stands before {other}.", hint=hint, id="dub.W002"))
    for other in middleware[:place]:
        if other in REPLACERS:
            hint = f"Move {MIDDLEWARE!r} above {other!r}, whose redirects and pages would lose the click id."
            found.append(checks.Warning(f"DubMiddleware stands behind {other}.", hint=hint, id="dub.W003"))
    return found

"""System checks: what is wrong with the settings is told by ``manage.py check``, with a hint."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage

from dub_middleware.django import conf
from dub_middleware.errors import ConfigError

MIDDLEWARE = "dub_middleware.django.DubMiddleware"
GZIP = "django.middleware.gzip.GZipMiddleware"


def check_options(**_: Any) -> list[CheckMessage]:
    """Report ``settings.DUB`` where it is wrong."""
    try:
        conf.config()
    except ConfigError as error:
        return [checks.Error(str(error), hint=f"Correct {error.option!r} in settings.DUB.", id="dub.E001")]
    return []


def check_middleware(**_: Any) -> list[CheckMessage]:
    """Report a missing middleware, and one that sees pages only when they are compressed."""
    middleware = list(settings.MIDDLEWARE)
    if MIDDLEWARE not in middleware:
        hint = f"Add {MIDDLEWARE!r} at its end, or wrap get_wsgi_application() with the WSGI class."
        return [checks.Warning("DubMiddleware is not in MIDDLEWARE.", hint=hint, id="dub.W001")]
    if GZIP in middleware and middleware.index(MIDDLEWARE) < middleware.index(GZIP):
        hint = f"Move {MIDDLEWARE!r} below {GZIP!r}, so that pages get the script before they are compressed."
        return [checks.Warning("DubMiddleware stands before GZipMiddleware.", hint=hint, id="dub.W002")]
    return []

"""Dub for Django: the middleware, system checks and the ``{% dub_script %}`` tag.

::

    INSTALLED_APPS += ["dub_middleware.django"]
    MIDDLEWARE = ["dub_middleware.django.DubMiddleware", *MIDDLEWARE]
    DUB = {"domains": {"refer": "go.example.com"}}  # options of `dub_middleware.Config`, optional

Views read ``request.dub.click_id`` and call ``request.dub.track_lead(…)`` and ``request.dub.track_sale(…)``;
where there is no request, in jobs and commands, `conversions` gives the client. Their options (``api_key``,
``outbox``, …) are keys of ``DUB`` too, or in the environment (``DUB_API_KEY``, …).

The middleware goes first, so that the cookie is on whatever answers, also when another middleware does; only
what compresses pages, such as `GZipMiddleware`, belongs above it. A middleware that announces a
Content-Security-Policy with a nonce may stand on either side.
"""

from __future__ import annotations

from dub_middleware.errors import MissingDependencyError

try:
    import django as _  # noqa: F401
except ImportError as error:
    raise MissingDependencyError("Django", "django") from error

from typing import TYPE_CHECKING

from dub_middleware.django.middleware import DubMiddleware
from dub_middleware.django.request import DubRequest
from dub_middleware.django.webhooks import webhook_view

if TYPE_CHECKING:
    from dub_middleware.conversions import Conversions

__all__ = ["DubMiddleware", "DubRequest", "conversions", "webhook_view"]


def conversions() -> Conversions:
    """Return the client that ``settings.DUB`` and the environment describe; one for the process.

    Raises:
        ConfigError: one of its settings is wrong.
    """
    from dub_middleware.django import conf

    return conf.conversions().client

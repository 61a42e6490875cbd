"""Dub for Django: the middleware, system checks and the ``{% dub_script %}`` tag.

::

    INSTALLED_APPS += ["dub_middleware.django"]
    MIDDLEWARE = ["dub_middleware.django.DubMiddleware", *MIDDLEWARE]
    DUB = {"domains": {"refer": "go.example.com"}}  # options of `dub_middleware.Config`, optional

Views read ``request.dub.click_id``.

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

from dub_middleware.django.middleware import DubMiddleware

__all__ = ["DubMiddleware"]

"""Dub for Django: the middleware, system checks and the ``{% dub_script %}`` tag.

::

    INSTALLED_APPS += ["dub_middleware.django"]
    MIDDLEWARE += ["dub_middleware.django.DubMiddleware"]
    DUB = {"domains": {"refer": "go.example.com"}}  # options of `dub_middleware.Config`, optional

Views read ``request.dub.click_id``.
At the end of MIDDLEWARE the script is put into pages before they are compressed.
"""

from __future__ import annotations

from dub_middleware.errors import MissingDependencyError

try:
    import django as _  # noqa: F401
except ImportError as error:
    raise MissingDependencyError("Django", "django") from error

from dub_middleware.django.middleware import DubMiddleware

__all__ = ["DubMiddleware"]

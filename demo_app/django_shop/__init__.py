"""The same shop, with the same templates, on Django."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler

from demo_app import shop
from dub_middleware.django.conf import site

__all__ = ["create_app"]


def create_app(
    config: Mapping[str, Any] | None = None, links: Sequence[tuple[str, str]] = shop.LINKS
) -> WSGIHandler:
    """Build the shop as a WSGI app; *config* is laid over the middleware's options.

    *links* is what the foot of the label leads to: text and address.

    Django keeps its settings for the whole process, so this works once in each.

    Raises:
        ConfigError: an option is unknown or wrong.
        RuntimeError: Django has been configured before.
    """
    settings.configure(
        SECRET_KEY=shop.SECRET_KEY,
        INSTALLED_APPS=["dub_middleware.django"],
        ALLOWED_HOSTS=["*"],  # it listens on loopback only
        ROOT_URLCONF="demo_app.django_shop.urls",
        MIDDLEWARE=[
            "dub_middleware.django.DubMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "demo_app.django_shop.views.protect",
        ],
        DUB={"secret_key": shop.SECRET_KEY, **(config or {})},
        SHOP_LINKS=links,
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
        SESSION_COOKIE_NAME="acme_django",
        TEMPLATES=[{"BACKEND": "django.template.backends.jinja2.Jinja2", "DIRS": [shop.TEMPLATES]}],
        USE_TZ=True,
    )
    django.setup(set_prefix=False)
    site()  # a wrong option is told here, not to the first visitor
    return WSGIHandler()

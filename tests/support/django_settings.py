"""Django's settings for the tests of a process: importing this configures it, tests override the rest."""

from __future__ import annotations

import django
from django.conf import settings

OURS = "dub_middleware.django.DubMiddleware"

#: no pages; tests name their own module as ROOT_URLCONF
urlpatterns: list[object] = []

if not settings.configured:
    settings.configure(
        ROOT_URLCONF=__name__,
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="for tests",
        INSTALLED_APPS=["dub_middleware.django"],
        MIDDLEWARE=[OURS],
        DUB={},
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
            }
        ],
    )
    django.setup()

"""The Django app: it registers the system checks."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import register


class DubConfig(AppConfig):
    """The app ``dub``."""

    name = "dub_middleware.django"
    label = "dub"
    verbose_name = "Dub"

    def ready(self) -> None:
        from dub_middleware.django.checks import check_middleware, check_options

        register(check_options)
        register(check_middleware)

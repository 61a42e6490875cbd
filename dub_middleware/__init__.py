"""Conversion tracking with Dub links for any Python web app.

::

    from dub_middleware import DubMiddleware

    app = DubMiddleware(app)

The adapters for frameworks are modules of their own: `dub_middleware.asgi`, `dub_middleware.flask`,
`dub_middleware.django`.
"""

from __future__ import annotations

from dub_middleware.config import Config
from dub_middleware.errors import (
    APIError,
    AttributionError,
    ConfigError,
    ConflictError,
    DeliveryError,
    DubError,
    EventError,
    FQLError,
    LinkError,
    MappingError,
    MissingDependencyError,
    OutboxError,
    PayloadError,
    SignatureError,
    SlowQueryError,
    StoreError,
    TransportError,
    WebhookError,
)
from dub_middleware.visit import Visit, current_visit, get_visit
from dub_middleware.wsgi import DubMiddleware

__all__ = [
    "APIError",
    "AttributionError",
    "Config",
    "ConfigError",
    "ConflictError",
    "DeliveryError",
    "DubError",
    "DubMiddleware",
    "EventError",
    "FQLError",
    "LinkError",
    "MappingError",
    "MissingDependencyError",
    "OutboxError",
    "PayloadError",
    "SignatureError",
    "SlowQueryError",
    "StoreError",
    "TransportError",
    "Visit",
    "WebhookError",
    "current_visit",
    "get_visit",
]

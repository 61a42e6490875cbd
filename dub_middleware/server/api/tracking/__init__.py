"""Tracking: clicks, leads and sales, as https://dub.co/docs/api-reference/endpoint/track-lead has them."""

from __future__ import annotations

from dub_middleware.server.api.tracking import clicks, conversions

resources = (clicks.resource, conversions.resource)

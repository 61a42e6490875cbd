"""Clicks, leads and sales: https://dub.co/docs/api-reference/endpoint/track-lead and its siblings."""

from __future__ import annotations

from dub_middleware.server.api.operations import Resource

resource = Resource("Track", "Clicks, leads and sales.")

"""The Dub on one machine: short links, the tracking API, webhooks and the three result views."""

from __future__ import annotations

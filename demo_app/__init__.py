"""The Acme shop: a small site that shows what the middleware does, request by request."""

from __future__ import annotations

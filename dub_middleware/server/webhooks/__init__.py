"""Webhooks out: tell receivers of what was recorded."""

from __future__ import annotations

from dub_middleware.server.store import ClickResult, Context, LeadResult, Link, SaleResult, Store


class Webhooks:
    """Announce events to the webhooks that ask for them; never raises, never blocks a request."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def link(self, trigger: str, link: Link) -> None:
        """Tell of ``link.created``, ``link.updated`` or ``link.deleted``."""

    def clicked(self, link: Link, click: ClickResult, context: Context) -> None:
        """Tell of ``link.clicked``, for a click that was recorded."""

    def lead(self, result: LeadResult) -> None:
        """Tell of ``lead.created``, for a lead that was recorded."""

    def sale(self, result: SaleResult) -> None:
        """Tell of ``sale.created``, for a sale that was recorded."""

    def close(self) -> None:
        """Deliver what can be delivered at once and keep the rest for the next start."""

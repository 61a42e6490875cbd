"""Leads and sales: events, the durable outbox that holds them and the destinations that receive them."""

from __future__ import annotations

"""Helpers for the tests of apps that use dub_middleware; loaded by pytest as a plugin."""

from __future__ import annotations

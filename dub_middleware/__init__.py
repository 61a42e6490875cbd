"""Conversion tracking with Dub links for any Python web app."""

from __future__ import annotations

"""The Dub that `make demo` runs beside the shops."""

from __future__ import annotations

import json
import secrets
import urllib.request
from typing import Any

from dub_middleware.conversions import Conversions, from_settings
from dub_middleware.server import create_app

DOMAIN = "go.localhost"
WRITE_KEY = "acme"


class LocalDub:
    """A Dub in *folder*, reached at *base*: it holds links, clicks, leads and sales, and shows them.

    With ``with_segment`` it stands for Segment too: an endpoint whose events go through the destination
    Dub (Actions).
    """

    def __init__(self, folder: str, base: str, *, with_segment: bool) -> None:
        self.base = base
        self.api = f"{base}/api"
        self._folder = folder
        self._key = f"dub_{secrets.token_hex(12)}"
        self._write_key = WRITE_KEY if with_segment else None
        self.app = create_app(
            f"sqlite:///{folder}/dub.db",
            api_key=self._key,
            domains=(DOMAIN,),
            base_url=base,
            private_receivers=True,
            segment_write_key=self._write_key,
        )

    def add_link(self, key: str, url: str) -> str:
        """Make a short link to *url* through the API, as any program would, and return its address."""
        link = {"domain": DOMAIN, "key": key, "url": url, "trackConversion": True}
        request = urllib.request.Request(
            f"{self.api}/links",
            json.dumps(link).encode(),
            {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            made: dict[str, Any] = json.load(answer)
        return str(made["shortLink"])

    def client(self) -> Conversions:
        """Return the shops' client: it delivers to this Dub's API, or through Segment's endpoint."""
        if self._write_key:
            way = {"segment_write_key": self._write_key, "segment_host": self.base}
        else:
            way = {"api_key": self._key, "base_url": self.api}
        return from_settings({**way, "outbox": f"sqlite:///{self._folder}/outbox.db"}, environ={})

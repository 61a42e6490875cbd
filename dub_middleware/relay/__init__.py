"""First-party relay of ``<path>/track/*`` to the Dub API: the browser only ever talks to your own host."""

from __future__ import annotations

from dub_middleware.relay.core import Relay, RelayResponse

__all__ = ["Relay", "RelayResponse"]

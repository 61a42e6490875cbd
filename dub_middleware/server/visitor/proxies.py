"""Whose word about the visitor's address counts.

``X-Forwarded-For`` is a list that every proxy appends to, and that anyone may begin. Read from the right, the
first address that is no trusted proxy is the visitor's.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from dub_middleware.errors import ConfigError

#: a peer on loopback, or behind a Unix socket, runs on this machine
LOCAL_PROXIES = ("127.0.0.0/8", "::1")

MAX_HOPS = 20

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Proxies:
    """The proxies that are trusted; none when the list is empty."""

    def __init__(self, trusted: Sequence[str]) -> None:
        self._networks = [_network(item) for item in trusted]
        self._is_trusted = lru_cache(10_000)(self._is_in_a_network)

    def judge(self, environ: Mapping[str, Any]) -> tuple[str, bool]:
        """Return the address of who asked, ``""`` when it is not known, and whether the peer is trusted."""
        peer = environ.get("REMOTE_ADDR", "")
        address = _address(peer) if peer else None
        if not self._trusts(peer, address):
            return str(address or ""), False
        client = address
        forwarded = environ.get("HTTP_X_FORWARDED_FOR", "")
        for hop in reversed(forwarded.split(",")[-MAX_HOPS:] if forwarded else ()):
            address = _address(hop)
            if address is None:
                break
            client = address
            if not self._is_trusted(address):
                break
        return str(client or ""), True

    def is_secure(self, environ: Mapping[str, Any]) -> bool:
        """Return whether the visitor's connection is HTTPS; of proxies in a row, the nearest one counts."""
        if environ.get("wsgi.url_scheme") == "https":
            return True
        told = environ.get("HTTP_X_FORWARDED_PROTO", "").rpartition(",")[2].strip().lower()
        return told == "https" and self.judge(environ)[1]

    def _trusts(self, peer: str, address: _Address | None) -> bool:
        # behind a Unix socket servers give no address, or the path of the socket
        if not peer or peer.startswith(("/", "unix")):
            return any(network.is_loopback for network in self._networks)
        return address is not None and self._is_trusted(address)

    def _is_in_a_network(self, address: _Address) -> bool:
        return any(address in network for network in self._networks)


def _network(item: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(item, strict=False)
    except ValueError:
        raise ConfigError(
            "trusted_proxies",
            f"trusted_proxies={item!r} is not allowed: it must be an address such as '10.0.0.1' "
            "or a network such as '10.0.0.0/8'.",
        ) from None


@lru_cache(10_000)
def _address(text: str) -> _Address | None:
    """One hop: bare, with a port as some proxies append it, or IPv6 in brackets."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    # ::ffff:192.0.2.1 is how dual-stack sockets show an IPv4 peer
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address

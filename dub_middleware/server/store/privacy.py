"""Keeping less about visitors."""

from __future__ import annotations

import ipaddress


def coarse_ip(ip: str) -> str | None:
    """``ip`` without the part that names one household: /24 of IPv4, /48 of IPv6; None if it is none."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return None
    prefix = 24 if address.version == 4 else 48
    return str(ipaddress.ip_network((address, prefix), strict=False).network_address)

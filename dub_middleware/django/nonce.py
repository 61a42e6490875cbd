"""The nonce of a request's Content-Security-Policy, which a middleware around ours will announce."""

from __future__ import annotations

from typing import Any


def nonce_of(request: Any) -> str | None:
    """Return the nonce of django-csp (``request.csp_nonce``) or of Django 6's own middleware, or None.

    Asking for it makes them put it into the policy.
    """
    nonce = getattr(request, "csp_nonce", None)
    if nonce is None:
        nonce = getattr(request, "_csp_nonce", None)
    return str(nonce) if nonce else None

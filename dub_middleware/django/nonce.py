"""The nonce of a request's Content-Security-Policy, which another middleware announces."""

from __future__ import annotations

from typing import Any


def nonce_of(request: Any) -> str | None:
    """Return the nonce of django-csp (``request.csp_nonce``) or of Django 6's own middleware, or None.

    Asking for it makes them put it into the policy; once that is written, django-csp gives it no more.
    """
    for name in ("csp_nonce", "_csp_nonce"):
        # never by its truth: both are false until they are asked for
        nonce = getattr(request, name, None)
        if nonce is not None:
            try:
                return str(nonce) or None
            except Exception:  # django-csp's refusal; its class would have to be imported
                return None
    return None

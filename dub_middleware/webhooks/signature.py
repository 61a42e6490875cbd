"""The ``Dub-Signature`` header: lower-case hex HMAC-SHA256 of the body, keyed with the webhook's secret.

https://dub.co/docs/concepts/webhooks/verify-webhook-requests
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence

from dub_middleware.errors import ConfigError, SignatureError

_HEX = re.compile(r"[0-9a-fA-F]{64}")


def sign(secret: str, body: bytes) -> str:
    """Return the signature that Dub sends with ``body``."""
    return hmac.digest(secret.encode(), body, "sha256").hex()


def verify(secret: str | Sequence[str], body: bytes, signature: str | None) -> None:
    """Return if Dub signed ``body``; raise `SignatureError` if not.

    ``secret`` is the webhook's signing secret (``whsec_…``), or several of them while one is replaced.
    ``body`` must be the bytes as they were received: parsed and written again, JSON is not the same.
    Raises `ConfigError` without a secret and TypeError for a body that is not bytes, whatever the signature.
    """
    secrets = checked_secrets(secret)
    if not isinstance(body, (bytes, bytearray, memoryview)):
        raise TypeError(f"body must be the bytes as received, not {type(body).__name__}.")
    given = signature if isinstance(signature, str) else ""
    is_well_formed = bool(_HEX.fullmatch(given))
    # compare_digest takes no other text than ASCII; a signature of another form must not cost less time
    candidate = (given.lower() if is_well_formed else "0" * 64).encode()
    matches = [hmac.compare_digest(sign(each, bytes(body)).encode(), candidate) for each in secrets]
    if signature is None:
        raise SignatureError("The Dub-Signature header is missing.")
    if not is_well_formed:
        raise SignatureError("The Dub-Signature header is not 64 hexadecimal digits.")
    if not any(matches):
        raise SignatureError("The Dub-Signature header does not fit the body and the secret.")


def checked_secrets(secret: str | Sequence[str]) -> tuple[str, ...]:
    """Return the secrets as a tuple, or raise `ConfigError`: without a secret every request would pass."""
    secrets: tuple[object, ...] = (secret,) if isinstance(secret, str) else tuple(secret or ())
    texts = tuple(each for each in secrets if isinstance(each, str) and each.strip())
    if not texts or len(texts) < len(secrets):
        raise ConfigError(
            "secret", "secret must be the webhook's signing secret (whsec_…) or a list of them, none empty."
        )
    return texts

"""Sessions: signed, not stored; only those that were ended early are remembered."""

from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta

from itsdangerous import BadData, URLSafeSerializer

from dub_middleware.server.store import Store, random_text

LIFETIME = timedelta(days=7)

_ENDED = "ended_sessions"


class Sessions:
    """Begin, find and end sessions. The key is made of the password, so a new one ends them all."""

    def __init__(self, store: Store, password: str | None) -> None:
        self._store = store
        self._password = None if password is None else _digest(password)
        secret = store.workspace.value("session_secret", lambda: random_text(48))
        key = hmac.digest(secret.encode(), self._password or b"", "sha256")
        self._signer = URLSafeSerializer(
            key, salt="dub dashboard session", signer_kwargs={"digest_method": hashlib.sha256}
        )

    def accepts(self, password: str) -> bool:
        """Compare in a time that says nothing about the password."""
        return self._password is not None and hmac.compare_digest(self._password, _digest(password))

    def begin(self) -> str:
        """Return the token of a new session."""
        return str(self._signer.dumps([random_text(16), self._now() + int(LIFETIME.total_seconds())]))

    def find(self, token: str) -> str | None:
        """The id of a token's session, or None when it is forged, over, ended or of another password."""
        if self._password is None or not token:
            return None
        try:
            session, expires = self._signer.loads(token)
        except (BadData, ValueError, TypeError):
            return None
        if self._now() >= expires or session in self._ended():
            return None
        return str(session)

    def end(self, token: str) -> None:
        """Make a token worthless before its time."""
        session = self.find(token)
        if session is None:
            return
        now = self._now()
        ended = {known: expires for known, expires in self._ended().items() if expires > now}
        ended[session] = now + int(LIFETIME.total_seconds())
        self._store.workspace.keep_value(_ENDED, ended)

    def _ended(self) -> dict[str, int]:
        ended: dict[str, int] = self._store.workspace.value(_ENDED, dict)
        return ended

    def _now(self) -> int:
        return self._store.now() // 1000


def _digest(password: str) -> bytes:
    return hashlib.sha256(password.encode("utf-8", "surrogatepass")).digest()

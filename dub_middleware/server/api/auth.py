"""Who calls: secret and publishable keys, what a key may do, how often."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Literal

from dub_middleware.server.api.errors import ApiError
from dub_middleware.server.api.limits import RateLimit, Standing
from dub_middleware.server.store import ApiKey, Store
from dub_middleware.server.store.models import from_ms

if TYPE_CHECKING:
    from dub_middleware.server.options import Options

Auth = Literal["secret", "publishable"]

KEPT = 5.0  # seconds that a key is believed without asking the database
TOUCHED = 60.0  # seconds between two notes that a key is in use
MAX_KEPT = 1000

_NO_BEARER = (
    "Misconfigured authorization header. Did you forget to add 'Bearer '? Learn more: https://d.to/auth"
)
_NO_WORKSPACE = (
    "Workspace ID not found. Did you forget to include a `workspaceId` query parameter? It looks like you "
    "might be using personal API keys, we also recommend refactoring to workspace API keys: https://d.to/keys"
)
_NO_SCOPE = (
    "The provided key does not have the required permissions for this endpoint on the workspace '{}'. "
    "Having the '{}' permission would allow this request to continue."
)
_TOO_MANY = "Too many requests."


class Gatekeeper:
    """Check keys against the store, and count what they ask."""

    def __init__(self, store: Store, options: Options) -> None:
        self._store = store
        self._faithful = options.faithful
        self._keys: dict[str, tuple[float, ApiKey]] = {}
        self._touched: dict[str, float] = {}
        self._lock = threading.Lock()

        def clock() -> float:
            return store.now() / 1000

        def limit(of: int | None, seconds: int) -> RateLimit | None:
            return None if of is None else RateLimit(of, seconds, clock)

        self._secret = limit(options.rate_limit, 60)
        self._analytics = limit(options.analytics_rate_limit, 1)
        self._publishable = limit(options.publishable_rate_limit, 60)

    def secret(self, authorization: str | None, scope: str | None, *, is_analytics: bool) -> dict[str, str]:
        """Let a secret key pass and return the headers that tell of its limit. Raises `ApiError`."""
        if authorization is None:
            raise ApiError("unauthorized", "Missing Authorization header.")
        if "Bearer " not in authorization:
            raise ApiError("bad_request", _NO_BEARER)
        token = authorization.replace("Bearer ", "", 1)
        if not token.startswith("dub_"):
            raise ApiError("not_found", _NO_WORKSPACE)
        key = self._find(token)
        if key is None or key.kind != "secret":
            raise ApiError("unauthorized", "Unauthorized: Invalid API key.")
        headers = self._take(self._analytics if is_analytics else self._secret, key.id)
        if key.expires_at is not None and key.expires_at < from_ms(self._store.now()):
            raise ApiError("unauthorized", "Unauthorized: Access token expired.", headers=headers)
        if scope is not None and not _allows(key, scope):
            workspace = self._store.workspace.settings().workspace_id
            raise ApiError("forbidden", _NO_SCOPE.format(workspace, scope), headers=headers)
        return headers

    def publishable(self, authorization: str | None) -> dict[str, str]:
        """Let a publishable key pass, as `secret` does; requests are counted before the key is looked up."""
        if not authorization:
            raise ApiError("unauthorized", "Missing publishable key.")
        token = authorization.removeprefix("Bearer ")
        if token == authorization or not token.startswith("dub_pk_"):
            raise ApiError("bad_request", "Invalid or missing publishable key.")
        headers = self._take(self._publishable, token)
        key = self._find(token)
        if key is None or key.kind != "publishable":
            raise ApiError("unauthorized", "Invalid publishable key.", headers=headers)
        return headers

    def _find(self, token: str) -> ApiKey | None:
        now = time.monotonic()
        until, key = self._keys.get(token, (0.0, None))
        if until > now:
            return key
        key = self._store.keys.find(token)
        if key is None:
            self._keys.pop(token, None)
            return None
        with self._lock:
            if len(self._keys) >= MAX_KEPT:
                self._keys.clear()
            self._keys[token] = (now + KEPT, key)
            is_due = self._touched.get(key.id, 0.0) <= now
            if is_due:
                self._touched[key.id] = now + TOUCHED
        if is_due:
            self._store.keys.touch([key.id])
        return key

    def _take(self, limit: RateLimit | None, key: str) -> dict[str, str]:
        if limit is None:
            return {}
        standing = limit.take(key)
        headers = self._headers(standing)
        if not standing.allowed:
            raise ApiError("rate_limit_exceeded", _TOO_MANY, headers=headers)
        return headers

    def _headers(self, standing: Standing) -> dict[str, str]:
        headers = {
            "X-RateLimit-Limit": str(standing.limit),
            "X-RateLimit-Remaining": str(standing.remaining),
        }
        if self._faithful:  # Dub writes milliseconds since 1970 into both, and both into every answer
            reset = str(round(standing.reset * 1000))
            return headers | {"X-RateLimit-Reset": reset, "Retry-After": reset}
        headers["X-RateLimit-Reset"] = str(round(standing.reset))
        if not standing.allowed:
            wait = standing.reset - self._store.now() / 1000
            headers["Retry-After"] = str(max(1, -int(-wait // 1)))
        return headers


def _allows(key: ApiKey, scope: str) -> bool:
    if key.scopes is None or scope in key.scopes or "apis.all" in key.scopes:
        return True
    is_read = scope.endswith(".read")
    # who may write may read
    return is_read and ("apis.read" in key.scopes or f"{scope[:-5]}.write" in key.scopes)

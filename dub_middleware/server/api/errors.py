"""Dub's errors: the exception that a handler raises and the envelope that the caller reads.

The codes are those of https://dub.co/docs/api-reference/errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STATUS = {
    "bad_request": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "exceeded_limit": 403,
    "not_found": 404,
    "conflict": 409,
    "invite_pending": 409,
    "invite_expired": 410,
    "unprocessable_entity": 422,
    "rate_limit_exceeded": 429,
    "internal_server_error": 500,
}
INTERNAL = "An internal server error occurred. Please contact our support if the problem persists."
BAD_JSON = "Invalid JSON format in request body. Please ensure the request body is a valid JSON object."


class ApiError(Exception):
    """Raised inside an operation to answer with one of Dub's errors.

    ``status`` differs from the code's own only where HTTP has a better word (405, 413).
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.code = code
        self.message = message
        self.status = STATUS[code] if status is None else status
        self.headers = dict(headers or {})
        super().__init__(f"{code}: {message}")

    @property
    def envelope(self) -> dict[str, Any]:
        """What the body says; like Dub's, the fragment has only its first underscore replaced."""
        # the answer to a failure nobody expected is the one place where Dub replaces all of them
        fragment = self.code.replace("_", "-", -1 if self.code == "internal_server_error" else 1)
        doc_url = f"https://dub.co/docs/api-reference/errors#{fragment}"
        return {"error": {"code": self.code, "message": self.message, "doc_url": doc_url}}

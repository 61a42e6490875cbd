"""Dub's API for the commands: this machine's server, another one, or Dub itself."""

from __future__ import annotations

import argparse
import difflib
import json
import os
import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlencode

from dub_middleware import rules
from dub_middleware.conversions.http import HTTPClient
from dub_middleware.errors import APIError, ConfigError, TransportError

LOCAL = "http://127.0.0.1:8787/api"
API_PATH = "That of `dub-middleware serve` ends in /api."
_NAMES = """
    domain key linkId externalId tenantId programId partnerId tagId tagIds folderId groupId partnerTagId
    customerId country city region continent device browser os trigger eventName referer refererUrl url
    utm_source utm_medium utm_campaign utm_term utm_content root saleType qr
"""
#: what the API filters events by; it ignores other names, and would count everything
FILTERS = frozenset(_NAMES.split())
#: and what it takes besides when it counts them
COUNT_FILTERS = FILTERS | {"query", "start", "end"}
MAX_BODY = 64 * 1024 * 1024  # bytes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare ``--url``, ``--api-key`` and ``--json``."""
    parser.add_argument(
        "--url",
        default=os.environ.get("DUB_BASE_URL", LOCAL),
        help=f"the API (DUB_BASE_URL, or {LOCAL}; Dub's own is https://api.dub.co)",
    )
    parser.add_argument(
        "--api-key",
        metavar="KEY",
        default=os.environ.get("DUB_API_KEY"),
        help="a secret key. DUB_API_KEY is safer: others on this machine can read command lines",
    )
    parser.add_argument("--json", action="store_true", help="print JSON as the API answers it")


class Remote:
    """Requests with a key. Raises `APIError` for an error that is told, `TransportError` for no answer."""

    def __init__(self, args: argparse.Namespace) -> None:
        if not args.api_key:
            raise ConfigError(
                "api_key",
                "There is no key: set DUB_API_KEY to the secret key that `serve` or `keys create` shows.",
            )
        if not re.fullmatch(r"[!-~]+", args.api_key):
            raise ConfigError(
                "api_key", "This is no key: it holds spaces, line ends or letters that no key has."
            )
        self._url = rules.url("url", args.url)
        self._headers = {"Authorization": f"Bearer {args.api_key}", "Content-Type": "application/json"}
        self._http = HTTPClient(read=30.0, total=60.0, max_body=MAX_BODY)

    def get(self, path: str, **query: Any) -> Any:
        """Ask; parameters that are None stay out."""
        given = {name: _text(value) for name, value in query.items() if value is not None}
        return self._send("GET", path + (f"?{urlencode(given)}" if given else ""))

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Send a JSON body."""
        return self._send("POST", path, json.dumps(body).encode())

    def _send(self, method: str, target: str, body: bytes = b"") -> Any:
        try:
            answer = self._http.request(method, self._url + target, self._headers, body)
        except TransportError as failure:
            message = (
                f"{self._url} gives no answer. Is `dub-middleware serve` running there? "
                f"--url or DUB_BASE_URL names another address. ({failure})"
            )
            raise TransportError(message, sent=failure.sent) from failure
        content = answer.json()
        if 200 <= answer.status < 300 and content is not None:
            return content
        error = content.get("error") if isinstance(content, dict) else None
        told = error if isinstance(error, dict) else {}
        message = told.get("message") or f"{self._url} does not answer as Dub's API does. {API_PATH}"
        raise APIError(answer.status, message, code=told.get("code"), doc_url=told.get("doc_url"))


def add_filters(parser: argparse.ArgumentParser) -> None:
    """Declare ``--filter``."""
    parser.add_argument(
        "--filter",
        dest="filters",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="such as country=DE,FR or device=-Mobile or linkId=link_…; may be given several times",
    )


def filters(args: argparse.Namespace, allowed: Collection[str] = FILTERS) -> dict[str, str]:
    """Return the filters as parameters of the API. Raises `ConfigError` for one that it would ignore."""
    chosen = {}
    for text in args.filters:
        name, mark, value = text.partition("=")
        if not mark:
            raise ConfigError("filter", f"--filter {text!r} is not allowed: it must look like country=DE.")
        if name not in allowed:
            near = difflib.get_close_matches(name, allowed, 1)
            hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(sorted(allowed))}."
            raise ConfigError("filter", f"There is no filter {name!r}. {hint}")
        chosen[name] = value
    return chosen


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

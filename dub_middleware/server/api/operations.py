"""What an endpoint is: a route, the schemas of what goes in and out, who may call it, and a function.

::

    resource = Resource("Links", "Short links.")

    @resource.post("/links", body=NEW_LINK, answer=LINK, scope="links.write", errors=(409,))
    def create_link(call: Call) -> Values:
        \"\"\"Create a link.\"\"\"
        return shown(call.server.store.links.create(snake_case(call.body)))

    @resource.delete("/links/{linkId}", path={"linkId": String()}, answer=DELETED, scope="links.write")
    def delete_link(call: Call) -> Values: ...

The function gets a `Call` whose ``body``, ``query`` and ``path`` are parsed, and returns what becomes JSON,
or a Werkzeug response. It raises `ApiError` for Dub's errors. Its docstring is the summary in the OpenAPI
document.
"""

from __future__ import annotations

import functools
import json
from codecs import BOM_UTF8
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from werkzeug import Request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from dub_middleware.server.api.auth import Auth, Gatekeeper
from dub_middleware.server.api.errors import BAD_JSON, ApiError
from dub_middleware.server.api.schema import Issue, Object, Schema, Values
from dub_middleware.server.services import Services

MAX_BODY = 4_500_000  # bytes; what Dub's host lets through


class ApiRequest(Request):
    """A request whose body is bounded."""

    max_content_length = MAX_BODY + 1  # what comes without a length shows by the last byte that it is larger


@dataclass
class Call:
    """One request to one operation; ``headers`` go onto the answer, whatever it becomes."""

    server: Services
    environ: dict[str, Any]
    path: Values = field(default_factory=dict)
    query: Values = field(default_factory=dict)
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    @functools.cached_property
    def request(self) -> ApiRequest:
        """Werkzeug's view of it, for those who need more than the environ."""
        return ApiRequest(self.environ)


Handler = Callable[[Call], Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Operation:
    """One method on one path.

    ``guard`` runs between reading the JSON and judging it. ``cors`` opens it to any origin.
    ``is_analytics`` counts under the limit of analytics. ``hides_limits`` marks answers that in Dub carry no
    rate limit headers when all is well. ``status`` is that of the answer, ``media`` what it is; ``errors``
    are those besides what follows from the rest.
    """

    method: str
    route: str
    handler: Handler
    tag: str
    path: Mapping[str, Schema] = field(default_factory=dict)
    query: Object | None = None
    body: Schema | None = None
    answer: Schema | None = None
    status: int = 200
    media: str = "application/json"
    auth: Auth | None = "secret"
    scope: str | None = None
    cors: bool = False
    guard: Callable[[Call], None] | None = None
    is_analytics: bool = False
    hides_limits: bool = False
    errors: tuple[int, ...] = ()

    def run(self, call: Call, gate: Gatekeeper) -> Any:
        """Authorize at the gate, parse, act. Raises `ApiError`."""
        self._authorize(call, gate)
        try:
            raw = None if self.body is None else _read_json(call)
            if self.guard is not None:
                self.guard(call)
            if self.query is not None:
                call.query = self.query.parse_query(call.request.args)
            if self.body is not None:
                call.body = self.body.parse(raw)
        except Issue as issue:
            raise ApiError("unprocessable_entity", str(issue)) from None
        answer = self.handler(call)
        if self.hides_limits and call.server.options.faithful:
            call.headers.clear()
        return answer

    def _authorize(self, call: Call, gate: Gatekeeper) -> None:
        authorization = call.environ.get("HTTP_AUTHORIZATION")
        if self.auth == "secret":
            call.headers |= gate.secret(authorization, self.scope, is_analytics=self.is_analytics)
        elif self.auth == "publishable":
            call.headers |= gate.publishable(authorization)


class Resource:
    """The operations on one kind of thing, collected by decorators."""

    def __init__(self, tag: str, doc: str = "") -> None:
        self.tag = tag
        self.doc = doc
        self.operations: list[Operation] = []

    def add(self, method: str, route: str, **details: Any) -> Callable[[Handler], Handler]:
        """Make the decorated function an operation; ``details`` are those of `Operation`."""

        def register(handler: Handler) -> Handler:
            self.operations.append(
                Operation(method=method, route=route, handler=handler, tag=self.tag, **details)
            )
            return handler

        return register

    def get(self, route: str, **details: Any) -> Callable[[Handler], Handler]:
        return self.add("GET", route, **details)

    def post(self, route: str, **details: Any) -> Callable[[Handler], Handler]:
        return self.add("POST", route, **details)

    def put(self, route: str, **details: Any) -> Callable[[Handler], Handler]:
        return self.add("PUT", route, **details)

    def patch(self, route: str, **details: Any) -> Callable[[Handler], Handler]:
        return self.add("PATCH", route, **details)

    def delete(self, route: str, **details: Any) -> Callable[[Handler], Handler]:
        return self.add("DELETE", route, **details)


def _read_json(call: Call) -> Any:
    length = call.environ.get("CONTENT_LENGTH", "")
    is_plain = length.isdecimal() and len(length) < 7 and "HTTP_TRANSFER_ENCODING" not in call.environ
    try:
        # most bodies are a few hundred bytes: Werkzeug's guarded stream would cost more than parsing them
        stream = call.environ["wsgi.input"]
        data = stream.read(int(length)) if is_plain else call.request.get_data(cache=False)
        if is_plain and len(data) < int(length):
            raise ClientDisconnected
        if len(data) > MAX_BODY:
            raise RequestEntityTooLarge
        return _decoder.decode(data.removeprefix(BOM_UTF8).decode("utf-8", "replace"))
    except RequestEntityTooLarge:
        message = f"The request body is larger than {MAX_BODY} bytes."
        raise ApiError("bad_request", message, status=413) from None
    except (OSError, ClientDisconnected):  # as servers tell of chunks that are none, and of an early end
        raise ApiError("bad_request", "The request body did not arrive whole.") from None
    except (ValueError, RecursionError):
        raise ApiError("bad_request", BAD_JSON) from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_no_constant)

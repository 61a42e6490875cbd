"""The API: Dub's endpoints as one WSGI app, to be mounted at ``/api``.

Operations are functions (`operations`), schemas parse and describe (`schema`); there is no framework between
the request and them, because tracking is the busiest thing that the server does.
"""

from __future__ import annotations

import functools
import json
import logging
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from werkzeug import Response
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.http import HTTP_STATUS_CODES
from werkzeug.routing import Map, MapAdapter, RequestRedirect, Rule

from dub_middleware.errors import LinkError, SlowQueryError
from dub_middleware.server.api import (
    analytics,
    customers,
    domains,
    events,
    folders,
    links,
    openapi,
    qr_codes,
    tags,
    tracking,
)
from dub_middleware.server.api.auth import Gatekeeper
from dub_middleware.server.api.cors import CORS_HEADERS
from dub_middleware.server.api.errors import INTERNAL, ApiError
from dub_middleware.server.api.operations import ApiRequest, Call, Operation, Resource
from dub_middleware.server.api.schema import Values
from dub_middleware.server.services import Services

# in the order of the document
RESOURCES = (
    *tracking.resources,
    *(module.resource for module in (links, tags, folders, domains, customers, qr_codes, analytics, events)),
)

#: endpoints of Dub's that are not served, on paths that look like those of a domain
_OF_DUB_ALONE = frozenset(("/domains/register", "/domains/status"))

_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_log = logging.getLogger("dub_middleware.server")


class Api:
    """Route a request to its operation and turn what comes of it into an answer."""

    def __init__(self, server: Services, resources: Iterable[Resource]) -> None:
        self._server = server
        self.gate = Gatekeeper(server.store, server.options)
        self._resources = [*resources, openapi.endpoint(lambda: self.document)]
        operations = [operation for resource in self._resources for operation in resource.operations]
        self._operations = {(operation.method, operation.route): operation for operation in operations}
        self._routes = _routes(tuple(self._operations))
        self._open = {operation.route for operation in operations if operation.cors}

    @functools.cached_property
    def document(self) -> Values:
        """The OpenAPI document."""
        return openapi.document(self._resources)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        call = Call(self._server, environ)
        answer = self._answer(call)
        if isinstance(answer, Response):
            answer.headers.update(call.headers)
            return answer(environ, start_response)
        body, length = answer.body, str(len(answer.body))
        headers = call.headers | {"Content-Type": "application/json", "Content-Length": length}
        start_response(f"{answer.status} {HTTP_STATUS_CODES[answer.status]}", list(headers.items()))
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _answer(self, call: Call) -> Response | _Json:
        if call.environ["PATH_INFO"] in self._open:
            call.headers |= CORS_HEADERS
        try:
            operation, raw_path = self._find(call)
            call.path = {name: operation.path[name].parse(raw_path[name]) for name in raw_path}
            answer = operation.run(call, self.gate)
            return answer if isinstance(answer, Response) else _Json.of(answer, operation.status)
        except _Answered as answered:
            return answered.response
        except ApiError as error:
            call.headers |= error.headers
            return _Json.of(error.envelope, error.status)
        except SlowQueryError as error:
            return _Json.of(ApiError("unprocessable_entity", str(error)).envelope, 422)
        except LinkError as error:
            told = ApiError(error.code, str(error))
            return _Json.of(told.envelope, told.status)
        except Exception:
            _log.exception("%s %r failed", call.request.method, call.request.path)
            return _Json.of(ApiError("internal_server_error", INTERNAL).envelope, 500)

    def _find(self, call: Call) -> tuple[Operation, Mapping[str, str]]:
        place = call.environ["REQUEST_METHOD"], call.environ["PATH_INFO"]
        if "{" not in place[1] and (operation := self._operations.get(place)) is not None:
            return operation, {}
        request = call.request
        try:
            place, raw_path = self._routes.match(request.path, request.method)
            return self._operations[place], raw_path
        except (NotFound, RequestRedirect):
            raise _no_endpoint(request) from None
        except MethodNotAllowed as error:
            if request.path in _OF_DUB_ALONE:
                raise _no_endpoint(request) from None
            allowed = sorted({*(error.valid_methods or ()), "OPTIONS"})
            headers = {"Allow": ", ".join(allowed)}
            if request.method == "OPTIONS":
                answer = Response(status=204, headers=headers)
                del answer.headers["Content-Type"]
                raise _Answered(answer) from None
            message = f"{request.method} is not allowed on {request.path}; allowed: {headers['Allow']}."
            raise ApiError("bad_request", message, status=405, headers=headers) from None


@functools.cache  # Werkzeug takes long to compile them, and they are those of every server in the process
def _routes(places: tuple[tuple[str, str], ...]) -> MapAdapter:
    """What finds the method and route of a request among ``places``."""
    rules = [
        Rule(re.sub(r"{(\w+)}", r"<\1>", route), methods=[method], endpoint=(method, route))
        for method, route in places
    ]
    return Map(rules, strict_slashes=False, merge_slashes=False).bind("")


def _no_endpoint(request: ApiRequest) -> ApiError:
    message = f"No endpoint {request.method} {request.path}; /openapi.json lists those that there are."
    return ApiError("not_found", message)


class _Answered(Exception):
    """There is nothing left to do but to send this."""

    def __init__(self, response: Response) -> None:
        self.response = response


def create_api(server: Services) -> Api:
    """Build the API of one server."""
    return Api(server, RESOURCES)


class _Json(NamedTuple):
    """An answer as most are; Werkzeug's response is for the others."""

    status: int
    body: bytes

    @classmethod
    def of(cls, value: Any, status: int) -> _Json:
        text = _encoder.encode(value)
        # half a surrogate pair, which JSON can say and UTF-8 cannot, leaves as the escape it came as
        return cls(status, text.encode("utf-8", "backslashreplace"))

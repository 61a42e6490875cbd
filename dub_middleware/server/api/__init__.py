"""The API: Dub's endpoints as one WSGI app, to be mounted at ``/api``.

Operations are functions (`operations`), schemas parse and describe (`schema`); there is no framework between
the request and them, because tracking is the busiest thing that the server does.
"""

from __future__ import annotations

import functools
import json
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from werkzeug import Response
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import Map, RequestRedirect, Rule

from dub_middleware.errors import LinkError
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
from dub_middleware.server.api.cors import CORS_HEADERS
from dub_middleware.server.api.errors import INTERNAL, ApiError
from dub_middleware.server.api.operations import ApiRequest, Call, Operation, Resource

if TYPE_CHECKING:
    from dub_middleware.server.app import Server

_log = logging.getLogger("dub_middleware.server")


def resources() -> list[Resource]:
    """Everything that the API has, in the order of its document."""
    others = (links, tags, folders, domains, customers, qr_codes, analytics, events, openapi)
    return [*tracking.resources, *(module.resource for module in others)]


class Api:
    """Route a request to its operation and turn what comes of it into an answer."""

    def __init__(self, server: Server, operations: Sequence[Operation]) -> None:
        self._server = server
        self.operations = operations
        rules = [
            Rule(re.sub(r"{(\w+)}", r"<\1>", operation.route), methods=[operation.method], endpoint=operation)
            for operation in operations
        ]
        self._routes = Map(rules, strict_slashes=False, merge_slashes=False).bind("")
        self._open = {operation.route for operation in operations if operation.cors}

    @functools.cached_property
    def document(self) -> dict[str, Any]:
        """The OpenAPI document."""
        return openapi.document(self.operations, resources())

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = ApiRequest(environ)
        response = self._respond(Call(self._server, request))
        return response(environ, start_response)

    def _respond(self, call: Call) -> Response:
        request = call.request
        if request.path in self._open:
            call.headers |= CORS_HEADERS
        try:
            operation, raw_path = self._find(request)
            call.path = {name: operation.path[name].parse(raw_path[name]) for name in raw_path}
            response = _as_response(operation.run(call), operation.status)
        except _Answered as answered:
            response = answered.response
        except ApiError as error:
            response = _json_response(error.envelope, error.status)
            response.headers.update(error.headers)
        except LinkError as error:
            told = ApiError(error.code, str(error))
            response = _json_response(told.envelope, told.status)
        except Exception:
            _log.exception("%s %r failed", request.method, request.path)
            response = _json_response(ApiError("internal_server_error", INTERNAL).envelope, 500)
        response.headers.update(call.headers)
        return response

    def _find(self, request: ApiRequest) -> tuple[Operation, Mapping[str, str]]:
        try:
            return self._routes.match(request.path, request.method)
        except (NotFound, RequestRedirect):
            raise ApiError("not_found", f"No endpoint {request.method} {request.path}.") from None
        except MethodNotAllowed as error:
            allowed = sorted({*(error.valid_methods or ()), "OPTIONS"})
            is_question = request.method == "OPTIONS"
            answer = Response(status=204 if is_question else 405, headers={"Allow": ", ".join(allowed)})
            if is_question:
                del answer.headers["Content-Type"]
            raise _Answered(answer) from None


class _Answered(Exception):
    """There is nothing left to do but to send this."""

    def __init__(self, response: Response) -> None:
        self.response = response


def create_api(server: Server) -> Api:
    """Build the API of one server."""
    return Api(server, [operation for resource in resources() for operation in resource.operations])


def _as_response(answer: Any, status: int) -> Response:
    return answer if isinstance(answer, Response) else _json_response(answer, status)


def _json_response(value: Any, status: int) -> Response:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # half a surrogate pair, which JSON can say and UTF-8 cannot, leaves as the escape it came as
    return Response(text.encode("utf-8", "backslashreplace"), status, content_type="application/json")

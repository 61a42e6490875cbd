"""The OpenAPI document: what the operations say of themselves, so that it is what they do."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from dub_middleware.server.api.answers import ERROR
from dub_middleware.server.api.operations import Call, Operation, Resource
from dub_middleware.server.api.schema import Object, Record, Values

if TYPE_CHECKING:
    from dub_middleware.server.api.schema import Schema

_REASONS = {
    400: "The request makes no sense.",
    401: "The key is missing, unknown or expired.",
    403: "The key, the origin or the workspace does not allow it.",
    404: "What was asked for is not there.",
    409: "What must be unique is taken.",
    413: "The body is too large.",
    422: "A value breaks a rule.",
    429: "Too many requests; `Retry-After` says how many seconds to wait.",
}
_SECURITY = {
    "secret": {"type": "http", "scheme": "bearer", "description": "A secret key, `dub_…`."},
    "publishable": {"type": "http", "scheme": "bearer", "description": "A publishable key, `dub_pk_…`."},
}


def endpoint(document: Callable[[], Values]) -> Resource:
    """Return the resource that serves ``document``."""
    resource = Resource("Document", "This document.")

    @resource.get("/openapi.json", answer=Record(), auth=None)
    def get_document(call: Call) -> Values:
        """Describe the API."""
        call.headers["Access-Control-Allow-Origin"] = "*"
        return document()

    return resource


def document(resources: Sequence[Resource]) -> Values:
    """Return the OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.0)."""
    paths: dict[str, dict[str, Any]] = {}
    components: dict[str, Any] = {}
    names: set[str] = set()
    for operation in (operation for resource in resources for operation in resource.operations):
        described = _operation(operation, components)
        if described["operationId"] in names:  # PUT beside PATCH
            described["operationId"] += f"By{operation.method.capitalize()}"
        names.add(described["operationId"])
        paths.setdefault(operation.route, {})[operation.method.lower()] = described
    docs = {each.tag: each.doc for each in resources if each.doc}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Dub on one machine",
            "version": "1",
            "description": "The API of Dub (https://dub.co/docs/api-reference), served by dub-middleware.",
        },
        "servers": [{"url": "/api"}],
        "tags": [{"name": tag, "description": doc} for tag, doc in docs.items()],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": _SECURITY},
    }


def _operation(operation: Operation, components: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": _camel(operation.handler.__name__),
        "summary": (inspect.getdoc(operation.handler) or "").partition("\n")[0].rstrip("."),
        "tags": [operation.tag],
        "security": [] if operation.auth is None else [{operation.auth: []}],
        "parameters": [
            *(_parameter(name, schema, "path", components) for name, schema in operation.path.items()),
            *_query(operation.query, components),
        ],
        "responses": {
            str(operation.status): _answer(operation, components),
            **{str(status): _response(_REASONS[status], ERROR, components) for status in _errors(operation)},
        },
    }
    if operation.body is not None:
        content = {"application/json": {"schema": operation.body.openapi(components)}}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _query(query: Object | None, components: dict[str, Any]) -> list[dict[str, Any]]:
    if query is None:
        return []
    return [_parameter(name, schema, "query", components) for name, schema in query.fields.items()]


def _parameter(name: str, schema: Schema, place: str, components: dict[str, Any]) -> dict[str, Any]:
    described = schema.openapi(components)
    parameter = {"name": name, "in": place, "required": place == "path" or not schema.may_be_missing}
    for key in ("description", "deprecated"):
        if key in described:
            parameter[key] = described.pop(key)
    return parameter | {"schema": described}


def _answer(operation: Operation, components: dict[str, Any]) -> dict[str, Any]:
    if operation.media != "application/json":
        return {"description": "Done.", "content": {operation.media: {}}}
    return _response("Done.", operation.answer, components)


def _response(doc: str, schema: Schema | None, components: dict[str, Any]) -> dict[str, Any]:
    if schema is None:
        return {"description": doc}
    content = {"application/json": {"schema": schema.openapi(components)}}
    return {"description": doc, "content": content}


def _errors(operation: Operation) -> list[int]:
    """The errors that follow from what the operation takes, and its own."""
    found = set(operation.errors)
    if operation.auth is not None:
        found |= {400, 401, 403, 429}
    if operation.auth == "secret":
        found.add(404)  # Dub's word for a key of another kind
    if operation.body is not None:
        found |= {400, 413, 422}
    if operation.query is not None:
        found.add(422)
    return sorted(found)


def _camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda match: match[1].upper(), name)

"""The OpenAPI document of what the API really does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dub_middleware.server.api.operations import Operation


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document."""
    paths: dict[str, dict[str, Any]] = {}
    components: dict[str, Any] = {}
    for operation in operations:
        described: dict[str, Any] = {"tags": [operation.tag], "responses": {"200": {"description": "OK"}}}
        if operation.body is not None:
            schema = operation.body.openapi(components)
            described["requestBody"] = {"content": {"application/json": {"schema": schema}}}
        paths.setdefault(operation.route, {})[operation.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {"title": "Dub on one machine", "version": "1"},
        "servers": [{"url": "/api"}],
        "paths": paths,
        "components": {"schemas": components},
    }

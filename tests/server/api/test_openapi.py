"""The document says what the API does: requests made up from it get the answers that it promises."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import APIOperation, BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    missing_required_header,
    response_schema_conformance,
    status_code_conformance,
)

from api_client import KEY, Api
from dub_middleware.server import Options, Server
from dub_middleware.server.api import RESOURCES, openapi
from dub_middleware.server.api.operations import Operation
from dub_middleware.server.store import CustomerDetails, Store
from standing_clock import Clock
from traffic import NOW, record_traffic

PUBLISHABLE_KEY = "dub_pk_abcdefghijklmnopqrstuvwx"
OPERATIONS = [
    operation for resource in (*RESOURCES, openapi.endpoint(dict)) for operation in resource.operations
]
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    missing_required_header,
]
EXAMPLES = 7


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server with some traffic, which the made up requests may change as they like."""
    url = f"sqlite:///{tmp_path_factory.mktemp('openapi')}/dub.db"
    no_limits = dict.fromkeys(("rate_limit", "analytics_rate_limit", "publishable_rate_limit"))
    options = Options(database_url=url, api_key=KEY, publishable_key=PUBLISHABLE_KEY, **no_limits)
    server = Server(options, Store(url, clock=Clock(NOW)))
    record_traffic(server)
    yield server
    server.close()
    server.store.close()


@pytest.fixture(scope="module")
def schema(server: Server) -> BaseSchema:
    return schemathesis.openapi.from_wsgi("/openapi.json", server)


def test_the_document_is_valid(schema: BaseSchema) -> None:
    schema.validate()


def test_every_operation_is_named_and_told(server: Server) -> None:
    described = [item for path in server.api.document["paths"].values() for item in path.values()]
    assert len({item["operationId"] for item in described}) == len(described) == len(OPERATIONS)
    assert all(item["summary"] for item in described)


def test_it_is_served_where_clients_look_for_it(api: Api) -> None:
    below = api("GET", "/openapi.json")
    above = httpx.get(f"{api.client.base_url}/openapi.json", timeout=60)
    assert below.json() == above.json()
    assert below.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda item: f"{item.method} {item.route}")
def test_requests_made_up_from_it_are_answered_as_it_says(
    server: Server, schema: BaseSchema, operation: Operation, mode: schemathesis.GenerationMode
) -> None:
    described: APIOperation = schema[operation.route][operation.method]
    if operation.route == "/openapi.json" and mode is schemathesis.GenerationMode.NEGATIVE:
        return  # nothing can be wrong with a question that has no parts
    key = PUBLISHABLE_KEY if operation.auth == "publishable" else KEY

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=described.as_strategy(generation_mode=mode))
    def check(case: schemathesis.Case) -> None:
        if mode is schemathesis.GenerationMode.POSITIVE:
            case.path_parameters = {name: existing(server, operation.tag) for name in case.path_parameters}
        response = case.call(headers={"Authorization": f"Bearer {key}"})
        case.validate_response(response, checks=CHECKS)

    check()


def existing(server: Server, tag: str) -> str:
    """The id of something new to find, change or delete."""
    workspace, name = server.store.workspace, f"{tag}-{server.store.links.count()}"
    if tag == "Links":
        return server.links.create({"url": "https://shop.test/", "track_conversion": True}).id
    if tag == "Domains":
        slug = f"d{len(workspace.domains())}.test"
        return workspace.add_domain(slug).slug
    if tag == "Tags":
        return workspace.add_tag(f"{name}-{len(workspace.tags())}", "red").id
    if tag == "Folders":
        return workspace.add_folder(f"{name}-{len(workspace.folders())}").id
    assert tag == "Customers"
    return server.store.customers.create(CustomerDetails(external_id=f"c{server.store.customers.count()}")).id

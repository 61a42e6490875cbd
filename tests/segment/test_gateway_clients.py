"""The clients that people use, as published, unchanged but for host and haste: Segment's, RudderStack's."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rudderstack.analytics.client import Client as RudderClient
from segment.analytics import Client as SegmentClient

from dub_middleware.conversions import Conversions, Segment
from dub_middleware.segment.gateway import Gateway, create_gateway
from waiting import wait_until
from wsgi_server import serving

KEY = "wk_test"
#: seconds for which a client gathers events, which is also how long its end takes
GATHER = {"upload_interval": 0.05}
NODE = Path(__file__).parent / "node"


class Endpoint:
    """A running gateway and what arrived behind it; ``statuses`` are its answers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events: list[dict[str, Any]] = []
        self.statuses: list[int] = []
        self.gateway: Gateway = create_gateway(
            [self.events.append], write_keys=KEY, outbox=f"sqlite:///{folder / 'outbox.db'}"
        )
        self.url = ""

    def __call__(self, environ: Any, start_response: Any) -> Any:
        def noted(status: str, headers: Any) -> Any:
            self.statuses.append(int(status[:3]))
            return start_response(status, headers)

        return self.gateway(environ, noted)

    def arrived(self, count: int) -> list[dict[str, Any]]:
        wait_until(lambda: len(self.events) >= count, what=f"{count} events")
        assert self.gateway.flush()
        return sorted(self.events, key=lambda event: str(event["type"]))


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[Endpoint]:
    running = Endpoint(tmp_path)
    with serving(running) as running.url, running.gateway:
        yield running


@pytest.fixture(params=["segment", "segment gzip", "rudderstack"])
def client(request: pytest.FixtureRequest, endpoint: Endpoint) -> Iterator[Any]:
    if request.param == "rudderstack":
        made = RudderClient(KEY, host=endpoint.url, **GATHER)
    else:
        made = SegmentClient(KEY, host=endpoint.url, gzip=request.param == "segment gzip", **GATHER)
    yield made
    made.join()


TYPES = ["alias", "group", "identify", "page", "screen", "track"]


def test_every_type_of_call_arrives(endpoint: Endpoint, client: Any) -> None:
    client.identify("42", {"email": "ada@example.com"})
    client.track(
        "42",
        "Sign Up",
        {"plan": "größer"},
        integrations={"All": True, "Dub (Actions)": {"dub_id": "clk0123456789abc"}},
    )
    client.page("42", name="Pricing")
    client.screen("42", name="Settings")
    client.group("42", "g1")
    client.alias("a1", "42")
    client.flush()
    arrived = endpoint.arrived(6)
    assert [event["type"] for event in arrived] == TYPES
    track = arrived[-1]
    assert (track["userId"], track["event"], track["properties"]) == ("42", "Sign Up", {"plan": "größer"})
    assert track["integrations"]["Dub (Actions)"] == {"dub_id": "clk0123456789abc"}
    assert "ip" not in track["context"]  # a server's address is nobody's
    assert set(endpoint.statuses) == {200}


def test_hundreds_of_events_arrive_once(endpoint: Endpoint, client: Any) -> None:
    for number in range(300):
        client.track("42", "Sign Up", {"number": number})
    client.flush()
    assert sorted(event["properties"]["number"] for event in endpoint.arrived(300)) == list(range(300))


def test_what_comes_during_an_outage_of_the_outbox_arrives_after_it(tmp_path: Path) -> None:
    folder = tmp_path / "missing"
    running = Endpoint(folder)
    with serving(running) as running.url, running.gateway:
        client = SegmentClient(KEY, host=running.url, **GATHER)
        client.track("42", "Sign Up")
        wait_until(lambda: 503 in running.statuses, what="the refusal")
        folder.mkdir()
        client.flush()
        client.join()
        assert [event["event"] for event in running.arrived(1)] == ["Sign Up"]


@pytest.mark.parametrize("make", [SegmentClient, RudderClient], ids=["segment", "rudderstack"])
def test_what_is_refused_for_good_is_not_sent_again(endpoint: Endpoint, make: Callable[..., Any]) -> None:
    failed: list[Any] = []
    client = make(KEY, host=endpoint.url, on_error=lambda error, batch: failed.append(error), **GATHER)
    client.track("42", "Sign Up", {"n": float("nan")})  # bare NaN is no JSON
    client.flush()
    client.join()
    assert endpoint.statuses == [400]
    assert "not JSON" in str(failed[0])


def test_this_packages_own_client(endpoint: Endpoint, tmp_path: Path) -> None:
    segment = Segment(KEY, host=endpoint.url)
    with Conversions(segment, outbox=None) as conversions:
        conversions.track_lead(customer_external_id="42", click_id="clk0123456789abc")
        conversions.track_sale(customer_external_id="42", amount=4900, invoice_id="inv_1")
        assert conversions.flush()
    assert [event["event"] for event in endpoint.arrived(2)] == ["Sign Up", "Order Completed"]


def node_client() -> str:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node 20 or newer (Debian: apt install nodejs)")
    if not (NODE / "node_modules" / "@segment").exists():
        pytest.skip("needs Segment's clients for JavaScript: make peers")
    return node


def test_the_client_for_node(endpoint: Endpoint) -> None:
    command = [node_client(), "send.mjs", endpoint.url, KEY]
    subprocess.run(command, cwd=NODE, check=True, timeout=60)
    arrived = endpoint.arrived(6)
    assert [event["type"] for event in arrived] == TYPES
    assert arrived[-1]["properties"] == {"plan": "größer"}
    assert arrived[-1]["context"]["library"]["name"] == "@segment/analytics-node"
    assert set(endpoint.statuses) == {200}

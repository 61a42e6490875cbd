"""What the destination plans on one core, and what the tracking endpoint takes over HTTP.

Run `python benchmarks/segment.py` with the extras `[dev]`; `--quick` for a glance.

Planning is measured in processor time of one thread, so that a busy machine shows less; the yardstick is
reading and writing the same events as JSON.

Then a client sends batches of 100 events, as Segment's SDKs do, over four kept-alive connections to gunicorn
with one worker. The peers run under the same server in the same rounds, one after the other: `bare` reads the
JSON and answers, `flask` puts the events into a queue in memory, as a home-grown endpoint would. The gateway
checks each event, completes it, commits it to its outbox and delivers it to a file meanwhile; `gateway, Dub`
plans each as a sale of Dub (Actions), for a Dub that is down. `bare` measured a second time shows the noise.
The last column is events a second of the server's processor time, which a busy machine changes less.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import platform
import queue
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

BATCH = 100
CONNECTIONS = 4
KEY = "wk_benchmark"
HEADERS = {"Content-Type": "application/json", "Authorization": "Basic d2tfYmVuY2htYXJrOg=="}


# -- planning -------------------------------------------------------------------------------------------


def planned(rounds: int, count: int) -> None:
    """Print events a second through `DubActions.plan`, for events that become something and for others."""
    from dub_middleware.segment import DubActions

    traits = {"name": "Ada Lovelace", "email": "ada@example.com", "avatar": "https://example.com/ada.png"}
    lead = {**event(), "event": "Sign Up", "properties": {"plan": "pro", "quantity": 2, "source": "ad"}}
    lead["context"] = {**lead["context"], "traits": traits}
    events = {"lead": lead, "sale": event(), "neither": {**event(), "event": "Product Viewed"}}
    plan = DubActions("dub_benchmark", mappings=mappings(), outbox=None).plan
    print(f"{'planned':20}{'events/s':>12}{'worst':>10}{'best':>10}{'of JSON':>10}")
    for name, given in events.items():
        rates = [(rate(plan, given, count), rate(round_trip, given, count)) for _ in range(rounds)]
        ours, json_rate = (statistics.median(column) for column in zip(*rates, strict=True))
        best, worst = max(r for r, _ in rates), min(r for r, _ in rates)
        print(f"{name:20}{ours:12,.0f}{worst:10,.0f}{best:10,.0f}{ours / json_rate:10.2f}")
    print()


def mappings() -> list[dict[str, Any]]:
    """Segment's own, with the one field that everybody has to map."""
    from dub_middleware.segment.actions.fields import default_mappings

    lead, sale = default_mappings()
    sale["mapping"]["paymentProcessor"] = {"@path": "$.properties.payment_processor"}
    return [lead, sale]


def round_trip(given: dict[str, Any]) -> None:
    json.loads(json.dumps(given))


def rate(function: Callable[[dict[str, Any]], Any], given: dict[str, Any], count: int) -> float:
    """Calls a second of processor time."""
    begun = time.process_time()
    for _ in range(count):
        function(given)
    return count / (time.process_time() - begun)


# -- the endpoints: what gunicorn loads ------------------------------------------------------------------


def bare() -> Callable[..., Any]:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", "17")])
        return [b'{"success": true}']

    return app


def flask() -> Callable[..., Any]:
    from flask import Flask, request

    app = Flask("peer")
    kept: queue.SimpleQueue[Any] = queue.SimpleQueue()

    @app.post("/v1/batch")
    def batch() -> dict[str, bool]:
        for event in request.get_json()["batch"]:
            kept.put(event)
        return {"success": True}

    return app


def gateway(durability: Any = "power", *destinations: Any) -> Callable[..., Any]:
    from dub_middleware.segment.gateway import JSONLines, create_gateway

    folder = Path(os.environ["BENCHMARK_FOLDER"])
    return create_gateway(
        destinations or [JSONLines(folder / f"{uuid.uuid4().hex}.jsonl")],
        write_keys=KEY,
        outbox=f"sqlite:///{folder / f'{uuid.uuid4().hex}.db'}",
        durability=durability,
    )


def gateway_process() -> Callable[..., Any]:
    return gateway("process")


def gateway_dub() -> Callable[..., Any]:
    from dub_middleware.segment import DubActions

    nowhere = "http://127.0.0.1:9"
    return gateway("power", DubActions("dub_benchmark", nowhere, mappings(), outbox=None))


ENDPOINTS = {
    "bare": bare,
    "flask": flask,
    "gateway": gateway,
    "gateway (process)": gateway_process,
    "gateway, Dub": gateway_dub,
    "bare again": bare,
}


# -- the client ------------------------------------------------------------------------------------------


def event() -> dict[str, Any]:
    return {
        "type": "track",
        "event": "Order Completed",
        "userId": uuid.uuid4().hex[:8],
        "anonymousId": None,
        "messageId": str(uuid.uuid4()),
        "timestamp": "2026-11-24T10:00:00.123+00:00",
        "context": {"library": {"name": "analytics-python", "version": "2.4.0"}, "ip": "203.0.113.7"},
        "integrations": {"All": True, "Dub (Actions)": {"dub_id": "clk0123456789abc"}},
        "properties": {
            "order_id": "inv_1",
            "revenue": 4900,
            "currency": "usd",
            "payment_processor": "stripe",
            "coupon": "SPRING",
            "items": 3,
        },
    }


def bodies(count: int) -> list[bytes]:
    sent_at = "2026-11-24T10:00:01.000+00:00"
    return [
        json.dumps({"batch": [event() for _ in range(BATCH)], "sentAt": sent_at, "writeKey": KEY}).encode()
        for _ in range(count)
    ]


def send(port: int, batches: list[bytes]) -> float:
    """Send the batches over `CONNECTIONS` connections; return events a second."""
    todo: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    for batch in batches:
        todo.put(batch)
    refused: list[int] = []

    def run() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        with contextlib.closing(connection), contextlib.suppress(queue.Empty):
            while True:
                batch = todo.get_nowait()
                connection.request("POST", "/v1/batch", batch, HEADERS)
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    refused.append(answer.status)
                    todo.put(batch)  # as every client does after a 503

    threads = [threading.Thread(target=run) for _ in range(CONNECTIONS)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if refused:
        print(f"  {len(refused)} times a batch was answered {set(refused)} and sent again", file=sys.stderr)
    return len(batches) * BATCH / (time.perf_counter() - begun)


@contextlib.contextmanager
def served(factory: str, folder: str) -> Iterator[tuple[int, int]]:
    """The port of a running endpoint, and the process of its server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "-k", "gthread", "--threads", str(CONNECTIONS),
         "--log-level", "error", "-b", f"127.0.0.1:{port}", f"segment:{factory}()"],
        cwd=Path(__file__).parent,
        env={**os.environ, "BENCHMARK_FOLDER": folder},
    )  # fmt: skip
    try:
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        yield port, server.pid
    finally:
        server.terminate()
        server.wait()


def processor_time(pid: int) -> float:
    """Seconds that a process and its children have worked, where there is /proc."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    except OSError:
        return float("nan")
    own = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    return own + sum(processor_time(int(child)) for child in children)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="3 rounds of 50 batches instead of 7 of 200")
    quick = parser.parse_args().quick
    rounds, count = (3, 50) if quick else (7, 200)
    size = f"{rounds} rounds of {count} batches of {BATCH}"
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores; {size}")
    planned(rounds, 2_000 if quick else 10_000)
    rates: dict[str, list[float]] = {name: [] for name in ENDPOINTS}
    worked: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        servers = {
            name: stack.enter_context(served(factory.__name__, folder)) for name, factory in ENDPOINTS.items()
        }
        for name, (port, pid) in servers.items():
            send(port, bodies(5))
            worked[name] = -processor_time(pid)
        for _ in range(rounds):
            for name, (port, _) in servers.items():
                rates[name].append(send(port, bodies(count)))
        for name, (_, pid) in servers.items():
            worked[name] += processor_time(pid)
    print(f"{'endpoint':20}{'events/s':>12}{'worst':>10}{'best':>10}{'of bare':>10}{'per CPU s':>12}")
    base = statistics.median(rates["bare"])
    for name, seen in rates.items():
        middle = statistics.median(seen)
        shown = f"{middle:12,.0f}{min(seen):10,.0f}{max(seen):10,.0f}{middle / base:10.2f}"
        print(f"{name:20}{shown}{rounds * count * BATCH / worked[name]:12,.0f}")


if __name__ == "__main__":
    main()

"""What a conversion costs the caller, how many are lost when things go wrong, how fast they are delivered.

Run `python benchmarks/outbox.py` with the extras `[dev,bench]`; `--quick` for a glance.

The peers are segment-analytics-python and posthog, which queue in memory, and for Dub's API the official
`dub` package. Every client runs in a process of its own against one loopback server, which runs in another.
The rounds of all clients are interleaved; a cell is their median, and in brackets how far they lie apart.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

SERVER = r"""
import asyncio, gzip, json, sys

seen, state = set(), {"delay": 0.0, "events": 0, "requests": 0}

def take(path, headers, body):
    if path.startswith("/count"):
        return json.dumps({"distinct": len(seen), **state}).encode()
    if path.startswith("/reset"):
        seen.clear()
        state.update(delay=float(path.partition("=")[2]), events=0, requests=0)
        return b"{}"
    state["requests"] += 1
    if path.startswith("/track/"):
        seen.add(state["requests"])
        return b'{"click":{"id":"c"},"link":{"id":"l"},"customer":{"id":"u"}}'
    if headers.get("content-encoding") == "gzip" or body[:2] == b"\x1f\x8b":
        body = gzip.decompress(body)
    batch = json.loads(body).get("batch", ())
    state["events"] += len(batch)
    seen.update(item.get("messageId") or item.get("uuid") for item in batch)
    return b'{"success":true,"status":1}'

async def serve(reader, writer):
    try:
        while line := await reader.readline():
            path = line.split()[1].decode()
            headers = {}
            while (line := await reader.readline()) not in (b"\r\n", b""):
                name, _, value = line.decode().partition(":")
                headers[name.lower()] = value.strip()
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            if state["delay"] and not path.startswith(("/count", "/reset")):
                await asyncio.sleep(state["delay"])
            answer = take(path, headers, body)
            head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            writer.write(head % len(answer) + answer)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""

OURS = """
from dub_middleware.conversions import Conversions, DubAPI, Segment
client = Conversions(Segment("key", host=URL), outbox=OUTBOX, durability="{durability}", deliver={deliver})
def track(n):
    client.track_lead(
        customer_external_id=str(n), customer_email="ada@example.com", click_id="cQ1tXYZ012345678"
    )
def flush():
    client.flush(120)
"""
CLIENTS = {
    "dub-middleware, process": OURS.format(durability="process", deliver=True),
    "dub-middleware, power": OURS.format(durability="power", deliver=True),
    "segment-analytics-python": """
import segment.analytics as analytics
client = analytics.Client("key", host=URL, gzip=True)
def track(n):
    client.track(str(n), "Sign Up", {"email": "ada@example.com"}, {"traits": {"clickId": "cQ1tXYZ012345678"}})
def flush():
    client.flush()
""",
    "posthog": """
import posthog
client = posthog.Posthog("key", host=URL, gzip=True)
def track(n):
    properties = {"email": "ada@example.com", "clickId": "cQ1tXYZ012345678"}
    client.capture("Sign Up", distinct_id=str(n), properties=properties)
def flush():
    client.flush()
""",
}
SENT_ELSEWHERE = {  # by `dub-middleware deliver`
    "  process, sent elsewhere": OURS.format(durability="process", deliver=False),
    "  power, sent elsewhere": OURS.format(durability="power", deliver=False),
}
PRELUDE = """
import json, logging, os, signal, statistics, sys, time
logging.disable(logging.CRITICAL)
URL, OUTBOX, COUNT = sys.argv[1], sys.argv[2], int(sys.argv[3])
"""
COST = """
times = []
for n in range(COUNT):
    begun = time.perf_counter()
    track(n)
    times.append(time.perf_counter() - begun)
print(json.dumps([statistics.median(times) * 1e6, statistics.mean(times) * 1e6]), flush=True)
os._exit(0)
"""
KILL = "for n in range(COUNT): track(n)\nos.kill(os.getpid(), signal.SIGKILL)\n"
EXIT = "for n in range(COUNT): track(n)\nsys.exit()\n"
FORK = """
for _ in range(2):
    if os.fork() == 0:
        for n in range(COUNT // 2):
            track(n)
        time.sleep(3)
        os._exit(0)
for _ in range(2):
    os.wait()
os._exit(0)
"""
SPEED = """
begun = time.perf_counter()
for n in range(COUNT):
    track(n)
    if n % 5000 == 4999:
        flush()  # the peers' queues hold 10,000
flush()
print(COUNT / (time.perf_counter() - begun), flush=True)
os._exit(0)
"""
DELIVER = "from dub_middleware.cli import main; sys.exit(main(['deliver', '--once', '--timeout', '110']))"

DELIVERY = """
from dub_middleware.conversions import Conversions, DubAPI, Segment
client = Conversions({destination}, outbox=OUTBOX, durability="process", deliver=False)
for n in range(COUNT):
    client.track_lead(customer_external_id=str(n), click_id="cQ1tXYZ012345678")
begun = time.perf_counter()
client.flush(120)
print(COUNT / (time.perf_counter() - begun), flush=True)
os._exit(0)
"""
DUB_OURS = DELIVERY.format(destination='DubAPI("dub_key", base_url=URL)')
SEGMENT_OURS = DELIVERY.format(destination='Segment("key", host=URL)')
DUB_SDK = """
from concurrent.futures import ThreadPoolExecutor
from dub import Dub
client = Dub(token="dub_key", server_url=URL)
def track(n):
    request = {"click_id": "cQ1tXYZ012345678", "event_name": "Sign Up", "customer_external_id": str(n)}
    try:
        client.track.lead(request=request)
    except Exception:
        pass  # the server's answer is shorter than Dub's; what counts is the exchange
begun = time.perf_counter()
with ThreadPoolExecutor(8) as pool:
    list(pool.map(track, range(COUNT)))
print(COUNT / (time.perf_counter() - begun), flush=True)
os._exit(0)
"""


class Bench:
    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="bench-outbox-"))
        self.server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
        assert self.server.stdout is not None
        self.url = f"http://127.0.0.1:{int(self.server.stdout.readline())}"
        self._runs = 0

    def close(self) -> None:
        self.server.kill()
        self.server.wait()
        shutil.rmtree(self.folder)

    def get(self, path: str) -> dict[str, float]:
        with urllib.request.urlopen(self.url + path) as response:
            return dict(json.load(response))

    def run(self, code: str, count: int, outbox: str) -> str:
        command = [sys.executable, "-c", PRELUDE + code, self.url, outbox, str(count)]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=180, check=False).stdout

    def measure(self, code: str, count: int) -> str:
        self.get("/reset?delay=0")
        return self.run(code, count, self.new_outbox())

    def lost(self, client: str, ending: str, count: int, delay: float) -> int:
        """Events that the calls accepted and the server never saw, after our next process has run."""
        outbox = self.new_outbox()
        self.get(f"/reset?delay={delay}")
        self.run(CLIENTS[client] + ending, count, outbox)
        if client.startswith("dub-middleware"):
            os.environ.update(DUB_OUTBOX=outbox, SEGMENT_WRITE_KEY="key", SEGMENT_HOST=self.url)
            deadline = time.monotonic() + 150  # what was in flight at the kill waits for ninety seconds
            while self.get("/count")["distinct"] < count and time.monotonic() < deadline:
                self.run(DELIVER, count, outbox)
        return count - int(self.get("/count")["distinct"])

    def new_outbox(self) -> str:
        self._runs += 1
        return f"sqlite:///{self.folder}/{self._runs}.db"

    def sync_cost(self) -> float:
        """The median microseconds of an append of one row's size that is waited for."""
        file = os.open(self.folder / "sync", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        times = []
        for _ in range(300):
            os.write(file, b"x" * 3 * 1048)
            begun = time.perf_counter()
            os.fdatasync(file)
            times.append(time.perf_counter() - begun)
        os.close(file)
        return statistics.median(times) * 1e6


def spread(values: Sequence[float]) -> str:
    """The median, and how far the rounds lie apart."""
    middle = statistics.median(values)
    return f"{middle:,.0f} (±{(max(values) - min(values)) / 2 / middle:.0%})" if middle else "0"


def costs(bench: Bench, rounds: int, calls: int) -> None:
    clients = CLIENTS | SENT_ELSEWHERE
    medians: dict[str, list[float]] = {name: [] for name in clients}
    means: dict[str, list[float]] = {name: [] for name in clients}
    syncs = []
    for _ in range(rounds):
        syncs.append(bench.sync_cost())
        for name, code in clients.items():
            median, mean = json.loads(bench.measure(code + COST, calls))
            medians[name].append(median)
            means[name].append(mean)
    print(f"a call, while its sender runs; {calls:,} calls in a loop\n{'':28}{'p50 µs':>16}{'mean µs':>16}")
    for name in clients:
        print(f"{name:28}{spread(medians[name]):>16}{spread(means[name]):>16}")
    print(f"{'a bare write and fdatasync':28}{spread(syncs):>16}\n")


def losses(bench: Bench, quick: bool) -> None:
    scenarios = {
        "kill -9 after 5,000": (KILL, 5000, 0.02),
        "exit after 2,000, 5 ms": (EXIT, 2000, 0.005),
        "exit after 2,000, 1 s": (EXIT, 2000, 1.0),
        "2 forked workers of 100": (FORK, 200, 0.0),
    }
    if quick:
        del scenarios["exit after 2,000, 1 s"]
    print("events lost" + "".join(f"{name:>26}" for name in scenarios))
    for client in CLIENTS:
        if client == "dub-middleware, power":
            continue
        found = (bench.lost(client, ending, count, delay) for ending, count, delay in scenarios.values())
        print(f"{client:28}" + "".join(f"{number:>24,}  " for number in found), flush=True)
    print()


STORED = "dub-middleware, from the disk"


def speeds(bench: Bench, rounds: int, events: int) -> None:
    rates: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, code in CLIENTS.items():
            rates.setdefault(name, []).append(float(bench.measure(code + SPEED, events)))
        rates.setdefault(STORED, []).append(float(bench.measure(SEGMENT_OURS, events)))
        for name, code in {"dub-middleware": DUB_OURS, "dub, 8 threads": DUB_SDK}.items():
            rates.setdefault(f"to Dub: {name}", []).append(float(bench.measure(code, events // 10)))
    print(
        f"delivered a second, from the first call on; {events:,} in batches, {events // 10:,} requests to Dub"
    )
    best = statistics.median(rates["segment-analytics-python"])
    sdk = statistics.median(rates["to Dub: dub, 8 threads"])
    for name, values in rates.items():
        ratio = statistics.median(values) / (sdk if name.startswith("to Dub") else best)
        print(f"{name:30}{spread(values):>18}   ×{ratio:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one round, fewer events")
    quick = parser.parse_args().quick
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    load = os.getloadavg()[0]
    print(
        f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores, load {load:.1f}\n"
    )
    bench = Bench()
    try:
        costs(bench, 1 if quick else 5, 1000 if quick else 3000)
        losses(bench, quick)
        speeds(bench, 1 if quick else 3, 10_000 if quick else 30_000)
    finally:
        bench.close()


if __name__ == "__main__":
    main()

"""What the server answers a second, next to a bare WSGI app in the same processes; its views on many events.

Run `python benchmarks/server.py` with the extra `[dev]`; `--quick` for a glance. `--database URL` (an empty
PostgreSQL) instead of a SQLite file; `--events 10_000_000` for the file that the views must be fast with: it
takes minutes to fill and some gigabytes, in a temporary folder that goes afterwards.

gunicorn runs two workers: first as it has them by default (`sync`: one request at a time, a connection for
each), then with four threads (`gthread`: connections stay). Eight clients send. Rounds alternate between the
bare app and ours, so that a noisy machine hits both. Every answer is checked, and every event looked for in
the end.
``CPU`` is the ratio of the workers' CPU time a request, which other work on the machine changes less.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from many_events import fill

from dub_middleware.server import Server, create_app
from dub_middleware.server.queries import Queries
from dub_middleware.server.store import Context, Store

SECRET = "dub_benchmarkbenchmarkbench"
BROWSER = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
)
WORKERS, CONNECTIONS, SENDERS = 2, 8, 2
CLASSES = {"sync": ("--worker-class", "sync"), "gthread": ("--worker-class", "gthread", "--threads", "4")}
LINK = {"domain": "go.localhost", "key": "launch", "url": "https://shop.test/", "track_conversion": True}


def target() -> Callable[..., Any]:
    """What gunicorn runs: the server, and the bare app below ``/bare``."""
    server = create_app(os.environ["BENCH_DATABASE"], api_key=SECRET, rate_limit=None)

    def app(environ: Any, start_response: Any) -> Any:
        if environ["PATH_INFO"] != "/bare":
            return server(environ, start_response)
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
        return [b"ok"]

    return app


@dataclass(frozen=True)
class Cell:
    """One kind of request: ``request`` makes the bytes of number ``n``."""

    name: str
    status: int
    request: Callable[[int], bytes]


def http(method: str, path: str, body: Any = None, **headers: str) -> bytes:
    payload = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", f"User-Agent: {BROWSER}", f"Content-Length: {len(payload)}"]
    lines += [
        f"{name.replace('_', '-')}: {value}" for name, value in ({"Host": "127.0.0.1"} | headers).items()
    ]
    return "\r\n".join([*lines, "", ""]).encode() + payload


def visitor(n: int) -> str:
    return f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"


def cells(click_id: str) -> list[Cell]:
    click = {"domain": "go.localhost", "key": "launch"}
    lead = {"clickId": click_id, "eventName": "Sign Up", "customerEmail": "ada@example.com"}
    key = f"Bearer {SECRET}"
    return [
        Cell(
            "/track/click", 200, lambda n: http("POST", "/api/track/click", click, X_Forwarded_For=visitor(n))
        ),
        Cell(
            "/track/lead",
            200,
            lambda n: http(
                "POST", "/api/track/lead", lead | {"customerExternalId": str(n)}, Authorization=key
            ),
        ),
        Cell(
            "redirect",
            302,
            lambda n: http("GET", "/launch", Host="go.localhost", X_Forwarded_For=visitor(n + (1 << 23))),
        ),
    ]


def bare(cell: Cell) -> Cell:
    return Cell(
        "bare",
        200,
        lambda n: (
            cell.request(n)
            .replace(b"/api" + cell.name.encode(), b"/bare", 1)
            .replace(b"GET /launch ", b"GET /bare ", 1)
        ),
    )


def send(address: Any, cell: Cell, first: int, until: float, done: list[tuple[int, float]]) -> None:
    """Send one request after another, on one connection if the server keeps it; note how long each took."""
    n = first
    while time.monotonic() < until:
        with socket.create_connection(address) as connection:
            stream = connection.makefile("rb")
            is_kept = True
            while is_kept and time.monotonic() < until:
                begun = time.perf_counter()
                connection.sendall(cell.request(n))
                status, is_kept = read_answer(stream)
                if status != cell.status:
                    raise SystemExit(f"{cell.name} answered {status}")
                done.append((n, time.perf_counter() - begun))
                n += CONNECTIONS


def read_answer(stream: Any) -> tuple[int, bool]:
    """The status of an answer, and whether another may follow on its connection."""
    status, length, is_kept = int(stream.readline().split()[1]), 0, True
    while (line := stream.readline().lower()) != b"\r\n":
        if line.startswith(b"content-length:"):
            length = int(line.split(b":")[1])
        is_kept = is_kept and line != b"connection: close\r\n"
    stream.read(length)
    return status, is_kept


def sender(address: Any, cell: Cell, firsts: list[int], until: float, results: Any) -> None:
    done: list[tuple[int, float]] = []
    threads = [threading.Thread(target=send, args=(address, cell, n, until, done)) for n in firsts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put((len(done), [took for _, took in done], max((n for n, _ in done), default=0)))


@dataclass(frozen=True)
class Round:
    """Requests a second, CPU seconds a request, and the seconds that each took."""

    rate: float
    cpu: float
    times: list[float]


@dataclass
class Load:
    """The clients of one server; ``sent`` counts what was answered rightly, by cell."""

    address: Any
    master: int  #: process id of gunicorn
    sent: dict[str, int]
    next: int = 0

    def run(self, cell: Cell, seconds: float) -> Round:
        """Send requests of one kind for some seconds."""
        context = multiprocessing.get_context("fork")
        results = context.Queue()
        until = time.monotonic() + seconds
        firsts = [self.next + n for n in range(CONNECTIONS)]
        processes = [
            context.Process(target=sender, args=(self.address, cell, firsts[n::SENDERS], until, results))
            for n in range(SENDERS)
        ]
        begun, used = time.monotonic(), cpu_seconds(self.master)
        for process in processes:
            process.start()
        found = [results.get(timeout=seconds + 60) for _ in processes]
        spent = time.monotonic() - begun
        for process in processes:
            process.join()
        count = sum(number for number, _, _ in found)
        self.sent[cell.name] = self.sent.get(cell.name, 0) + count
        self.next = max(self.next, *(last for _, _, last in found)) + CONNECTIONS
        used = cpu_seconds(self.master) - used
        return Round(count / spent, used / count, [took for _, times, _ in found for took in times])


def cpu_seconds(master: int) -> float:
    """CPU time of the workers so far; 0 where there is no /proc."""
    try:
        workers = Path(f"/proc/{master}/task/{master}/children").read_text().split()
        fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in workers]
    except OSError:
        return 0.0
    return sum(int(field[11]) + int(field[12]) for field in fields) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def gunicorn(database: str, worker_class: str) -> Iterator[Any]:
    """The address and the process id of a gunicorn that runs `target`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [
            *(
                sys.executable,
                "-m",
                "gunicorn",
                "--bind",
                f"fd://{listener.fileno()}",
                "--log-level",
                "warning",
            ),
            *("--workers", str(WORKERS), *CLASSES[worker_class], "--preload"),
            "server:target()",
        ]
        environ = os.environ | {"BENCH_DATABASE": database}
        process = subprocess.Popen(
            command, cwd=Path(__file__).parent, env=environ, pass_fds=[listener.fileno()]
        )
        try:
            yield listener.getsockname(), process.pid
        finally:
            process.terminate()
            process.wait()


def requests(database: str, rounds: int, seconds: float) -> None:
    server: Server = create_app(database, api_key=SECRET)
    link = server.store.links.create(LINK)
    click_id = server.store.record_click(link, Context(url=link.url)).click_id
    server.close()
    sent: dict[str, int] = {}
    first = 0
    for worker_class in CLASSES:
        found: dict[str, list[tuple[Round, Round]]] = {}
        with gunicorn(database, worker_class) as (address, master):
            load = Load(address, master, sent, first)
            for cell in cells(click_id):
                load.run(cell, 0.5)  # connections, caches, statements
            for _ in range(rounds):
                for cell in cells(click_id):
                    pair = load.run(bare(cell), seconds), load.run(cell, seconds)
                    found.setdefault(cell.name, []).append(pair)
        first = load.next
        show(f"{WORKERS} {worker_class}", found)
    check_nothing_is_lost(database, sent)


def show(title: str, found: dict[str, list[tuple[Round, Round]]]) -> None:
    heads = "".join(
        f"{head:>9}" for head in ("bare/s", "ours/s", "ratio", "CPU", "CPU µs", "p50 ms", "p99 ms")
    )
    print(f"{title:14}{heads}")
    for name, pairs in found.items():
        plain, ours = (statistics.median(item.rate for item in column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(ours.rate / plain.rate for plain, ours in pairs)
        cpu = statistics.median(plain.cpu / max(ours.cpu, 1e-9) for plain, ours in pairs)
        spent = statistics.median(ours.cpu for _, ours in pairs) * 1e6
        centiles = statistics.quantiles([took for _, ours in pairs for took in ours.times], n=100)
        print(
            f"{name:14}{plain:>9.0f}{ours:>9.0f}{ratio:>9.2f}{cpu:>9.2f}{spent:>9.0f}"
            f"{centiles[49] * 1e3:>9.1f}{centiles[98] * 1e3:>9.1f}"
        )
    print()


def check_nothing_is_lost(database: str, sent: dict[str, int]) -> None:
    store = Store(database)
    totals = Queries(store).totals(Queries(store).period("24h"))
    store.close()
    clicks = sent["/track/click"] + sent["redirect"] + 1
    leads = sent["/track/lead"]
    print(f"answered {clicks} clicks and {leads} leads; stored {totals.clicks} and {totals.leads}")
    if (totals.clicks, totals.leads) != (clicks, leads):
        raise SystemExit("events are missing")


def views(database: str, number: int) -> None:
    begun = time.monotonic()
    store = fill(database, number)
    print(f"\n{number:,} events, filled and folded in {time.monotonic() - begun:.0f} s")
    queries = Queries(store)
    questions: dict[str, Callable[[], object]] = {
        "time-series, 90 days": lambda: queries.timeseries(queries.period("90d", timezone="Asia/Kathmandu")),
        "funnel, 90 days": lambda: queries.funnel(queries.period("90d", timezone="America/New_York")),
        "latest 50 events": lambda: queries.live(limit=50),
    }
    for name, ask in questions.items():
        times = []
        for _ in range(50):
            begun = time.perf_counter()
            ask()
            times.append((time.perf_counter() - begun) * 1e3)
        p95 = statistics.quantiles(times, n=20)[18]
        print(f"{name:24}p50 {statistics.median(times):>7.1f} ms   p95 {p95:>7.1f} ms")
    store.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--database", help="an empty database, instead of a SQLite file")
    parser.add_argument("--events", type=int, default=200_000, help="how many events the views look at")
    parser.add_argument("--only", choices=("requests", "views"), help="one half")
    given = parser.parse_args()
    print(f"Python {platform.python_version()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}\n")
    with tempfile.TemporaryDirectory(prefix="dub-bench-") as folder:
        if given.only != "views":
            database = given.database or f"sqlite:///{folder}/requests.db"
            requests(database, rounds=3 if given.quick else 6, seconds=1.0 if given.quick else 2.0)
        if given.only != "requests":
            views(given.database or f"sqlite:///{folder}/views.db", given.events)


if __name__ == "__main__":
    main()

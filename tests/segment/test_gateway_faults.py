"""kill -9 between two events: whatever was answered 200 arrives after the restart."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from waiting import wait_until

pytestmark = pytest.mark.faults

APP = """
from dub_middleware.conversions import Timing
from dub_middleware.segment.gateway import JSONLines, create_gateway

def app(folder):
    return create_gateway(
        [JSONLines(f"{folder}/events.jsonl")],
        write_keys="wk",
        outbox=f"sqlite:///{folder}/o.db",
        timing=Timing(ambiguous=0.1),  # seconds; what was in flight comes again sooner than by default
    )
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serving(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Gunicorn with two workers, forked after the app was built, in a process group of its own."""
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "--preload", "-w", "2", "-k", "gthread", "--threads", "4",
         "--log-level", "critical", "-b", f"127.0.0.1:{port}", f"gateway_app:app({str(folder)!r})"],
        cwd=folder,
        start_new_session=True,
    )  # fmt: skip
    try:
        wait_until(lambda: reachable(port), what="the start of the server")
        yield server
    finally:
        kill(server)


def reachable(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


def kill(server: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def connected(port: int) -> contextlib.closing[http.client.HTTPConnection]:
    return contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60))


def post(connection: http.client.HTTPConnection, ids: list[str]) -> bool:
    batch = [{"type": "track", "event": "Sign Up", "userId": each, "messageId": each} for each in ids]
    connection.request("POST", "/v1/batch", json.dumps({"writeKey": "wk", "batch": batch}))
    answer = connection.getresponse()
    answer.read()
    return answer.status == 200


def test_kill_9_loses_no_event_that_was_accepted(tmp_path: Path) -> None:
    (tmp_path / "gateway_app.py").write_text(APP)
    accepted: list[str] = []
    for run in range(2):
        port = free_port()
        enough = threading.Event()

        def send(sender: int, run: int = run, port: int = port, enough: threading.Event = enough) -> None:
            with connected(port) as connection, contextlib.suppress(OSError, http.client.HTTPException):
                for number in range(10_000):
                    ids = [f"{run}-{sender}-{number}-{item}" for item in range(10)]
                    if post(connection, ids):
                        accepted.extend(ids)
                    if number == 15:
                        enough.set()

        with serving(tmp_path, port) as server:
            threads = [threading.Thread(target=send, args=(sender,)) for sender in range(4)]
            for thread in threads:
                thread.start()
            assert enough.wait(30)
            kill(server)
            for thread in threads:
                thread.join()

    file = tmp_path / "events.jsonl"
    port = free_port()
    with serving(tmp_path, port), connected(port) as connection:
        # a request wakes the worker; every event that was accepted is there, and every line is whole
        assert post(connection, ["last"])
        wait_until(
            lambda: set(accepted) <= ids_in(file), timeout=60, what="the delivery of all accepted events"
        )
    assert len(accepted) > 400


def ids_in(file: Path) -> set[str]:
    if not file.exists():
        return set()
    return {
        json.loads(line)["messageId"]
        for line in file.read_bytes().splitlines(keepends=True)
        if line[-1:] == b"\n"
    }

"""Processes that come from others: os.fork before and after use, under load, and a real gunicorn."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from faults import CLIENT, Client, SlowSegment, Tally, arrivals
from programs import Program
from waiting import wait_until

pytestmark = pytest.mark.faults

FORKS = f"""
{CLIENT}
def children(count):
    for child in range(count):
        if os.fork() == 0:
            for n in range(100):
                track(f"{{os.getpid()}}-{{n}}")
            conversions.close()
            os._exit(0)

if sys.argv[3] == "after use":
    for n in range(100):
        track(n)
children(2)
for n in range(100):
    track(f"parent-{{n}}")
statuses = [os.wait()[1] for _ in range(2)]
conversions.close(10)
sys.exit(any(statuses))
"""


@pytest.mark.parametrize("when", ["before use", "after use"])
def test_parent_and_children_deliver_everything_once(
    segment: SlowSegment, outbox: str, client: Client, tally: Tally, when: str
) -> None:
    """The peers' consumer threads do not survive the fork: all events of the children are lost silently."""
    with Program(FORKS, segment.url, outbox, when) as parent:
        assert parent.wait() == 0
    assert client(segment).flush(30)
    assert len(parent.lines) == (300 if when == "before use" else 400)
    tally(set(parent.lines), arrivals(segment))
    assert segment.repeats == []


FORK_STORM = f"""
{CLIENT}
stop = threading.Event()

def work(thread):
    n = 0
    while not stop.is_set():
        track(f"{{thread}}-{{n}}")
        n += 1

threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
for thread in threads:
    thread.start()
for child in range(40):
    pid = os.fork()
    if pid == 0:
        track(f"child-{{child}}")
        os._exit(0)
    if os.waitpid(pid, 0)[1]:
        os._exit(1)
stop.set()
for thread in threads:
    thread.join()
conversions.close(0.1)
"""


def test_a_fork_in_the_middle_of_a_commit_holds_nobody_up(
    segment: SlowSegment, outbox: str, client: Client, tally: Tally
) -> None:
    """Forty forks while three threads store and the worker delivers: no lock stays held, no handle shared.

    The children end in the middle of their deliveries, which says nothing against the events.
    """
    with Program(FORK_STORM, segment.url, outbox) as parent:
        assert parent.wait() == 0
    assert client(segment).flush(60)
    tally(set(parent.lines), arrivals(segment))


APP = """
import os
from dub_middleware.conversions import Conversions, Segment

conversions = Conversions(
    Segment("stub_write_key", host=os.environ["HOST"]), outbox=os.environ["OUTBOX"], durability="process"
)
conversions.track_lead(customer_external_id="master")  # used in the master, before it forks

def app(environ, start_response):
    receipt = conversions.track_lead(customer_external_id=environ["QUERY_STRING"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.getpid()} {receipt.id}".encode()]
"""


def test_gunicorn_with_preload_delivers_from_every_worker(
    segment: SlowSegment, outbox: str, tally: Tally, tmp_path: Path
) -> None:
    (tmp_path / "shop.py").write_text(APP)
    socket = tmp_path / "port"
    command = [
        sys.executable, "-m", "gunicorn", "--preload", "--workers=2", "--threads=4", "--bind=127.0.0.1:0",
        f"--chdir={tmp_path}", "--error-logfile", str(socket), "shop:app",
    ]  # fmt: skip
    environment = {"HOST": segment.url, "OUTBOX": outbox, "PATH": "/usr/bin:/bin"}
    server = subprocess.Popen(command, env=environment)
    try:
        address = wait_until(lambda: _address(socket), what="gunicorn's start")
        answers = [_get(f"{address}/?{n}") for n in range(200)]
        receipts = {answer.split()[1] for answer in answers}
        wait_until(lambda: len(segment.events) == 201, 30, "the delivery by the workers themselves")
    finally:
        server.terminate()
        server.wait(30)
    tally(receipts, arrivals(segment))
    assert segment.repeats == []


def _address(log: Path) -> str:
    text = log.read_text() if log.exists() else ""
    return text.partition("Listening at: ")[2].partition(" ")[0]


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as response:
        return str(response.read().decode())


TOGETHER = """
import os, sys

def together(path):
    wait, go = os.pipe()
    children = []
    for _ in range(6):
        children.append(os.fork())
        if children[-1] == 0:
            os.close(go)
            os.read(wait, 1)
            begin(path)
            os._exit(0)
    os.close(wait)
    os.close(go)
    return sum(os.waitpid(child, 0)[1] != 0 for child in children)

print(sum(together(f"{sys.argv[1]}/{n}.db") for n in range(int(sys.argv[2]))))
"""

BEGIN = {
    "outbox": """
from dub_middleware.conversions import Conversions
from dub_middleware.conversions.outbox import open_outbox
from dub_middleware.testing import RecordingDestination

def begin(path):
    outbox = f"sqlite:///{path}"
    conversions = Conversions(RecordingDestination(), outbox=outbox, durability="process", deliver=False)
    receipt = conversions.track_lead(customer_external_id="42", click_id="abc")
    conversions.close(30)  # a disk that took longer than a call waits has kept the event in memory so far
    assert open_outbox(outbox).states(receipt.id)
""",
    "webhooks": """
from dub_middleware.webhooks import WebhookApp

def begin(path):
    WebhookApp("whsec_x", print, seen=path)
""",
    "server": """
from dub_middleware.server import create_app

def begin(path):
    create_app(f"sqlite:///{path}").close()
""",
}


@pytest.mark.parametrize(("kind", "files"), [("outbox", 40), ("webhooks", 60), ("server", 5)])
def test_processes_that_begin_a_file_at_the_same_moment_all_store(
    tmp_path: Path, kind: str, files: int
) -> None:
    """The workers of a fresh installation start together and get their first requests together."""
    program = [sys.executable, "-c", BEGIN[kind] + TOGETHER, str(tmp_path), str(files)]
    refused = subprocess.run(program, capture_output=True, text=True, check=False)
    # on a slow disk the log may tell of a locked file, and the event wait a moment longer: nobody is refused
    assert refused.stdout == "0\n", refused.stderr

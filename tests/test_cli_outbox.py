"""``dub-middleware outbox`` and ``deliver``."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dub_middleware.cli import main
from dub_middleware.conversions import Conversions, DubAPI, Segment
from dub_middleware.conversions.outbox import open_outbox
from dub_middleware.conversions.settings import NAMES
from dub_stub import KEY, DubStub, refuse
from programs import Program
from segment_stub import WRITE_KEY, SegmentStub
from stub_http import status as reply
from waiting import wait_until

CLICK = "cQ1tXYZ012345678"
RUN = "import sys; from dub_middleware.cli import main; sys.exit(main())"


@pytest.fixture
def dub() -> Iterator[DubStub]:
    with DubStub() as stub:
        yield stub


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/outbox.db"


@pytest.fixture
def web(dub: DubStub, url: str) -> Iterator[Conversions]:
    """The web application, which leaves delivery to others."""
    conversions = Conversions(DubAPI(KEY, base_url=dub.url), outbox=url, deliver=False)
    yield conversions
    conversions.close()


@dataclass
class Done:
    status: int
    stdout: str
    stderr: str


Command = Callable[..., Done]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Run the command line in this process, in an empty folder; keywords are its environment."""
    monkeypatch.chdir(tmp_path)
    for name in NAMES.values():
        monkeypatch.delenv(name, raising=False)

    def run(*words: str, **environment: str) -> Done:
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            return Done(main(words), *capsys.readouterr())

    return run


def test_status_list_and_show_tell_what_is_there_and_no_persons_data(
    command: Command, web: Conversions, dub: DubStub, url: str
) -> None:
    dub.unknown_clicks.add("unknown012345678")
    for n, click in enumerate([CLICK, "unknown012345678", CLICK]):
        receipt = web.track_lead(
            customer_external_id=str(n), click_id=click, customer_email=f"ada{n}@example.com"
        )
    assert web.deliver()
    web.track_sale(customer_external_id="0", amount=4900)
    status = command("outbox", "status", DUB_OUTBOX=url)
    assert re.findall(r"\S+", status.stdout)[:9] == [
        "DESTINATION", "PENDING", "DELIVERED", "REJECTED", "dub", "1", "2", "1", "The",
    ]  # fmt: skip
    (rejected,) = json.loads(
        command("outbox", "list", "--state", "rejected", "--json", "--outbox", url).stdout
    )
    assert (rejected["status"], rejected["attempts"], rejected["kind"]) == (404, 1, "lead")
    shown = command("outbox", "show", rejected["id"], "--outbox", url).stdout
    assert "404 not_found: Click event not found" in shown
    assert "@example.com" not in status.stdout + shown + str(rejected)
    assert (
        "ada1@example.com" in command("outbox", "show", rejected["id"], "--payload", "--outbox", url).stdout
    )
    delivered = json.loads(
        command("outbox", "show", receipt.id, "--payload", "--json", "--outbox", url).stdout
    )
    assert [(row["state"], row["payload"]) for row in delivered] == [("delivered", "")]


def test_what_others_wrote_cannot_steer_the_terminal(
    command: Command, web: Conversions, dub: DubStub, url: str
) -> None:
    dub.permanent = reply(400, {"error": {"code": "bad_request", "message": "\x1b[2Jno\x9b31m"}})
    receipt = web.track_lead(customer_external_id="42", click_id=CLICK, customer_name="\x9b2JAda")
    web.deliver()
    for words in (["list"], ["show", receipt.id], ["show", receipt.id, "--payload"]):
        shown = command("outbox", *words, "--outbox", url).stdout
        assert "\\x1b[2Jno\\x9b31m" in shown
        assert not {"\x1b", "\x9b"} & set(shown)


def test_what_ended_badly_can_be_queued_again_and_arrives(
    command: Command, web: Conversions, dub: DubStub, url: str
) -> None:
    dub.unknown_clicks.add(CLICK)
    receipt = web.track_lead(customer_external_id="42", click_id=CLICK)
    web.deliver()
    dub.unknown_clicks.clear()
    dub.forget()
    elsewhere = ("--state", "rejected", "--destination", "segment", "--outbox", url)
    assert command("outbox", "retry", *elsewhere).stdout == "Queued 0 events again.\n"
    assert command("outbox", "retry", receipt.id, "--outbox", url).stdout == "Queued 1 event again.\n"
    done = command("deliver", "--once", DUB_OUTBOX=url, DUB_API_KEY=KEY, DUB_BASE_URL=dub.url)
    assert (done.status, done.stdout) == (0, "Nothing waits.\n")
    assert receipt.state == "delivered"
    assert len(dub.leads) == 1


def test_purge_deletes_what_has_arrived_and_the_counts_stay(
    command: Command, web: Conversions, url: str
) -> None:
    for n in range(30):
        web.track_lead(customer_external_id=str(n), click_id=CLICK)
    web.deliver()
    young = command("outbox", "purge", "--older-than", "1h", "--json", "--outbox", url)
    assert json.loads(young.stdout) == {"purged": 0}
    elsewhere = ("--destination", "segment", "--outbox", url)
    assert command("outbox", "purge", *elsewhere).stdout == "Deleted 0 events.\n"
    assert (
        command("outbox", "purge", "--destination", "dub", "--outbox", url).stdout == "Deleted 30 events.\n"
    )
    status = json.loads(command("outbox", "status", "--json", "--outbox", url).stdout)
    assert status == {"destinations": {"dub": {"delivered": 30}}, "oldestPendingSeconds": None}
    assert command("outbox", "list", "--json", "--outbox", url).stdout == "[]\n"


def test_deliver_once_sends_what_is_due_and_leaves_the_rest(
    command: Command, web: Conversions, dub: DubStub, url: str
) -> None:
    """A far side that is down fails no cron job: the events wait for their next attempt."""
    dub.permanent = refuse(500)
    web.track_lead(customer_external_id="42", click_id=CLICK)
    settings = {"DUB_OUTBOX": url, "DUB_API_KEY": KEY, "DUB_BASE_URL": dub.url}
    down = command("deliver", "--once", "--json", **settings)
    assert (down.status, json.loads(down.stdout)) == (0, {"done": True, "waiting": 1})
    dub.permanent = None
    open_outbox(url).retry(states=["rejected"])
    wait_until(lambda: command("deliver", "--once", **settings).stdout == "Nothing waits.\n")
    assert len(dub.leads) == 1


@pytest.mark.parametrize("destination", ["dub", "segment"])
def test_deliver_runs_until_sigterm_and_ends_what_is_in_flight(
    dub: DubStub, url: str, destination: str
) -> None:
    with SegmentStub() as segment:
        to = (
            Segment(WRITE_KEY, host=segment.url)
            if destination == "segment"
            else DubAPI(KEY, base_url=dub.url)
        )
        web = Conversions(to, outbox=url, deliver=False)
        keys = {
            "dub": {"DUB_API_KEY": KEY, "DUB_BASE_URL": dub.url},
            "segment": {"SEGMENT_WRITE_KEY": WRITE_KEY, "SEGMENT_HOST": segment.url},
        }
        with Program(
            RUN, "deliver", env={"PATH": os.defpath, "DUB_OUTBOX": url, **keys[destination]}
        ) as worker:
            for n in range(20):
                web.track_lead(customer_external_id=str(n), click_id=CLICK)
            arrived = dub.leads if destination == "dub" else segment.events
            wait_until(lambda: len(arrived) == 20, what="delivery by the other process")
            worker.terminate()
            assert worker.wait() == 0
        assert worker.lines == ["Nothing waits."]
        web.close()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("outbox", "status"), "There is no outbox dub-outbox.db here. Name it with --outbox or DUB_OUTBOX."),
        (("outbox", "status", "--outbox", "mysql://x"), "'mysql' is not a database it knows"),
        (("outbox", "list", "--state", "lost", "--outbox", "URL"), "--state 'lost' is not a state"),
        (("outbox", "retry", "--outbox", "URL"), "Say which: ids of events, or --state"),
        (("outbox", "purge", "--state", "pending", "--outbox", "URL"), "'pending' is not a state"),
        (("outbox", "purge", "--older-than", "soon", "--outbox", "URL"), "'soon' is no age"),
        (("outbox", "show", "nobody", "--outbox", "URL"), "There is no event 'nobody'"),
        (("outbox", "status", "--outbox", "sqlite:///notes.txt"), "notes.txt is no outbox"),
        (("deliver", "--outbox", "sqlite:///notes.txt", "--api-key", "dub_x"), "is no outbox"),
        (("deliver", "--outbox", "URL"), "There is nowhere to send conversions"),
        (("deliver", "--outbox", "none", "--api-key", "dub_x"), "what another process keeps in memory"),
        (("deliver", "--outbox", "URL", "--api-key", "dub_x", "--rate-limit", "fast"), "rate_limit='fast'"),
    ],
    ids=lambda value: "-".join(value[:3]) if isinstance(value, tuple) else "",
)
def test_a_mistake_is_told_in_one_sentence(
    web: Conversions, command: Command, url: str, words: tuple[str, ...], message: str
) -> None:
    web.track_lead(customer_external_id="42", click_id=CLICK)
    notes = Path("notes.txt")
    notes.write_text("mine")
    done = command(*(word.replace("URL", url) for word in words))
    assert done.status == 1
    assert notes.read_text() == "mine"
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_long_work_shows_a_bar_on_a_terminal(web: Conversions, url: str) -> None:
    for n in range(10):
        web.track_lead(customer_external_id=str(n), click_id=CLICK)
    web.deliver()
    reader, writer = pty.openpty()
    subprocess.run(
        [sys.executable, "-c", RUN, "outbox", "purge", "--outbox", url],
        stdout=subprocess.DEVNULL,
        stderr=writer,
        check=True,
    )
    os.close(writer)
    shown = os.read(reader, 65536).decode()
    os.close(reader)
    assert re.search(r"Deleting █+ 100%  10", shown)

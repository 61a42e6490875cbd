"""The file of the outbox: disk full, read-only, damaged, locked, deleted. No caller sees an exception."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dub_middleware.conversions import Conversions, Receipt
from dub_middleware.conversions.outbox import open_outbox
from dub_middleware.errors import DubError
from faults import Client, SlowSegment, Tally, arrivals
from programs import Program
from stub_http import status
from waiting import wait_until

pytestmark = pytest.mark.faults


def track(web: Conversions, count: int) -> list[Receipt]:
    return [web.track_lead(customer_external_id=str(n), customer_name="Ada " * 20) for n in range(count)]


def fill(file: Path) -> None:
    """Write until there is no room for another byte."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT)
    for size in (4096, 1):
        with contextlib.suppress(OSError):
            while True:
                os.write(descriptor, b"x" * size)
    os.close(descriptor)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes, where this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_fails_no_caller_and_heals_without_a_restart(
    segment: SlowSegment, client: Client, tally: Tally, small_disk: Path
) -> None:
    """What finds no room waits in memory, and is on the disk as soon as there is room again."""
    errors: list[DubError] = []
    segment.permanent = status(500)
    web = client(segment, outbox=f"sqlite:///{small_disk}/outbox.db", on_error=errors.append)
    receipts = track(web, 20)
    filler = small_disk / "filler"
    fill(filler)
    receipts += track(web, 300)
    assert {receipt.storage for receipt in receipts} == {"stored", "in_memory"}
    assert any("full" in str(error) for error in errors)
    filler.unlink()
    segment.permanent = None
    assert web.flush(60)
    assert track(web, 1)[0].storage == "stored"
    tally({receipt.id for receipt in receipts}, arrivals(segment))


LIMITED = """
import resource, signal, sys
from dub_middleware.conversions import Conversions, Segment
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
conversions = Conversions(Segment("stub_write_key", host=sys.argv[1]), outbox=sys.argv[2])
storages = set()
for n in range(500):
    receipt = conversions.track_lead(customer_external_id=str(n), customer_name="Ada " * 20)
    print(receipt.id, flush=True)
    storages.add(receipt.storage)
assert "refused" not in storages, storages
sys.exit(not conversions.flush(60))
"""


def test_a_file_size_limit_is_like_a_full_disk(segment: SlowSegment, outbox: str, tally: Tally) -> None:
    with Program(LIMITED, segment.url, outbox) as web:
        assert web.wait() == 0
    tally(set(web.lines), arrivals(segment))


def test_a_full_outbox_refuses_the_new_and_keeps_the_old(
    segment: SlowSegment, outbox: str, client: Client, tally: Tally
) -> None:
    """Beyond its quota, then beyond the thousand in memory: the receipt says so, and on_error hears of it."""
    segment.permanent = status(500)
    errors: list[DubError] = []
    store = open_outbox(outbox, durability="process", max_bytes=300_000)
    web = client(segment, outbox=store, on_error=errors.append)
    receipts = track(web, 3000)
    refused = {receipt.id for receipt in receipts if receipt.storage == "refused"}
    assert {"stored", "in_memory", "refused"} == {receipt.storage for receipt in receipts}
    assert len([error for error in errors if "was lost: outbox and memory are full" in str(error)]) == len(
        refused
    )
    segment.permanent = None
    assert web.flush(60)
    tally({receipt.id for receipt in receipts} - refused, arrivals(segment))


def make_unwritable(folder: Path) -> Callable[[], None]:
    if os.geteuid() == 0:  # whom permissions do not stop
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        return lambda: subprocess.run(["mount", "-o", "remount,rw", str(folder)], check=True) and None
    folder.chmod(0o500)
    return lambda: folder.chmod(0o700)


@pytest.mark.parametrize("when", ["from the start", "later"])
def test_a_disk_that_becomes_read_only(
    segment: SlowSegment, client: Client, tally: Tally, small_disk: Path, when: str
) -> None:
    web = client(segment, outbox=f"sqlite:///{small_disk}/outbox.db")
    receipts = track(web, 10) if when == "later" else []
    if receipts:
        assert web.flush()
        web.close()  # a file that is open for writing keeps the file system writable
    restore = make_unwritable(small_disk)
    try:
        receipts += track(web, 10)
        assert receipts[-1].storage == "in_memory"
        wait_until(lambda: len(segment.events) == len(receipts), what="the direct delivery")
    finally:
        restore()
    assert web.flush(30)
    tally({receipt.id for receipt in receipts}, arrivals(segment))


@pytest.mark.parametrize("damage", ["garbage", "empty", "cut short"])
def test_a_damaged_file_is_put_aside(
    segment: SlowSegment, client: Client, tally: Tally, tmp_path: Path, outbox: str, damage: str
) -> None:
    """It is kept for whoever can read it, a new one is begun, and what comes from now on is delivered."""
    file = tmp_path / "outbox.db"
    store = open_outbox(outbox)
    track(Conversions(client(segment)._destinations[0], outbox=store, deliver=False), 50)
    store.close()
    size = file.stat().st_size
    content = {"garbage": os.urandom(size), "empty": b"", "cut short": file.read_bytes()[: size // 2]}[damage]
    file.write_bytes(content)
    web = client(segment, outbox=outbox)
    receipts = track(web, 20)
    assert web.flush(30)
    tally({receipt.id for receipt in receipts}, arrivals(segment))
    assert len(list(tmp_path.glob("outbox.db.corrupt-*"))) == (0 if damage == "empty" else 1)


def test_somebody_elses_lock_holds_no_caller_up(
    segment: SlowSegment, client: Client, tally: Tally, tmp_path: Path
) -> None:
    """A backup tool that locks the file: events wait in memory and are stored when it lets go."""
    web = client(segment)
    receipts = track(web, 5)
    assert web.flush()
    other = sqlite3.connect(tmp_path / "outbox.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    receipts += track(web, 50)
    assert receipts[-1].storage == "in_memory"
    other.execute("ROLLBACK")
    other.close()
    assert web.flush(30)
    tally({receipt.id for receipt in receipts}, arrivals(segment))


def test_a_deleted_file_takes_no_event_with_it(
    segment: SlowSegment, client: Client, tally: Tally, tmp_path: Path
) -> None:
    """What waits is written into the new file."""
    segment.permanent = status(500)
    web = client(segment)
    receipts = track(web, 30)
    for file in tmp_path.glob("outbox.db*"):
        file.unlink()
    receipts += track(web, 30)
    segment.permanent = None
    assert web.flush(30)
    tally({receipt.id for receipt in receipts}, arrivals(segment))
    shutil.rmtree(tmp_path, ignore_errors=True)


SYNCS = """
import sys
from dub_middleware.conversions.outbox import NewRow, open_outbox
outbox = open_outbox(sys.argv[1], durability=sys.argv[2])
for n in range(100):
    outbox.put([NewRow(str(n), "dub", "lead", str(n), b"{}", 0.0)])
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize(("durability", "least", "most"), [("power", 100, 130), ("process", 0, 30)])
def test_power_waits_for_the_disk_at_every_call(
    outbox: str, tmp_path: Path, durability: str, least: int, most: int
) -> None:
    """Seen from outside: one sync to the disk for each commit, or hardly any."""
    log = tmp_path / "syncs"
    trace = ["strace", "-f", "-e", "trace=fdatasync,fsync", "-o", str(log), sys.executable, "-c", SYNCS]
    subprocess.run([*trace, outbox, durability], check=True)
    syncs = len(re.findall(r"f(?:data)?sync\(", log.read_text()))
    assert least <= syncs <= most

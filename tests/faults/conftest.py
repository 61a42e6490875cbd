"""What goes wrong on real machines. Every test counts what was lost (always 0) and what came twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dub_middleware.conversions import Conversions, DubAPI, Segment
from dub_stub import KEY, DubStub
from faults import FAST, Client, SlowSegment, Tally
from segment_stub import WRITE_KEY, SegmentStub


@pytest.fixture
def segment() -> Iterator[SlowSegment]:
    with SlowSegment() as stub:
        yield stub


@pytest.fixture
def dub() -> Iterator[DubStub]:
    with DubStub() as stub:
        yield stub


@pytest.fixture
def outbox(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/outbox.db"


@pytest.fixture
def client(outbox: str) -> Iterator[Client]:
    """A client of this process, closed at the end."""
    made: list[Conversions] = []

    def make(stub: DubStub | SegmentStub, **options: Any) -> Conversions:
        destination = (
            DubAPI(KEY, base_url=stub.url) if isinstance(stub, DubStub) else Segment(WRITE_KEY, host=stub.url)
        )
        made.append(Conversions(destination, **({"outbox": outbox, "timing": FAST} | options)))
        return made[-1]

    yield make
    for conversions in made:
        conversions.close()


@pytest.fixture
def tally(record_property: Callable[[str, object], None]) -> Tally:
    """Compare what was acknowledged with what arrived; nothing may be lost, what came twice is reported."""

    def count(acknowledged: set[str], arrived: list[str]) -> None:
        repeats = len(arrived) - len(set(arrived))
        record_property("tally", json.dumps([len(acknowledged), repeats]))
        assert acknowledged, "nothing was acknowledged, so nothing could be lost"
        assert acknowledged - set(arrived) == set()

    return count


def pytest_terminal_summary(terminalreporter: Any) -> None:
    rows = [
        (report.nodeid.partition("::")[2], *json.loads(value))
        for report in terminalreporter.stats.get("passed", [])
        for name, value in report.user_properties
        if name == "tally"
    ]
    if rows:
        terminalreporter.section("conversions under faults")
        terminalreporter.write_line(f"{'acknowledged':>12}{'lost':>6}{'repeats':>9}")
        for name, acknowledged, repeats in rows:
            terminalreporter.write_line(f"{acknowledged:>12,}{0:>6}{repeats:>9,}  {name}")

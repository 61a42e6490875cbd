"""``dub-middleware segment test``, run as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

LEAD: dict[str, Any] = {
    "type": "track",
    "event": "Sign Up",
    "userId": "user_42",
    "context": {"traits": {"clickId": "clk_1"}},
}
VIEW = {**LEAD, "event": "Sign up"}
MAPPING = [
    {
        "name": "From the guide",
        "partnerAction": "trackLead",
        "mapping": {
            "clickId": {"@path": "$.context.traits.clickId"},
            "eventName": {"@path": "$.event"},
            "externalId": {"@path": "$.userId"},
        },
    }
]


def run(*arguments: str, stdin: object = None) -> subprocess.CompletedProcess[str]:
    given = stdin if isinstance(stdin, str) else json.dumps(stdin)
    command = [sys.executable, "-m", "dub_middleware", "segment", "test", *arguments]
    return subprocess.run(command, input=given, capture_output=True, text=True, encoding="utf-8", check=False)


@pytest.fixture
def mapping(tmp_path: Path) -> str:
    file = tmp_path / "mapping.json"
    file.write_text(json.dumps(MAPPING))
    return str(file)


def test_shows_the_request_that_would_be_sent(mapping: str) -> None:
    shown = run("--mapping", mapping, stdin=LEAD)
    assert shown.returncode == 0
    assert "From the guide (trackLead)  POST /track/lead" in shown.stdout
    assert '"clickId": "clk_1"' in shown.stdout
    assert "\x1b" not in shown.stdout


def test_says_which_condition_does_not_hold(mapping: str) -> None:
    shown = run("--mapping", mapping, stdin=VIEW)
    assert shown.returncode == 0
    assert '✓ type is "track"' in shown.stdout
    assert '✗ event is "Sign Up" (it is "Sign up")' in shown.stdout


def test_says_what_is_wrong_and_what_helps() -> None:
    shown = run(stdin=LEAD)  # the default mappings
    assert shown.returncode == 1
    assert "The root value is missing the required field 'clickId'." in shown.stdout
    assert "map clickId to $.context.traits.clickId" in shown.stdout


def test_says_when_the_event_itself_is_not_for_dub(mapping: str) -> None:
    shown = run("--mapping", mapping, stdin={**LEAD, "integrations": {"All": False}})
    assert "integrations.All is false." in shown.stdout


@pytest.mark.parametrize("lines", [False, True], ids=["list", "lines"])
def test_takes_several_events(mapping: str, tmp_path: Path, lines: bool) -> None:
    file = tmp_path / "events.json"
    events = [LEAD, VIEW]
    file.write_text("\n".join(map(json.dumps, events)) if lines else json.dumps(events))
    shown = run("--json", "--mapping", mapping, str(file))
    outcomes = [json.loads(line)[0] for line in shown.stdout.splitlines()]
    assert [outcome["outcome"] for outcome in outcomes] == ["sent", "not_subscribed"]
    assert outcomes[0]["body"]["clickId"] == "clk_1"


@pytest.mark.parametrize(
    "text", ["", "{", "[" * 100_000, "{}\n{", "\udcff"], ids=["empty", "half", "deep", "lines", "bytes"]
)
def test_refuses_what_is_no_json(text: str) -> None:
    command = [sys.executable, "-m", "dub_middleware", "segment", "test"]
    shown = subprocess.run(
        command, input=text.encode(errors="surrogateescape"), capture_output=True, check=False
    )
    assert shown.returncode == 1
    assert shown.stderr.startswith(b"dub-middleware segment: events: must")
    assert b"Traceback" not in shown.stderr


def test_refuses_a_mapping_that_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "mapping.json"
    file.write_text(json.dumps([{"partnerAction": "trackLead", "mapping": {"clickId": {"@nope": 1}}}]))
    shown = run("--mapping", str(file), stdin=LEAD)
    assert shown.returncode == 1
    assert "mapping 1 (trackLead): /clickId has an invalid directive: @nope." in shown.stderr


def test_a_file_that_is_not_there_is_named() -> None:
    assert "nowhere.json" in run("nowhere.json").stderr
    assert "nowhere.toml" in run("--mapping", "nowhere.toml", stdin=LEAD).stderr


def test_an_event_cannot_steer_the_terminal(mapping: str) -> None:
    shown = run("--mapping", mapping, stdin={**LEAD, "event": "\x1b[2J\x9b31m", "userId": "\ud800"})
    assert shown.returncode == 0
    assert "\x1b" not in shown.stdout
    assert "\x9b" not in shown.stdout


@pytest.mark.parametrize("event", [None, [], 5, "text", {}, [[]]], ids=repr)
def test_shows_what_is_no_event_too(event: object) -> None:
    assert "Traceback" not in run(stdin=event).stderr

"""What the commands say to a command line that cannot be meant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dub_middleware.cli import main
from dub_middleware.cli.remote import COUNT_FILTERS, FILTERS
from dub_middleware.server.api import filters


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["nope"], "invalid choice: 'nope'", id="command"),
        pytest.param(["links"], "required: ACTION", id="action"),
        pytest.param(["links", "create"], "required: destination", id="argument"),
        pytest.param(["links", "list", "--limit", "0"], "'0' must be a whole number, 1 to 100", id="below"),
        pytest.param(["links", "list", "--limit", "101"], "'101' must be a whole number", id="above"),
        pytest.param(
            ["analytics", "--limit", "-5"], "'-5' must be a whole number of 1 or more", id="negative"
        ),
        pytest.param(["events", "tail", "-n", "1e2"], "'1e2' must be a whole number", id="no-number"),
        pytest.param(["outbox", "list", "--limit", "0"], "'0' must be a whole number of 1", id="outbox"),
        pytest.param(["serve", "--port", "99999"], "'99999' must be a whole number, 0 to 65535", id="port"),
        pytest.param(["keys", "create", "--days", "9999999"], "1 to 36500", id="days"),
        pytest.param(["deliver", "--timeout", "0"], "must be seconds, above 0 and up to a day", id="seconds"),
        pytest.param(["deliver", "--timeout", "-1"], "must be seconds, above 0 and up to a day", id="past"),
        pytest.param(["deliver", "--timeout", "nan"], "must be seconds, above 0 and up to a day", id="nan"),
    ],
)
def test_wrong_usage_is_told_in_words_or_in_json(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    usage, *_, told = capsys.readouterr().err.splitlines()
    assert usage.startswith("usage: dub-middleware")
    assert message in told
    assert main([*arguments, "--json"]) == 2
    out, err = capsys.readouterr()
    assert json.loads(err)["error"]["code"] == "usage_error"
    assert message in json.loads(err)["error"]["message"]
    assert out == ""


def test_nothing_to_do_is_answered_with_what_can_be_done(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert (out, "Exit status: 0 done" in err) == ("", True)


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith("dub-middleware 0.")


def test_looking_at_keys_makes_no_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "dub.db"
    for arguments in (["list"], ["revoke", "key_1"]):
        assert main(["keys", *arguments, "--database", f"sqlite:///{path}", "--json"]) == 1
        assert json.loads(capsys.readouterr().err)["error"]["code"] == "store_error"
    assert not path.exists()


def test_every_filter_of_the_api_can_be_named() -> None:
    assert filters.CONDITIONS.keys() == FILTERS
    assert filters.FILTERS.keys() - {"interval", "timezone"} == COUNT_FILTERS

"""Why a SQLite file cannot be used, in words that say what to look at."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from dub_middleware.reason import reason

UNOPENED = sqlite3.OperationalError("unable to open database file")


@pytest.mark.parametrize(
    ("error", "path", "said"),
    [
        pytest.param(UNOPENED, "none/x.db", "the folder {here}/none does not exist", id="no-folder"),
        pytest.param(UNOPENED, "x.db", "this user may not write to the folder {here}", id="no-right"),
        pytest.param(UNOPENED, "theirs.db", "it belongs to another user", id="another-user"),
        pytest.param(sqlite3.OperationalError("disk I/O error"), "x.db", "disk I/O error", id="other"),
    ],
)
def test_the_cause_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, path: str, said: str
) -> None:
    (tmp_path / "theirs.db").touch()
    monkeypatch.setattr(os, "access", lambda *_: False)  # root, whom tests may run as, may do everything
    assert reason(error, tmp_path / path) == said.format(here=tmp_path)

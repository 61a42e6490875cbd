"""The helpers of `testing` as pytest fixtures; pytest finds them by itself where the package is installed.

Nothing of the package is imported before a test asks for it, so that coverage tools see all of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from dub_middleware.testing import LocalDub, RecordingDestination


@pytest.fixture
def recording_destination() -> Iterator[RecordingDestination]:
    """A fresh `RecordingDestination`, closed at the end of the test."""
    from dub_middleware.testing import RecordingDestination

    destination = RecordingDestination()
    yield destination
    destination.close()


@pytest.fixture
def local_dub(tmp_path: Path) -> Iterator[LocalDub]:
    """A `LocalDub` without links and events, closed at the end of the test."""
    from dub_middleware.testing import LocalDub

    dub = LocalDub(tmp_path)
    yield dub
    dub.close()

"""The pictures of the guides: there, in both colours, and small."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
PICTURES = sorted(
    (page.name, name)
    for page in DOCS.glob("*.md")
    for name in re.findall(r'(?:src|srcset)="([^":]+)"', page.read_text("utf-8"))
    if name.endswith(".png")
)
MAX_BYTES = 120 * 1024


def test_the_dashboard_is_shown_light_and_dark() -> None:
    names = {name for page, name in PICTURES if page == "dashboard.md"}
    assert names == {"dashboard-light.png", "dashboard-dark.png"}


@pytest.mark.parametrize(("page", "name"), PICTURES)
def test_a_picture_is_there_and_loads_quickly(page: str, name: str) -> None:
    content = (DOCS / name).read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert int.from_bytes(content[16:20], "big") == 1280, "pixels wide"
    assert len(content) < MAX_BYTES

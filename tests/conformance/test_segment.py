"""Ours against what Segment's published packages do; README.md says how the recordings were made."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from dub_middleware import FQLError
from dub_middleware.segment import parse_fql

RECORDINGS = Path(os.environ.get("SEGMENT_RECORDINGS", Path(__file__).parent))


def recorded(name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((RECORDINGS / name).read_text(encoding="utf-8"))
    return data


def test_subscriptions_select_what_they_select_there() -> None:
    data = recorded("subscriptions.json")
    wrong = [
        (text, expected, found)
        for text, expected in data["cases"]
        if (found := selection(text, data["events"])) != expected
    ]
    assert not wrong
    assert len(data["cases"]) > 400


def selection(text: str, events: list[Any]) -> str | None:
    """One digit an event; None when the subscription is refused."""
    try:
        subscription = parse_fql(text)
    except FQLError:
        return None
    return "".join(str(int(subscription.matches(event))) for event in events)

"""Ours against what Segment's published packages do; README.md says how the recordings were made."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from dub_middleware import FQLError, MappingError
from dub_middleware.segment import DubActions, parse_fql
from dub_middleware.segment.actions import as_request
from dub_middleware.segment.javascript import UNDEFINED, stringify
from dub_middleware.segment.mapping import CompiledMapping

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


def test_mappings_give_what_they_give_there() -> None:
    data = recorded("mappings.json")
    events = data["events"]
    wrong = [
        (mapping, expected, found)
        for mapping, expected in data["cases"]
        if (found := payloads(mapping, events))
        != (expected if isinstance(expected, list) else [expected] * len(events))
    ]
    assert not wrong
    assert len(data["cases"]) > 600


def test_liquid_renders_what_it_renders_there_or_is_refused_by_name() -> None:
    data = recorded("liquid.json")
    wrong, refused = [], 0
    for mapping, expected in data["cases"]:
        there = expected if isinstance(expected, list) else [expected] * len(data["events"])
        here = payloads(mapping, data["events"])
        if "not supported" in here[0].get("error", ""):
            refused += 1
        elif any(
            mine != theirs and not {"error"} == mine.keys() == theirs.keys()
            for mine, theirs in zip(here, there, strict=True)
        ):
            wrong.append((mapping, there, here))
    assert not wrong
    assert len(data["cases"]) > 900
    assert refused < len(data["cases"]) / 20


def payloads(mapping: Any, events: list[Any]) -> list[dict[str, str]]:
    """What each event gives, to the byte; nothing at all is ``{}``."""
    try:
        compiled = CompiledMapping(mapping)
    except MappingError as error:
        return [{"error": str(error)}] * len(events)
    return [payload(compiled, event) for event in events]


def payload(compiled: CompiledMapping, event: Any) -> dict[str, str]:
    try:
        found = compiled(event)
    except MappingError as error:
        return {"error": str(error)}
    return {} if found is UNDEFINED else {"out": stringify(found)}


def test_the_destination_sends_what_it_sends_there() -> None:
    data = recorded("destination.json")
    wrong = [
        (mapping, event, expected, found)
        for mapping, event, expected in (
            (data["mappings"][m], data["events"][e], expected) for m, e, expected in data["cases"]
        )
        if (found := delivery(mapping, event)) != expected
    ]
    assert not wrong
    assert len(data["cases"]) > 800


def delivery(mapping: dict[str, Any], event: Any) -> dict[str, str]:
    """What becomes of an event, in the words of the recording."""
    if not mapping.get("subscribe"):
        return {"output": "Failed to validate subscription"}  # ours takes the action's own for none
    try:
        actions = DubActions("dub_key", mappings=[mapping], outbox=None)
    except MappingError as error:
        return refusal(error)
    (outcome,) = actions.plan(event)
    if outcome["outcome"] == "error":
        return {"error": outcome["error"]}
    if outcome["outcome"] == "sent":
        request = as_request(outcome)
        assert json.loads(request.payload) == outcome["body"]
        return {"path": f"{outcome['method']} {outcome['path']}", "body": request.payload.decode()}
    return {"output": "not subscribed" if outcome["outcome"] == "not_subscribed" else ""}


def refusal(error: MappingError) -> dict[str, str]:
    """Why a mapping was refused when it was loaded; there, it is found out with the first event."""
    (message,) = error.errors
    reason = message.partition(": ")[2]
    if not reason.startswith("subscribe: "):
        return {"error": reason}
    return {
        "output": "Failed to validate subscription" if "must be text" in reason else "Invalid subscription"
    }

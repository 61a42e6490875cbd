"""From the JSON of a request to the events it holds: pure, and one bad event takes no other with it.

https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/
"""

from __future__ import annotations

import functools
import hashlib
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from dub_middleware.conversions import http
from dub_middleware.conversions.destinations.segment import DUB_ACTIONS
from dub_middleware.conversions.outbox import storable
from dub_middleware.errors import EventError

TYPES = frozenset({"track", "identify", "page", "screen", "group", "alias"})
MAX_EVENTS = 2500  # in a batch
MAX_EVENT = 32 * 1024  # bytes
MAX_ID = 100  # characters of a messageId that are kept as they are

_REPLACED = ("writeKey", "sentAt", "receivedAt")
_OBJECTS = ("context", "integrations", "properties", "traits")
_TIME = re.compile(
    r"(\d{4}-\d{1,2}-\d{1,2})(?:[T ](\d{2}:\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?\s*(Z|z|[+-]\d{2}:?\d{2})?)?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Event:
    """One accepted call, completed as Segment does it."""

    id: str
    """What repeats are recognised by: the ``messageId``, or its hash when that is longer than 100."""
    key: str
    """Who it is about; events of one key stay in order."""
    data: Mapping[str, Any]
    """The call, with ``messageId``, ``timestamp``, ``originalTimestamp`` and ``receivedAt``; no write key."""
    json: bytes
    """``data`` as compact JSON."""


def read_events(
    body: Mapping[str, Any],
    kind: str,
    received_at: datetime,
    *,
    ip: str | None = None,
    click_id: str | None = None,
) -> Iterator[Event | EventError]:
    """Yield what the body of a call holds: each event, or why Segment would drop it.

    ``kind`` is one of `TYPES`, or ``batch``: then ``context`` and ``integrations`` of the envelope are merged
    into each event, whose own values win. ``ip`` becomes ``context.ip`` and ``click_id`` the
    ``integrations["Dub (Actions)"].dub_id`` of events that have none.
    """
    arrival = _Arrival(received_at, http.iso_time(received_at), ip, click_id)
    if kind != "batch":
        yield _read({**body, "type": kind}, {}, body.get("sentAt"), arrival)
        return
    items: Sequence[Any] = body["batch"]
    shared = {name: body[name] for name in ("context", "integrations") if isinstance(body.get(name), dict)}
    for item in items[:MAX_EVENTS]:
        sent_at = body.get("sentAt") or (item.get("sentAt") if isinstance(item, dict) else None)
        yield _read(item, shared, sent_at, arrival)
    for _ in items[MAX_EVENTS:]:
        yield EventError("batch", len(items), f"must have at most {MAX_EVENTS} events")


@dataclass(frozen=True, slots=True)
class _Arrival:
    at: datetime
    text: str
    ip: str | None
    click_id: str | None


def _read(item: Any, shared: Mapping[str, Any], sent_at: Any, arrival: _Arrival) -> Event | EventError:
    try:
        who = _check(item)
        data = _complete(item, shared, sent_at, arrival)
        encoded = http.to_json(data)
        if len(encoded) > MAX_EVENT and (size := len(http.to_json(item))) > MAX_EVENT:
            return EventError("batch", size, f"must have no event of more than {MAX_EVENT:,} bytes")
    except EventError as error:
        return error
    except (ValueError, RecursionError):  # 1e999 is JSON, but no number that could be passed on
        return EventError("type", item.get("type"), "must come with numbers that JSON can carry")
    identifier = data["messageId"]
    if len(identifier) > MAX_ID:
        identifier = hashlib.sha256(identifier.encode(errors="replace")).hexdigest()
    return Event(storable(identifier), storable(who), data, encoded)


def _check(item: Any) -> str:
    """Return who the event is about, or raise `EventError` for what Segment answers 200 to and drops."""
    if not isinstance(item, dict):
        raise EventError("batch", _kind(item), "must be a list of objects")
    kind = item.get("type")
    if not isinstance(kind, str) or kind not in TYPES:
        raise EventError(
            "type",
            kind if isinstance(kind, str) else _kind(kind),
            f"must be one of {', '.join(sorted(TYPES))}",
        )
    for name in _OBJECTS:
        if not isinstance(item.get(name), dict | None):
            raise EventError(name, _kind(item[name]), "must be an object")
    if kind == "track" and not (isinstance(item.get("event"), str) and item["event"]):
        raise EventError("event", _kind(item.get("event")), "must be the name of the event")
    who = _identity(item.get("userId")) or _identity(item.get("anonymousId"))
    if not who:
        raise EventError("userId", _kind(item.get("userId")), "must be there, or anonymousId")
    return who


def _kind(value: Any) -> str:
    return type(value).__name__  # the value may be personal data


def _identity(value: Any) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if isinstance(value, str) else str(value) if is_number else ""


def _complete(
    item: Mapping[str, Any], shared: Mapping[str, Any], sent_at: Any, arrival: _Arrival
) -> dict[str, Any]:
    data = {name: value for name, value in item.items() if name not in _REPLACED}
    for name, value in shared.items():
        data[name] = _merged(value, item.get(name) or {})
    if arrival.ip and not (data.get("context") or {}).get("ip"):
        data["context"] = {**(data.get("context") or {}), "ip": arrival.ip}
    if arrival.click_id:
        data["integrations"] = _with_click(data.get("integrations") or {}, arrival.click_id)
    message_id = data.get("messageId")
    if not isinstance(message_id, str) or not message_id:
        data["messageId"] = f"api-{uuid.uuid4().hex}"
    original = data.get("timestamp") or data.get("originalTimestamp")
    data["originalTimestamp"] = original or arrival.text
    data["timestamp"] = _corrected(original, sent_at, arrival)
    if sent_at:
        data["sentAt"] = sent_at
    data["receivedAt"] = arrival.text
    return data


def _with_click(switches: Mapping[str, Any], click_id: str) -> Mapping[str, Any]:
    """Do what Segment loads a plugin into the browser for, where the destination is switched on."""
    own = switches.get(DUB_ACTIONS, switches.get("All", True))
    if own is False or (isinstance(own, dict) and own.get("dub_id")):
        return switches
    return {**switches, DUB_ACTIONS: {**(own if isinstance(own, dict) else {}), "dub_id": click_id}}


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**under, **over}
    for name in under.keys() & over.keys():
        if isinstance(under[name], dict) and isinstance(over[name], dict):
            merged[name] = _merged(under[name], over[name])
    return merged


def _corrected(original: Any, sent_at: Any, arrival: _Arrival) -> str:
    """The time of the event by our clock: the sender's may be wrong, but it was wrong for both times."""
    happened, sent = _moment(original), _moment(sent_at)
    if happened is None:
        return arrival.text
    try:
        return http.iso_time(happened if sent is None else arrival.at - (sent - happened))
    except OverflowError:
        return http.iso_time(happened)


def _moment(value: Any) -> datetime | None:
    return _parsed(value) if isinstance(value, str) and len(value) <= 40 else None


@functools.lru_cache(1024)  # a batch shares its sentAt
def _parsed(text: str) -> datetime | None:
    match = _TIME.fullmatch(text.strip())
    if match is None:
        return None
    day, minute, second, fraction, zone = match.groups()
    year, month, date = map(int, day.split("-"))
    hour, minutes = map(int, (minute or "00:00").split(":"))
    micro = int((fraction or "0")[:6].ljust(6, "0"))
    try:
        moment = datetime(year, month, date, hour, minutes, int(second or 0), micro, timezone.utc)
        return moment - _offset(zone)
    except (ValueError, OverflowError):
        return None


def _offset(zone: str | None) -> timedelta:
    if zone in (None, "Z", "z"):
        return timedelta()
    assert zone is not None
    size = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
    return -size if zone[0] == "-" else size

"""What one mapping makes of one event: four outcomes, told apart by ``outcome``."""

from __future__ import annotations

from typing import Any, Literal, TypedDict, final

__all__ = ["Failed", "NoAction", "NotSubscribed", "PlannedOutcome", "Sent"]


class _Common(TypedDict):
    action: str
    warnings: list[str]


class _Planned(_Common):
    outcome: Literal["sent"]
    method: Literal["POST"]
    path: str
    body: dict[str, Any]


@final
class Sent(_Planned, total=False):
    """The request that would be sent."""

    id: str
    """Under which it is in the outbox, once `DubActions.send` has put it there."""


@final
class NotSubscribed(_Common):
    """The subscription, or a switch in the event, leaves the event out."""

    outcome: Literal["not_subscribed"]
    reason: str


@final
class NoAction(_Common):
    """The destination has no such action."""

    outcome: Literal["no_action"]


@final
class Failed(_Common):
    """Segment would drop the event, and not send it again."""

    outcome: Literal["error"]
    error: str
    """Segment's own message."""


PlannedOutcome = Sent | NotSubscribed | NoAction | Failed

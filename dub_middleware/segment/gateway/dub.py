"""The destination Dub (Actions) behind the gateway."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dub_middleware.conversions.destinations import Delivery, Outcome, Sender
from dub_middleware.errors import DeliveryError
from dub_middleware.segment.actions import DubActions, as_request
from dub_middleware.segment.gateway.destinations import Item
from dub_middleware.segment.gateway.events import Event


class ToDub:
    """Plan with ``actions`` what an event is to Dub, and deliver that with ``sender``, by default its own.

    What Segment's destination would fail on is told and dropped, as there. Events that come from Dub, by its
    source or `DubSource`, do not go back: a lead named "Sign up" comes out as "Sign Up", which is what the
    default subscription waits for, and would go round for ever.
    """

    def __init__(self, actions: DubActions, sender: Sender | None = None) -> None:
        self._actions = actions
        self._sender = sender or actions.sender
        self.name = self._sender.name
        self.max_batch = self._sender.max_batch
        self.concurrency = self._sender.concurrency

    def items(self, event: Event) -> Iterator[Item | DeliveryError]:
        """Yield the requests, and what is wrong with the event."""
        if _is_from_dub(event):
            return
        for outcome in self._actions.plan(event.data):
            if outcome["outcome"] == "sent":
                yield Item(*as_request(outcome))
            elif outcome["outcome"] == "error":
                message = f"{outcome['action']}: {outcome['error']}"
                yield DeliveryError(self.name, "rejected", event.id, message)

    def send(self, batch: Sequence[Delivery]) -> Sequence[Outcome]:
        """Deliver the requests."""
        return self._sender.send(batch)

    def close(self) -> None:
        """Close the idle connections."""
        self._sender.close()


def _is_from_dub(event: Event) -> bool:
    context = event.data.get("context") or {}
    integration = context.get("integration")
    return isinstance(integration, dict) and integration.get("name") == "dub"

"""The client inside a web app: found by the app's settings, and gentle with the visitor's request."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from dub_middleware.conversions.client import Conversions
from dub_middleware.conversions.destinations.nowhere import Nowhere
from dub_middleware.conversions.receipt import Receipt
from dub_middleware.conversions.settings import Settings, build, read
from dub_middleware.errors import ConfigError, EventError
from dub_middleware.personal import masked

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from dub_middleware.conversions.fields import LeadFields, SaleFields

logger = logging.getLogger("dub_middleware.conversions")

#: without these an event still counts
_DISPENSABLE = frozenset(
    (
        "click_id",
        "customer_avatar",
        "customer_email",
        "customer_name",
        "event_quantity",
        "lead_event_name",
        "metadata",
        "payment_processor",
    )
)

# one client for all apps of a process that have the same settings
_clients: dict[tuple[tuple[str, Any], ...], Conversions] = {}


class AppConversions:
    """The conversions of one web app.

    ``settings`` and ``prefix`` are those of `from_settings`; the key ``conversions`` may hold a client of
    your own, for example one with a `RecordingDestination`. With neither an API key nor a write key events
    go nowhere, and the log says what is missing: an app works before there is an account.

    In a visitor's request a wrong field is no reason to fail: one that is dispensable, such as text that is
    no e-mail address, is left out, and an event that breaks a rule otherwise is refused; the log names the
    field and the rule. Where ``is_strict`` says so, in development and tests, the `EventError` is raised.

    Raises:
        ConfigError: a setting is wrong.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        *,
        prefix: str = "",
        environ: Mapping[str, str] = os.environ,
        is_strict: Callable[[], bool] = lambda: False,
    ) -> None:
        self._is_strict = is_strict
        name = f"{prefix}CONVERSIONS" if prefix else "conversions"
        own = settings.get(name)
        if own is not None and not isinstance(own, Conversions):
            raise ConfigError(name, f"{name}={own!r} is not a Conversions.")
        self.client: Conversions = own or _shared(read(settings, prefix=prefix, environ=environ))

    def track_lead(self, **fields: Unpack[LeadFields]) -> Receipt:
        """Accept a lead; the fields are those of `Conversions.track_lead`."""
        return self._track(self.client.track_lead, {**fields})

    def track_sale(self, **fields: Unpack[SaleFields]) -> Receipt:
        """Accept a sale; the fields are those of `Conversions.track_sale`."""
        return self._track(self.client.track_sale, {**fields})

    def _track(self, track: Callable[..., Receipt], fields: dict[str, Any]) -> Receipt:
        while True:
            try:
                return track(**fields)
            except EventError as error:
                if self._is_strict():
                    raise
                # never the value: it is the visitor's
                where, name = masked(error.field), error.field.partition(".")[0]
                if name not in _DISPENSABLE or name not in fields:
                    logger.error("A conversion was refused: %s %s.", where, error.rule)
                    return Receipt("", "refused")
                logger.error("A conversion goes without its %s: %s %s.", name, where, error.rule)
                del fields[name]


def _shared(given: Settings) -> Conversions:
    key = tuple(sorted(given.values.items()))
    if key not in _clients:
        has_key = given.values.keys() & {"api_key", "segment_write_key"}
        client = build(given) if has_key else Conversions(Nowhere(), outbox=None)
        _clients.setdefault(key, client)
    return _clients[key]

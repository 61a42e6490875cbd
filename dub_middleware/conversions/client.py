"""`Conversions`: accept a lead or sale in microseconds, durably, and let the worker see to the rest."""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from dub_middleware.conversions.destinations import Destination
from dub_middleware.conversions.events import Lead, Mode, PaymentProcessor, Sale
from dub_middleware.conversions.outbox import Durability, NewRow, Outbox, open_outbox
from dub_middleware.conversions.receipt import Receipt, Storage
from dub_middleware.conversions.worker import OnError, Reporter, Spill, Timing, Worker
from dub_middleware.conversions.worker.delivering import Delivering
from dub_middleware.errors import ConfigError, EventError, OutboxError
from dub_middleware.process import PerProcess
from dub_middleware.visit import current_visit

WAIT_BOUND = 15.0  # seconds that a call with mode="wait" may take


class Conversions(Delivering):
    """Hand leads and sales to every one of ``destinations``, through a durable outbox.

    ``outbox`` is ``sqlite:///file.db``, ``postgresql://…``, None (memory only) or an opened outbox.
    ``durability="power"`` survives a power cut, ``"process"`` the death of the process only, at a tenth of
    the cost. ``on_error`` is called with an `OutboxError` or `DeliveryError`, from any thread.
    ``deliver=False`` starts no worker here (but for `flush` and ``mode="wait"``), for when
    ``dub-middleware deliver`` runs elsewhere.

    Build it once a process, before or after a fork; it may be used from any thread. Raises `ConfigError`.
    """

    def __init__(
        self,
        *destinations: Destination,
        outbox: str | Outbox | None = "sqlite:///dub-outbox.db",
        durability: Durability = "power",
        on_error: OnError | None = None,
        deliver: bool = True,
        timing: Timing | None = None,
    ) -> None:
        _check_destinations(destinations)
        if not isinstance(deliver, bool):
            raise ConfigError("deliver", f"deliver must be True or False, not {deliver!r}.")
        report = Reporter(on_error)
        self._destinations = destinations
        self._report = report
        self._delivers = deliver
        self._outbox = open_outbox(outbox, durability=durability)
        self._worker = Worker(self._outbox, destinations, timing=timing, report=report)
        self._spill = Spill(self._outbox, self._worker.destinations, report)

    def track_lead(
        self,
        *,
        customer_external_id: str,
        event_name: str = "Sign Up",
        click_id: str | None = None,
        customer_name: str | None = None,
        customer_email: str | None = None,
        customer_avatar: str | None = None,
        mode: Mode = "async",
        event_quantity: int | None = None,
        metadata: Mapping[str, Any] | None = None,
        connection: Any = None,
    ) -> Receipt:
        """Accept a lead; see `Lead` for the fields and `track` for the rest.

        ``click_id=None`` takes the click of the current visit, if there is one.
        """
        lead = Lead(
            customer_external_id=customer_external_id,
            event_name=event_name,
            click_id=_click_id(click_id),
            customer_name=customer_name,
            customer_email=customer_email,
            customer_avatar=customer_avatar,
            mode=mode,
            event_quantity=event_quantity,
            metadata=metadata,
        )
        return self.track(lead, connection=connection)

    def track_sale(
        self,
        *,
        customer_external_id: str,
        amount: int,
        currency: str = "usd",
        event_name: str = "Purchase",
        payment_processor: PaymentProcessor = "custom",
        invoice_id: str | None = None,
        lead_event_name: str | None = None,
        click_id: str | None = None,
        customer_name: str | None = None,
        customer_email: str | None = None,
        customer_avatar: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        connection: Any = None,
    ) -> Receipt:
        """Accept a sale of ``amount`` cents (or whole yen); see `Sale` for the fields and `track`.

        ``click_id=None`` takes the click of the current visit, if there is one.
        """
        sale = Sale(
            customer_external_id=customer_external_id,
            amount=amount,
            currency=currency,
            event_name=event_name,
            payment_processor=payment_processor,
            invoice_id=invoice_id,
            lead_event_name=lead_event_name,
            click_id=_click_id(click_id),
            customer_name=customer_name,
            customer_email=customer_email,
            customer_avatar=customer_avatar,
            metadata=metadata,
        )
        return self.track(sale, connection=connection)

    def track(self, event: Lead | Sale, *, connection: Any = None) -> Receipt:
        """Store the event durably and return; a lead with ``mode="wait"`` waits up to 15 s for the answer.

        ``connection`` stores it in the transaction of your own connection to the same database (DB-API,
        SQLAlchemy, Django): then order and event commit or roll back together, and errors of that database
        are raised. Without it an outbox that fails raises nothing: the event is kept in memory,
        ``on_error`` hears of it, and the receipt says so. Raises `EventError`.
        """
        if not isinstance(event, (Lead, Sale)):
            raise TypeError(f"track takes a Lead or a Sale, not {type(event).__name__}.")
        id_ = _new_id()
        rows = self._rows(event, id_)
        waits = event.kind == "lead" and event.mode == "wait"  # type: ignore[union-attr]
        if connection is not None:
            if waits:
                raise EventError("mode", "wait", "cannot wait for a transaction that is still open")
            self._outbox.put_in(connection, rows)
            self._wake()
            return Receipt(id_, "in_transaction", _outbox=self._outbox)
        if waits:
            return self._track_and_wait(id_, rows)
        storage = self._store(rows)
        self._wake()
        return Receipt(id_, storage, _outbox=self._outbox)

    def receipt(self, id: str) -> Receipt:  # noqa: A002
        """Return the receipt of an event that was accepted earlier, to ask for its state."""
        return Receipt(id, "stored", _outbox=self._outbox)

    def start(self) -> None:
        """Begin to deliver in this process, before its first event: what others have stored, too."""
        self._worker.start()

    def deliver(self, timeout: float = 60.0) -> bool:
        """Deliver what is due now, for a cron job or a periodic task; what waits for a retry stays.

        Returns whether that was done within ``timeout`` seconds. Nothing is begun that would not end in time,
        and no thread is left behind.
        """
        is_done = self._worker.deliver_due(timeout)
        return self._worker.close(0) and is_done

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until everything is settled, up to ``timeout`` seconds; return whether that came true."""
        deadline = time.monotonic() + timeout
        stored = self._spill.wait(deadline)
        flushed = super().flush(max(0.0, deadline - time.monotonic()))
        if not self._delivers:
            self._worker.close(max(0.0, deadline - time.monotonic()))
        return stored and flushed

    def close(self, timeout: float = 2.0) -> None:
        """Deliver what can be delivered in ``timeout`` seconds and stop; the rest stays in the outbox.

        No event is refused afterwards: a late one is stored and delivered as before, until the next `close`.
        """
        deadline = time.monotonic() + timeout
        self._spill.wait(deadline)
        super().close(max(0.0, deadline - time.monotonic()))

    # -- inside --------------------------------------------------------------------------------

    def _rows(self, event: Lead | Sale, id_: str) -> list[NewRow]:
        now = time.time()
        timestamp = datetime.fromtimestamp(now, timezone.utc)
        return [
            NewRow(
                id_,
                destination.name,
                event.kind,
                event.customer_external_id,
                destination.prepare(event, id=id_, timestamp=timestamp),
                now,
            )
            for destination in self._destinations
        ]

    def _store(self, rows: Sequence[NewRow]) -> Storage:
        if not self._spill.is_open:
            try:
                self._outbox.put(rows)
                return "stored"
            except OutboxError as error:
                self._report("outbox", error)
            except Exception as error:  # whatever it is, it is no reason to fail the visitor's request
                self._report("outbox", OutboxError(f"The outbox failed: {type(error).__name__}: {error}"))
        if self._spill.add(rows):
            return "in_memory"
        self._report("refused", OutboxError(f"The event {rows[0].id} was lost: outbox and memory are full."))
        return "refused"

    def _track_and_wait(self, id_: str, rows: Sequence[NewRow]) -> Receipt:
        waiter = self._worker.expect(id_)
        try:
            storage = self._store(rows)
            if storage == "stored":
                self._worker.wake(hurried=True)
                waiter.wait(WAIT_BOUND)
            heard = waiter.outcomes
            outcomes = {name: heard[name] for name in self._worker.destinations if name in heard}
            return Receipt(id_, storage, outcomes, _outbox=self._outbox)
        finally:
            self._worker.forget(waiter)

    def _wake(self) -> None:
        if not self._delivers:
            return
        try:
            self._worker.wake()
        except RuntimeError as error:  # too many threads, or the interpreter is ending: the event is stored
            self._report("threads", OutboxError(f"No worker can be started in this process: {error}."))


# Counted on from a random number of this process: that spares a system call, and keeps the ids of a process
# in order within a millisecond (RFC 9562, section 6.2, method 2).
_numbers = PerProcess(lambda: itertools.count(secrets.randbits(73)))


def _new_id() -> str:
    """Return a UUID of version 7 in hex: later ones sort after earlier ones, which spares the index."""
    milliseconds = time.time_ns() // 1_000_000
    number = next(_numbers())
    high, low = number >> 62, number & 0x3FFF_FFFF_FFFF_FFFF
    return f"{milliseconds << 80 | (0x7000 | high) << 64 | 0x8000_0000_0000_0000 | low:032x}"


def _click_id(given: str | None) -> str:
    return (current_visit().click_id or "") if given is None else given


def _check_destinations(destinations: Sequence[object]) -> None:
    if not destinations:
        raise ConfigError("destinations", "Conversions needs a destination, such as DubAPI() or Segment().")
    for destination in destinations:
        if isinstance(destination, type):
            raise ConfigError(
                "destinations",
                f"{destination.__name__} is a class; a destination is made: {destination.__name__}().",
            )
        if not isinstance(destination, Destination):
            raise ConfigError(
                "destinations",
                f"{destination!r} is no destination: it lacks prepare, send, close or a name.",
            )
    names = [destination.name for destination in destinations if isinstance(destination, Destination)]
    if len(set(names)) < len(names):
        raise ConfigError("destinations", f"destinations must have different names, not {', '.join(names)}.")

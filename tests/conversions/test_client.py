from __future__ import annotations

import inspect
import json
import sqlite3
import sys
import threading
import types
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dub_middleware.conversions import Conversions, DubAPI, Lead, Sale, Segment, Timing
from dub_middleware.conversions.destinations import Outcome
from dub_middleware.conversions.fields import LeadFields, SaleFields
from dub_middleware.conversions.outbox import open_outbox
from dub_middleware.errors import APIError, ConfigError, DeliveryError, DubError, EventError, OutboxError
from dub_middleware.testing import RecordingDestination
from dub_stub import KEY, DubStub, refuse
from segment_stub import WRITE_KEY, SegmentStub
from stub_http import Fault, Reply, Request, raw, status
from waiting import wait_until

CLICK = "cQ1tXYZ012345678"
FAST = Timing(backoff=0.01, ambiguous=0.05, open_cap=0.05, pause=0.05, poll=0.02)

Client = Callable[..., Conversions]


@pytest.fixture
def dub() -> Iterator[DubStub]:
    with DubStub() as stub:
        yield stub


@pytest.fixture
def segment() -> Iterator[SegmentStub]:
    with SegmentStub() as stub:
        yield stub


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/outbox.db"


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    made: list[Conversions] = []

    def make(*destinations: Any, **options: Any) -> Conversions:
        made.append(Conversions(*destinations, **({"outbox": url, "timing": FAST} | options)))
        return made[-1]

    yield make
    for conversions in made:
        conversions.close()


def api(dub: DubStub) -> DubAPI:
    return DubAPI(KEY, base_url=dub.url)


def test_a_lead_and_its_sale_arrive_in_order_at_both_destinations(
    client: Client, dub: DubStub, segment: SegmentStub
) -> None:
    """Dub and Segment get the same conversion under the same invoice id."""
    conversions = client(api(dub), Segment(WRITE_KEY, host=segment.url))
    conversions.track_lead(customer_external_id="42", click_id=CLICK)
    sale = conversions.track_sale(customer_external_id="42", amount=4900)
    assert conversions.flush()
    assert [body["customerExternalId"] for body in dub.leads] == ["42"]
    assert [body["invoiceId"] for body in dub.sales] == [f"dmw_{sale.id}"]
    assert [event["event"] for event in segment.events] == ["Sign Up", "Order Completed"]
    assert segment.events[1]["properties"]["order_id"] == f"dmw_{sale.id}"
    assert (sale.state, sale.is_durable) == ("delivered", True)


def test_a_call_is_durable_before_it_returns(client: Client, dub: DubStub, url: str) -> None:
    """Another process finds the row, whatever the far side does."""
    dub.permanent = Fault("hang")
    receipt = client(api(dub)).track_lead(customer_external_id="42", click_id=CLICK)
    (stored,) = open_outbox(url).find(receipt.id)
    assert (stored.state, json.loads(stored.payload)["customerExternalId"]) == ("pending", "42")


def test_a_bad_event_is_the_callers_error_and_nothing_is_stored(client: Client, url: str) -> None:
    with pytest.raises(EventError, match="amount"):
        client(RecordingDestination()).track_sale(customer_external_id="42", amount=49.0)  # type: ignore[arg-type]
    assert open_outbox(url).pending() == 0


def test_an_event_built_beforehand_can_be_tracked(client: Client) -> None:
    recording = RecordingDestination()
    conversions = client(recording)
    conversions.track(Lead(customer_external_id="42"))
    conversions.track(Sale(customer_external_id="42", amount=1))
    assert conversions.flush()
    assert [event.kind for event in recording.events] == ["lead", "sale"]


@pytest.mark.parametrize(
    ("accept", "fields"),
    [(Conversions.track_lead, LeadFields), (Conversions.track_sale, SaleFields)],
    ids=["lead", "sale"],
)
def test_what_is_passed_on_is_what_is_taken(accept: Any, fields: Any) -> None:
    """The helpers of the frameworks take the same keywords, and type checkers know them."""
    taken = inspect.signature(accept).parameters
    required = {name for name, parameter in taken.items() if parameter.default is parameter.empty}
    assert fields.__required_keys__ == required - {"self"}
    assert fields.__optional_keys__ == taken.keys() - required


def test_wait_delivers_inside_the_call_and_returns_dubs_answer(
    client: Client, dub: DubStub, segment: SegmentStub
) -> None:
    conversions = client(Segment(WRITE_KEY, host=segment.url), api(dub))
    receipt = conversions.track_lead(customer_external_id="42", click_id=CLICK, mode="wait")
    assert receipt.state == "delivered"
    assert list(receipt.outcomes) == ["segment", "dub"]
    assert receipt.outcomes["dub"].response.click.id == CLICK


def test_a_receipt_shows_nothing_of_the_customer(client: Client, dub: DubStub) -> None:
    """It is what people log."""
    receipt = client(api(dub)).track_lead(
        customer_external_id="42", customer_email="ada@example.com", click_id=CLICK, mode="wait"
    )
    assert receipt.response.customer.email == "ada@example.com"
    assert "ada@" not in repr(receipt)


def test_the_state_of_a_receipt_is_the_worst_of_its_destinations(
    client: Client, dub: DubStub, segment: SegmentStub
) -> None:
    conversions = client(api(dub), Segment(WRITE_KEY, host=segment.url))
    conversions.track_lead(customer_external_id="42", click_id=CLICK)
    assert conversions.flush()
    segment.permanent = status(400)
    receipt = conversions.track_lead(customer_external_id="42", click_id=CLICK)
    assert conversions.flush()
    assert (receipt.states, receipt.state) == ({"dub": "duplicate", "segment": "rejected"}, "rejected")


def test_wait_tells_of_a_refusal_with_dubs_code(client: Client, dub: DubStub) -> None:
    dub.unknown_clicks.add(CLICK)
    receipt = client(api(dub)).track_lead(customer_external_id="42", click_id=CLICK, mode="wait")
    assert receipt.state == "rejected"
    assert isinstance(receipt.response, APIError)
    assert receipt.response.code == "not_found"


@pytest.mark.parametrize(
    "fault",
    [
        refuse(500),
        refuse(503),
        refuse(429),
        status(429, {}, Retry_After="1"),
        Fault("reset"),
        Fault("close"),
        Fault("reset", after=True),
    ],
    ids=["500", "503", "429", "429-retry-after", "reset", "close", "reset-after-it-was-recorded"],
)
def test_trouble_on_the_way_is_retried_until_the_sale_is_there_once(
    client: Client, dub: DubStub, fault: Fault
) -> None:
    """The same bytes with the same invoice id each time, so that Dub counts one sale."""
    conversions = client(api(dub))
    conversions.track_lead(customer_external_id="42", click_id=CLICK)
    assert conversions.flush()
    dub.fail(fault)
    receipt = conversions.track_sale(customer_external_id="42", amount=4900)
    assert conversions.flush()
    sent = [request.body for request in dub.requests if request.path == "/track/sale"]
    assert len(set(sent)) == 1
    assert len(sent) >= 2
    assert (len(dub.sales), receipt.state) == (1, "delivered")


def test_a_lead_whose_answer_was_lost_is_not_called_delivered(client: Client, dub: DubStub) -> None:
    """Dub answers the repeat 200 with ``link: null``; whether the first was recorded, nobody can tell."""
    errors: list[DubError] = []
    dub.fail(Fault("reset", after=True))
    conversions = client(api(dub), on_error=errors.append)
    receipt = conversions.track_lead(customer_external_id="42", click_id=CLICK)
    assert conversions.flush()
    assert receipt.state == "unconfirmed"
    wait_until(lambda: errors)  # it is told once it is written down
    assert [(e.state, e.event_id) for e in errors if isinstance(e, DeliveryError)] == [
        ("unconfirmed", receipt.id)
    ]


def test_a_lead_with_an_unknown_click_is_asked_once(client: Client, dub: DubStub) -> None:
    """A second request would be answered 200 and look like success."""
    dub.unknown_clicks.add(CLICK)
    conversions = client(api(dub))
    receipt = conversions.track_lead(customer_external_id="42", click_id=CLICK)
    assert conversions.flush()
    assert (receipt.state, len(dub.requests)) == ("rejected", 1)


def test_a_sale_before_its_lead_can_be_found_is_retried(client: Client, dub: DubStub) -> None:
    dub.lag["42"] = 2
    conversions = client(api(dub))
    conversions.track_lead(customer_external_id="42", click_id=CLICK)
    receipt = conversions.track_sale(customer_external_id="42", amount=4900)
    assert conversions.flush()
    assert (receipt.state, len(dub.sales)) == ("delivered", 1)


def test_a_refused_key_pauses_the_destination_and_keeps_the_queue(
    client: Client, dub: DubStub, segment: SegmentStub
) -> None:
    """Nothing is lost to a rotated key, the other destination goes on, and the alarm is given."""
    errors: list[DubError] = []
    dub.key = "dub_rotatedrotatedrotated12"
    conversions = client(api(dub), Segment(WRITE_KEY, host=segment.url), on_error=errors.append)
    receipts = [conversions.track_lead(customer_external_id=str(n), click_id=CLICK) for n in range(5)]
    wait_until(lambda: len(segment.events) == 5 and len(dub.requests) >= 2)
    assert {receipt.states["dub"] for receipt in receipts} == {"pending"}
    wait_until(lambda: any(isinstance(e, DeliveryError) and e.state == "paused" for e in errors))
    dub.key = KEY
    assert conversions.flush()
    assert {receipt.state for receipt in receipts} == {"delivered"}


def test_a_base_url_that_is_not_dubs_api_loses_nothing(
    client: Client, dub: DubStub, caplog: pytest.LogCaptureFixture
) -> None:
    """The address is wrong and not the event: it is kept, and the log says what to look at."""
    dub.fail(raw(404, b"<html>no such page</html>"), times=3)
    receipt = client(api(dub)).track_lead(customer_external_id="42", click_id=CLICK)
    wait_until(lambda: receipt.state == "delivered")
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == [
        f"delivery to dub paused: base_url={dub.url!r} is not Dub's API, it answers 404 "
        "(that of `dub-middleware serve` ends in /api); its events are kept."
    ]


def test_a_far_side_that_does_not_answer_is_in_the_log(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """Once a minute, and as a warning: nothing is lost yet."""
    conversions = client(DubAPI(KEY, base_url="http://127.0.0.1:1"))
    receipts = [conversions.track_lead(customer_external_id=str(n), click_id=CLICK) for n in range(5)]
    wait_until(lambda: caplog.records)
    assert not conversions.flush(0.3)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.message.startswith("Delivery to dub fails and will be repeated: http://127.0.0.1:1: ")
    assert {receipt.state for receipt in receipts} == {"pending"}


def test_an_outbox_in_no_folder_is_told_and_stood_in_for(
    client: Client, dub: DubStub, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The usual slip is three slashes where a whole path has four."""
    conversions = client(api(dub), outbox=f"sqlite:///{tmp_path}/none/outbox.db")
    receipt = conversions.track_lead(customer_external_id="42", click_id=CLICK)
    assert receipt.storage == "in_memory"
    assert f"outbox.db cannot be used: the folder {tmp_path}/none does not exist." in caplog.text
    wait_until(lambda: dub.leads, what="the direct delivery")


def test_customers_who_came_by_no_link_are_no_trouble(
    client: Client, dub: DubStub, caplog: pytest.LogCaptureFixture
) -> None:
    """They are the most on most sites: no line in the log, no call of on_error, no row that stays."""
    errors: list[DubError] = []
    conversions = client(api(dub), on_error=errors.append, timing=replace(FAST, keep=0.0))
    lead = conversions.track_lead(customer_external_id="42")
    sale = conversions.track_sale(customer_external_id="42", amount=4900)
    assert conversions.flush()
    assert {lead.state, sale.state} <= {"not_attributed", "unknown"}
    wait_until(lambda: (lead.state, sale.state) == ("unknown", "unknown"), what="purged")
    assert (errors, caplog.records) == ([], [])


def test_one_poisoned_event_takes_no_other_with_it(client: Client, segment: SegmentStub) -> None:
    conversions = client(Segment(WRITE_KEY, host=segment.url), deliver=False)
    receipts = [conversions.track_lead(customer_external_id=str(n), click_id=CLICK) for n in range(20)]
    segment.poison.add(receipts[7].id)
    assert conversions.flush()
    assert [receipt.state for receipt in receipts].count("delivered") == 19
    assert receipts[7].state == "rejected"


class Faulty(RecordingDestination):
    """Raises for the events it is told to."""

    name = "faulty"

    def __init__(self) -> None:
        super().__init__()
        self.bad: set[str] = set()
        self.alone: list[int] = []

    def send(self, batch: Any) -> Any:
        if any(delivery.id in self.bad for delivery in batch):
            self.alone.append(len(batch))
            raise ZeroDivisionError("a defect of this destination")
        return super().send(batch)


def test_an_event_that_breaks_the_sender_is_put_aside_and_the_others_arrive(client: Client) -> None:
    """In company once, then alone again and again: then it is dead, for a human to look at."""
    faulty = Faulty()
    conversions = client(faulty, deliver=False)
    receipts = [conversions.track_lead(customer_external_id=str(n)) for n in range(10)]
    faulty.bad.add(receipts[4].id)
    assert conversions.flush()
    assert [receipt.state for receipt in receipts].count("delivered") == 9
    assert receipts[4].state == "dead"
    assert faulty.alone[1:] == [1] * 7


class Hanging(RecordingDestination):
    """Its first call never returns, as one that waits for a lock that nobody will release."""

    concurrency = 2

    def __init__(self) -> None:
        super().__init__()
        self.end = threading.Event()
        self._calls = 0

    def send(self, batch: Any) -> Any:
        self._calls += 1
        if self._calls == 1:
            self.end.wait(60)
            return [Outcome("rejected")] * len(batch)  # too late: nobody listens
        return super().send(batch)


def test_a_destination_that_never_returns_is_given_up(client: Client) -> None:
    """Its events may have arrived, so they are sent again when that attempt must have ended."""
    hanging = Hanging()
    conversions = client(hanging, timing=replace(FAST, hang=0.2))
    receipt = conversions.track_lead(customer_external_id="42")
    assert conversions.flush()
    hanging.end.set()
    assert receipt.state == "delivered"
    (delivery,) = hanging.deliveries
    assert (delivery.attempt, delivery.ambiguous) == (2, True)


class OverlapStub(DubStub):
    """Notes when two requests of one customer are in flight at once."""

    def __init__(self) -> None:
        super().__init__()
        self.overlaps: list[str] = []
        self._busy: set[str] = set()

    def answer(self, request: Request) -> Reply:
        key = request.json()["customerExternalId"]
        if key in self._busy:
            self.overlaps.append(key)
        self._busy.add(key)
        try:
            return super().answer(request)
        finally:
            self._busy.discard(key)


def test_a_customers_events_keep_their_order_and_never_overlap(client: Client) -> None:
    """Eight requests are in flight at once, but of eight customers; a failure holds back only its own."""
    with OverlapStub() as dub:
        conversions = client(api(dub))
        for customer in "abcdefgh":
            conversions.track_lead(customer_external_id=customer, click_id=CLICK)
        for amount in range(1, 11):
            for customer in "abcdefgh":
                conversions.track_sale(customer_external_id=customer, amount=amount)
        dub.fail(refuse(500), times=5)
        assert conversions.flush(30)
        for customer in "abcdefgh":
            amounts = [s["amount"] for s in dub.sales if s["customerExternalId"] == customer]
            assert amounts == list(range(1, 11))
        assert dub.overlaps == []
        assert dub.most_in_flight > 1


def test_an_event_commits_and_rolls_back_with_the_order(client: Client, tmp_path: Path) -> None:
    """`connection=` on a plain sqlite3 connection; the tables are made there if need be."""
    recording = RecordingDestination()
    conversions = client(recording, outbox=f"sqlite:///{tmp_path}/shop.db")
    shop = sqlite3.connect(tmp_path / "shop.db")
    shop.execute("CREATE TABLE orders (id INTEGER)")
    shop.execute("INSERT INTO orders VALUES (1)")
    conversions.track_sale(customer_external_id="1", amount=1, connection=shop)
    shop.rollback()
    shop.execute("INSERT INTO orders VALUES (2)")
    receipt = conversions.track_sale(customer_external_id="2", amount=2, connection=shop)
    assert receipt.is_durable
    shop.commit()
    wait_until(lambda: recording.events)
    assert conversions.flush()
    assert [sale.customer_external_id for sale in recording.sales] == ["2"]
    assert shop.execute("SELECT id FROM orders").fetchall() == [(2,)]
    shop.close()


def test_a_connection_to_another_database_is_refused(client: Client, tmp_path: Path) -> None:
    """The row would be stored where nobody looks."""
    other = sqlite3.connect(tmp_path / "other.db")
    with pytest.raises(OutboxError, match=r"another database .*other\.db"):
        client(RecordingDestination()).track_lead(customer_external_id="42", connection=other)
    other.close()


@pytest.mark.postgres
def test_a_connection_to_another_kind_of_database_is_refused(client: Client, postgres_url: str) -> None:
    """Before anything is sent to it: a statement that fails would break the caller's transaction."""
    with psycopg.connect(postgres_url) as order:
        with pytest.raises(OutboxError, match="leads to postgresql, the outbox is in sqlite"):
            client(RecordingDestination()).track_lead(customer_external_id="42", connection=order)
        assert order.execute("SELECT 1").fetchone() == (1,)


def test_wait_inside_an_open_transaction_makes_no_sense(client: Client, tmp_path: Path) -> None:
    shop = sqlite3.connect(tmp_path / "outbox.db")
    with pytest.raises(EventError, match="mode: cannot wait"):
        client(RecordingDestination()).track_lead(customer_external_id="42", mode="wait", connection=shop)
    shop.close()


def test_something_that_is_no_connection_is_told(client: Client) -> None:
    with pytest.raises(TypeError, match=r"must be a DB-API, SQLAlchemy or Django connection.*not str"):
        client(RecordingDestination()).track_lead(customer_external_id="42", connection="shop.db")


@pytest.mark.parametrize(
    ("destinations", "options", "message"),
    [
        ((), {}, "needs a destination"),
        (("dub",), {}, "'dub' is no destination"),
        ((RecordingDestination(), RecordingDestination()), {}, "different names"),
        ((RecordingDestination(),), {"outbox": "mysql://x"}, "'mysql' is not a database"),
        ((RecordingDestination(),), {"outbox": "sqlite://"}, "must name a file"),
        ((RecordingDestination(),), {"outbox": Path("x.db")}, "must be a URL such as"),
        ((RecordingDestination(),), {"durability": "fast"}, "'power' or 'process', not 'fast'"),
        ((RecordingDestination(),), {"deliver": "no"}, "deliver must be True or False, not 'no'"),
        ((RecordingDestination(),), {"on_error": "log"}, "on_error must be a function"),
        ((RecordingDestination(),), {"timing": 5}, "timing must be a Timing, not 5"),
        ((RecordingDestination,), {}, "RecordingDestination is a class"),
    ],
    ids=[
        "none", "not-one", "same-name", "mysql", "no-file", "path", "durability",
        "deliver", "on-error", "timing", "class",
    ],
)  # fmt: skip
def test_a_wrong_option_is_told_at_construction(
    destinations: tuple[Any, ...], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        Conversions(*destinations, **options)


def test_what_is_no_event_is_told_by_its_type(client: Client) -> None:
    with pytest.raises(TypeError, match="track takes a Lead or a Sale, not dict"):
        client(RecordingDestination()).track({"customer_external_id": "42"})  # type: ignore[arg-type]


def test_an_outbox_stays_the_same_file_when_the_folder_is_left(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that becomes a daemon goes to another folder after the app was made."""
    monkeypatch.chdir(tmp_path)
    conversions = client(RecordingDestination(), outbox="sqlite:///here.db")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    conversions.track_lead(customer_external_id="42")
    assert (tmp_path / "here.db").exists()


def test_without_an_outbox_events_are_delivered_from_memory(client: Client) -> None:
    recording = RecordingDestination()
    conversions = client(recording, outbox=None)
    conversions.track_lead(customer_external_id="42")
    assert conversions.flush()
    assert len(recording.leads) == 1


@pytest.mark.parametrize(("options", "warns"), [({}, True), ({b"enable-threads": True}, False)])
def test_uwsgi_without_threads_is_told_what_to_change(
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    options: dict[bytes, bool],
    warns: bool,
) -> None:
    """Its threads stand still between requests: events arrive late, and nobody knows why."""
    uwsgi = types.ModuleType("uwsgi")
    uwsgi.opt = options  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi)
    conversions = client(RecordingDestination())
    conversions.track_lead(customer_external_id="42")
    assert conversions.flush()
    assert ("enable-threads = true" in caplog.text) == warns


def test_where_no_thread_can_be_started_events_are_stored_all_the_same(
    client: Client, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """As at the end of the interpreter, or at the limit of a container."""

    def refuse_thread(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    errors: list[DubError] = []
    conversions = client(RecordingDestination(), on_error=errors.append)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse_thread)
        receipt = conversions.track_lead(customer_external_id="42")
    assert receipt.is_durable
    assert "No worker can be started in this process" in str(errors[0])
    assert conversions.flush()
    assert receipt.state == "delivered"


def test_no_thread_runs_before_the_first_event(client: Client) -> None:
    """Construction at import time, before a server forks, is free of side effects."""
    before = set(threading.enumerate())
    conversions = client(RecordingDestination())
    assert set(threading.enumerate()) <= before
    conversions.track_lead(customer_external_id="42")
    assert not set(threading.enumerate()) <= before


def test_a_closed_client_keeps_what_it_could_not_deliver(client: Client, dub: DubStub, url: str) -> None:
    dub.permanent = refuse(500)
    conversions = client(api(dub))
    receipt = conversions.track_lead(customer_external_id="42", click_id=CLICK)
    conversions.close(timeout=0.2)
    assert open_outbox(url).states(receipt.id) == {"dub": "pending"}
    dub.permanent = None
    again = client(api(dub))
    assert again.flush()
    assert len(dub.leads) == 1


@pytest.mark.parametrize("mode", ["async", "wait"])
def test_an_event_after_the_close_is_delivered_all_the_same(client: Client, dub: DubStub, mode: Any) -> None:
    """A request that a server still answers while it shuts down is no reason to lose a sign-up."""
    before = set(threading.enumerate())
    conversions = client(api(dub))
    for customer in ("1", "2"):
        receipt = conversions.track_lead(customer_external_id=customer, click_id=CLICK, mode=mode)
        conversions.close(timeout=60)
        assert receipt.state == "delivered"
        assert not [thread for thread in set(threading.enumerate()) - before if thread.name.startswith("dub")]
    assert [body["customerExternalId"] for body in dub.leads] == ["1", "2"]


def test_events_of_before_the_horizon_are_not_repeated(client: Client, dub: DubStub, url: str) -> None:
    """On the eighth day Dub would count a repeated sale twice."""
    dub.permanent = refuse(500)
    conversions = client(api(dub))
    receipt = conversions.track_lead(customer_external_id="42", click_id=CLICK)
    wait_until(lambda: dub.requests)
    conversions.close(timeout=0.2)
    dub.permanent = None
    seen = len(dub.requests)
    late = client(api(dub), timing=Timing(poll=0.02, horizon=0.0))
    assert late.flush()
    assert (receipt.state, len(dub.requests)) == ("expired", seen)


class _Sizes(RecordingDestination):
    """Remembers how many events each request had."""

    def __init__(self, max_batch: int = 100) -> None:
        super().__init__()
        self.max_batch = max_batch
        self.sizes: list[int] = []

    def send(self, batch: Any) -> list[Outcome]:
        self.sizes.append(len(batch))
        return super().send(batch)


class TestGathering:
    """Events in a row share a request; the first after a silence goes at once."""

    @pytest.fixture(autouse=True)
    def for_ever(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("dub_middleware.conversions.worker.lane.GATHER", 60.0)

    def lead(self, conversions: Conversions, number: int, **options: Any) -> Any:
        return conversions.track_lead(customer_external_id=str(number), click_id=CLICK, **options)

    def test_a_flush_ends_it(self, client: Client) -> None:
        destination = _Sizes()
        conversions = client(destination)
        self.lead(conversions, 0)
        wait_until(lambda: destination.sizes == [1])
        for number in range(1, 51):
            self.lead(conversions, number)
        assert conversions.flush(10)
        assert destination.sizes == [1, 50]

    def test_whoever_waits_for_an_answer_ends_it(self, client: Client) -> None:
        destination = _Sizes()
        conversions = client(destination)
        self.lead(conversions, 0)
        wait_until(lambda: destination.sizes == [1])
        assert self.lead(conversions, 1, mode="wait").outcomes["recording"].state == "delivered"

    def test_what_takes_one_event_at_a_time_does_not_wait(self, client: Client) -> None:
        destination = _Sizes(max_batch=1)
        conversions = client(destination)
        self.lead(conversions, 0)
        wait_until(lambda: destination.sizes == [1])
        self.lead(conversions, 1)
        wait_until(lambda: destination.sizes == [1, 1])

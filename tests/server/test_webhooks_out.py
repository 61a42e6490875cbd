"""Webhooks out: the shapes, the signature, and that each event arrives whatever happens in between."""

from __future__ import annotations

import dataclasses
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dub.models import components

from dub_middleware.server.links import LinkEditor
from dub_middleware.server.objects import Objects
from dub_middleware.server.store import Context, CustomerDetails, Link, Store, Webhook
from dub_middleware.server.webhooks import TRIGGERS, Webhooks
from dub_middleware.server.webhooks.receiver import Pace
from dub_middleware.webhooks import LeadCreated, LinkClicked, LinkCreated, SaleCreated, parse, verify
from standing_clock import Clock
from stub_http import StubServer, status
from waiting import wait_until

OBJECTS = Objects("ws_01", "http://127.0.0.1:8787")
ADA = CustomerDetails(external_id="42", name="Ada", email="ada@example.com")

#: the official SDK's own models of these bodies
MODELS = {
    "link.created": components.LinkWebhookEvent,
    "link.updated": components.LinkWebhookEvent,
    "link.deleted": components.LinkWebhookEvent,
    "link.clicked": components.LinkClickedEvent,
    "lead.created": components.LeadCreatedEvent,
    "sale.created": components.SaleCreatedEvent,
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Quick(Pace):
    """The real delays are minutes and hours."""

    poll: float = 0.02

    def retry_delay(self, attempt: int) -> float:
        return 0.01


class Receiver(StubServer):
    def bodies(self) -> list[Any]:
        return [request.json() for request in self.requests]

    def events(self) -> list[str]:
        return [body["event"] for body in self.bodies()]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def started(store: Store, *, allow_private: bool = True) -> Webhooks:
    webhooks = Webhooks(store, OBJECTS, allow_private=allow_private, timing=Quick())
    webhooks.start()
    return webhooks


@pytest.fixture
def webhooks(store: Store) -> Iterator[Webhooks]:
    running = started(store)
    yield running
    running.close(20)


@pytest.fixture
def link(store: Store) -> Link:
    store.workspace.add_domain("go.localhost")
    return store.links.create({"domain": "go.localhost", "key": "launch", "url": "https://shop.test/?ref=a"})


def listen(store: Store, receiver: StubServer, *triggers: str, **scope: Any) -> Webhook:
    return store.webhooks.create("Shop", f"{receiver.url}/hook", triggers or TRIGGERS, **scope)


def click(store: Store, link: Link, **context: Any) -> str:
    return store.record_click(link, Context(url=link.url, ip="192.0.2.7", **context)).click_id


def purchase(store: Store, link: Link, *, quantity: int = 1) -> None:
    click_id = click(store, link, country="DE", trigger="qr")
    store.record_lead(ADA, "Sign up", click_id=click_id, quantity=quantity, metadata={"plan": "pro"})
    store.record_sale(ADA, 4900, "usd", invoice_id="inv_1", payment_processor="stripe")


def test_a_click_a_lead_and_a_sale_arrive_signed_in_dubs_shapes(
    store: Store, webhooks: Webhooks, receiver: Receiver, link: Link, clock: Clock
) -> None:
    webhook = listen(store, receiver)
    click_id = click(store, link, country="DE", trigger="qr", referer="news.test")
    clock.advance(hours=2)
    store.record_lead(ADA, "Sign up", click_id=click_id, metadata={"plan": "pro"})
    clock.advance(hours=1)
    store.record_sale(ADA, 4900, "usd", invoice_id="inv_1", payment_processor="stripe")
    receiver.wait_for_requests(3)

    by_type = {request.json()["event"]: request for request in receiver.requests}
    for name, request in by_type.items():
        verify(webhook.secret, request.body, request.headers["dub-signature"])
        MODELS[name].model_validate_json(request.body)
        assert request.headers["content-type"] == "application/json"
    first, lead, sale = (
        parse(by_type[name].body) for name in ("link.clicked", "lead.created", "sale.created")
    )
    assert isinstance(first, LinkClicked)
    assert (first.click.id, first.click.country, first.click.qr) == (click_id, "DE", True)
    assert first.click.ip == "192.0.2.7"
    assert first.link.short_link == "http://go.localhost:8787/launch"
    assert isinstance(lead, LeadCreated)
    assert (lead.event_name, lead.metadata, lead.customer.external_id) == ("Sign up", {"plan": "pro"}, "42")
    assert "country" not in lead.customer.raw
    assert isinstance(sale, SaleCreated)
    assert (sale.sale.amount, sale.sale.currency, sale.sale.invoice_id) == (4900, "usd", "inv_1")
    assert sale.click.timestamp == lead.click.timestamp == first.click.timestamp
    assert sale.click.timestamp == "2026-03-18T12:00:00.000Z"
    assert sale.metadata is None
    assert by_type["sale.created"].json()["data"].keys() >= {"metadata", "sale", "customer", "click", "link"}


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_a_sample_has_the_shape_of_the_real_event(
    store: Store, webhooks: Webhooks, receiver: Receiver, trigger: str
) -> None:
    webhook = listen(store, receiver, "sale.created")
    webhooks.test(webhook.id, trigger)
    receiver.wait_for_requests(1)
    request = receiver.requests[0]
    verify(webhook.secret, request.body, request.headers["dub-signature"])
    MODELS[trigger].model_validate_json(request.body)
    assert parse(request.body).type == trigger


def test_what_happens_to_a_link_is_told_with_the_whole_link(
    store: Store, webhooks: Webhooks, receiver: Receiver, link: Link
) -> None:
    listen(store, receiver, "link.created", "link.deleted")
    webhooks.link("link.created", link)
    webhooks.link("link.updated", link)
    webhooks.link("link.deleted", link)
    receiver.wait_for_requests(2)
    assert sorted(receiver.events()) == ["link.created", "link.deleted"]
    event = next(
        event for request in receiver.requests if isinstance(event := parse(request.body), LinkCreated)
    )
    assert event.link.raw["webhookIds"] == []
    assert " ".join(event.link.raw) == LINK_FIELDS


LINK_FIELDS = (
    "id domain key url trackConversion externalId tenantId programId partnerId archived expiresAt expiredUrl"
    " disabledAt password proxy title description image video rewrite doIndex ios android geo publicStats"
    " tags folderId comments shortLink qrCode utm_source utm_medium utm_campaign utm_term utm_content"
    " testVariants testStartedAt testCompletedAt userId workspaceId clicks leads conversions sales saleAmount"
    " lastClicked createdAt updatedAt tagId projectId webhookIds"
)


def test_an_event_quantity_is_one_webhook(
    store: Store, webhooks: Webhooks, receiver: Receiver, link: Link
) -> None:
    listen(store, receiver, "lead.created", "sale.created")
    purchase(store, link, quantity=3)
    receiver.wait_for_requests(2)
    assert wait_until(lambda: webhooks.pending() == 0)
    assert sorted(receiver.events()) == ["lead.created", "sale.created"]


def test_what_happened_on_a_link_is_told_even_if_it_is_deleted_at_once(
    store: Store, receiver: Receiver, link: Link
) -> None:
    listen(store, receiver, "link.clicked", "lead.created", "link.deleted")
    webhooks = Webhooks(store, OBJECTS, allow_private=True, timing=Quick())
    store.record_lead(ADA, "Sign up", click_id=click(store, link))
    LinkEditor(store, webhooks).delete(link)
    receiver.wait_for_requests(3)
    assert sorted(receiver.events()) == ["lead.created", "link.clicked", "link.deleted"]
    webhooks.close(20)


def test_duplicate_deferred_and_free_are_no_webhook(
    store: Store, webhooks: Webhooks, receiver: Receiver, link: Link
) -> None:
    listen(store, receiver, "lead.created", "sale.created")
    click_id = click(store, link)
    store.record_lead(ADA, "Trial", click_id=click_id, deferred=True)
    store.record_lead(ADA, "Sign up", click_id=click_id)
    store.record_lead(ADA, "Sign up", click_id=click_id)
    store.record_sale(ADA, 0, "usd")
    store.record_sale(ADA, 100, "usd", invoice_id="inv_1")
    store.record_sale(ADA, 100, "usd", invoice_id="inv_1")
    receiver.wait_for_requests(2)
    assert wait_until(lambda: webhooks.pending() == 0)
    assert sorted(receiver.events()) == ["lead.created", "sale.created"]


def test_a_webhook_hears_of_its_own_links_only_and_of_nothing_before_it(
    store: Store, webhooks: Webhooks, receiver: Receiver, link: Link, clock: Clock
) -> None:
    other = store.links.create({"domain": "go.localhost", "key": "other", "url": "https://shop.test/"})
    click(store, link)
    clock.advance(seconds=1)
    listen(store, receiver, "link.clicked", link_ids=[link.id])
    click(store, other)
    wanted = click(store, link)
    receiver.wait_for_requests(1)
    assert wait_until(lambda: webhooks.pending() == 0)
    assert [body["data"]["click"]["id"] for body in receiver.bodies()] == [wanted]


def test_a_failed_delivery_is_repeated_byte_for_byte_until_it_succeeds(
    store: Store, webhooks: Webhooks, receiver: Receiver, link: Link
) -> None:
    webhook = listen(store, receiver, "link.clicked")
    receiver.fail(status(500, {"oops": True}), status(503), status(302, Location="/elsewhere"))
    click(store, link)
    receiver.wait_for_requests(4)
    log = wait_until(
        lambda: [*store.webhooks.deliveries(webhook.id)][3:] and store.webhooks.deliveries(webhook.id)
    )
    assert [(entry.attempt, entry.status) for entry in log] == [(4, 200), (3, 302), (2, 503), (1, 500)]
    assert log[-1].response == '{"oops": true}'
    assert len({request.body for request in receiver.requests}) == 1
    assert {request.path for request in receiver.requests} == {"/hook"}, "a redirect is not followed"
    assert log[0].body.encode() == receiver.requests[0].body
    assert wait_until(lambda: webhooks.pending() == 0)
    now = store.webhooks.get(webhook.id)
    assert now is not None
    assert (now.failures, now.disabled_at) == (0, None)


def test_twenty_failures_in_a_row_disable_a_webhook(
    store: Store, webhooks: Webhooks, receiver: Receiver, link: Link, clock: Clock
) -> None:
    webhook = listen(store, receiver, "link.clicked")
    receiver.permanent = status(500)
    for _ in range(3):
        click(store, link)

    def disabled() -> Webhook | None:
        now = store.webhooks.get(webhook.id)
        return now if now and now.disabled_at else None

    assert wait_until(disabled).failures >= 20
    assert wait_until(lambda: webhooks.pending() == 0)
    heard = len(receiver.requests)
    click(store, link)
    receiver.permanent = None
    clock.advance(seconds=1)
    store.webhooks.update(webhook.id, {"disabled": False})
    last = click(store, link)
    wait_until(lambda: any(body["data"]["click"]["id"] == last for body in receiver.bodies()[heard:]))
    now = store.webhooks.get(webhook.id)
    assert now is not None
    assert now.disabled_at is None


def test_after_the_seventh_try_it_is_given_up(
    store: Store, webhooks: Webhooks, receiver: Receiver, link: Link
) -> None:
    webhook = listen(store, receiver, "link.clicked")
    receiver.permanent = status(500)
    click(store, link)
    receiver.wait_for_requests(7)
    assert wait_until(lambda: webhooks.pending() == 0)
    assert len(store.webhooks.deliveries(webhook.id)) == 7
    now = store.webhooks.get(webhook.id)
    assert now is not None
    assert (now.failures, now.disabled_at) == (7, None)


def test_a_logged_delivery_can_be_sent_again_with_the_same_id_even_when_disabled(
    store: Store, webhooks: Webhooks, receiver: Receiver, link: Link
) -> None:
    webhook = listen(store, receiver, "link.clicked")
    click(store, link)
    (entry,) = wait_until(lambda: store.webhooks.deliveries(webhook.id))
    store.webhooks.update(webhook.id, {"disabled": True})
    assert webhooks.resend(entry.pk)
    receiver.wait_for_requests(2)
    assert receiver.requests[0].body == receiver.requests[1].body
    assert not webhooks.resend(entry.pk + 1000)


def test_two_processes_tell_each_event_once(
    open_store: Callable[[], Store], receiver: Receiver, clock: Clock
) -> None:
    stores = [open_store(), open_store()]
    link = stores[0].links.create({"domain": "go.localhost", "key": "launch", "url": "https://shop.test/"})
    webhook = listen(stores[0], receiver, "link.clicked")
    running = [started(store) for store in stores]
    expected = {click(store, link) for store in stores * 20}
    wait_until(lambda: len(receiver.requests) >= 40 and running[0].pending() == 0)
    for webhooks in running:
        webhooks.close(20)
    assert len(receiver.requests) == 40
    assert {body["data"]["click"]["id"] for body in receiver.bodies()} == expected
    assert len(stores[0].webhooks.deliveries(webhook.id)) == 40


def test_a_receiver_that_hangs_does_not_hold_up_another(
    store: Store, webhooks: Webhooks, receiver: Receiver, link: Link
) -> None:
    with StubServer() as hanging:
        hanging.permanent = status(500)
        hanging.fail(*[dataclasses.replace(status(200), kind="hang")] * 3)
        store.webhooks.create("Slow", hanging.url, ["link.clicked"])
        listen(store, receiver, "link.clicked")
        for _ in range(3):
            click(store, link)
        receiver.wait_for_requests(3)


def test_a_receiver_in_a_private_network_is_refused_unless_allowed(
    store: Store, receiver: Receiver, link: Link
) -> None:
    webhook = listen(store, receiver, "link.clicked")
    careful = started(store, allow_private=False)
    try:
        click(store, link)
        (entry, *_) = wait_until(lambda: store.webhooks.deliveries(webhook.id))
        assert entry.status is None
        assert "127.0.0.1, which is no address to go to" in entry.response
        assert not receiver.requests
    finally:
        careful.close(20)


def test_an_outbox_that_cannot_be_written_fails_nobody(
    store: Store,
    receiver: Receiver,
    link: Link,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if not store.database.is_sqlite:
        pytest.skip("the outbox is in the store's own database")
    listen(store, receiver, "link.created")
    Path(f"{store.database.url.database}-webhooks").mkdir()
    broken = started(store)
    broken.link("link.created", link)
    assert "could not be stored" in caplog.text
    broken.close(1000)  # nothing can be delivered, so that the end of the process does not wait for it


KILLED = """
import os, signal, sys
from dub_middleware.server.store import Context, CustomerDetails, Store
store = Store(sys.argv[1])
link = store.links.find("go.localhost", "launch")
if sys.argv[2] == "with webhooks":
    from dub_middleware.server.objects import Objects
    from dub_middleware.server.webhooks import Webhooks
    webhooks = Webhooks(store, Objects("ws_1", "http://127.0.0.1:8787"), allow_private=True)
    webhooks.start()
for number in range(20):
    click = store.record_click(link, Context(url=link.url))
    store.record_lead(CustomerDetails(external_id=f"c{number}"), "Sign up", click_id=click.click_id)
if sys.argv[2] == "with webhooks":
    webhooks.link("link.updated", link)
    print("recorded", flush=True)
    sys.stdin.read()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.faults
@pytest.mark.parametrize("stage", ["before the webhooks saw it", "with webhooks"])
def test_a_killed_server_loses_no_webhook(tmp_path: Path, receiver: Receiver, stage: str) -> None:
    url = f"sqlite:///{tmp_path}/dub.db"
    store = Store(url)
    store.links.create({"domain": "go.localhost", "key": "launch", "url": "https://shop.test/"})
    webhook = listen(store, receiver, "link.clicked", "lead.created", "link.updated")
    started(store).close()  # there was an earlier, orderly run
    receiver.permanent = dataclasses.replace(status(200), kind="hang")
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, url, stage], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    if stage == "with webhooks":
        assert process.stdout.readline() == b"recorded\n"
        receiver.wait_for_requests(1)
        process.send_signal(signal.SIGKILL)
    assert process.wait(60) == -signal.SIGKILL
    process.stdout.close()
    assert process.stdin is not None
    process.stdin.close()
    receiver.drop_connections()
    receiver.permanent = None
    again = started(store)
    expected = 41 if stage == "with webhooks" else 40

    def delivered() -> set[str]:
        log = store.webhooks.deliveries(webhook.id, limit=200)
        return {entry.event_id for entry in log if entry.status == 200}

    wait_until(lambda: len(delivered()) == expected and again.pending() == 0)
    again.close(20)
    store.close()

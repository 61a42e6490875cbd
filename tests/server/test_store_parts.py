"""Links, customers, the stream, webhooks, keys, upkeep and migrations, on both databases."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa

from dub_middleware.errors import (
    ConfigError,
    ConflictError,
    MissingDependencyError,
    SlowQueryError,
    StoreError,
)
from dub_middleware.server.queries import Queries
from dub_middleware.server.store import (
    Context,
    CustomerDetails,
    Link,
    LinkQuery,
    Store,
    WebhookDelivery,
    engine,
    sqlite_file,
)
from dub_middleware.server.store.migrations import STEPS, migrate
from dub_middleware.server.store.schema import schema_version
from standing_clock import Clock

DOMAIN = "go.localhost"


def add(store: Store, key: str, **values: object) -> Link:
    return store.links.create({"domain": DOMAIN, "key": key, "url": "https://shop.test/", **values})


def keys(found: list[Link]) -> list[str]:
    return [link.key for link in found]


class TestLinks:
    def test_a_link_keeps_what_it_is_given(self, store: Store) -> None:
        tag = store.workspace.add_tag("spring", "red")
        link = add(store, "Launch", utm_source="news", geo={"DE": "https://de.test/"}, tag_ids=[tag.id])
        assert store.links.get(link.id) == link
        assert (link.utm_source, link.geo, link.tags) == ("news", {"DE": "https://de.test/"}, (tag,))

    def test_a_change_leaves_the_rest_alone(self, store: Store, clock: Clock) -> None:
        link = add(store, "a", utm_source="news", comments="mine")
        clock.advance(hours=1)
        changed = store.links.update(link.id, {"utm_source": None, "track_conversion": True})
        assert changed is not None
        assert (changed.utm_source, changed.comments, changed.track_conversion) == (None, "mine", True)
        assert (changed.created_at, changed.updated_at > link.updated_at) == (link.created_at, True)
        assert store.links.update("link_none", {"url": "https://x.test/"}) is None

    @pytest.mark.parametrize("key", ["A", "a"])
    def test_a_key_is_taken_without_regard_to_case(self, store: Store, key: str) -> None:
        add(store, "a", external_id="one")
        with pytest.raises(ConflictError) as error:
            add(store, key)
        assert error.value.field == "key"
        other = add(store, "b")
        with pytest.raises(ConflictError):
            store.links.update(other.id, {"key": key})
        with pytest.raises(ConflictError) as error:
            store.links.update(other.id, {"external_id": "one"})
        assert error.value.field == "external_id"

    def test_of_many_creators_at_once_one_gets_the_key(self, store: Store) -> None:
        def create(_: int) -> str:
            try:
                return add(store, "wanted").id
            except ConflictError:
                return ""

        with ThreadPoolExecutor(8) as pool:
            assert len([made for made in pool.map(create, range(16)) if made]) == 1

    def test_many_are_made_together_or_not_at_all(self, store: Store) -> None:
        rows = [{"domain": DOMAIN, "key": key, "url": "https://shop.test/"} for key in ("a", "b", "a")]
        with pytest.raises(ConflictError):
            store.links.create_many(rows)
        assert store.links.count() == 0
        assert keys(store.links.create_many(rows[:2])) == ["a", "b"]

    def test_a_wrong_field_is_named(self, store: Store) -> None:
        with pytest.raises(TypeError, match="no field 'colour'"):
            add(store, "a", colour="red")

    @pytest.fixture
    def three(self, store: Store, clock: Clock) -> list[Link]:
        made = []
        for key in "abc":
            made.append(add(store, key, archived=key == "c"))
            clock.advance(seconds=1)
        store.record_click(made[0], Context(url="https://shop.test/"))
        return made

    def test_pages_are_in_the_order_asked_for(self, store: Store, three: list[Link]) -> None:
        assert keys(store.links.page()) == ["b", "a"]
        assert keys(store.links.page(descending=False)) == ["a", "b"]
        assert keys(store.links.page(sort_by="clicks")) == ["a", "b"]
        assert keys(store.links.page(LinkQuery(show_archived=True), limit=2, offset=1)) == ["b", "a"]

    @pytest.mark.parametrize("sort_by", ["created_at", "clicks", "last_clicked"])
    @pytest.mark.parametrize("descending", [True, False])
    def test_cursors_walk_the_same_way_as_offsets(
        self, store: Store, three: list[Link], sort_by: str, descending: bool
    ) -> None:
        def page(**where: object) -> list[Link]:
            everything = LinkQuery(show_archived=True)
            return store.links.page(everything, sort_by=sort_by, descending=descending, **where)  # type: ignore[arg-type]

        whole = page()
        for place, link in enumerate(whole):
            assert page(starting_after=link.id) == whole[place + 1 :]
            assert page(ending_before=link.id) == whole[:place]
            assert page(ending_before=link.id, limit=1) == whole[:place][-1:]

    def test_a_cursor_to_nowhere_is_told(self, store: Store) -> None:
        with pytest.raises(LookupError, match="There is no link 'link_none'"):
            store.links.page(starting_after="link_none")

    @pytest.mark.parametrize(
        ("search", "found"), [("LAUNCH", 1), ("go.localhost/l", 1), ("shop", 2), ("%", 0), ("_", 0)]
    )
    def test_a_search_is_for_text_not_patterns(self, store: Store, search: str, found: int) -> None:
        add(store, "launch")
        add(store, "b")
        assert store.links.count(LinkQuery(search=search)) == found

    def test_links_are_found_by_their_tags(self, store: Store) -> None:
        red, blue = store.workspace.add_tag("red", "red"), store.workspace.add_tag("blue", "blue")
        add(store, "a", tag_ids=[red.id, blue.id])
        add(store, "b", tag_ids=[blue.id])
        assert keys(store.links.page(LinkQuery(tag_names=["red"]))) == ["a"]
        assert store.links.count_by("tag_id") == [(blue.id, 2), (red.id, 1)]
        store.workspace.delete_tag(blue.id)
        assert store.links.count_by("tag_id") == [(red.id, 1)]

    def test_deleting_a_link_frees_its_key(self, store: Store) -> None:
        link = add(store, "a")
        assert store.links.delete(link.id)
        assert not store.links.delete(link.id)
        assert add(store, "a").pk != link.pk  # or its old events would count for the new one


class TestCustomers:
    def test_a_customer_can_be_found_and_changed(self, store: Store) -> None:
        made = store.customers.create(CustomerDetails(external_id="42", name="Ada", email="ada@x.test"))
        assert store.customers.get(made.id) == store.customers.get_by_external_id("42") == made
        changed = store.customers.update(made.id, {"name": "Ada L."})
        assert changed is not None
        assert (changed.name, changed.email) == ("Ada L.", "ada@x.test")

    def test_an_external_id_belongs_to_one(self, store: Store) -> None:
        store.customers.create(CustomerDetails(external_id="42"))
        other = store.customers.create(CustomerDetails(external_id="43"))
        with pytest.raises(ConflictError):
            store.customers.create(CustomerDetails(external_id="42"))
        with pytest.raises(ConflictError):
            store.customers.update(other.id, {"external_id": "42"})

    def test_those_who_never_bought_come_last(self, store: Store, clock: Clock) -> None:
        click = store.record_click(add(store, "a"), Context(url="https://shop.test/"))
        for external_id in ("none", "buys"):
            store.record_lead(CustomerDetails(external_id=external_id), "Sign Up", click_id=click.click_id)
        store.record_sale(CustomerDetails(external_id="buys"), 100, "usd")
        for descending in (True, False):
            page = store.customers.page(sort_by="first_sale_at", descending=descending)
            assert [customer.external_id for customer in page] == ["buys", "none"]

    def test_a_forgotten_customer_leaves_the_events(self, store: Store) -> None:
        click = store.record_click(add(store, "a"), Context(url="https://shop.test/"))
        ada = CustomerDetails(external_id="42", name="Ada")
        customer = store.record_lead(ada, "Sign Up", click_id=click.click_id).customer
        assert customer is not None
        assert store.customers.delete(customer.id)
        lead = store.events.latest(types=["lead"])[0][0]
        assert lead.customer is None


def test_a_reader_with_a_cursor_misses_nothing_and_sees_nothing_twice(
    store: Store, open_store: Callable[[], Store]
) -> None:
    link = add(store, "a")
    writers = [open_store(), open_store()]
    done = threading.Event()

    def write(number: int) -> list[str]:
        made = writers[number % 2]
        return [made.record_click(link, Context(url="https://shop.test/")).click_id for _ in range(60)]

    def read() -> list[str]:
        seen: list[str] = []
        cursor = "0.0"
        while True:
            ended = done.is_set()
            events, cursor = store.events.after(cursor, limit=7)
            seen += [event.click_id for event in events]
            if ended and not events:
                return seen

    with ThreadPoolExecutor(6) as pool:
        reader = pool.submit(read)
        written = [click_id for made in pool.map(write, range(4)) for click_id in made]
        done.set()
        assert sorted(reader.result(30)) == sorted(written)
    fresh = store.links.get(link.id)
    assert fresh is not None
    assert fresh.clicks == 240


class TestWebhooks:
    def log(self, store: Store, webhook_id: str, *, status: int | None) -> None:
        delivery = WebhookDelivery(
            webhook_id=webhook_id, event_id="evt_1", event="lead.created", url="https://r.test/", body="{}",
            attempt=1, status=status, response="x" * 5000, duration_ms=3,
        )  # fmt: skip
        store.webhooks.log(delivery, succeeded=status == 200)

    def test_the_twentieth_failure_in_a_row_disables(self, store: Store) -> None:
        hook = store.webhooks.create("crm", "https://r.test/", ["lead.created"])
        for _ in range(19):
            self.log(store, hook.id, status=500)
        self.log(store, hook.id, status=200)
        for _ in range(19):
            self.log(store, hook.id, status=None)
        assert store.webhooks.wanting("lead.created") != []
        self.log(store, hook.id, status=500)
        assert store.webhooks.wanting("lead.created") == []
        again = store.webhooks.update(hook.id, {"disabled": False})
        assert again is not None
        assert (again.failures, again.disabled_at) == (0, None)

    def test_a_webhook_hears_of_its_links_and_triggers_only(self, store: Store) -> None:
        every = store.webhooks.create("all", "https://r.test/", ["lead.created", "link.clicked"])
        one = store.webhooks.create("one", "https://r.test/", ["link.clicked"], link_ids=["link_1"])
        wanting = store.webhooks.wanting
        assert {hook.id for hook in wanting("link.clicked", "link_1")} == {every.id, one.id}
        assert {hook.id for hook in wanting("link.clicked", "link_2")} == {every.id}
        assert wanting("sale.created") == []

    def test_the_log_pages_from_the_newest(self, store: Store) -> None:
        hook = store.webhooks.create("crm", "https://r.test/", ["lead.created"])
        for _ in range(3):
            self.log(store, hook.id, status=200)
        newest, older = store.webhooks.deliveries(hook.id, limit=2)
        rest = store.webhooks.deliveries(hook.id, limit=2, before=older.pk)
        assert newest.pk > older.pk > rest[0].pk
        assert len(newest.response) == 2000

    def test_a_deleted_webhook_takes_its_log_along(self, store: Store) -> None:
        hook, other = (store.webhooks.create(name, "https://r.test/", []) for name in ("a", "b"))
        for made in (hook, other):
            self.log(store, made.id, status=200)
        assert store.webhooks.delete(hook.id)
        assert store.webhooks.deliveries(hook.id) == []
        assert len(store.webhooks.deliveries(other.id)) == 1


class TestWorkspace:
    def test_keys_are_known_by_their_hash_only(self, store: Store) -> None:
        key, made = store.keys.create(name="laptop")
        assert store.keys.find(key) == made
        assert store.keys.find(f"{key}x") is None
        with store.database.read() as connection:
            rows = connection.execute(sa.text("SELECT * FROM api_keys")).all()
        assert key not in str(rows)

    def test_a_key_given_twice_is_one(self, store: Store) -> None:
        first = store.keys.create(key="dub_0123456789abcdef0123")[1]
        assert store.keys.create(key="dub_0123456789abcdef0123")[1] == first

    def test_a_secret_is_made_once_for_all_processes(self, open_store: Callable[[], Store]) -> None:
        stores = [open_store() for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            made = pool.map(
                lambda pair: pair[1].value("secret", lambda: f"s{pair[0]}"),
                enumerate(s.workspace for s in stores),
            )
        assert len(set(made)) == 1

    def test_settings_come_back_as_stored(self, store: Store) -> None:
        born = store.workspace.settings()
        changed = store.workspace.change_settings(allowed_hostnames=("shop.test",), retention_days=30)
        assert (changed.allowed_hostnames, changed.retention_days) == (("shop.test",), 30)
        assert changed.workspace_id == born.workspace_id
        with pytest.raises(TypeError, match="no setting 'color'"):
            store.workspace.change_settings(color="red")

    def test_a_domain_goes_with_its_links(self, store: Store) -> None:
        store.workspace.add_domain("Go.Localhost", primary=True)
        with pytest.raises(ConflictError):
            store.workspace.add_domain("go.localhost")
        add(store, "a")
        assert store.workspace.delete_domain("go.localhost")
        assert store.links.count() == 0


class TestUpkeep:
    def test_what_is_older_than_the_retention_goes(self, store: Store, clock: Clock) -> None:
        link, queries = add(store, "a"), Queries(store)
        now = datetime.fromtimestamp(clock(), timezone.utc)
        for days in (0, 5, 40, 400):
            store.record_click(link, Context(url="https://shop.test/"), at=now - timedelta(days=days))
        assert store.maintain() == 0
        store.workspace.change_settings(retention_days=30)
        assert store.maintain() == 2
        assert store.maintain() == 0
        assert queries.totals(queries.period("all")).clicks == 2
        assert len(queries.breakdown("devices", queries.period("1y"))) == 1
        fresh = store.links.get(link.id)
        assert fresh is not None
        assert fresh.clicks == 4  # a link remembers how often it was ever clicked


class TestMigrations:
    def test_each_step_runs_once_and_in_order(self, store: Store) -> None:
        ran: list[int] = []
        newest = migrate(store.database)
        steps = [*STEPS, *(lambda _, n=n: ran.append(n) for n in (1, 2))]
        assert migrate(store.database, steps) == migrate(store.database, steps) == newest + 2
        assert ran == [1, 2]

    def test_a_database_of_the_first_version_is_brought_up_to_date(
        self, store: Store, open_store: Callable[[], Store]
    ) -> None:
        with store.database.write() as connection:
            connection.exec_driver_sql("DROP TABLE deleted_customers")
            connection.exec_driver_sql("DROP INDEX events_conversions")
            connection.execute(sa.update(schema_version).values(version=1))
        store = open_store()
        customer = store.customers.create(CustomerDetails(external_id="ada"))
        assert store.customers.delete(customer.id)
        assert not store.customers.delete(customer.id)
        with store.database.read() as connection:
            known = sa.inspect(connection).get_indexes("events")
        assert "events_conversions" in {index["name"] for index in known}

    def test_a_step_that_fails_changes_nothing(self, store: Store) -> None:
        def fail(connection: sa.Connection) -> None:
            connection.exec_driver_sql("CREATE TABLE half (a INTEGER)")
            raise RuntimeError("no")

        with pytest.raises(RuntimeError):
            migrate(store.database, [*STEPS, fail])
        with store.database.read() as connection:
            assert not sa.inspect(connection).has_table("half")
            version = connection.execute(sa.select(schema_version.c.version)).scalar_one()
        assert version == len(STEPS) + 1

    def test_a_newer_database_is_left_alone(self, store: Store, open_store: Callable[[], Store]) -> None:
        with store.database.write() as connection:
            connection.execute(sa.update(schema_version).values(version=99))
        with pytest.raises(
            StoreError, match=f"schema version 99, this dub-middleware knows up to {len(STEPS) + 1}"
        ):
            open_store()

    def test_many_processes_may_start_at_once(self, database_url: str) -> None:
        with ThreadPoolExecutor(6) as pool:
            stores = list(pool.map(lambda _: Store(database_url), range(6)))
        assert len({store.workspace.settings().workspace_id for store in stores}) == 1
        for store in stores:
            store.close()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://localhost/dub", "must look like sqlite:///dub.db or postgresql"),
        ("dub.db", "must look like sqlite:///dub.db or postgresql://user@host/name, not 'dub.db'"),
        ("sqlite://", "must name a file"),
        ("sqlite:////nowhere/at/all/dub.db", "does not exist"),
    ],
)
def test_a_wrong_database_url_is_told(url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Store(url)


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "dub.db"
    store = Store(f"sqlite:///{file}")
    store.workspace.settings()
    assert {oct(it.stat().st_mode & 0o777) for it in tmp_path.iterdir()} == {"0o600"}
    store.close()


def test_a_missing_driver_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'dub-middleware\[postgres\]'"):
        Store("postgresql://localhost/dub")


def test_a_question_that_takes_too_long_is_given_up(
    open_store: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (engine, sqlite_file):
        monkeypatch.setattr(module, "READ_LIMIT", 0.1)
    store = open_store()
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT 1 FROM n) SELECT count(*) FROM n"
    for _ in range(2):
        with pytest.raises(SlowQueryError, match="shorter period"), store.database.read() as connection:
            connection.exec_driver_sql(endless)
        assert store.links.count() == 0


def test_a_database_that_does_not_answer_is_told_without_its_password() -> None:
    with pytest.raises(StoreError) as error:
        Store("postgresql://ada:secret@127.0.0.1:1/dub")
    assert "secret" not in str(error.value)

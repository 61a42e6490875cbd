from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dub_middleware.conversions.outbox import FINAL, Leased, NewRow, Outbox, Settlement, open_outbox
from dub_middleware.conversions.outbox.schema import VERSION, statements
from dub_middleware.conversions.worker import Timing
from dub_middleware.conversions.worker.housekeeping import Housekeeper
from dub_middleware.errors import OutboxError
from waiting import wait_until

T0 = 1_795_000_000.0

Run = Callable[[str], Any]


class Clock:
    def __init__(self) -> None:
        self.now = T0

    def __call__(self) -> float:
        return self.now


def row(key: str = "42", *, payload: bytes = b"{}", destination: str = "dub", id: str = "") -> NewRow:  # noqa: A002
    return NewRow(id or uuid.uuid4().hex, destination, "lead", key, payload, T0)


def delivered(leased: Leased) -> Settlement:
    return Settlement(leased.seq, "delivered", leased.attempt, status=200)


class OutboxContract:
    """What every backend does."""

    url: str
    bytes = "BLOB"

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def outbox(self, clock: Clock) -> Iterator[Outbox]:
        outbox = open_outbox(self.url, clock=clock)
        yield outbox
        outbox.close()

    def test_rows_come_out_as_they_went_in_oldest_first(self, outbox: Outbox) -> None:
        """Payloads are bytes and stay bytes."""
        rows = [row(str(n), payload=bytes([0, 255, n])) for n in range(5)]
        outbox.put(rows[:2])
        outbox.put(rows[2:])
        leased = outbox.lease("dub", "me:1:1:a", 10, 60)
        assert [(r.id, r.key, r.payload, r.kind, r.created_at) for r in leased] == [
            (r.id, r.key, r.payload, "lead", T0) for r in rows
        ]
        assert {(r.attempt, r.ambiguous, r.crashes, r.age) for r in leased} == {(1, False, 0, 0.0)}

    def test_another_connection_sees_a_row_once_put_returned(self, outbox: Outbox) -> None:
        """Put commits."""
        outbox.put([row()])
        other = open_outbox(self.url)
        assert other.pending() == 1
        other.close()

    def test_a_leased_row_is_nobody_elses(self, outbox: Outbox) -> None:
        outbox.put([row(str(n)) for n in range(3)])
        assert len(outbox.lease("dub", "me:1:1:a", 2, 60)) == 2
        assert len(outbox.lease("dub", "other:1:1:b", 9, 60)) == 1
        assert outbox.lease("dub", "me:1:1:a", 9, 60) == []

    def test_a_destination_sees_its_own_rows_only(self, outbox: Outbox) -> None:
        same = uuid.uuid4().hex
        outbox.put([row(id=same), row(id=same, destination="segment")])
        (mine,) = outbox.lease("segment", "me:1:1:a", 9, 60)
        outbox.settle("me:1:1:a", [delivered(mine)])
        assert outbox.states(same) == {"dub": "pending", "segment": "delivered"}

    def test_the_same_row_twice_is_stored_once(self, outbox: Outbox) -> None:
        """A repeated put after a lost answer must not become a second event."""
        one = row()
        outbox.put([one])
        outbox.put([one, row("43")])
        assert outbox.pending() == 2

    def test_one_key_is_never_twice_in_flight_and_keeps_its_order(self, outbox: Outbox) -> None:
        first, second, other = row("a"), row("a"), row("b")
        outbox.put([first, second, other])
        leased = outbox.lease("dub", "me:1:1:a", 9, 60)
        assert [r.id for r in leased] == [first.id, other.id]
        outbox.settle("me:1:1:a", [delivered(leased[0])])
        assert [r.id for r in outbox.lease("dub", "me:1:1:a", 9, 60)] == [second.id]

    def test_a_waiting_retry_holds_back_its_key_and_nothing_else(self, outbox: Outbox, clock: Clock) -> None:
        outbox.put([row("a"), row("a"), row("b")])
        (head,) = outbox.lease("dub", "me:1:1:a", 1, 60)
        outbox.settle("me:1:1:a", [Settlement(head.seq, "pending", 1, delay=30, ambiguous=True, status=500)])
        for whole_keys in (False, True):
            (free,) = outbox.lease("dub", "me:1:1:a", 9, 60, whole_keys=whole_keys)
            assert free.key == "b"
            outbox.settle("me:1:1:a", [Settlement(free.seq, "pending", 0)])
        clock.now += 31
        again = outbox.lease("dub", "me:1:1:a", 9, 60)
        assert [(r.seq, r.attempt, r.ambiguous, r.age) for r in again if r.key == "a"] == [
            (head.seq, 2, True, 31.0)
        ]

    def test_whole_keys_come_in_order_but_not_while_one_is_in_flight(self, outbox: Outbox) -> None:
        rows = [row("a"), row("b"), row("a"), row("a")]
        outbox.put(rows)
        leased = outbox.lease("dub", "me:1:1:a", 3, 60, whole_keys=True)
        assert [r.id for r in leased] == [r.id for r in rows[:3]]
        assert outbox.lease("dub", "me:1:1:a", 3, 60, whole_keys=True) == []

    @pytest.mark.parametrize("hours", [-24 * 365 * 50, -1, 1, 24 * 365 * 50], ids="{:+}h".format)
    def test_no_row_is_stuck_when_the_clock_jumps(self, outbox: Outbox, clock: Clock, hours: int) -> None:
        """A due time that a clock set back has moved out of sight counts as due."""
        outbox.put([row("a"), row("b")])
        (head,) = outbox.lease("dub", "me:1:1:a", 1, 60)
        outbox.settle("me:1:1:a", [Settlement(head.seq, "pending", 1, delay=300)])
        clock.now += hours * 3600
        assert len(outbox.lease("dub", "me:1:1:a", 9, 60)) == 2

    def test_what_a_vanished_owner_had_in_flight_comes_back_as_ambiguous(
        self, outbox: Outbox, clock: Clock
    ) -> None:
        outbox.put([row("a"), row("b")])
        outbox.lease("dub", "gone:1:1:a", 1, 60)
        assert outbox.owners() == {"gone:1:1:a": False}
        clock.now += 61
        assert outbox.owners() == {"gone:1:1:a": True}
        assert outbox.reclaim("gone:1:1:a", 90) == 1
        assert outbox.owners() == {}
        assert [r.key for r in outbox.lease("dub", "me:1:1:b", 9, 60)] == ["b"]
        clock.now += 91
        (back,) = outbox.lease("dub", "me:1:1:b", 9, 60)
        assert (back.key, back.ambiguous, back.crashes, back.attempt) == ("a", True, 1, 2)

    def test_what_vanishes_with_its_owner_again_waits_twice_as_long(
        self, outbox: Outbox, clock: Clock
    ) -> None:
        outbox.put([row()])
        for delay in (90, 180, 360):
            outbox.lease("dub", "gone:1:1:a", 1, 60)
            outbox.reclaim("gone:1:1:a", 90)
            clock.now += delay - 1
            assert outbox.lease("dub", "me:1:1:b", 9, 60) == []
            clock.now += 2

    def test_what_vanished_with_its_owner_comes_alone(self, outbox: Outbox, clock: Clock) -> None:
        """Should it take its sender down, no other row is suspected with it."""
        outbox.put([row("a"), row("b"), row("c")])
        outbox.lease("dub", "gone:1:1:a", 2, 60)
        outbox.reclaim("gone:1:1:a", 0)
        clock.now += 1
        leases = [outbox.lease("dub", "me:1:1:b", 9, 60, whole_keys=True) for _ in range(4)]
        assert [[r.key for r in leased] for leased in leases] == [["a"], ["b"], ["c"], []]

    def test_an_owner_gives_back_what_it_never_saw(self, outbox: Outbox, clock: Clock) -> None:
        """A lease whose commit was not answered would otherwise be renewed for ever."""
        outbox.put([row("a"), row("b"), row("c", destination="segment")])
        known, lost = outbox.lease("dub", "me:1:1:a", 2, 60)
        outbox.lease("segment", "me:1:1:a", 1, 60)
        assert outbox.relinquish("me:1:1:a", "dub", [known.seq], 90) == 1
        clock.now += 91
        (back,) = outbox.lease("dub", "me:1:1:a", 9, 60)
        assert (back.seq, back.ambiguous, back.crashes) == (lost.seq, True, 0)

    def test_a_lease_can_be_extended(self, outbox: Outbox, clock: Clock) -> None:
        outbox.put([row()])
        outbox.lease("dub", "me:1:1:a", 1, 60)
        clock.now += 50
        outbox.extend("me:1:1:a", 60)
        clock.now += 50
        assert outbox.owners() == {"me:1:1:a": False}

    def test_a_settlement_after_the_lease_went_to_another_changes_nothing(self, outbox: Outbox) -> None:
        outbox.put([row()])
        (mine,) = outbox.lease("dub", "slow:1:1:a", 1, 60)
        outbox.reclaim("slow:1:1:a", 0)
        outbox.lease("dub", "new:1:1:b", 1, 60)
        outbox.settle("slow:1:1:a", [delivered(mine)])
        assert outbox.states(mine.id) == {"dub": "pending"}

    @pytest.mark.parametrize("state", FINAL)
    def test_a_final_state_is_final_and_queryable(self, outbox: Outbox, state: Any) -> None:
        outbox.put([row(payload=b"secret")])
        (leased,) = outbox.lease("dub", "me:1:1:a", 1, 60)
        outbox.settle(
            "me:1:1:a", [Settlement(leased.seq, state, 1, status=404, message="Click not found\0.")]
        )
        assert outbox.lease("dub", "me:1:1:a", 1, 60) == []
        (stored,) = outbox.find(leased.id)
        assert (stored.state, stored.status, stored.message) == (state, 404, "Click not found\ufffd.")
        assert stored.settled_at is not None
        # nobody needs the personal data of what has arrived
        assert stored.payload == (b"" if state in ("delivered", "duplicate") else b"secret")
        assert outbox.counts() == {("dub", state): 1}

    def test_a_settled_row_can_be_queued_again(self, outbox: Outbox) -> None:
        outbox.put([row(str(n)) for n in range(3)])
        for leased, state in zip(
            outbox.lease("dub", "me:1:1:a", 3, 60), ("rejected", "delivered", "expired"), strict=True
        ):
            outbox.settle("me:1:1:a", [Settlement(leased.seq, state, 7, ambiguous=True, crashes=1)])  # type: ignore[arg-type]
        rejected, arrived, expired = outbox.rows()
        assert outbox.retry(ids=[rejected.id]) == 1
        assert outbox.retry(ids=[arrived.id]) == 0
        assert outbox.retry(states=["expired", "rejected"]) == 1
        assert outbox.retry() == outbox.retry(destinations=["dub"]) == 0
        again = outbox.lease("dub", "me:1:1:a", 9, 60)
        assert [(r.id, r.attempt, r.crashes, r.age) for r in again] == [
            (rejected.id, 1, 0, 0.0),
            (expired.id, 1, 0, 0.0),
        ]

    def test_purging_goes_by_state_and_age_in_steps_and_is_remembered(
        self, outbox: Outbox, clock: Clock
    ) -> None:
        outbox.put([row(str(n)) for n in range(7)])
        leased = outbox.lease("dub", "me:1:1:a", 6, 60)
        outbox.settle("me:1:1:a", [delivered(r) for r in leased[:5]])
        outbox.settle("me:1:1:a", [Settlement(leased[5].seq, "rejected", 1)])
        assert outbox.purge(states=["delivered"], older_than=60) == 0
        clock.now += 61
        assert [outbox.purge(states=["delivered"], older_than=60, limit=3) for _ in range(3)] == [3, 2, 0]
        assert outbox.purge(states=["pending"]) == 0
        assert [r.state for r in outbox.rows()] == ["rejected", "pending"]
        assert outbox.counts() == {("dub", "delivered"): 5, ("dub", "rejected"): 1, ("dub", "pending"): 1}

    def test_one_destination_is_queued_again_or_purged_without_the_others(self, outbox: Outbox) -> None:
        for destination in ("dub", "segment"):
            outbox.put([row(str(n), destination=destination) for n in range(3)])
            one, two, three = outbox.lease(destination, "me:1:1:a", 3, 60)
            outbox.settle("me:1:1:a", [delivered(one), delivered(two), Settlement(three.seq, "rejected", 1)])
        chosen: dict[str, Any] = {"states": ["delivered"], "destinations": ["segment"]}
        assert (outbox.purgeable(**chosen), outbox.purge(**chosen, limit=1), outbox.purgeable(**chosen)) == (
            2,
            1,
            1,
        )
        assert outbox.purgeable(states=["delivered"]) == 3
        assert outbox.purgeable(states=[]) == outbox.purge(states=[]) == 0
        assert outbox.retry(states=["rejected"], destinations=["segment", "elsewhere"]) == 1
        waiting = [(r.destination, r.state) for r in outbox.rows() if r.state in ("pending", "rejected")]
        assert waiting == [("dub", "rejected"), ("segment", "pending")]

    def test_rows_are_listed_by_state_destination_and_page(self, outbox: Outbox) -> None:
        outbox.put([row(str(n), payload=b"secret") for n in range(3)] + [row("9", destination="segment")])
        page = outbox.rows(limit=2)
        assert [r.key for r in page] == ["0", "1"]
        assert {r.payload for r in page} == {b""}
        assert [r.key for r in outbox.rows(after=page[-1].seq)] == ["2", "9"]
        assert [r.key for r in outbox.rows(destination="segment", state="pending")] == ["9"]
        assert outbox.rows(state="dead") == []

    def test_the_age_of_the_oldest_waiting_row_is_known(self, outbox: Outbox, clock: Clock) -> None:
        assert outbox.oldest() is None
        outbox.put([row("a")])
        clock.now += 30
        assert outbox.oldest() == pytest.approx(30)
        assert (outbox.pending(), outbox.pending(["segment"])) == (1, 0)
        assert (outbox.has_pending(), outbox.has_pending(["segment"])) == (True, False)

    def test_a_full_outbox_refuses_the_new_and_keeps_the_old(self) -> None:
        full = open_outbox(self.url, max_rows=3)
        full.put([row(str(n)) for n in range(4)])
        fresh = open_outbox(self.url, max_rows=3)  # the count is looked at once a second
        with pytest.raises(OutboxError, match="The outbox is full: 4 events wait, 3 are allowed"):
            fresh.put([row("x")])
        assert fresh.pending() == 4
        full.close()
        fresh.close()

    @pytest.mark.parametrize("version", [1, 2])
    def test_an_outbox_of_an_older_release_is_brought_up_to_date(
        self, outbox: Outbox, run: Run, version: int
    ) -> None:
        """Its rows are delivered, before those that come after."""
        self._write_older(run, version)
        outbox.put([row("new")])
        assert outbox.counts() == {("dub", "pending"): 3, ("dub", "rejected"): 1}
        leased = outbox.lease("dub", "me:1:1:a", 9, 60)
        assert [(r.key, r.payload, r.attempt) for r in leased] == [
            ("waiting", b"old", 1),
            ("waiting-2", b"old", 1),
            ("new", b"{}", 1),
        ]
        assert run("SELECT version FROM dub_outbox_schema").fetchall() == [(VERSION,)]

    def test_an_outbox_of_a_newer_release_is_left_alone(self, outbox: Outbox, run: Run) -> None:
        self._write_older(run, 2)
        run("UPDATE dub_outbox_schema SET version = 99")
        with pytest.raises(OutboxError, match="written by a newer release"):
            outbox.put([row()])
        assert run("SELECT count(*) FROM dub_outbox").fetchall() == [(3,)]

    def _write_older(self, run: Run, version: int) -> None:
        run("CREATE TABLE dub_outbox_schema (version INTEGER NOT NULL)")
        run(f"INSERT INTO dub_outbox_schema VALUES ({version})")
        for step in range(1, version + 1):
            for statement in statements(step, postgres=self.url.startswith("postgres")):
                run(statement)
        for key, state in (("waiting", "pending"), ("refused", "rejected"), ("waiting-2", "pending")):
            run(
                "INSERT INTO dub_outbox (id, destination, kind, key, payload, created_at, state)"
                f" VALUES ('{key}', 'dub', 'lead', '{key}', CAST('old' AS {self.bytes}), {T0}, '{state}')"
            )

    def test_many_threads_store_at_once_and_nothing_is_lost_or_leased_twice(self, outbox: Outbox) -> None:
        """Eight threads put while two take; every row is seen exactly once."""
        seen: list[str] = []
        stop = threading.Event()

        def put(thread: int) -> None:
            for n in range(50):
                one = row(f"{thread}-{n}")
                while not stored(one):  # busy on a machine that is: the same row again
                    pass

        def stored(one: NewRow) -> bool:
            try:
                outbox.put([one])
            except OutboxError:
                return False
            return True

        def take(owner: str) -> None:
            while not stop.is_set() or outbox.pending():
                leased = outbox.lease("dub", owner, 10, 60)
                outbox.settle(owner, [delivered(r) for r in leased])
                seen.extend(r.id for r in leased)

        with ThreadPoolExecutor(10) as pool:
            takers = [pool.submit(take, f"me:1:1:{n}") for n in range(2)]
            try:
                for done in [pool.submit(put, thread) for thread in range(8)]:
                    done.result()
            finally:
                stop.set()
            for done in takers:
                done.result()
        assert len(seen) == len(set(seen)) == 400

    def test_what_was_just_put_is_seen_by_whatever_looks(self, outbox: Outbox) -> None:
        """Wherever a backend leaves new rows: more of them than it moves at a time, and their order stays."""
        rows = [row(str(n)) for n in range(2500)]
        outbox.put(rows)
        assert (outbox.has_pending(["dub"]), outbox.pending()) == (True, 2500)
        outbox.put([row("late")])
        assert outbox.states(rows[0].id) == {"dub": "pending"}
        assert outbox.counts() == {("dub", "pending"): 2501}
        assert [r.key for r in outbox.rows(limit=3000)] == [*(r.key for r in rows), "late"]
        outbox.put([row("a"), row("b")])
        (leased,) = outbox.lease("dub", "me:1:1:a", 1, 60)
        assert leased.id == rows[0].id

    def test_a_forked_child_uses_the_outbox_as_its_parent_does(self, outbox: Outbox) -> None:
        outbox.put([row("parent")])
        child = os.fork()
        if child == 0:
            try:
                outbox.put([row("child")])
                os._exit(0 if outbox.pending() == 2 else 1)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        outbox.put([row("after")])
        assert [r.key for r in outbox.rows()] == ["parent", "child", "after"]


class TestSQLite(OutboxContract):
    @pytest.fixture(autouse=True)
    def _url(self, tmp_path: Path) -> None:
        self.url = f"sqlite:///{tmp_path}/outbox.db"

    @pytest.fixture
    def run(self, tmp_path: Path) -> Iterator[Run]:
        connection = sqlite3.connect(tmp_path / "outbox.db", isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        yield lambda statement: connection.execute(statement)
        connection.close()

    def test_a_process_that_comes_and_goes_leaves_the_log_to_the_others(
        self, outbox: Outbox, tmp_path: Path
    ) -> None:
        """Were our locks lost, it would think itself the last user and delete what we go on writing to."""
        outbox.put([row("before")])
        assert outbox.pending() == 1  # both connections are open
        visit = f"from dub_middleware.conversions.outbox import open_outbox as o; o({self.url!r}).counts()"
        subprocess.run([sys.executable, "-c", visit], check=True)
        outbox.put([row("after")])
        files = [tmp_path / name for name in ("outbox.db", "outbox.db-wal")]
        for file in files:  # what a crash at this moment would leave
            shutil.copy(file, tmp_path / f"crashed-{file.name}")
        crashed = open_outbox(f"sqlite:///{tmp_path}/crashed-outbox.db")
        assert [r.key for r in crashed.rows()] == ["before", "after"]
        crashed.close()

    @pytest.mark.parametrize(
        ("work", "index"),
        [
            (lambda outbox: outbox.has_pending(["dub"]), "dub_outbox_pending"),
            (lambda outbox: outbox.pending(), "dub_outbox_pending"),
            (lambda outbox: outbox.owners(), "dub_outbox_owner"),
            (lambda outbox: outbox.states("x"), "dub_outbox_id"),
            (lambda outbox: outbox.purge(states=["delivered"]), "dub_outbox_settled"),
        ],
        ids=["has_pending", "pending", "owners", "states", "purge"],
    )
    def test_what_is_asked_often_reads_an_index_and_not_the_table(
        self, outbox: Outbox, work: Callable[[Outbox], object], index: str
    ) -> None:
        """A million delivered rows must not slow down the next event."""
        outbox.put([row()])
        work(outbox)
        statements: list[str] = []
        connection = outbox._process().opened["back"].connection  # type: ignore[attr-defined]
        connection.set_trace_callback(statements.append)
        work(outbox)
        connection.set_trace_callback(None)
        reads = [text for text in statements if text.startswith("SELECT")]
        plans = [line for text in reads for *_, line in connection.execute(f"EXPLAIN QUERY PLAN {text}")]
        assert any(index in line for line in plans), plans
        assert not [line for line in plans if line.startswith("SCAN dub_outbox") and "INDEX" not in line]

    def test_what_was_just_put_is_carried_over_when_the_file_is_deleted(
        self, outbox: Outbox, tmp_path: Path
    ) -> None:
        """Nobody delivers here, so nobody has moved the first row to where the others are."""
        outbox.put([row("before")])
        for file in tmp_path.glob("outbox.db*"):
            file.unlink()
        outbox.put([row("after")])
        assert [r.key for r in outbox.rows()] == ["before", "after"]

    def test_a_row_in_the_callers_transaction_comes_after_those_that_were_put_before_it(
        self, outbox: Outbox, tmp_path: Path
    ) -> None:
        outbox.put([row("lead")])
        shop = sqlite3.connect(tmp_path / "outbox.db")
        outbox.put_in(shop, [row("sale")])
        shop.commit()
        shop.close()
        outbox.put([row("renewal")])
        assert [r.key for r in outbox.rows()] == ["lead", "sale", "renewal"]

    def test_the_file_is_readable_by_its_owner_only(self, outbox: Outbox, tmp_path: Path) -> None:
        """Whatever the umask: the rows hold personal data."""
        umask = os.umask(0)
        try:
            outbox.put([row()])
            modes = {path.name: oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir()}
        finally:
            os.umask(umask)
        assert modes == dict.fromkeys(("outbox.db", "outbox.db-wal", "outbox.db-shm"), "0o600")

    def test_what_has_arrived_makes_room_before_the_file_is_full(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A stream of events that is delivered at once never ends at the limit of the file's size."""
        monkeypatch.setattr("dub_middleware.conversions.worker.housekeeping.PURGE_EVERY", 0.01)
        outbox = open_outbox(self.url, max_bytes=400_000)
        housekeep = Housekeeper(outbox, "me:1:1:a", Timing())
        for _ in range(30):  # five times what fits
            outbox.put([row(str(number), payload=b"x" * 1000) for number in range(50)])
            outbox.settle("me:1:1:a", [delivered(r) for r in outbox.lease("dub", "me:1:1:a", 50, 60)])
            wait_until(lambda: (housekeep(), not outbox.is_crowded())[1], what="room")
        assert outbox.counts() == {("dub", "delivered"): 1500}
        outbox.close()


@pytest.mark.postgres
class TestPostgres(OutboxContract):
    bytes = "BYTEA"

    @pytest.fixture(autouse=True)
    def _url(self, postgres_url: str) -> None:
        self.url = postgres_url

    @pytest.fixture
    def run(self, postgres_url: str) -> Iterator[Run]:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            yield lambda statement: connection.execute(statement)


class TestMemory:
    """``None`` keeps rows in memory, with the same behaviour but for durability."""

    def test_rows_come_out_as_they_went_in(self) -> None:
        outbox = open_outbox(None)
        outbox.put([row("a"), row("b")])
        leased = outbox.lease("dub", "me:1:1:a", 9, 60)
        outbox.settle("me:1:1:a", [delivered(r) for r in leased])
        assert (outbox.pending(), outbox.counts()) == (0, {("dub", "delivered"): 2})
        outbox.close()

"""`serve` and `keys` as a user runs them: as a process, with signals, and read by a program."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from dub import Dub
from segment.analytics import Client as SegmentClient

from dub_middleware.cli import main
from dub_middleware.server.store import Context, CustomerDetails, Store
from stub_http import StubServer, status
from waiting import wait_until


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "dub_middleware", *arguments]


Run = Callable[..., "Done"]


@dataclass
class Done:
    status: int
    out: str
    err: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """A command that ends by itself, in this process: starting one takes longer than the command."""

    def run_command(*arguments: str) -> Done:
        status = main(arguments)
        told = capsys.readouterr()
        return Done(status, told.out, told.err)

    return run_command


@contextmanager
def serving(*arguments: str, **environ: str) -> Iterator[tuple[dict[str, Any], subprocess.Popen[str]]]:
    """A server on a free port, and the facts it told."""
    process = subprocess.Popen(
        command("serve", "--port", "0", "--json", *arguments),
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | environ,
    )
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline()), process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(60)
        process.stdout.close()


@pytest.fixture
def database(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/dub.db"


def test_the_sdk_works_with_what_serve_tells(database: str) -> None:
    with serving("--database", database, "--domain", "go.localhost", "--domain", "acme.localhost") as (
        facts,
        _,
    ):
        assert facts["short_links"][0].startswith("http://acme.localhost:") or facts["short_links"][1]
        with Dub(token=facts["api_key"], server_url=facts["api"]) as dub:
            link = dub.links.create(request={"url": "https://shop.test/", "key": "launch"})
            assert link is not None
            assert link.short_link == f"http://go.localhost:{facts['api'].split(':')[2].split('/')[0]}/launch"
        assert httpx.get(facts["dashboard"], timeout=60).status_code == 200


def test_segments_client_works_with_what_serve_tells(database: str) -> None:
    with serving("--database", database, SEGMENT_WRITE_KEY="wk") as (facts, _):
        with Dub(token=facts["api_key"], server_url=facts["api"]) as dub:
            dub.links.create(request={"url": "https://shop.test/", "key": "launch", "track_conversion": True})
        visit = httpx.get(
            f"{facts['segment']}/l/launch", headers={"User-Agent": "Mozilla/5.0 Chrome/142.0"}, timeout=60
        )
        click_id = httpx.URL(visit.headers["Location"]).params["dub_id"]
        segment = SegmentClient("wk", host=facts["segment"])
        segment.track("42", "Sign Up", integrations={"Dub (Actions)": {"dub_id": click_id}})
        segment.join()
        headers = {"Authorization": f"Bearer {facts['api_key']}"}
        customers = f"{facts['api']}/customers"
        found = wait_until(
            lambda: httpx.get(customers, headers=headers, timeout=60).json(), what="the customer"
        )
        assert found[0]["externalId"] == "42"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_a_signal_ends_it_cleanly_and_the_keys_are_told_once(database: str, number: signal.Signals) -> None:
    with serving("--database", database) as (facts, process):
        assert facts["api_key"].startswith("dub_")
        assert facts["publishable_key"].startswith("dub_pk_")
        httpx.get(facts["dashboard"], timeout=60)
        process.send_signal(number)
        assert process.wait(60) == 0
    with serving("--database", database) as (facts, _):
        assert (facts["api_key"], facts["publishable_key"]) == (None, None)


def test_what_people_read_at_the_start_says_where_to_go_next(database: str) -> None:
    process = subprocess.Popen(
        command("serve", "--port", "0", "--database", database), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    text = ""
    while "Ctrl-C stops it" not in text:
        text += process.stdout.readline()
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Stopped." in rest
    for part in (
        "Dashboard     http://127.0.0.1:",
        "/api",
        "http://go.localhost:",
        "Shown this once",
        "dub_pk_",
    ):
        assert part in text
    assert "export DUB_BASE_URL=http://127.0.0.1:" in text


def test_a_taken_port_is_one_clear_sentence(database: str, run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run("serve", "--port", port, "--database", database)
    assert done.status == 1
    assert done.err == (
        f"dub-middleware serve: Port {port} is taken: name another with --port, or stop what uses it.\n"
    )
    assert not Path(database.removeprefix("sqlite:///")).exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--host", "0.0.0.0"], "needs a password", id="open-without-password"),
        pytest.param(["--host", "192.0.2.1", "--password", "long-enough"], "Cannot listen on", id="foreign"),
        pytest.param(["--password", "short"], "at least 8 characters", id="short-password"),
        pytest.param(["--domain", "http://x"], "domains=", id="domain"),
    ],
)
def test_what_cannot_be_served_is_refused_at_the_start(
    database: str, arguments: list[str], message: str, run: Run
) -> None:
    done = run("serve", "--port", "0", "--database", database, *arguments)
    assert done.status == 1
    assert message in done.err
    assert "Traceback" not in done.err


def test_a_wrong_key_of_the_environment_is_told_by_the_name_of_its_variable(
    database: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUB_API_KEY", "secret")
    done = run("serve", "--port", "0", "--database", database)
    assert done.status == 1
    assert done.err.startswith("dub-middleware serve: DUB_API_KEY must be ")


def test_other_machines_may_come_in_with_a_password(database: str) -> None:
    with serving("--host", "0.0.0.0", "--database", database, DUB_PASSWORD="correct horse") as (facts, _):
        port = facts["api"].split(":")[2].split("/")[0]
        answer = httpx.get(f"http://127.0.0.1:{port}/", headers={"Accept": "text/html"}, timeout=60)
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith("/login")


def test_keys_are_made_shown_once_listed_and_revoked(database: str, run: Run) -> None:
    made = json.loads(run("keys", "create", "--name", "shop", "--json", "--database", database).out)
    assert made["key"].startswith("dub_")
    listed = run("keys", "list", "--database", database).out
    assert "shop" in listed
    assert made["id"] in listed
    assert made["key"] not in listed
    public = run("keys", "create", "--publishable", "--days", "30", "--database", database).out
    assert public.startswith("dub_pk_")
    for identifier in (
        made["key"],
        json.loads(run("keys", "list", "--json", "--database", database).out)[1]["id"],
    ):
        assert run("keys", "revoke", identifier, "--database", database).status == 0
    assert json.loads(run("keys", "list", "--json", "--database", database).out) == []
    gone = run("keys", "revoke", made["id"], "--database", database)
    assert gone.status == 1
    assert "There is no key" in gone.err


@pytest.mark.faults
def test_a_server_killed_before_it_delivers_tells_its_webhooks_after_the_next_start(database: str) -> None:
    store = Store(database)
    with StubServer() as receiver:
        receiver.permanent = status(503)
        with serving("--database", database) as (_, process):
            webhook = store.webhooks.create("Shop", receiver.url, ["lead.created"])
            link = store.links.create(
                {"domain": "go.localhost", "key": "launch", "url": "https://shop.test/"}
            )
            click_id = store.record_click(link, Context(url=link.url)).click_id
            store.record_lead(CustomerDetails(external_id="42"), "Sign up", click_id=click_id)
            process.kill()
            process.wait(60)
        receiver.permanent = None
        with serving("--database", database):
            wait_until(lambda: any(row.status == 200 for row in store.webhooks.deliveries(webhook.id)))
    store.close()


def test_demo_data_is_made_once_and_never_into_real_data(database: str, tmp_path: Path, run: Run) -> None:
    store = Store(database)
    store.workspace.add_domain("go.localhost", primary=True)
    with serving("--demo", "--database", database) as (facts, _):
        totals = httpx.get(f"{facts['dashboard']}analytics.json?interval=90d", timeout=30).json()["totals"]
    assert totals["clicks"] > 4000
    assert totals["clicks"] > totals["leads"] > totals["sales"] > 100
    assert store.workspace.settings().is_demo
    store.close()

    other = f"sqlite:///{tmp_path}/real.db"
    real = Store(other)
    real.workspace.add_domain("go.localhost", primary=True)
    link = real.links.create({"domain": "go.localhost", "key": "launch", "url": "https://shop.test/"})
    real.record_click(link, Context(url=link.url))
    done = run("serve", "--port", "0", "--demo", "--database", other)
    assert done.status == 1
    assert "holds real events" in done.err
    assert real.links.count() == 1
    real.close()

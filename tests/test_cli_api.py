"""`links`, `analytics` and `events tail` as a user runs them, against a server that runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api_client import KEY
from dub_middleware.cli import main
from dub_middleware.server import Options, Server
from dub_middleware.server.store import Store
from standing_clock import Clock
from traffic import NOW, record_traffic
from waiting import wait_until
from wsgi_server import serving

PERSON = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    url = f"sqlite:///{tmp_path}/dub.db"
    server = Server(Options(database_url=url, api_key=KEY), Store(url, clock=Clock(NOW)))
    record_traffic(server)
    yield server
    server.close()


@pytest.fixture
def base_url(server: Server) -> Iterator[str]:
    with serving(server) as url:
        yield url


@pytest.fixture
def run(base_url: str, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """A command that ends by itself, in this process: starting one takes longer than the command."""

    def run_command(*arguments: str, status: int = 0) -> str:
        assert main([*arguments, "--url", f"{base_url}/api", "--api-key", KEY]) == status
        told = capsys.readouterr()
        return told.out if status == 0 else told.err

    return run_command


@pytest.fixture
def start(base_url: str) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """A command as a process of its own."""
    started: list[subprocess.Popen[str]] = []

    def start_command(*arguments: str) -> subprocess.Popen[str]:
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "dub_middleware", *arguments],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=os.environ | {"DUB_BASE_URL": f"{base_url}/api", "DUB_API_KEY": KEY},
            )
        )
        return started[-1]

    yield start_command
    for process in started:
        process.kill()
        process.communicate()


class TestLinks:
    def test_a_link_is_created_and_its_address_told(self, run: Callable[..., str], server: Server) -> None:
        options = ("--key", "launch", "--track-conversion", "--tag", "launch", "--utm-source", "mail")
        assert run("links", "create", "shop.test/pricing", *options) == "http://go.localhost:8787/launch\n"
        link = server.store.links.get_by_key("go.localhost", "launch")
        assert link is not None
        assert (link.url, link.track_conversion) == ("https://shop.test/pricing?utm_source=mail", True)
        assert [tag.name for tag in link.tags] == ["Launch"]

    def test_links_are_listed(self, run: Callable[..., str]) -> None:
        head, *rows = run("links", "list", "--sort", "clicks").splitlines()
        assert head.split() == ["short", "link", "clicks", "leads", "sales", "destination"]
        assert [row.split()[:4] for row in rows] == [
            ["go.localhost:8787/a", "2", "1", "2"],
            ["go.localhost:8787/b", "1", "1", "1"],
        ]
        end = head.index("clicks") + len("clicks")
        assert [row[:end].split()[-1] for row in rows] == ["2", "1"], "numbers end where their head does"
        assert [link["key"] for link in json.loads(run("links", "list", "--search", "/b", "--json"))] == ["b"]
        assert run("links", "list", "--search", "nothing") == "No links.\n"

    def test_what_is_wrong_is_told(self, run: Callable[..., str], base_url: str) -> None:
        told = run("links", "create", "shop.test", "--key", "A", status=1)
        assert told == "dub-middleware links: 409 conflict: Duplicate key: This short link already exists.\n"

    def test_a_wrong_address_or_no_key_is_told(
        self, base_url: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["links", "list", "--url", base_url, "--api-key", KEY]) == 1
        assert "does not answer as Dub's API does" in capsys.readouterr().err
        assert main(["links", "list", "--url", base_url, "--api-key", ""]) == 1
        assert "set DUB_API_KEY" in capsys.readouterr().err
        assert main(["links", "list", "--url", base_url, "--api-key", f"{KEY}\n"]) == 1
        assert "holds spaces, line ends" in capsys.readouterr().err
        assert main(["links", "list", "--url", "127.0.0.1:8787", "--api-key", KEY]) == 1
        assert "must be an absolute http(s) URL" in capsys.readouterr().err

    def test_to_a_program_errors_are_json_as_at_the_api(self, run: Callable[..., str]) -> None:
        told = json.loads(run("links", "create", "shop.test", "--key", "A", "--json", status=1))
        assert told == {
            "error": {
                "code": "conflict",
                "message": "Duplicate key: This short link already exists.",
                "status": 409,
                "doc_url": "https://dub.co/docs/api-reference/errors#conflict",
            }
        }
        wrong = json.loads(run("analytics", "--timezone", "Paris", "--json", status=1))
        assert (wrong["error"]["code"], wrong["error"]["option"]) == ("config_error", "timezone")


class TestAnalytics:
    def test_totals_and_a_chart_are_drawn(self, run: Callable[..., str]) -> None:
        summary, _, *chart = run("analytics", "--interval", "7d").splitlines()
        assert summary.split("   ") == ["3 clicks", "2 leads", "3 sales, $57.00"]
        assert len(chart) == 10
        assert "█" in chart[0]
        assert chart[-1].split() == ["Mar", "11", "Mar", "18"]
        assert "$" in run("analytics", "--event", "sales", "--interval", "24h")

    def test_groups_are_drawn_as_bars(self, run: Callable[..., str]) -> None:
        first, second = run("analytics", "--group-by", "countries").splitlines()
        assert first.split()[:2] == ["FR", "2"]
        assert first.count("█") == 2 * second.count("█")
        assert run("analytics", "--group-by", "top_links", "--event", "sales").startswith(
            "go.localhost:8787/a  $50"
        )
        assert run("analytics", "--group-by", "cities", "--filter", "country=US").startswith("San Francisco")
        assert run("analytics", "--group-by", "utm_terms") == "No clicks with known utm_terms in this time.\n"

    def test_the_numbers_are_there_for_programs(self, run: Callable[..., str]) -> None:
        told = json.loads(run("analytics", "--json", "--filter", "country=-US"))
        assert told["totals"]["clicks"] == sum(point["clicks"] for point in told["timeseries"]) == 2

    def test_an_unknown_group_or_filter_is_told(self, run: Callable[..., str]) -> None:
        assert "invalid_value: groupBy" in run("analytics", "--group-by", "x", status=1)
        assert "must look like country=DE" in run("analytics", "--filter", "x", status=1)
        for text, hint in (
            ("=x", "There is no filter ''. There are: browser, "),
            ("event=leads", "There is no filter 'event'."),
            ("contry=DE", "There is no filter 'contry'. Did you mean 'country'?"),
        ):
            assert hint in run("analytics", "--filter", text, status=1)
        assert run("analytics", "--filter", "query=metadata['plan']:pro", "--json")
        assert "no filter 'query'" in run("events", "tail", "--filter", "query=x", status=1)
        assert "no time zone 'Paris'" in run("analytics", "--timezone", "Paris", status=1)


class TestEvents:
    def test_the_latest_are_shown_oldest_first(self, run: Callable[..., str]) -> None:
        lines = run("events", "tail", "--no-follow", "-n", "3", "--event", "sales").splitlines()
        assert [line.split()[-2:] for line in lines] == [["49.00", "USD"], ["1.00", "USD"], ["7.00", "USD"]]
        (click,) = run(
            "events", "tail", "--no-follow", "--event", "clicks", "--filter", "country=US"
        ).splitlines()
        assert click.split("  ")[2:] == [
            "go.localhost:8787/a",
            "t.co",
            "San Francisco, US",
            "Firefox",
            "Android",
        ]

    def test_what_comes_is_followed(
        self, start: Callable[..., subprocess.Popen[str]], base_url: str, server: Server
    ) -> None:
        tail = start("events", "tail", "--json", "-n", "1")
        assert tail.stdout is not None
        latest: dict[str, Any] = json.loads(tail.stdout.readline())
        assert (latest["event"], latest["eventName"]) == ("sale", "Renewal")
        httpx.get(f"{base_url}/l/b", headers={"User-Agent": PERSON, "Referer": "https://t.co/x"}, timeout=60)
        assert json.loads(tail.stdout.readline())["click"]["referer"] == "t.co"
        tail.terminate()
        assert tail.wait(60) != 0

    def test_a_reader_that_goes_ends_it_quietly(
        self, start: Callable[..., subprocess.Popen[str]], base_url: str
    ) -> None:
        tail = start("events", "tail", "-n", "1")
        assert tail.stdout is not None
        assert tail.stderr is not None
        tail.stdout.readline()
        tail.stdout.close()
        tail.stdout = None
        httpx.get(f"{base_url}/l/b", headers={"User-Agent": PERSON}, timeout=60)
        wait_until(lambda: tail.poll() is not None)
        assert (tail.returncode, tail.stderr.read()) == (0, "")


def test_a_server_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["links", "list", "--url", "http://127.0.0.1:9/api", "--api-key", KEY]) == 1
    told = capsys.readouterr().err
    assert "http://127.0.0.1:9/api gives no answer" in told
    assert "DUB_BASE_URL" in told

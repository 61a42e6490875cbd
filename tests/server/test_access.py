"""Who may open the dashboard: this machine alone, or whoever has the password."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from dub_middleware.server import Options, Server
from dub_middleware.server.access.sessions import LIFETIME
from dub_middleware.server.addresses import is_loopback, is_public
from dub_middleware.server.store import Store
from standing_clock import Clock

PASSWORD = "correct horse"
Open = Callable[..., Server]


class Browser(Client):
    """A browser at an address of its own, on a page of the server itself."""

    def __init__(self, server: Server, peer: str = "203.0.113.9", host: str = "dub.example.com") -> None:
        super().__init__(lambda environ, start: server(environ | {"REMOTE_ADDR": peer}, start))
        self.host = host

    def ask(self, path: str, method: str = "GET", **more: Any) -> TestResponse:
        headers = {"Host": self.host, "Accept": "text/html", **more.pop("headers", {})}
        # cookies are kept by the name that is asked for
        return self.open(path, method=method, base_url=f"http://{self.host}", headers=headers, **more)

    def log_in(self, password: str = PASSWORD, **more: Any) -> TestResponse:
        return self.ask("/login", "POST", data={"password": password, "next": "/?interval=7d"}, **more)


@pytest.fixture
def open_server(tmp_path: Path, clock: Clock) -> Iterator[Open]:
    opened: list[Server] = []

    def open_one(**options: Any) -> Server:
        url = f"sqlite:///{tmp_path}/dub.db"
        opened.append(Server(Options.of({"database_url": url, **options}), Store(url, clock=clock)))
        return opened[-1]

    yield open_one
    for server in opened:
        server.close()


@pytest.mark.parametrize(
    ("peer", "host", "headers", "status"),
    [
        pytest.param("127.0.0.1", "127.0.0.1:8787", {}, 200, id="this-machine"),
        pytest.param("::1", "[::1]:8787", {}, 200, id="ipv6"),
        pytest.param("127.0.0.1", "localhost:8787", {}, 200, id="localhost"),
        pytest.param("127.0.0.1", "evil.example:8787", {}, 403, id="dns-rebinding"),
        pytest.param("127.0.0.1", "localhost.evil.example", {}, 403, id="looks-like-localhost"),
        pytest.param("192.0.2.7", "127.0.0.1", {}, 403, id="other-machine"),
        pytest.param("127.0.0.1", "127.0.0.1", {"X-Forwarded-For": "192.0.2.7"}, 403, id="through-a-proxy"),
        pytest.param("127.0.0.1", "127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 403, id="forged-proxy"),
        pytest.param("", "localhost", {}, 403, id="unix-socket"),
    ],
)
def test_without_a_password_only_this_machine_sees_pages(
    open_server: Open, peer: str, host: str, headers: dict[str, str], status: int
) -> None:
    answer = Browser(open_server(), peer, host).ask("/", headers=headers)
    assert answer.status_code == status
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_with_a_password_every_page_needs_a_session(open_server: Open) -> None:
    browser = Browser(open_server(password=PASSWORD))
    asked = browser.ask("/?interval=7d")
    assert (asked.status_code, asked.headers["Location"]) == (302, "/login?next=/?interval%3D7d")
    assert browser.ask("/analytics.json").status_code == 401
    assert browser.ask("/logout", "POST").status_code == 401
    form = browser.ask("/login")
    assert form.status_code == 200
    assert "Analytics</span>" not in form.text, "the navigation is inside"
    entered = browser.log_in()
    assert (entered.status_code, entered.headers["Location"]) == (303, "/?interval=7d")
    cookie = entered.headers["Set-Cookie"]
    assert cookie.startswith("dub_session=")
    assert all(part in cookie for part in ("HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=604800"))
    assert browser.ask("/").status_code == 200
    assert browser.ask("/analytics.json").status_code == 200


def test_over_https_the_cookie_is_secure_and_bound_to_the_host(open_server: Open) -> None:
    browser = Browser(open_server(password=PASSWORD, base_url="https://dub.example.com"))
    cookie = browser.log_in().headers["Set-Cookie"]
    assert cookie.startswith("__Host-dub_session=")
    assert "Secure" in cookie
    assert "Domain" not in cookie


def test_a_session_ends_by_logout_everywhere(open_server: Open) -> None:
    server = open_server(password=PASSWORD)
    browser, thief = Browser(server), Browser(server)
    token = browser.log_in().headers["Set-Cookie"].partition(";")[0].partition("=")[2]
    thief.set_cookie("dub_session", token, domain="dub.example.com")
    assert thief.ask("/").status_code == 200
    assert browser.ask("/logout", "POST").headers["Location"] == "/login"
    assert browser.ask("/").status_code == 302
    assert thief.ask("/").status_code == 302


def test_a_session_ends_with_time_and_with_the_password(open_server: Open, clock: Clock) -> None:
    first = open_server(password=PASSWORD)
    browser = Browser(first)
    token = browser.log_in().headers["Set-Cookie"].partition(";")[0].partition("=")[2]
    later = Browser(open_server(password="another horse"))
    later.set_cookie("dub_session", token, domain="dub.example.com")
    assert later.ask("/").status_code == 302
    clock.advance(seconds=(LIFETIME - timedelta(seconds=1)).total_seconds())
    assert browser.ask("/").status_code == 200
    clock.advance(seconds=1)
    assert browser.ask("/").status_code == 302


@pytest.mark.parametrize("token", ["", "x", "W10.x", "bnVsbA.abc", "é" * 10, "a" * 5000])
def test_a_forged_session_is_none(open_server: Open, token: str) -> None:
    browser = Browser(open_server(password=PASSWORD))
    assert browser.ask("/", headers={"Cookie": f"dub_session={token}"}).status_code == 302


def test_guessing_is_slow(open_server: Open, clock: Clock) -> None:
    server = open_server(password=PASSWORD)
    guesser = Browser(server)
    tries = [guesser.log_in(f"guess {number}") for number in range(6)]
    assert [answer.status_code for answer in tries] == [403] * 5 + [429]
    assert tries[-1].headers["Retry-After"] == "60"
    assert "That is not the password." in tries[0].text
    assert guesser.log_in().status_code == 429, "even with the right one"
    assert Browser(server, "198.51.100.4").log_in().status_code == 303, "others are not held up"
    clock.advance(minutes=2)
    assert guesser.log_in().status_code == 303


@pytest.mark.parametrize(
    "path", ["//evil.example", "/\t/evil.example", "/\\evil.example", "https://evil.example", "evil", ""]
)
def test_the_way_back_stays_on_this_server(open_server: Open, path: str) -> None:
    answer = Browser(open_server(password=PASSWORD)).ask(
        "/login", "POST", data={"password": PASSWORD, "next": path}
    )
    assert answer.headers["Location"] == "/"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"Sec-Fetch-Site": "same-origin"}, 303, id="own-page"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, 403, id="other-site"),
        pytest.param({"Sec-Fetch-Site": "same-site"}, 403, id="sibling-domain"),
        pytest.param({"Origin": "http://dub.example.com"}, 303, id="own-origin"),
        pytest.param({"Origin": "http://evil.example"}, 403, id="other-origin"),
        pytest.param({"Origin": "null"}, 403, id="opaque-origin"),
        pytest.param({}, 303, id="no-browser"),
    ],
)
def test_only_our_own_pages_may_change_anything(
    open_server: Open, headers: dict[str, str], status: int
) -> None:
    browser = Browser(open_server(password=PASSWORD))
    assert browser.log_in(headers=headers).status_code == status


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:93.184.215.14", True),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
        ("localhost", False),
        ("", False),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("go.localhost", True),
        ("LOCALHOST.", True),
        ("127.1.2.3", True),
        ("[::1]", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_which_hosts_are_this_machine(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


class TestKeysOfPrograms:
    """The twins of the pages are data, as the API is: a key reads them from anywhere."""

    PATHS = ("/analytics.json", "/events.json", "/events.csv", "/links.json", "/customers.json")

    def ask(self, server: Server, path: str, key: str, method: str = "GET", **headers: str) -> TestResponse:
        bearer = {"Authorization": f"Bearer {key}", "Accept": "*/*", **headers}
        return Browser(server).ask(path, method, headers=bearer)

    @pytest.mark.parametrize("options", [{}, {"password": PASSWORD}], ids=["no-password", "password"])
    def test_a_secret_key_reads_the_twins(self, open_server: Open, options: dict[str, Any]) -> None:
        server = open_server(**options)
        key, _ = server.store.keys.create()
        for path in self.PATHS:
            assert self.ask(server, path, key).status_code == 200, path
        assert self.ask(server, "/", key, Accept="application/json").is_json

    def test_it_opens_no_page_and_changes_and_manages_nothing(self, open_server: Open) -> None:
        server = open_server(password=PASSWORD)
        key, _ = server.store.keys.create()
        assert self.ask(server, "/", key, Accept="text/html").status_code == 302
        for path in ("/settings.json", "/webhooks.json", "/install.json"):
            assert self.ask(server, path, key).status_code == 401
        assert self.ask(server, "/links/new", key, "POST").status_code == 401

    def test_other_keys_are_refused_as_the_api_refuses_them(self, open_server: Open) -> None:
        server = open_server(password=PASSWORD)
        narrow, _ = server.store.keys.create(scopes=["links.read"])
        public, _ = server.store.keys.create("publishable")
        wide, _ = server.store.keys.create(scopes=["apis.read"])
        for key, status in ((narrow, 403), (public, 401), ("dub_unknown", 401), ("x", 404), (wide, 200)):
            answer = self.ask(server, "/events.json", key)
            assert answer.status_code == status
            assert status == 200 or answer.get_json()["error"]["doc_url"]
        basic = Browser(server).ask("/events.json", headers={"Authorization": "Basic eDp5"})
        assert basic.status_code == 401, "of a proxy's own login"

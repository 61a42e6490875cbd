"""Short links lead where Dub's would lead, count who is a person, and open no door."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from dub_middleware.server import Server
from dub_middleware.server.store import CustomerDetails, Link, sqlite_file
from standing_clock import Clock
from strict_server import Exchange, checked_request
from waiting import wait_until

PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605 Version/18.5 Mobile Safari"
ANDROID = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/142.0.0.0 Mobile Safari/537.36"
DESKTOP = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36"


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """One kind will do: what the store does is tested on both."""
    return f"sqlite:///{tmp_path}/dub.db"


@pytest.fixture
def link(server: Server) -> Link:
    return server.links.create({"url": "https://shop.test/?a=1", "key": "Launch", "track_conversion": True})


def visit(server: Server, path: str, query: str = "", **environ: Any) -> Exchange:
    environ = {
        "HTTP_HOST": "go.localhost:8787",
        "HTTP_USER_AGENT": DESKTOP,
        "REMOTE_ADDR": "127.0.0.1",
    } | environ
    exchange = checked_request(lambda app: app, server, path=path, query=query, **environ)
    assert exchange.error is None
    return exchange


def target(exchange: Exchange) -> str:
    assert exchange.status[:3] in ("301", "302", "303", "307"), exchange.status
    return exchange.get("Location")[0]


def parameters(exchange: Exchange) -> list[tuple[str, str]]:
    return parse_qsl(urlsplit(target(exchange)).query, keep_blank_values=True)


def clicks_of(folder: Path) -> list[str]:
    """The ids of the clicks that another process would find."""
    with contextlib.closing(sqlite3.connect(folder / "dub.db")) as connection:
        return [
            row[0] for row in connection.execute("SELECT click_id FROM events WHERE type = 0 ORDER BY id")
        ]


def clicks(server: Server) -> int:
    server.store.fold()
    return server.queries.totals(server.queries.period("all")).clicks


class TestClicks:
    def test_a_click_is_recorded_and_its_id_goes_on(self, server: Server, link: Link) -> None:
        answer = visit(server, "/Launch", HTTP_REFERER="https://www.t.co/x?y", HTTP_CF_IPCOUNTRY="US")
        assert answer.status == "302 Found"
        (_, value), (name, click_id) = parameters(answer)
        assert (value, name) == ("1", "dub_id")
        event = server.store.events.find_click(click_id)
        assert event is not None
        assert event.link is not None
        assert event.link.id == link.id
        assert (event.context.url, event.context.referer) == ("https://shop.test/", "t.co")
        assert (event.context.country, event.context.browser) == ("US", "Chrome")
        assert answer.get("X-Powered-By") == ["Dub - The Modern Link Attribution Platform"]
        assert answer.get("X-Robots-Tag") == ["googlebot: noindex"]
        assert answer.get("Cache-Control") == ["no-store"]

    def test_the_cookie_is_of_this_link_only_and_lasts_an_hour(self, server: Server, link: Link) -> None:
        answer = visit(server, "/Launch")
        cookie = answer.get("Set-Cookie")[0]
        assert cookie.startswith(f"dub_id_go.localhost_Launch={parameters(answer)[1][1]}; ")
        assert "; Max-Age=3600; Path=/Launch; " in cookie

    @pytest.mark.parametrize(
        ("environ", "is_secure"),
        [
            pytest.param({}, False, id="http"),
            pytest.param({"wsgi.url_scheme": "https"}, True, id="https"),
            pytest.param({"HTTP_X_FORWARDED_PROTO": "https"}, True, id="trusted proxy"),
            pytest.param({"HTTP_X_FORWARDED_PROTO": "http, HTTPS"}, True, id="the nearest proxy counts"),
            pytest.param({"HTTP_X_FORWARDED_PROTO": "https, http"}, False, id="what a visitor claims"),
            pytest.param(
                {"HTTP_X_FORWARDED_PROTO": "https", "REMOTE_ADDR": "192.0.2.1"}, False, id="a stranger"
            ),
        ],
    )
    def test_the_cookie_is_secure_where_the_visitor_came_by_https(
        self, server: Server, link: Link, environ: dict[str, str], is_secure: bool
    ) -> None:
        assert ("; Secure" in visit(server, "/launch", **environ).get("Set-Cookie")[0]) is is_secure

    def test_one_visitor_is_one_click_an_hour(self, server: Server, link: Link, clock: Clock) -> None:
        first = parameters(visit(server, "/launch"))[1][1]
        assert parameters(visit(server, "/LAUNCH"))[1][1] == first
        visit(server, "/launch", HTTP_USER_AGENT=ANDROID)
        assert clicks(server) == 2
        clock.advance(hours=1)
        assert parameters(visit(server, "/launch"))[1][1] != first
        assert clicks(server) == 3

    def test_the_cookie_goes_before_a_new_id(self, server: Server, link: Link) -> None:
        cookie = "dub_id_go.localhost_Launch=ABCDEFGHIJKLMNOP"
        assert parameters(visit(server, "/launch", HTTP_COOKIE=cookie))[1] == ("dub_id", "ABCDEFGHIJKLMNOP")
        assert clicks(server) == 1
        forged = visit(server, "/launch", HTTP_COOKIE='dub_id_go.localhost_Launch=x"y', HTTP_USER_AGENT=PHONE)
        assert len(parameters(forged)[1][1]) == 16

    @pytest.mark.parametrize(
        "environ",
        [
            pytest.param({"HTTP_USER_AGENT": "Twitterbot/1.0"}, id="robot"),
            pytest.param({"HTTP_USER_AGENT": ""}, id="no user agent"),
            pytest.param({"method": "HEAD"}, id="HEAD"),
            pytest.param({"HTTP_SEC_PURPOSE": "prefetch"}, id="prefetch"),
            pytest.param({"query": "bot=1"}, id="bot parameter"),
        ],
    )
    def test_robots_are_led_but_not_counted(
        self, server: Server, link: Link, environ: dict[str, str]
    ) -> None:
        answer = visit(server, "/launch", **environ)
        assert dict(parameters(answer))["dub_id"]
        assert answer.get("Set-Cookie")
        assert (clicks(server), answer.body) == (0, b"")

    @pytest.mark.parametrize("environ", [{"query": "dub-no-track=1"}, {"HTTP_DUB_NO_TRACK": "1"}])
    def test_who_asks_not_to_be_tracked_is_not(
        self, server: Server, link: Link, environ: dict[str, str]
    ) -> None:
        assert target(visit(server, "/launch", **environ)) == "https://shop.test/?a=1"
        assert clicks(server) == 0

    def test_a_scan_is_a_scan(self, server: Server, link: Link) -> None:
        answer = visit(server, "/launch", "qr=1")
        assert "qr" not in dict(parameters(answer))
        event = server.store.events.find_click(dict(parameters(answer))["dub_id"])
        assert event is not None
        assert event.context.trigger == "qr"

    def test_a_click_waits_for_a_locked_database_and_the_visitor_does_not(
        self, server: Server, link: Link, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sqlite_file, "BUSY_TIMEOUT", 100)
        earlier = dict(parameters(visit(server, "/launch")))["dub_id"]
        with contextlib.closing(sqlite3.connect(tmp_path / "dub.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            kept = [
                dict(parameters(visit(server, "/launch", REMOTE_ADDR=address)))["dub_id"]
                for address in ("127.0.0.1", "192.0.2.1", "192.0.2.2")
            ]
            assert clicks_of(tmp_path) == [earlier]
        wait_until(lambda: len(clicks_of(tmp_path)) == 4, what="the clicks that had to wait")
        assert clicks_of(tmp_path) == [earlier, *kept]
        for click_id in kept:
            who = CustomerDetails(external_id=click_id)
            assert server.store.record_lead(who, "Sign up", click_id=click_id).outcome == "recorded"

    def test_a_store_that_fails_costs_no_visit(self, server: Server, link: Link) -> None:
        with server.store.database.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE click_claims RENAME TO elsewhere")
        assert dict(parameters(visit(server, "/launch")))["dub_id"]


class TestConversions:
    def test_only_links_that_track_conversions_tell_the_click(self, server: Server) -> None:
        server.links.create({"url": "https://shop.test/", "key": "plain"})
        assert target(visit(server, "/plain")) == "https://shop.test/"
        assert clicks(server) == 1

    def test_the_switch_of_the_workspace_makes_every_link_tell(self, server: Server) -> None:
        server.links.create({"url": "https://shop.test/", "key": "plain"})
        server.store.workspace.change_settings(track_conversions=True)
        assert [name for name, _ in parameters(visit(server, "/plain"))] == ["dub_id"]

    def test_links_of_partners_tell_by_whom(self, server: Server) -> None:
        server.links.create({"url": "https://shop.test/", "key": "ada", "partner_id": "pn_1"})
        assert [name for name, _ in parameters(visit(server, "/ada"))] == ["via", "dub_id"]

    def test_payment_links_get_a_client_reference(self, server: Server) -> None:
        url = "https://pay.test/?dub_client_reference_id=1"
        server.links.create({"url": url, "key": "pay", "track_conversion": True})
        ((name, value),) = parameters(visit(server, "/pay"))
        assert name == "client_reference_id"
        assert value.startswith("dub_id_")


class TestPassthrough:
    @pytest.mark.parametrize(
        ("query", "passed"),
        [
            pytest.param("b=2", [("a", "1"), ("b", "2")], id="added behind"),
            pytest.param("a=2", [("a", "2")], id="in the place of the target's"),
            pytest.param("b=%C3%BC%20%26", [("a", "1"), ("b", "ü &")], id="escaped"),
            pytest.param("b=", [("a", "1"), ("b", "")], id="empty"),
            pytest.param("qr=1&skip_deeplink_preview=1&pw=x", [("a", "1")], id="meant for us"),
            pytest.param("qr=2", [("a", "1"), ("qr", "2")], id="qr with another value"),
            pytest.param("&".join(f"p{n}=1" for n in range(200)), [("a", "1")], id="too many to be meant"),
        ],
    )
    def test_parameters_go_on(self, server: Server, query: str, passed: list[tuple[str, str]]) -> None:
        server.links.create({"url": "https://shop.test/?a=1", "key": "x"})
        assert parameters(visit(server, "/x", query)) == passed

    def test_the_click_id_cannot_be_chosen_by_a_stranger(self, server: Server, link: Link) -> None:
        ids = [
            value for name, value in parameters(visit(server, "/launch", "dub_id=chosen")) if name == "dub_id"
        ]
        assert len(ids) == 1
        assert ids[0] != "chosen"

    @pytest.mark.parametrize(
        "query",
        [
            "b=%0d%0aSet-Cookie:%20x=y",
            "b=%00",
            "b=%E2%80%A8",
            "%0d%0aX:=1",
            "redir_url=https://evil.test/",
            "redir_url=javascript:alert(1)",
            "redir_url=//evil.test",
            "redir_url=https://shop.test@evil.test/",
            "redir_url=https://shop.test.evil.test/",
        ],
    )
    def test_no_query_leads_elsewhere_or_writes_headers(self, server: Server, link: Link, query: str) -> None:
        answer = visit(server, "/launch", query)
        assert target(answer).startswith("https://shop.test/?")
        assert target(answer).isascii()
        assert target(answer).isprintable()

    def test_the_request_may_lead_elsewhere_on_the_same_site(self, server: Server, link: Link) -> None:
        answer = visit(server, "/launch", "redir_url=https%3A%2F%2Fshop.test%2Fsale")
        assert target(answer).startswith("https://shop.test/sale?dub_id=")


class TestTargeting:
    @pytest.mark.parametrize(
        ("environ", "url"),
        [
            pytest.param({}, "https://shop.test/", id="nobody in particular"),
            pytest.param({"HTTP_USER_AGENT": PHONE}, "https://apps.test/ios", id="iOS"),
            pytest.param({"HTTP_USER_AGENT": ANDROID}, "https://apps.test/android", id="Android"),
            pytest.param({"HTTP_CF_IPCOUNTRY": "DE"}, "https://shop.test/de", id="country"),
            pytest.param(
                {"HTTP_CF_IPCOUNTRY": "DE", "HTTP_USER_AGENT": PHONE},
                "https://apps.test/ios",
                id="device first",
            ),
        ],
    )
    def test_visitors_are_led_by_device_and_country(
        self, server: Server, environ: dict[str, str], url: str
    ) -> None:
        places = {"ios": "https://apps.test/ios", "android": "https://apps.test/android"}
        values = {"url": "https://shop.test/", "key": "x", "geo": {"DE": "https://shop.test/de"}} | places
        server.links.create(values)
        assert target(visit(server, "/x", **environ)) == url

    def test_a_visitor_of_a_test_stays_with_their_variant(self, server: Server) -> None:
        variants = [{"url": f"https://shop.test/{name}", "percentage": 50} for name in "ab"]
        test = {"test_started_at": "2026-03-01", "test_completed_at": "2026-04-01", "test_variants": variants}
        server.links.create({"url": "https://shop.test/", "key": "x"} | test)
        seen = {target(visit(server, "/x")) for _ in range(40)}
        assert seen == {"https://shop.test/a", "https://shop.test/b"}
        cookie = visit(server, "/x").get("Set-Cookie")[1]
        assert "Max-Age=604800" in cookie
        chosen = cookie.partition(";")[0]
        assert len({target(visit(server, "/x", HTTP_COOKIE=chosen)) for _ in range(10)}) == 1

    def test_a_test_that_is_over_draws_nothing(self, server: Server) -> None:
        variants = [{"url": f"https://shop.test/{name}", "percentage": 50} for name in "ab"]
        test = {"test_started_at": "2026-02-01", "test_completed_at": "2026-03-01", "test_variants": variants}
        server.links.create({"url": "https://shop.test/", "key": "x"} | test)
        assert target(visit(server, "/x")) == "https://shop.test/"


class TestLinksThatDoNotLeadOn:
    @pytest.mark.parametrize("path", ["/nowhere", "/_/x", "/a%2", "/%ff", "/a b", "/" + "x" * 5000])
    def test_an_unknown_link_is_not_found(self, server: Server, path: str) -> None:
        answer = visit(server, path)
        assert answer.status == "404 Not Found"
        assert b"Link not found" in answer.body
        assert "default-src 'none'" in answer.get("Content-Security-Policy")[0]

    def test_a_domain_may_say_where_to_go_instead(self, server: Server) -> None:
        elsewhere = {"notFoundUrl": "https://shop.test/404", "expiredUrl": "https://shop.test/gone"}
        server.store.workspace.add_domain("b.localhost", **elsewhere)
        server.links.create(
            {"url": "https://shop.test/", "key": "x", "domain": "b.localhost", "expires_at": "now"}
        )
        lost = visit(server, "/nowhere", HTTP_HOST="b.localhost")
        assert (lost.status, target(lost)) == ("307 Temporary Redirect", "https://shop.test/404")
        assert target(visit(server, "/x", HTTP_HOST="b.localhost")) == "https://shop.test/gone"

    def test_a_disabled_link_is_not_found_and_an_archived_one_leads_on(
        self, server: Server, link: Link
    ) -> None:
        server.store.links.update(link.id, {"archived": True})
        assert target(visit(server, "/launch"))
        server.store.links.update(link.id, {"disabled_at": link.created_at})
        assert visit(server, "/launch").status == "404 Not Found"

    def test_an_expired_link_tells_so(self, server: Server, clock: Clock) -> None:
        link = server.links.create({"url": "https://shop.test/", "key": "x", "expires_at": "in 1 hour"})
        assert target(visit(server, "/x"))
        clock.advance(hours=1)
        answer = visit(server, "/x")
        assert answer.status == "410 Gone"
        assert b"2026-03-18 13:00 UTC" in answer.body
        server.links.update(link, {"expired_url": "https://shop.test/late"})
        assert target(visit(server, "/x")) == "https://shop.test/late"
        assert clicks(server) == 1

    def test_a_link_that_cannot_be_looked_up_is_not_lost(self, server: Server, link: Link) -> None:
        visit(server, "/launch")
        with server.store.database.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE links RENAME TO elsewhere")
        answer = visit(server, "/another")
        assert answer.status == "503 Service Unavailable"
        assert answer.get("Retry-After") == ["5"]

    def test_a_domain_tells_which_apps_may_open_its_links(self, server: Server) -> None:
        server.store.workspace.add_domain("b.localhost", assetLinks='[{"relation": []}]')
        answer = visit(server, "/.well-known/assetlinks.json", HTTP_HOST="b.localhost")
        assert (answer.get("Content-Type"), answer.body) == (["application/json"], b'[{"relation": []}]')
        apple = visit(server, "/.well-known/apple-app-site-association", HTTP_HOST="b.localhost")
        assert target(apple) == "/?dub-no-track=1"

    @pytest.mark.parametrize("path", ["/wp-login.php", "/a/x.PHP7", "/.well-known/security.txt"])
    def test_scanners_are_led_to_the_front_door(self, server: Server, path: str) -> None:
        assert target(visit(server, path)) == "/?dub-no-track=1"

    def test_the_bare_domain_has_a_page_until_it_has_a_link(self, server: Server) -> None:
        assert b"go.localhost" in visit(server, "/").body
        server.links.create({"url": "", "key": "_root"})
        assert visit(server, "/").status == "200 OK"
        root = server.store.links.find("go.localhost", "_root")
        assert root is not None
        server.links.update(root, {"url": "https://shop.test/"})
        answer = visit(server, "/")
        assert (answer.status, target(answer)) == ("301 Moved Permanently", "https://shop.test/")
        assert "; Path=/; " in answer.get("Set-Cookie")[0]

    def test_a_plus_shows_where_a_link_leads(self, server: Server, link: Link) -> None:
        answer = visit(server, "/launch+")
        assert answer.status == "200 OK"
        assert b'href="https://shop.test/?a=1"' in answer.body
        assert clicks(server) == 0

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
    def test_other_methods_are_refused(self, server: Server, link: Link, method: str) -> None:
        answer = visit(server, "/launch", method=method)
        assert answer.status == "405 Method Not Allowed"
        assert answer.get("Allow") == ["GET, HEAD"]


class TestPages:
    def test_a_preview_is_shown_to_robots(self, server: Server) -> None:
        preview = {"proxy": True, "title": "<b>Sale</b>", "image": "https://shop.test/i.png"}
        server.links.create({"url": "https://shop.test/", "key": "x"} | preview)
        answer = visit(server, "/x", HTTP_USER_AGENT="facebookexternalhit/1.1")
        assert answer.status == "200 OK"
        assert b'og:title" content="&lt;b&gt;Sale&lt;/b&gt;"' in answer.body
        assert b'og:image" content="https://shop.test/i.png"' in answer.body
        assert target(visit(server, "/x")) == "https://shop.test/"

    def test_a_cloaked_link_shows_the_page_below_its_own_address(self, server: Server) -> None:
        server.links.create({"url": 'https://shop.test/?q="><script>', "key": "x", "rewrite": True})
        answer = visit(server, "/x")
        assert b'<iframe src="https://shop.test/?q=%22%3E%3Cscript%3E"' in answer.body
        assert "frame-src http: https:" in answer.get("Content-Security-Policy")[0]

    def test_links_into_apps_open_by_a_page(self, server: Server) -> None:
        server.links.create({"url": "spotify:track:1", "key": "song"})
        assert b'href="spotify:track:1"' in visit(server, "/song").body

    def test_what_the_store_should_not_hold_is_not_followed(self, server: Server, clock: Clock) -> None:
        bad = {"domain": "go.localhost", "key": "bad", "url": "javascript:alert(1)"}
        link = server.store.links.create(bad)
        assert visit(server, "/bad").status == "404 Not Found"
        late = {"expires_at": link.created_at, "expired_url": "javascript:alert(1)"}
        server.store.links.update(link.id, late)
        assert visit(server, "/bad").status == "410 Gone"


class TestKeysAndHosts:
    @pytest.mark.parametrize("key", ["café", "日本", "🚀", "a/b/c"])
    def test_keys_are_found_in_any_script(self, server: Server, key: str) -> None:
        server.links.create({"url": "https://shop.test/", "key": key})
        path = f"/{key}".encode().decode("latin-1")
        answer = visit(server, path)
        assert target(answer) == "https://shop.test/"
        cookie = answer.get("Set-Cookie")[0]
        assert cookie.isascii()
        assert " " not in cookie.partition(";")[0]

    def test_every_domain_has_links_of_its_own(self, server: Server, link: Link) -> None:
        server.store.workspace.add_domain("b.localhost")
        server.links.create({"url": "https://other.test/", "key": "launch", "domain": "B.localhost"})
        assert target(visit(server, "/launch", HTTP_HOST="b.LOCALHOST:80")) == "https://other.test/"
        assert target(visit(server, "/launch")).startswith("https://shop.test/")

    def test_the_alias_serves_clients_that_cannot_resolve_the_domain(
        self, server: Server, link: Link
    ) -> None:
        answer = visit(server, "/l/launch", HTTP_HOST="127.0.0.1:8787")
        assert target(answer).startswith("https://shop.test/")
        assert "; Path=/l/launch; " in answer.get("Set-Cookie")[0]
        assert target(visit(server, "/l/x.php", HTTP_HOST="127.0.0.1:8787")) == "/l/?dub-no-track=1"

    def test_the_alias_serves_any_domain_that_is_named(self, server: Server, link: Link) -> None:
        server.store.workspace.add_domain("b.localhost")
        server.links.create({"url": "https://other.test/", "key": "launch", "domain": "b.localhost"})
        server.links.create({"url": "https://home.test/", "key": "_root", "domain": "b.localhost"})
        answer = visit(server, "/l/b.localhost/launch", HTTP_HOST="127.0.0.1:8787")
        assert target(answer) == "https://other.test/"
        assert "; Path=/l/b.localhost/launch; " in answer.get("Set-Cookie")[0]
        assert target(visit(server, "/l/b.localhost", HTTP_HOST="127.0.0.1:8787")) == "https://home.test/"
        named = visit(server, "/l/go.localhost/launch", HTTP_HOST="127.0.0.1:8787")
        assert target(named).startswith("https://shop.test/")
        assert visit(server, "/l/c.localhost/launch", HTTP_HOST="127.0.0.1:8787").status == "404 Not Found"

    def test_a_trailing_slash_does_not_matter(self, server: Server, link: Link) -> None:
        assert target(visit(server, "/launch/"))


class TestPasswords:
    @pytest.fixture
    def link(self, server: Server) -> Link:
        values = {
            "url": "https://shop.test/",
            "key": "secret",
            "password": "s3same ü",
            "track_conversion": True,
        }
        return server.links.create(values)

    def say(self, server: Server, password: str, **environ: str) -> Exchange:
        body = b"password=" + password.encode()
        form = {"CONTENT_TYPE": "application/x-www-form-urlencoded", "CONTENT_LENGTH": str(len(body))}
        return visit(
            server, "/secret", "a=1", method="POST", **form, **{"wsgi.input": _Body(body)}, **environ
        )

    def test_a_page_asks_and_the_right_answer_leads_on(self, server: Server, link: Link) -> None:
        asked = visit(server, "/secret", "a=1")
        assert asked.status == "200 OK"
        assert b'type="password"' in asked.body
        assert clicks(server) == 0
        passed = self.say(server, "s3same ü")
        assert (passed.status, target(passed)) == ("303 See Other", "/secret?a=1")
        cookie = passed.get("Set-Cookie")[0]
        assert f"dub_password_{link.id}=" in cookie
        assert "s3same" not in cookie
        assert "HttpOnly" in cookie
        then = visit(server, "/secret", "a=1", HTTP_COOKIE=cookie.partition(";")[0])
        assert [name for name, _ in parameters(then)] == ["dub_id", "a"]
        server.links.update(link, {"password": "another"})
        assert b'type="password"' in visit(server, "/secret", HTTP_COOKIE=cookie.partition(";")[0]).body

    def test_a_wrong_answer_is_told_and_too_many_are_stopped(
        self, server: Server, link: Link, clock: Clock
    ) -> None:
        for _ in range(10):
            assert b"This password is wrong" in self.say(server, "guess").body
        stopped = self.say(server, "s3same ü")
        assert stopped.status == "429 Too Many Requests"
        assert stopped.get("Retry-After") == ["60"]
        assert self.say(server, "s3same ü", HTTP_X_FORWARDED_FOR="203.0.113.9").status == "303 See Other"
        clock.advance(minutes=2)
        assert self.say(server, "s3same ü").status == "303 See Other"

    def test_the_link_may_carry_the_password_and_does_not_pass_it_on(
        self, server: Server, link: Link
    ) -> None:
        answer = visit(server, "/secret", "pw=s3same%20%C3%BC")
        assert [name for name, _ in parameters(answer)] == ["dub_id"]
        assert b"This password is wrong" in visit(server, "/secret", "pw=guess").body

    @pytest.mark.parametrize(
        "environ", [{"HTTP_SEC_FETCH_SITE": "cross-site"}, {"HTTP_ORIGIN": "https://evil.test"}]
    )
    def test_forms_of_other_sites_are_refused(
        self, server: Server, link: Link, environ: dict[str, str]
    ) -> None:
        assert self.say(server, "s3same ü", **environ).status == "403 Forbidden"

    @pytest.mark.parametrize("cookie", ["", "1", "1.aaaaaa.bbbbbbb", "é", "x" * 5000])
    def test_a_forged_cookie_opens_nothing(self, server: Server, link: Link, cookie: str) -> None:
        answer = visit(server, "/secret", HTTP_COOKIE=f"dub_password_{link.id}={cookie}")
        assert b'type="password"' in answer.body

    def test_an_inspection_asks_for_the_password_too(self, server: Server, link: Link) -> None:
        assert b"shop.test" not in visit(server, "/secret+").body


class _Body:
    """A body as `wsgiref.validate` wants it read."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, size: int) -> bytes:
        return self._data[:size]

    def readline(self, size: int = -1) -> bytes:
        return self._data

    def readlines(self, hint: int = -1) -> list[bytes]:
        return [self._data]

    def __iter__(self) -> Any:
        return iter([self._data])

"""Visitors are told apart, placed and classified by what their requests carry; robots are found out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from dub_middleware.errors import ConfigError
from dub_middleware.server.visitor import Visitor, Visitors

AGENTS = Path(__file__).with_name("agents")
#: user agents as they are met on the web, with what Dub's analytics call their device, browser and system
PEOPLE = [line.split("\t") for line in (AGENTS / "people.tsv").read_text().splitlines()[1:]]
BOTS = (AGENTS / "bots.txt").read_text().splitlines()
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537"
VISITORS = Visitors("secret")


def read(visitors: Visitors = VISITORS, /, url: str = "https://shop.test/", **environ: str) -> Visitor:
    request = {"REQUEST_METHOD": "GET", "REMOTE_ADDR": "127.0.0.1", "HTTP_USER_AGENT": CHROME, **environ}
    return visitors.read(request, url=url)


class TestAgents:
    @pytest.mark.parametrize(
        ("device", "browser", "system", "agent"), PEOPLE, ids=["-".join(row[:3]) for row in PEOPLE]
    )
    def test_people_are_classified(self, device: str, browser: str, system: str, agent: str) -> None:
        visitor = read(HTTP_USER_AGENT=agent)
        seen = visitor.context
        assert (seen.device, seen.browser, seen.os, visitor.is_bot) == (device, browser, system, False)
        assert seen.ua == agent

    @pytest.mark.parametrize("agent", BOTS)
    def test_robots_are_robots(self, agent: str) -> None:
        assert read(HTTP_USER_AGENT=agent).is_bot

    def test_the_classifier_alone_gives_the_same_answers_as_with_ua_parser(self) -> None:
        code = (
            "import sys; sys.modules['ua_parser'] = None\n"
            "from dub_middleware.server.visitor import classify\n"
            "for line in open(sys.argv[1]).read().splitlines()[1:]:\n"
            "    *told, agent = line.split('\\t')\n"
            "    seen = classify(agent)\n"
            "    if told != [seen.device, seen.browser, seen.os]: print(agent, told, seen)\n"
        )
        command = [sys.executable, "-c", code, str(AGENTS / "people.tsv")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout == ""

    def test_ua_parser_names_what_the_classifier_does_not_know(self) -> None:
        haiku = "Mozilla/5.0 (Unknown; Haiku x86_64) AppleWebKit/605.1.15 QupZilla/2.2 Safari/605.1.15"
        assert read(HTTP_USER_AGENT=haiku).context.browser == "QupZilla"

    def test_a_user_agent_of_any_length_and_letters_is_taken(self) -> None:
        visitor = read(HTTP_USER_AGENT="Zwölf Boxkämpfer \x80\xff" + "x" * 100_000)
        assert visitor.context.device == "Desktop"
        assert len(visitor.context.ua) == 512


class TestRequests:
    @pytest.mark.parametrize(
        "environ",
        [
            pytest.param({"HTTP_USER_AGENT": ""}, id="no user agent"),
            pytest.param({"REQUEST_METHOD": "HEAD"}, id="HEAD"),
            pytest.param({"QUERY_STRING": "a=1&bot=1"}, id="asked not to be counted"),
            pytest.param({"HTTP_SEC_PURPOSE": "prefetch;prerender"}, id="speculative loading"),
            pytest.param({"HTTP_PURPOSE": "prefetch"}, id="Purpose"),
            pytest.param({"HTTP_X_PURPOSE": "preview"}, id="Safari's top sites"),
            pytest.param({"HTTP_X_MOZ": "prefetch"}, id="Firefox prefetch"),
            pytest.param({"HTTP_REFERER": "https://www.opengraph.xyz/url/x"}, id="a preview page"),
            pytest.param({"HTTP_REFERER": "http://semalt.com/crawler.php"}, id="referrer spam"),
        ],
    )
    def test_what_no_person_sent_is_a_bot(self, environ: dict[str, str]) -> None:
        assert read(**environ).is_bot

    @pytest.mark.parametrize(
        "environ",
        [
            pytest.param({}, id="plain"),
            pytest.param({"QUERY_STRING": "bot="}, id="empty bot parameter"),
            pytest.param({"QUERY_STRING": "robot=1"}, id="another parameter"),
            pytest.param({"HTTP_REFERER": "https://news.ycombinator.com/"}, id="referrer"),
            pytest.param({"HTTP_SEC_PURPOSE": ""}, id="empty purpose"),
        ],
    )
    def test_what_a_person_sent_is_none(self, environ: dict[str, str]) -> None:
        assert not read(**environ).is_bot


class TestReferrers:
    @pytest.mark.parametrize(
        ("referrer", "host", "url"),
        [
            pytest.param("", "(direct)", "(direct)", id="none"),
            pytest.param("https://www.google.com/", "google.com", "https://www.google.com/", id="www"),
            pytest.param(
                "https://t.co/abc?secret=1#frag", "t.co", "https://t.co/abc", id="query and fragment go"
            ),
            pytest.param("https://News.Example/A", "news.example", "https://News.Example/A", id="case"),
            pytest.param("https://u:p@x.test:8443/a", "x.test", "https://x.test:8443/a", id="credentials go"),
            pytest.param(
                "android-app://com.google.android.gm/",
                "com.google.android.gm",
                "android-app://com.google.android.gm/",
                id="an app",
            ),
            pytest.param("https://shop.test/pricing", "(direct)", "(direct)", id="the destination itself"),
            pytest.param("https://www.shop.test/", "(direct)", "(direct)", id="the destination with www"),
            pytest.param("https://go.localhost:8787/a", "(direct)", "(direct)", id="the short domain"),
            pytest.param("not a url", "(direct)", "(direct)", id="no URL"),
            pytest.param("https://[::1", "(direct)", "(direct)", id="broken IPv6"),
            pytest.param("https://a b<script>/", "(direct)", "(direct)", id="no host name"),
        ],
    )
    def test_a_referrer_is_a_host_and_a_url_without_query(self, referrer: str, host: str, url: str) -> None:
        seen = read(HTTP_REFERER=referrer, HTTP_HOST="go.localhost:8787").context
        assert (seen.referer, seen.referer_url) == (host, url)

    def test_what_a_script_reports_counts_before_the_header(self) -> None:
        environ = {"HTTP_USER_AGENT": CHROME, "HTTP_REFERER": "https://shop.test/"}
        context = VISITORS.read(environ, url="https://shop.test/", referrer="https://t.co/x").context
        assert context.referer == "t.co"


class TestAddresses:
    @pytest.mark.parametrize(
        ("peer", "forwarded", "client"),
        [
            pytest.param("198.51.100.7", "", "198.51.100.7", id="no proxy"),
            pytest.param("198.51.100.7", "203.0.113.1", "198.51.100.7", id="a stranger claims"),
            pytest.param("10.0.0.1", "203.0.113.1", "203.0.113.1", id="trusted"),
            pytest.param("10.0.0.1", "6.6.6.6, 203.0.113.1", "203.0.113.1", id="the visitor began the list"),
            pytest.param("10.0.0.1", "203.0.113.1, 10.0.0.9", "203.0.113.1", id="two proxies"),
            pytest.param("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3", id="a visitor inside"),
            pytest.param("10.0.0.1", "203.0.113.1:4711", "203.0.113.1", id="with a port"),
            pytest.param("10.0.0.1", "[2001:db8::1]:4711", "2001:db8::1", id="IPv6 with a port"),
            pytest.param("10.0.0.1", "2001:db8::1", "2001:db8::1", id="IPv6"),
            pytest.param("10.0.0.1", "unknown", "10.0.0.1", id="no address"),
            pytest.param("10.0.0.1", "x, 203.0.113.1", "203.0.113.1", id="rubbish to the left"),
            pytest.param("::ffff:10.0.0.1", "203.0.113.1", "203.0.113.1", id="mapped peer"),
            pytest.param("10.0.0.1", "," * 5000, "10.0.0.1", id="a long list of nothing"),
            pytest.param("", "203.0.113.1", "", id="a Unix socket, not trusted"),
        ],
    )
    def test_only_trusted_proxies_are_believed(self, peer: str, forwarded: str, client: str) -> None:
        visitors = Visitors("secret", trusted_proxies=("10.0.0.0/8",))
        environ = {"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": forwarded}
        assert visitors.address(environ) == client

    @pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "", "/run/app.sock"])
    def test_a_proxy_on_this_machine_is_believed(self, peer: str) -> None:
        assert VISITORS.address({"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": "203.0.113.1"}) == "203.0.113.1"

    def test_a_wrong_network_is_told(self) -> None:
        with pytest.raises(ConfigError, match=r"'10\.0\.0/8'.*10\.0\.0\.0/8"):
            Visitors("secret", trusted_proxies=("10.0.0/8",))


class TestIdentity:
    def test_one_visitor_is_one(self) -> None:
        assert read(REMOTE_ADDR="198.51.100.7").identity == read(REMOTE_ADDR="198.51.100.7").identity

    @pytest.mark.parametrize(
        "environ", [{"REMOTE_ADDR": "198.51.100.8"}, {"HTTP_USER_AGENT": CHROME + " Edg/142.0.0.0"}]
    )
    def test_another_address_or_browser_is_another(self, environ: dict[str, str]) -> None:
        assert read(**environ).identity != read().identity

    def test_it_means_nothing_without_the_key(self) -> None:
        assert read(Visitors("another")).identity != read().identity


class TestPlaces:
    @pytest.mark.parametrize(
        ("headers", "place"),
        [
            pytest.param({}, ("Unknown", "Unknown", "Unknown", "Unknown"), id="nothing"),
            pytest.param({"HTTP_CF_IPCOUNTRY": "US"}, ("US", "Unknown", "Unknown", "NA"), id="country only"),
            pytest.param(
                {"HTTP_CF_IPCOUNTRY": "US", "HTTP_CF_REGION_CODE": "CA", "HTTP_CF_IPCITY": "San Francisco"},
                ("US", "US-CA", "San Francisco", "NA"),
                id="Cloudflare",
            ),
            pytest.param(
                {
                    "HTTP_X_VERCEL_IP_COUNTRY": "DE",
                    "HTTP_X_VERCEL_IP_COUNTRY_REGION": "NW",
                    "HTTP_X_VERCEL_IP_CITY": "K%C3%B6ln",
                    "HTTP_X_VERCEL_IP_CONTINENT": "EU",
                },
                ("DE", "DE-NW", "Köln", "EU"),
                id="Vercel",
            ),
            pytest.param(
                {
                    "HTTP_X_APPENGINE_COUNTRY": "us",
                    "HTTP_X_APPENGINE_REGION": "ca",
                    "HTTP_X_APPENGINE_CITY": "los angeles",
                },
                ("US", "US-CA", "Los Angeles", "NA"),
                id="App Engine",
            ),
            pytest.param(
                {"HTTP_CF_IPCOUNTRY": "FR", "HTTP_CF_IPCITY": "SaintÃ\x89tienne"},
                ("FR", "Unknown", "SaintÉtienne", "EU"),
                id="UTF-8 as WSGI shows it",
            ),
            pytest.param({"HTTP_CF_IPCOUNTRY": "XX"}, ("Unknown",) * 4, id="Cloudflare does not know"),
            pytest.param({"HTTP_CF_IPCOUNTRY": "T1"}, ("Unknown",) * 4, id="Tor"),
            pytest.param(
                {"HTTP_CF_IPCOUNTRY": "US", "HTTP_CF_REGION_CODE": "'--", "HTTP_CF_IPCITY": "\x00\x1bX\r\n"},
                ("US", "Unknown", "X", "NA"),
                id="hostile",
            ),
        ],
    )
    def test_a_trusted_proxy_tells_the_place(self, headers: dict[str, str], place: tuple[str, ...]) -> None:
        seen = read(**headers).context
        assert (seen.country, seen.region, seen.city, seen.continent) == place

    def test_a_stranger_tells_nothing(self) -> None:
        assert read(REMOTE_ADDR="198.51.100.7", HTTP_CF_IPCOUNTRY="US").context.country == "Unknown"

    def test_the_headers_can_be_named(self) -> None:
        visitors = Visitors("secret", geo_headers={"country": ["X-My-Country"]})
        assert read(visitors, HTTP_X_MY_COUNTRY="JP", HTTP_CF_IPCOUNTRY="US").context.country == "JP"
        with pytest.raises(ConfigError, match=r"'town'.*country, region, city, continent"):
            Visitors("secret", geo_headers={"town": ["X-Town"]})

    def test_no_address_is_kept_where_the_law_forbids_it(self) -> None:
        forwarded = {"HTTP_X_FORWARDED_FOR": "203.0.113.1"}
        assert read(**forwarded, HTTP_CF_IPCOUNTRY="US").context.ip == "203.0.113.1"
        assert read(**forwarded, HTTP_CF_IPCOUNTRY="FR").context.ip is None


class TestMaxMind:
    @pytest.fixture
    def path(self, tmp_path: Path) -> str:
        writer: Any = MMDBWriter(ip_version=4, database_type="GeoLite2-City")
        record = {
            "city": {"names": {"en": "Boxford"}},
            "continent": {"code": "EU"},
            "country": {"iso_code": "GB"},
            "subdivisions": [{"iso_code": "ENG"}, {"iso_code": "WBK"}],
        }
        writer.insert_network(IPSet(["203.0.113.0/24"]), record)
        writer.insert_network(IPSet(["198.51.100.0/24"]), {"country": {"iso_code": "JP"}})
        path = tmp_path / "city.mmdb"
        writer.to_db_file(str(path))
        return str(path)

    def test_the_file_tells_the_place_of_an_address(self, path: str) -> None:
        visitors = Visitors("secret", geoip_path=path)
        seen = read(visitors, REMOTE_ADDR="203.0.113.9").context
        assert (seen.country, seen.region, seen.city, seen.continent) == ("GB", "GB-ENG", "Boxford", "EU")
        assert read(visitors, REMOTE_ADDR="198.51.100.1").context.continent == "AS"
        assert read(visitors, REMOTE_ADDR="192.0.2.1").context.country == "Unknown"
        assert read(visitors, REMOTE_ADDR="2001:db8::1").context.country == "Unknown"
        visitors.close()

    def test_a_trusted_proxy_comes_first(self, path: str) -> None:
        visitors = Visitors("secret", geoip_path=path)
        forwarded = {"HTTP_X_FORWARDED_FOR": "203.0.113.9"}
        assert read(visitors, **forwarded, HTTP_CF_IPCOUNTRY="US").context.country == "US"
        assert read(visitors, **forwarded).context.country == "GB"
        visitors.close()

    @pytest.mark.parametrize("content", [None, b"not a database"])
    def test_a_file_that_cannot_be_read_is_told(self, tmp_path: Path, content: bytes | None) -> None:
        path = tmp_path / "geo.mmdb"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ConfigError, match=r"geoip_path=.*geo\.mmdb"):
            Visitors("secret", geoip_path=str(path))

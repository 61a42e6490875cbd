"""The bundle that is picked, the tag that loads it, and the answers to requests for it."""

from __future__ import annotations

import gzip
import html
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import Client, EnvironBuilder
from werkzeug.wrappers import Request
from werkzeug.wrappers import Response as Reply

from dub_middleware import DubMiddleware
from dub_middleware.config import Config
from dub_middleware.script import Script, matches, negotiate

DIST = Path(__file__).parents[1] / "static" / "dist"
KEY = "dub_pk_abcdefghijklmnop"


def attributes(config: Config, nonce: str | None = None) -> dict[str, str | None]:
    """The tag's attributes as an HTML parser sees them; exactly one element, nothing around it."""
    seen: list[tuple[str, dict[str, str | None]]] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            seen.append((tag, dict(attrs)))

        def handle_data(self, data: str) -> None:
            pytest.fail(f"text outside of the element: {data!r}")

    parser = Parser()
    parser.feed(Script(config).tag(nonce).decode("ascii"))
    parser.close()
    [(tag, found)] = seen
    assert tag == "script"
    return found


@pytest.mark.parametrize(
    ("options", "variant"),
    [
        pytest.param({}, "script", id="base"),
        pytest.param({"domains": {"refer": "go.shop.test"}}, "script", id="refer"),
        pytest.param({"domains": {"site": "shop.test"}}, "script.site-visit", id="site"),
        pytest.param({"domains": {"outbound": ["b.test"]}}, "script.outbound-domains", id="outbound"),
        pytest.param({"publishable_key": KEY}, "script.conversion-tracking", id="conversions"),
        pytest.param(
            {"publishable_key": KEY, "domains": {"site": "shop.test", "outbound": ["b.test"]}},
            "script.site-visit.outbound-domains.conversion-tracking",
            id="everything",
        ),
    ],
)
def test_picks_the_smallest_variant(options: dict[str, Any], variant: str) -> None:
    script = Script(Config(**options))
    response = script.serve("GET", script.url.removeprefix("/_dub/"))
    assert script.variant == variant
    assert response is not None
    assert response.body == (DIST / f"{variant}.js").read_bytes()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({}, {}, id="defaults say nothing"),
        pytest.param({"relay": "all"}, {"data-api-host": "/_dub"}, id="all through the relay"),
        pytest.param(
            {"relay": None, "publishable_key": KEY},
            {"data-publishable-key": KEY},
            id="no relay: straight to the API",
        ),
        pytest.param(
            {"api_host": "http://localhost:8787/api", "publishable_key": KEY, "path": "/_t"},
            {"data-api-host": "http://localhost:8787/api", "data-publishable-key": KEY, "data-relay": "/_t"},
            id="conversions through the relay, clicks to the API",
        ),
        pytest.param(
            {"attribution_model": "first-click", "respect_gpc": True, "clean_url": True},
            {
                "data-attribution-model": "first-click",
                "data-respect-gpc": "true",
                "data-clean-url": "true",
            },
            id="switches",
        ),
        pytest.param({"consent": lambda environ: True}, {"data-consent": "required"}, id="consent"),
    ],
)
def test_the_tag_says_what_the_config_says(options: dict[str, Any], expected: dict[str, str]) -> None:
    found = attributes(Config(**options))
    assert re.fullmatch(r"/_(dub|t)/script\.[0-9a-f]{16}\.js", str(found.pop("src")))
    assert found.pop("defer", "missing") is None
    assert found == expected


def test_json_attributes_survive_html() -> None:
    found = attributes(
        Config(
            domains={"refer": "go.shop.test", "outbound": ["b.test", "*.c.test"]},
            query_params=['a"b', "<i>&", "é"],
            cookie_domain=None,
            cookie_path="/shop",
            cookie_samesite="None",
            cookie_secure=True,
            cookie_max_age=3600,
        )
    )
    assert json.loads(str(found["data-domains"])) == {
        "refer": "go.shop.test",
        "outbound": ["b.test", "*.c.test"],
    }
    assert json.loads(str(found["data-query-params"])) == ['a"b', "<i>&", "é"]
    assert json.loads(str(found["data-cookie-options"])) == {
        "domain": None,
        "path": "/shop",
        "sameSite": "None",
        "secure": True,
        "expiresInDays": 3600 / 86400,
    }


def test_the_tag_is_constant_apart_from_the_nonce() -> None:
    script = Script(Config())
    assert script.tag("abc+/=") == script.tag().replace(b"></script>", b' nonce="abc+/="></script>')
    assert script.markup("x") == script.tag("x").decode("ascii")


@pytest.mark.parametrize("nonce", ['"><img src=x onerror=alert(1)>', "é\u2028", "'&<"])
def test_a_hostile_nonce_stays_inside_its_attribute(nonce: str) -> None:
    assert attributes(Config(), nonce)["nonce"] == nonce


def test_script_src_replaces_the_url() -> None:
    config = Config(script_src="https://cdn.test/dub.js?a=1&b=2")
    assert Script(config).url == "https://cdn.test/dub.js?a=1&b=2"
    assert attributes(config)["src"] == "https://cdn.test/dub.js?a=1&b=2"
    assert html.escape("a=1&b=2") in Script(config).markup()


def served(method: str = "GET", tail: str | None = None, **headers: str) -> tuple[str, dict[str, str], bytes]:
    script = Script(Config())
    response = script.serve(method, tail or script.url.removeprefix("/_dub/"), **headers)
    assert response is not None
    assert len(dict(response.headers)) == len(response.headers), "a header was sent twice"
    return response.status, dict(response.headers), response.body


def test_a_hit_may_be_kept_for_ever() -> None:
    status, headers, body = served()
    assert status == "200 OK"
    assert headers == {
        "Content-Type": "text/javascript; charset=utf-8",
        "Content-Length": str(len(body)),
        "ETag": headers["ETag"],
        "Cache-Control": "public, max-age=31536000, immutable",
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-site",
    }
    assert body == (DIST / "script.js").read_bytes()


def test_each_coding_holds_the_same_script_under_its_own_etag() -> None:
    plain, zipped, small = (served(accept_encoding=coding) for coding in ("", "gzip", "br"))
    assert gzip.decompress(zipped[2]) == plain[2]
    assert small[2] == (DIST / "script.js.br").read_bytes()
    assert len(small[2]) < len(zipped[2]) < len(plain[2])
    assert "Content-Encoding" not in plain[1]
    assert (zipped[1]["Content-Encoding"], small[1]["Content-Encoding"]) == ("gzip", "br")
    assert len({answer[1]["ETag"] for answer in (plain, zipped, small)}) == 3


@pytest.mark.parametrize(
    ("header", "coding"),
    [
        ("", "identity"),
        ("identity", "identity"),
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, deflate", "gzip"),
        ("GZIP", "gzip"),
        ("x-gzip", "gzip"),
        ("gzip;q=0", "identity"),
        ("gzip;q=0.000, *", "br"),
        ("br;q=0, *;q=0.1", "gzip"),
        ("*;q=0", "identity"),
        ("*;q=0, gzip", "gzip"),
        ("br;q=0.5, gzip;q=0.9", "gzip"),
        ("identity, gzip;q=0.5", "identity"),
        ("identity;q=0, zstd", "identity"),
        ("gzip ; Q=0.3 , BR ; q=0.2", "gzip"),
        ("gzip;q=high", "identity"),
        ("gzip;q=2", "identity"),
        ("gzipped, brotli", "identity"),
        (",,;;q=,", "identity"),
    ],
)
def test_negotiates_the_coding(header: str, coding: str) -> None:
    assert negotiate(header) == coding


@pytest.mark.parametrize(
    ("header", "is_match"),
    [
        ('"x"', True),
        ('W/"x"', True),
        ('"a", "x"', True),
        ('"a",W/"x" , "b"', True),
        ("*", True),
        (" * ", True),
        ('"a, x"', False),
        ('"xx"', False),
        ("x", False),
        ("", False),
        ('"a", *', False),
    ],
)
def test_reads_if_none_match(header: str, is_match: bool) -> None:
    assert matches(header, '"x"') is is_match


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_known_script_is_not_sent_again(method: str) -> None:
    etag = served(accept_encoding="br")[1]["ETag"]
    status, headers, body = served(method, accept_encoding="br", if_none_match=f'"old", W/{etag}')
    assert (status, body) == ("304 Not Modified", b"")
    assert headers == {
        "ETag": etag,
        "Cache-Control": "public, max-age=31536000, immutable",
        "Vary": "Accept-Encoding",
    }


def test_an_etag_of_another_coding_is_not_a_match() -> None:
    assert served(if_none_match=served(accept_encoding="br")[1]["ETag"])[0] == "200 OK"


def test_head_has_the_headers_of_get() -> None:
    got, head = served("GET", accept_encoding="gzip"), served("HEAD", accept_encoding="gzip")
    assert head == (*got[:2], b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "get"])
def test_other_methods_are_not_allowed(method: str) -> None:
    assert served(method) == ("405 Method Not Allowed", {"Allow": "GET, HEAD", "Content-Length": "0"}, b"")


@pytest.mark.parametrize(
    "tail", ["script.0000000000000000.js", "script.js", "script.site-visit.conversion-tracking.js"]
)
def test_another_name_gets_the_current_script_for_a_while(tail: str) -> None:
    status, headers, body = served(tail=tail)
    assert (status, headers["Cache-Control"]) == ("200 OK", "public, max-age=300")
    assert body == served()[2]


@pytest.mark.parametrize(
    "tail",
    ["", "/", "/track/click", "/script.js.map", "/script.js/", "/script..js", "/a/script.js", "/script.js\n"],
)
def test_what_is_no_script_is_left_to_others(tail: str) -> None:
    assert Script(Config()).serve("GET", tail) is None


def test_a_range_is_ignored() -> None:
    client = Client(DubMiddleware(Request.application(lambda _: Reply())))
    assert client.get("/_dub/script.js", headers={"Range": "bytes=0-0"}).status_code == 200


def test_the_server_may_change_the_headers_it_got() -> None:
    middleware = DubMiddleware(Request.application(lambda _: Reply()))
    environ = EnvironBuilder(middleware.script.url).get_environ()
    seen: list[int] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        seen.append(len(headers))
        headers.clear()

    for _ in range(2):
        middleware(environ, start_response)
    assert seen[0] == seen[1] > 0


def test_no_file_is_opened_for_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script(Config())

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a request opened a file")

    monkeypatch.setattr(io, "open", refuse)
    monkeypatch.setattr("builtins.open", refuse)
    assert script.serve("GET", script.url.removeprefix("/_dub/"), "br") is not None

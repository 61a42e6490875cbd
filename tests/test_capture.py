"""What a request brings: the query as URLSearchParams reads it, the cookie as the script does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import TimestampSigner

from dub_middleware.capture import Capture, capture, click_cookies, query_click_id
from dub_middleware.config import Config
from dub_middleware.cookies import CLICK_ID, click_id_cookie, cookie_domain, partner_cookie
from dub_middleware.errors import ConfigError
from dub_middleware.visit import Visit, current_visit, enter, get_visit, leave

# the script has to read the same: tests/js holds it to these tables too
SUPPORT = Path(__file__).parent / "support"
QUERIES = json.loads((SUPPORT / "click_id_queries.json").read_text())
DOMAINS = json.loads((SUPPORT / "cookie_domains.json").read_text())

PARTNER = (
    '{"clickId":"abc","partner":{"id":"pn_1","name":"Jane%20Doe","image":null},'
    '"discount":{"id":"d","amount":10}}'
)


def environ(
    query: str = "", cookie: str | None = None, host: str = "shop.example.com", **more: str
) -> dict[str, Any]:
    result = {
        "REQUEST_METHOD": "GET",
        "QUERY_STRING": query,
        "HTTP_HOST": host,
        "wsgi.url_scheme": "https",
        **more,
    }
    return result if cookie is None else {**result, "HTTP_COOKIE": cookie}


def landed(query: str = "dub_id=new", config: Config | None = None, **more: str) -> Capture:
    return capture(environ(query, **more), config or Config())


@pytest.mark.parametrize(
    ("query", "click_id"),
    [
        *(pytest.param(*row, id=name) for name, row in QUERIES.items()),
        pytest.param("dub_id=" + "%61" * 64, "a" * 64, id="longest-encoded"),
        pytest.param("dub_id=a#b", None, id="fragment"),
        pytest.param("dub_id=" + "a" * 1_000_000, None, id="a-megabyte"),
        pytest.param("dub_id=\xc3\xa9", None, id="raw-bytes"),
        pytest.param("dub_id=\udcff", None, id="surrogate"),
        pytest.param("?dub_id=a", None, id="second-question-mark"),
        pytest.param("x=" + "y" * 20_000 + "&dub_id=far", "far", id="behind-a-long-query"),
        pytest.param("&" * 100_000 + "dub_id=far", "far", id="behind-many-parameters"),
    ],
)
def test_the_query_is_read_as_url_search_params_reads_it(query: str, click_id: str | None) -> None:
    assert query_click_id(query) == click_id


@given(query=st.text(max_size=200), cookie=st.text(max_size=200))
def test_whatever_comes_the_result_is_a_click_id_or_nothing(query: str, cookie: str) -> None:
    for text in (query, f"dub_id={query}", f"a=b&dub_id={query}"):
        found = capture(environ(text, cookie=cookie), Config()).click_id
        assert found is None or CLICK_ID.fullmatch(found)


@pytest.mark.parametrize(
    ("header", "click_id"),
    [
        pytest.param("dub_id=abc", "abc", id="alone"),
        pytest.param("a=1; dub_id=abc; b=2", "abc", id="between"),
        pytest.param("dub_id=old; dub_id=new", "old", id="first-of-two"),
        pytest.param("xdub_id=no; dub_id=abc", "abc", id="longer-name-before"),
        pytest.param(f"dub_partner_data={PARTNER}; dub_id=abc", "abc", id="behind-raw-json"),
        pytest.param(f"dub_id=abc; dub_partner_data={PARTNER}", "abc", id="before-raw-json"),
        pytest.param("x[y]=1; $x; foo; caf\xe9=1; dub_id=abc", "abc", id="behind-oddities"),
        pytest.param("a=1;dub_id=abc", "abc", id="joined-without-space"),
        pytest.param("a=1,dub_id=abc", "abc", id="joined-by-comma"),
        pytest.param("a=1, dub_id=abc, b=2", "abc", id="joined-by-comma-and-space"),
        pytest.param("dub_id=abc,a=1", "abc", id="comma-behind"),
        pytest.param('dub_id="abc"', None, id="quoted"),
        pytest.param("dub_id=a b", None, id="blank-in-value"),
        pytest.param("dub_id=a=b", None, id="second-equals"),
        pytest.param("dub_id=", None, id="no-value"),
        pytest.param("dub_id=a b; dub_id=c", None, id="first-invalid-decides"),
        pytest.param("", None, id="empty"),
    ],
)
def test_the_cookie_is_read_beside_anything(header: str, click_id: str | None) -> None:
    assert click_id_cookie(header) == click_id


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        *DOMAINS.items(),
        ("app.example.com:8443", ".app.example.com"),
        ("EXAMPLE.com", ".example.com"),
        ("localhost:5000", None),
        ("[::1]:80", None),
        ("::1", None),
        ("example..com", None),
        ("a;b.example.com", None),
        ("b\xfccher.example", None),
        ("example.com:x", None),
        ("evil.com,example.com", None),
        ("", None),
    ],
)
def test_the_domain_is_that_of_the_script_or_none(host: str, domain: str | None) -> None:
    assert cookie_domain(Config(), host) == domain


def test_a_domain_of_ones_own_holds_where_it_covers_the_host() -> None:
    config = Config(cookie_domain="example.com")
    assert cookie_domain(config, "app.example.com") == ".example.com"
    assert cookie_domain(config, "www.example.com") == ".example.com"
    assert cookie_domain(config, "notexample.com") is None
    assert cookie_domain(Config(cookie_domain=None), "app.example.com") is None


def test_a_landing_stores_the_click_for_90_days() -> None:
    assert landed() == Capture(
        "new",
        "query",
        is_new=True,
        cookies=("dub_id=new; Domain=.shop.example.com; Max-Age=7776000; Path=/; SameSite=Lax; Secure",),
    )


def test_over_http_on_localhost_the_cookie_is_host_only_and_not_secure() -> None:
    cookies = capture(
        {**environ("dub_id=new", host="localhost:5000"), "wsgi.url_scheme": "http"}, Config()
    ).cookies
    assert cookies == ("dub_id=new; Max-Age=7776000; Path=/; SameSite=Lax",)


def test_the_same_click_again_is_not_sent_again() -> None:
    assert landed(cookie="dub_id=new") == Capture("new", "cookie", is_new=False)


def test_last_click_overwrites_and_expires_a_host_only_twin() -> None:
    found = landed(cookie="dub_id=old; dub_id=older")
    assert found.click_id == "new"
    assert [cookie.partition(";")[0] for cookie in found.cookies] == ["dub_id=new", "dub_id="]
    assert "Max-Age=0" in found.cookies[1]
    assert "Domain" not in found.cookies[1]


def test_first_click_never_overwrites() -> None:
    config = Config(attribution_model="first-click")
    assert landed(config=config, cookie="dub_id=old") == Capture("old", "cookie", is_new=False)
    assert landed(config=config).cookies


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"REQUEST_METHOD": "HEAD"}, id="head"),
        pytest.param({"REQUEST_METHOD": "POST"}, id="post"),
        pytest.param({"HTTP_SEC_PURPOSE": "prefetch;prerender"}, id="sec-purpose"),
        pytest.param({"HTTP_PURPOSE": "prefetch"}, id="purpose"),
        pytest.param({"HTTP_X_MOZ": "prefetch"}, id="x-moz"),
        pytest.param({"HTTP_X_PURPOSE": "preview"}, id="x-purpose"),
        pytest.param({"HTTP_SEC_FETCH_SITE": "cross-site", "HTTP_SEC_FETCH_DEST": "image"}, id="image"),
        pytest.param({"HTTP_SEC_FETCH_SITE": "cross-site", "HTTP_SEC_FETCH_DEST": "iframe"}, id="iframe"),
        pytest.param({"HTTP_SEC_FETCH_SITE": "cross-site", "HTTP_SEC_FETCH_DEST": "empty"}, id="fetch"),
        pytest.param({"HTTP_SEC_FETCH_SITE": "cross-site", "HTTP_SEC_FETCH_MODE": "no-cors"}, id="no-cors"),
    ],
)
def test_what_is_no_landing_stores_nothing_but_can_be_read(headers: dict[str, str]) -> None:
    found = landed(**headers)
    assert (found.click_id, found.source, found.cookies) == ("new", "query", ())


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"HTTP_SEC_FETCH_SITE": "cross-site", "HTTP_SEC_FETCH_DEST": "document"}, id="link"),
        pytest.param(
            {"HTTP_SEC_FETCH_SITE": "cross-site", "HTTP_SEC_FETCH_MODE": "navigate"}, id="navigation"
        ),
        pytest.param({"HTTP_SEC_FETCH_SITE": "none", "HTTP_SEC_FETCH_DEST": "document"}, id="typed"),
        pytest.param({"HTTP_SEC_GPC": "1"}, id="gpc-not-asked-for"),
    ],
)
def test_a_navigation_stores(headers: dict[str, str]) -> None:
    assert len(landed(**headers).cookies) == 1


def test_without_consent_nothing_is_stored_but_this_request_can_read_the_click() -> None:
    found = landed(config=Config(consent=lambda environ: False))
    assert (found.click_id, found.cookies) == ("new", ())
    assert landed(config=Config(consent=lambda environ: environ["HTTP_HOST"] == "shop.example.com")).cookies


def test_a_failing_consent_callable_is_a_no_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    found = landed(config=Config(consent=lambda environ: environ["missing"]))
    assert found.cookies == ()
    assert "consent" in caplog.text


def test_global_privacy_control_is_a_no_where_it_is_respected() -> None:
    config = Config(respect_gpc=True)
    assert landed(config=config, HTTP_SEC_GPC="1").cookies == ()
    assert len(landed(config=config, HTTP_SEC_GPC="0").cookies) == 1


def sealed(click_id: str = "new", key: str = "k", config: Config | None = None) -> Visit:
    seal = TimestampSigner(key, salt="dub_middleware.capture").sign(click_id).decode()
    return Visit(environ(cookie=f"dub_id=new; dub_seal={seal}"), config or Config(secret_key=["k", "older"]))


def test_the_seal_comes_back_with_its_time() -> None:
    config = Config(secret_key=["k", "older"])
    landing = Visit(environ("dub_id=new"), config)
    cookies = landing.capture.cookies
    assert "HttpOnly" in cookies[1]
    assert landing.is_sealed
    back = Visit(environ(cookie="; ".join(cookie.partition(";")[0] for cookie in cookies)), config)
    assert back.is_sealed
    assert back.captured_at is not None
    assert back.captured_at.utcoffset() is not None


@pytest.mark.parametrize(
    ("visit", "is_sealed"),
    [
        pytest.param(sealed(), True, id="current-key"),
        pytest.param(sealed(key="older"), True, id="rotated-key"),
        pytest.param(sealed(key="forged"), False, id="foreign-key"),
        pytest.param(sealed(click_id="other"), False, id="other-click"),
        pytest.param(sealed(config=Config()), False, id="no-secret"),
        pytest.param(
            Visit(environ(cookie="dub_id=new; dub_seal=x"), Config(secret_key="k")), False, id="junk"
        ),
    ],
)
def test_a_doubtful_seal_is_not_sealed(visit: Visit, is_sealed: bool) -> None:
    assert visit.is_sealed is is_sealed
    assert (visit.captured_at is not None) is is_sealed


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(f"dub_partner_data={PARTNER}; dub_id=abc", id="raw-json"),
        pytest.param(f"a=1; dub_partner_data={PARTNER}", id="raw-json-last"),
        pytest.param(
            "dub_partner_data=%7B%22partner%22%3A%7B%22id%22%3A%22pn_1%22%2C%22name%22%3A%22Jane%20Doe%22%7D%2C"
            "%22discount%22%3A%7B%22id%22%3A%22d%22%2C%22amount%22%3A10%7D%7D",
            id="encoded",
        ),
    ],
)
def test_partner_and_discount_are_decoded(header: str) -> None:
    visit = Visit(environ(cookie=header))
    assert visit.partner is not None
    assert visit.partner["name"] == "Jane Doe"
    assert visit.discount == {"id": "d", "amount": 10}


@pytest.mark.parametrize(
    "value", ["{", "[]", "null", "%", "1", '{"partner": 3}', '{"partner":"x"', "[" * 50_000]
)
def test_a_broken_partner_cookie_is_no_partner(value: str) -> None:
    visit = Visit(environ(cookie=f"dub_partner_data={value}; dub_id=abc"))
    assert visit.partner is None
    assert visit.click_id == "abc"


def test_a_semicolon_inside_the_partner_json_is_read() -> None:
    data = partner_cookie('dub_partner_data={"partner":{"id":"a;b"}}; x=1')
    assert data == {"partner": {"id": "a;b"}}


def test_a_relayed_click_is_set_unless_it_is_kept_already() -> None:
    assert click_cookies("abc", environ(), Config())[0].startswith("dub_id=abc; ")
    assert click_cookies("abc", environ(cookie="dub_id=abc"), Config()) == ()
    assert click_cookies("a;b", environ(), Config()) == ()
    assert click_cookies("abc", environ(), Config(consent=lambda environ: False)) == ()


def test_a_relayed_click_is_not_set_over_a_first_one_that_counts() -> None:
    config = Config(attribution_model="first-click")
    assert click_cookies("new", environ(cookie="dub_id=first"), config) == ()
    [cookie] = click_cookies("new", environ(), config)
    assert cookie.startswith("dub_id=new; ")


def test_the_current_visit_is_nobody_outside_of_a_request() -> None:
    assert not current_visit()
    token = enter(Visit(environ("dub_id=abc")))
    assert current_visit().click_id == "abc"
    leave(token)
    assert current_visit().click_id is None


def test_get_visit_reads_a_request_that_passed_no_middleware() -> None:
    wsgi = environ(cookie="dub_id=abc")
    assert get_visit(wsgi) is get_visit(wsgi)
    scope = {
        "type": "http",
        "headers": [(b"cookie", b"a=1"), (b"cookie", b"dub_id=abc")],
        "query_string": b"",
    }
    assert get_visit(scope).click_id == "abc"
    with pytest.raises(TypeError, match="cannot read a str"):
        get_visit("request")


def test_the_defaults_are_what_dub_s_guide_needs() -> None:
    with pytest.raises(ConfigError):
        Config(cookie_max_age="90 days")  # type: ignore[arg-type]
    assert Config() == Config.from_env({})

"""What a destination and a key may be, and what becomes of the parameters of a URL."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dub_middleware.server.links.keys import clean_key
from dub_middleware.server.links.urls import clean_url, location, parameters, with_parameters
from dub_middleware.server.moments import parse_moment
from dub_middleware.server.redirect.destination import build, read_query
from dub_middleware.server.store import Link

NOW = datetime(2026, 3, 31, 12, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        pytest.param("https://shop.test/a?b=c#d", "https://shop.test/a?b=c#d", id="a URL"),
        pytest.param("shop.test", "https://shop.test", id="a bare host"),
        pytest.param("shop.test:8080/a", "https://shop.test:8080/a", id="a bare host with port and path"),
        pytest.param("  https://shop.test/ ", "https://shop.test/", id="spaces around"),
        pytest.param("http://localhost:5000/", "http://localhost:5000/", id="localhost"),
        pytest.param("https://[::1]/", "https://[::1]/", id="IPv6"),
        pytest.param("https://bücher.example/ä", "https://bücher.example/ä", id="letters"),
        pytest.param("javascript.info/a", "https://javascript.info/a", id="a host called like a scheme"),
        pytest.param("mailto:ada@example.com", "mailto:ada@example.com", id="mail"),
        pytest.param("spotify:track:1", "spotify:track:1", id="an app"),
        pytest.param("", None, id="nothing"),
        pytest.param("localhost", None, id="a word"),
        pytest.param("/pricing", None, id="a path"),
        pytest.param("//evil.test", None, id="no scheme"),
        pytest.param("https://", None, id="no host"),
        pytest.param("https:///a", None, id="an empty host"),
        pytest.param("http:a", None, id="no slashes"),
        pytest.param("https://a b/", None, id="a space in the host"),
        pytest.param("https://x.test:0/", None, id="port 0"),
        pytest.param("https://x.test:99999/", None, id="no such port"),
        pytest.param("https://[::1/", None, id="broken IPv6"),
        pytest.param("https://x.test\\@evil.test/", None, id="a backslash in the host"),
        pytest.param("javascript:alert(1)", None, id="javascript"),
        pytest.param(" JavaScript:alert(1)", None, id="javascript in disguise"),
        pytest.param("java\nscript:alert(1)", None, id="javascript with a line end"),
        pytest.param("data:text/html,<script>", None, id="data"),
        pytest.param("file:///etc/passwd", None, id="file"),
        pytest.param("vbscript:x", None, id="vbscript"),
        pytest.param("https://x.test/\r\nSet-Cookie: a=b", None, id="a header in it"),
        pytest.param("https://x.test/" + "a" * 32_000, None, id="too long"),
    ],
)
def test_a_destination_is_a_url_that_is_safe_to_open(text: str, url: str | None) -> None:
    assert clean_url(text) == url


@pytest.mark.parametrize(
    ("url", "header"),
    [
        pytest.param(
            "https://bücher.example/ä?ü", "https://xn--bcher-kva.example/%C3%A4?%C3%BC", id="letters"
        ),
        pytest.param("https://x.test/a b", "https://x.test/a%20b", id="a space"),
        pytest.param("https://x.test/%2f?a=%zz", "https://x.test/%2f?a=%zz", id="escapes stay"),
        pytest.param("https://x.test/\u2028", "https://x.test/%E2%80%A8", id="a line separator"),
    ],
)
def test_a_location_is_plain_ascii(url: str, header: str) -> None:
    assert location(url) == header


@given(st.text(max_size=60))
def test_no_text_becomes_a_header_of_its_own(text: str) -> None:
    for url in (clean_url(text), f"https://x.test/{text}", f"https://x.test/?a={text}"):
        header = None if url is None else location(url)
        assert header is None or (header.isascii() and header.isprintable() and " " not in header)


@pytest.mark.parametrize(
    ("url", "changes", "result"),
    [
        pytest.param("https://x.test/", {}, "https://x.test/", id="nothing"),
        pytest.param("https://x.test", {"a": "1"}, "https://x.test?a=1", id="the first"),
        pytest.param(
            "https://x.test/?b=%2f&c#f", {"a": "ü &"}, "https://x.test/?b=%2f&c&a=%C3%BC%20%26#f", id="added"
        ),
        pytest.param("https://x.test/?a=1&b=2&a=3", {"a": "9"}, "https://x.test/?a=9&b=2", id="in its place"),
        pytest.param("https://x.test/?a=1&b=2", {"a": None}, "https://x.test/?b=2", id="removed"),
        pytest.param("https://x.test/?a=1", {"a": None}, "https://x.test/", id="the last one removed"),
        pytest.param("https://x.test/?%61=1", {"a": "2"}, "https://x.test/?a=2", id="an escaped name"),
        pytest.param(
            "https://x.test/#/r?a=1", {"a": "2"}, "https://x.test/?a=2#/r?a=1", id="in the fragment"
        ),
    ],
)
def test_parameters_are_set_and_the_rest_stays_as_it_is(
    url: str, changes: dict[str, str | None], result: str
) -> None:
    assert with_parameters(url, changes) == result


def test_the_first_parameter_of_a_name_counts() -> None:
    assert parameters("https://x.test/?a=1&a=2&b=%C3%BC+x&c#a=3") == {"a": "1", "b": "ü x", "c": ""}


@pytest.mark.parametrize(
    ("text", "key"),
    [
        pytest.param("Launch", "Launch", id="letters"),
        pytest.param("/launch/", "launch", id="slashes around"),
        pytest.param("blog/2026/a-b_c.d", "blog/2026/a-b_c.d", id="a path"),
        pytest.param("café", "café", id="NFC"),
        pytest.param("日本", "日本", id="another script"),
        pytest.param("👩\u200d🚀", "👩\u200d🚀", id="emoji"),
        pytest.param("%F0%9F%9A%80", "🚀", id="escaped"),
        pytest.param("_root", "_root", id="the bare domain"),
        pytest.param("", None, id="nothing"),
        pytest.param("/", None, id="slash"),
        pytest.param("_hidden", None, id="underscore"),
        pytest.param("a b", None, id="space"),
        pytest.param("a+", None, id="plus"),
        pytest.param("a?b", None, id="query"),
        pytest.param("a#b", None, id="fragment"),
        pytest.param("a%2", None, id="broken escape"),
        pytest.param("a\r\nb", None, id="line end"),
        pytest.param("a\u202eb", None, id="text direction"),
        pytest.param("a\ufffdb", None, id="bytes that are no text"),
        pytest.param("../a", None, id="parent"),
        pytest.param("a//b", None, id="empty part"),
        pytest.param("x.php", None, id="php"),
        pytest.param("a/.well-known/b", None, id="well-known"),
        pytest.param("a" * 191, None, id="too long"),
    ],
)
def test_a_key_is_what_can_stand_in_a_path(text: str, key: str | None) -> None:
    assert clean_key(text) == key


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        pytest.param("2026-03-18", "2026-03-18T00:00:00.000", id="a day"),
        pytest.param("2026-03", "2026-03-01T00:00:00.000", id="a month"),
        pytest.param("2026-03-18T12:30:15.250Z", "2026-03-18T12:30:15.250", id="JavaScript"),
        pytest.param("2026-03-18T12:30+05:45", "2026-03-18T06:45:00.000", id="an offset"),
        pytest.param("2026-03-18 12:30:15-0800", "2026-03-18T20:30:15.000", id="a space"),
        pytest.param("1773835200000", "2026-03-18T12:00:00.000", id="milliseconds"),
        pytest.param("Wed, 18 Mar 2026 12:00:00 GMT", "2026-03-18T12:00:00.000", id="HTTP"),
        pytest.param("now", "2026-03-31T12:00:00.000", id="now"),
        pytest.param("Tomorrow", "2026-04-01T00:00:00.000", id="tomorrow"),
        pytest.param("yesterday", "2026-03-30T00:00:00.000", id="yesterday"),
        pytest.param("3 days ago", "2026-03-28T12:00:00.000", id="days ago"),
        pytest.param("in an hour", "2026-03-31T13:00:00.000", id="in an hour"),
        pytest.param("1 month ago", "2026-02-28T12:00:00.000", id="a shorter month"),
        pytest.param("in 9 months", "2026-12-31T12:00:00.000", id="the end of the year"),
        pytest.param("last year", "2025-03-31T12:00:00.000", id="last year"),
        # it is a Tuesday
        pytest.param("tomorrow at 5pm", "2026-04-01T17:00:00.000", id="tomorrow at 5pm"),
        pytest.param("at 12:30 am", "2026-03-31T00:30:00.000", id="half past midnight"),
        pytest.param("today noon", "2026-03-31T12:00:00.000", id="noon"),
        pytest.param("last Monday", "2026-03-30T00:00:00.000", id="last monday"),
        pytest.param("last tuesday", "2026-03-24T00:00:00.000", id="last on the day itself"),
        pytest.param("next friday 18:15", "2026-04-10T18:15:00.000", id="next friday"),
        pytest.param("next monday", "2026-04-06T00:00:00.000", id="next monday"),
        pytest.param("friday", "2026-04-03T00:00:00.000", id="the nearest friday"),
        pytest.param("sun", "2026-03-29T00:00:00.000", id="the nearest sunday"),
        pytest.param("this sunday", "2026-04-05T00:00:00.000", id="this sunday"),
        pytest.param("Jan 5, 2027", "2027-01-05T00:00:00.000", id="American"),
        pytest.param("5th of May", "2026-05-05T00:00:00.000", id="of"),
        pytest.param("5 May 2026 at 9am", "2026-05-05T09:00:00.000", id="British"),
        pytest.param("Dec. 24", "2025-12-24T00:00:00.000", id="the nearest december"),
        pytest.param("september 2026", "2026-09-01T00:00:00.000", id="a month's name"),
        pytest.param("feb 30", None, id="no such date"),
        pytest.param("tomorrow at 13pm", None, id="no such hour"),
        pytest.param("tomorrow at 25:00", None, id="no such time"),
        pytest.param("", None, id="nothing"),
        pytest.param("soon", None, id="a word"),
        pytest.param("2026-02-30", None, id="no such day"),
        pytest.param("2026-13-01", None, id="no such month"),
        pytest.param("9999-12-31T23:59:59-23:59", None, id="after the end of time"),
        pytest.param("99999 years ago", None, id="before its beginning"),
    ],
)
def test_a_moment_may_be_written_in_many_ways(text: str, moment: str | None) -> None:
    found = parse_moment(text, NOW)
    assert (found and found.isoformat(timespec="milliseconds")) == (moment and f"{moment}+00:00")


def test_a_moment_without_a_zone_is_in_the_zone_of_the_caller() -> None:
    zone = timezone(timedelta(hours=5, minutes=45))
    assert parse_moment("2026-03-18", NOW, zone) == datetime(2026, 3, 17, 18, 15, tzinfo=timezone.utc)


@given(st.text(max_size=40))
def test_any_text_is_a_moment_or_none(text: str) -> None:
    parse_moment(text, NOW)


@given(st.text(max_size=80), st.sampled_from([None, "ABCDEFGHIJKLMNOP"]))
def test_no_query_changes_where_a_link_leads(query: str, click_id: str | None) -> None:
    link = Link(pk=1, id="link_1", domain="go.localhost", key="x", url="https://shop.test/p?a=1#f")
    url = build(link, link.url, read_query(query), click_id)
    assert url.startswith("https://shop.test/p?a=")
    assert url.endswith("#f")
    assert ("dub_id=ABCDEFGHIJKLMNOP" in url) == (click_id is not None)

"""Which responses are touched, and what becomes of their headers."""

from __future__ import annotations

import logging

import pytest

from dub_middleware.inject import Injection, Rewriting, page, with_cookies, with_weak_validator

TAG = b"<script></script>"
PAGE = b"<!doctype html><head><title>x</title>"
HTML = ("Content-Type", "text/html; charset=utf-8")
Headers = list[tuple[str, str]]


def tag(nonce: str | None) -> bytes:
    return f'<script nonce="{nonce}"></script>'.encode() if nonce else TAG


@pytest.fixture
def injection() -> Injection:
    return Injection(tag, "/_dub/script.js", marker=b"/_dub/script.js")


def begin(
    injection: Injection, headers: Headers, status: str = "200 OK", origin: str = "https://shop.example.com"
) -> Rewriting | None:
    found = page(status, headers)
    tag = found and injection.tag_for(found, headers, lambda: origin)
    return Rewriting(injection, found, headers, tag) if found and tag else None


def send(
    injection: Injection, headers: Headers, body: bytes = PAGE, status: str = "200 OK"
) -> tuple[Headers, bytes]:
    rewriting = begin(injection, headers, status)
    if rewriting is None:
        return headers, body
    out = rewriting.feed(body)
    return rewriting.headers(), out + rewriting.close()


TOUCHED: dict[str, tuple[str, Headers]] = {
    "html": ("200 OK", [HTML]),
    "no charset": ("200 OK", [("Content-Type", "text/html")]),
    "name in another case": ("200 OK", [("CONTENT-type", "text/html")]),
    "type in another case": ("200 OK", [("Content-Type", "Text/HTML")]),
    "space before the semicolon": ("200 OK", [("Content-Type", " text/html ; charset=utf-8")]),
    "latin-1": ("200 OK", [("Content-Type", "text/html; charset=ISO-8859-1")]),
    "shift_jis": ("200 OK", [("Content-Type", 'text/html; charset="Shift_JIS"')]),
    "charset nobody knows": ("200 OK", [("Content-Type", "text/html; charset=utf8mb4")]),
    "profile before charset": ("200 OK", [("Content-Type", "text/html; profile=x; charset=utf-8")]),
    "identity coding": ("200 OK", [HTML, ("Content-Encoding", "identity")]),
    "inline": ("200 OK", [HTML, ("Content-Disposition", "inline; filename=attachment.html")]),
    "cached": ("200 OK", [HTML, ("Cache-Control", "public, max-age=60")]),
    "not found": ("404 Not Found", [HTML]),
    "server error": ("500 Internal Server Error", [HTML]),
    "created": ("201 Created", [HTML]),
    "status without a reason": ("200", [HTML]),
}
UNTOUCHED: dict[str, tuple[str, Headers]] = {
    "json": ("200 OK", [("Content-Type", "application/json")]),
    "xhtml": ("200 OK", [("Content-Type", "application/xhtml+xml")]),
    "htmlx": ("200 OK", [("Content-Type", "text/htmlx")]),
    "text": ("200 OK", [("Content-Type", "text/plain; x=text/html")]),
    "svg": ("200 OK", [("Content-Type", "image/svg+xml")]),
    "event stream": ("200 OK", [("Content-Type", "text/event-stream")]),
    "multipart": ("200 OK", [("Content-Type", "multipart/x-mixed-replace; boundary=text/html")]),
    "no content type": ("200 OK", []),
    "empty content type": ("200 OK", [("Content-Type", "")]),
    "two content types": ("200 OK", [HTML, ("Content-Type", "text/plain")]),
    "utf-16": ("200 OK", [("Content-Type", "text/html; charset=UTF-16LE")]),
    "utf-32": ("200 OK", [("Content-Type", "text/html; charset=utf-32")]),
    "utf-7": ("200 OK", [("Content-Type", "text/html; charset=utf-7")]),
    "iso-2022-jp": ("200 OK", [("Content-Type", "text/html; charset=ISO-2022-JP")]),
    "ebcdic": ("200 OK", [("Content-Type", "text/html; charset=cp037")]),
    "attachment": ("200 OK", [HTML, ("Content-Disposition", 'Attachment; filename="x.html"')]),
    "no-transform": ("200 OK", [HTML, ("Cache-Control", "max-age=60, No-Transform")]),
    "no-transform first": ("200 OK", [("cache-control", "no-transform,public"), HTML]),
    "a range": ("206 Partial Content", [HTML, ("Content-Range", "bytes 0-9/20")]),
    "a range called 200": ("200 OK", [HTML, ("Content-Range", "bytes 0-9/20")]),
    "no content": ("204 No Content", [HTML]),
    "reset content": ("205 Reset Content", [HTML]),
    "not modified": ("304 Not Modified", [HTML, ("ETag", '"v1"')]),
    "redirect": ("302 Found", [HTML, ("Location", "/en/")]),
    "early hints": ("103 Early Hints", [HTML]),
    "brotli": ("200 OK", [HTML, ("Content-Encoding", "br")]),
    "zstd": ("200 OK", [HTML, ("Content-Encoding", "zstd")]),
    "two codings": ("200 OK", [HTML, ("Content-Encoding", "gzip, br")]),
    "two coding lines": ("200 OK", [HTML, ("Content-Encoding", "gzip"), ("Content-Encoding", "gzip")]),
}


@pytest.mark.parametrize(("status", "headers"), TOUCHED.values(), ids=TOUCHED.keys())
def test_pages_are_touched(injection: Injection, status: str, headers: Headers) -> None:
    assert send(injection, headers, status=status) == (headers, PAGE.replace(b"<head>", b"<head>" + TAG))


@pytest.mark.parametrize(("status", "headers"), UNTOUCHED.values(), ids=UNTOUCHED.keys())
def test_everything_else_is_not(injection: Injection, status: str, headers: Headers) -> None:
    assert begin(injection, headers, status) is None


FOLLOW: dict[str, tuple[Headers, Headers]] = {
    "length": ([("Content-Length", "37")], [("Content-Length", "54")]),
    "length keeps its place and spelling": (
        [("content-length", "37"), ("X-A", "b")],
        [("content-length", "54"), ("X-A", "b")],
    ),
    "length that is no number": ([("Content-Length", "many")], []),
    "length in other digits": ([("Content-Length", "\u0663\u0667")], []),
    "two lengths": ([("Content-Length", "37"), ("Content-Length", "37")], [("Content-Length", "54")]),
    "strong etag": ([("ETag", '"v1"')], [("ETag", 'W/"v1"')]),
    "weak etag": ([("etag", 'W/"v1"')], [("etag", 'W/"v1"')]),
    "broken etag": ([("ETag", "v1")], [("ETag", "v1")]),
    "digests": (
        [
            ("Content-Digest", "x"),
            ("Repr-Digest", "x"),
            ("Digest", "x"),
            ("content-md5", "x"),
            ("Server", "y"),
        ],
        [("Server", "y")],
    ),
    "accept-ranges": ([("Accept-Ranges", "bytes")], []),
    "last-modified stays": ([("Last-Modified", "x"), ("Vary", "y")], [("Last-Modified", "x"), ("Vary", "y")]),
    "cookies stay apart": (
        [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")],
        [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")],
    ),
}


@pytest.mark.parametrize(("before", "after"), FOLLOW.values(), ids=FOLLOW.keys())
def test_headers_follow_the_bytes(injection: Injection, before: Headers, after: Headers) -> None:
    given = [HTML, *before]
    kept = list(given)
    headers, _ = send(injection, given)
    assert headers == [HTML, *after]
    assert given == kept, "an app may use its list again"


@pytest.mark.parametrize("before", [row[0] for row in FOLLOW.values()], ids=FOLLOW.keys())
def test_a_page_without_a_place_keeps_its_own_headers(injection: Injection, before: Headers) -> None:
    given = [HTML, *before]
    headers, body = send(injection, given, b"<div>a fragment</div>")
    assert headers is given
    assert body == b"<div>a fragment</div>"


def test_an_undecided_page_announces_no_length(injection: Injection) -> None:
    rewriting = begin(injection, [HTML, ("Content-Length", "37"), ("ETag", '"v1"')])
    assert rewriting is not None
    assert rewriting.feed(b"<!doctype html>") == b"<!doctype html>"
    assert rewriting.headers() == [HTML, ("ETag", 'W/"v1"')]


@pytest.mark.parametrize(
    ("asked", "answered", "sent"),
    [
        pytest.param('W/"v1"', '"v1"', 'W/"v1"', id="what an injected page was given"),
        pytest.param('"x", W/"v1"', '"v1"', 'W/"v1"', id="one of several"),
        pytest.param('"v1"', '"v1"', '"v1"', id="an untouched page"),
        pytest.param('W/"v2"', '"v1"', '"v1"', id="another page"),
        pytest.param('W/"v1"', 'W/"v1"', 'W/"v1"', id="weak already"),
        pytest.param("*", '"v1"', '"v1"', id="star"),
    ],
)
def test_a_304_confirms_the_validator_that_was_given(asked: str, answered: str, sent: str) -> None:
    assert with_weak_validator([("X", "y"), ("ETag", answered)], asked) == [("X", "y"), ("ETag", sent)]


PRIVATE: dict[str, tuple[Headers, Headers]] = {
    "nothing said": ([], [("Cache-Control", "private")]),
    "public": ([("Cache-Control", "public, max-age=60")], [("Cache-Control", "private, max-age=60")]),
    "s-maxage": ([("cache-control", "s-maxage=600,max-age=1")], [("cache-control", "private, max-age=1")]),
    "private already": ([("Cache-Control", "private")], [("Cache-Control", "private")]),
    "private for some headers": (
        [("Cache-Control", 'private="set-cookie, x", no-cache="a, b"')],
        [("Cache-Control", 'private, no-cache="a, b"')],
    ),
    "no-store": ([("Cache-Control", "no-store")], [("Cache-Control", "private, no-store")]),
    "two lines": (
        [("Cache-Control", "public"), ("Vary", "x"), ("Cache-Control", "max-age=5, proxy-revalidate")],
        [("Cache-Control", "private, max-age=5"), ("Vary", "x")],
    ),
    "for the CDN": (
        [("CDN-Cache-Control", "max-age=600"), ("surrogate-control", "max-age=600"), ("Last-Modified", "x")],
        [("Last-Modified", "x"), ("Cache-Control", "private")],
    ),
    "empty": ([("Cache-Control", "")], [("Cache-Control", "private")]),
}


@pytest.mark.parametrize(("before", "after"), PRIVATE.values(), ids=PRIVATE.keys())
def test_a_response_with_our_cookie_is_for_one_browser(before: Headers, after: Headers) -> None:
    kept = list(before)
    assert with_cookies(before, ["dub_id=x"]) == [*after, ("Set-Cookie", "dub_id=x")]
    assert before == kept


def test_the_apps_cookies_stay() -> None:
    assert with_cookies([("Set-Cookie", "a=1")], ["dub_id=x", "b=2"]) == [
        ("Set-Cookie", "a=1"),
        ("Cache-Control", "private"),
        ("Set-Cookie", "dub_id=x"),
        ("Set-Cookie", "b=2"),
    ]


def test_a_coding_that_cannot_be_opened_is_told_once(
    injection: Injection, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        assert begin(injection, [HTML, ("Content-Encoding", "br")]) is None
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "'br'" in caplog.text
    assert "before it is compressed" in caplog.text


CSP = "Content-Security-Policy"
POLICIES: dict[str, tuple[list[str], str | None]] = {
    "no script directive": (["img-src 'self'"], ""),
    "self": (["script-src 'self'"], ""),
    "default-src self": (["default-src 'self'"], ""),
    "script-src-elem wins": (["script-src 'none'; script-src-elem 'self'"], ""),
    "script-src wins over default-src": (["default-src 'none'; script-src 'self'"], ""),
    "star": (["script-src *"], ""),
    "https:": (["script-src https:"], ""),
    "http: on a page of https": (["script-src http:"], ""),
    "own host": (["script-src shop.example.com"], ""),
    "own origin": (["script-src https://SHOP.example.com"], ""),
    "wild card": (["script-src *.example.com"], ""),
    "wild card that stops short": (["script-src *.shop.example.com"], None),
    "any port": (["script-src https://shop.example.com:*"], ""),
    "another port": (["script-src https://shop.example.com:8443"], None),
    "path": (["script-src shop.example.com/_dub/"], ""),
    "another path": (["script-src shop.example.com/static/"], None),
    "nonce": (["script-src 'nonce-abc'"], "abc"),
    "nonce beside self": (["script-src 'self' 'nonce-abc'"], "abc"),
    "nonce keyword in upper case": (["SCRIPT-SRC 'NONCE-aBc='"], "aBc="),
    "nonce and strict-dynamic": (["script-src 'nonce-abc' 'strict-dynamic'"], "abc"),
    "nonce in default-src": (["default-src 'nonce-abc'"], "abc"),
    "nonce of styles is not ours": (["script-src 'self'; style-src 'nonce-abc'"], ""),
    "first directive of a name counts": (["script-src 'nonce-a'; script-src 'nonce-b'"], "a"),
    "two policies, one nonce": (["script-src 'nonce-x' 'nonce-y'", "script-src 'nonce-y'"], "y"),
    "two policies in one line": (["script-src 'nonce-x' 'nonce-y', script-src 'nonce-y'"], "y"),
    "two policies, no common nonce": (["script-src 'nonce-x'", "script-src 'nonce-y'"], None),
    "a nonce here, self there": (["script-src 'nonce-x' 'strict-dynamic'", "script-src 'self'"], "x"),
    "a nonce here, nothing there": (["script-src 'nonce-x'", "img-src 'none'"], "x"),
    "a nonce here, none there": (["script-src 'nonce-x'", "script-src 'none'"], None),
    "none": (["script-src 'none'"], None),
    "empty": (["script-src"], None),
    "hash only": (["script-src 'sha256-abc='"], None),
    "strict-dynamic without a nonce": (["script-src 'self' 'strict-dynamic'"], None),
    "another host": (["script-src cdn.example.com"], None),
    "unsafe-inline": (["script-src 'unsafe-inline'"], None),
    "broken nonce": (["script-src 'nonce-a\"b'"], None),
    "sandbox": (["sandbox allow-forms"], None),
    "sandbox with scripts": (["sandbox allow-scripts"], ""),
    "nothing": ([""], ""),
}


@pytest.mark.parametrize(("policies", "nonce"), POLICIES.values(), ids=POLICIES.keys())
def test_the_policy_of_the_response_decides(
    injection: Injection, policies: list[str], nonce: str | None
) -> None:
    given = [HTML, *((CSP, policy) for policy in policies)]
    headers, body = send(injection, given)
    assert headers == given, "a policy is never edited"
    assert body == (PAGE if nonce is None else PAGE.replace(b"<head>", b"<head>" + tag(nonce)))


def test_a_report_only_policy_blocks_nothing(injection: Injection) -> None:
    _, body = send(injection, [HTML, (f"{CSP}-Report-Only", "script-src 'none'")])
    assert TAG in body


@pytest.mark.parametrize(
    ("policy", "directive"),
    [
        pytest.param("script-src 'none'", "script-src 'self'", id="none"),
        pytest.param("default-src cdn.example.com", "script-src cdn.example.com 'self'", id="default-src"),
        pytest.param(
            "script-src 'self' 'strict-dynamic'", "script-src 'self' 'strict-dynamic' 'nonce-…'", id="strict"
        ),
        pytest.param("script-src-elem a.example", "script-src-elem a.example 'self'", id="script-src-elem"),
        pytest.param("sandbox", "sandbox allow-scripts", id="sandbox"),
    ],
)
def test_a_policy_that_blocks_is_told_once_with_what_to_add(
    injection: Injection, caplog: pytest.LogCaptureFixture, policy: str, directive: str
) -> None:
    for _ in range(3):
        assert begin(injection, [HTML, (CSP, policy)], origin="https://x.example") is None
    (record,) = caplog.records
    assert record.getMessage().endswith(f"Let the policy say: {directive}")


def test_a_script_elsewhere_needs_its_host_in_the_policy() -> None:
    injection = Injection(tag, "https://cdn.example.net/s.js")
    assert begin(injection, [HTML, (CSP, "script-src 'self'")], origin="https://a.example") is None
    for source in ("cdn.example.net", "https://cdn.example.net/s.js", "https:", "*"):
        headers = [HTML, (CSP, f"script-src {source}")]
        assert begin(injection, headers, origin="https://a.example") is not None


def test_a_nonce_that_is_not_wanted_leaves_the_policy_to_block() -> None:
    injection = Injection(tag, "/_dub/script.js", use_nonce=False)
    assert begin(injection, [HTML, (CSP, "script-src 'nonce-x'")], origin="https://a.example") is None
    assert TAG in send(injection, [HTML, (CSP, "script-src 'nonce-x' 'self'")])[1]


@pytest.mark.parametrize("host", ["a;b <x>", "[::1", "x:y:z", "", "[::1]:8000", "h\u00e9"])
def test_a_hostile_host_is_no_error(injection: Injection, host: str) -> None:
    headers = [HTML, (CSP, "script-src 'self'")]
    assert begin(injection, headers, origin=f"http://{host}") is not None

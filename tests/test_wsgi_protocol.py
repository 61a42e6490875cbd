"""Every way in which PEP 3333 lets an app answer, through the middleware."""

from __future__ import annotations

import gzip
import io
import logging
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any
from wsgiref.util import FileWrapper

import pytest
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

from dub_middleware.wsgi import DubMiddleware
from strict_server import Counted, Exchange, Headers, checked_request, request

PAGE = b"<!doctype html><html><head><title>x</title></head><body>hello</body></html>"
TAG = DubMiddleware(lambda environ, start_response: []).script.tag()
INJECTED = PAGE.replace(b"<head>", b"<head>" + TAG)
HTML = [("Content-Type", "text/html; charset=utf-8")]
JSON = [("Content-Type", "application/json")]
App = Callable[..., Any]


def answering(result: Any, headers: Headers = HTML, status: str = "200 OK") -> App:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response(status, list(headers))
        return result() if callable(result) else result

    return app


def split(page: bytes, size: int) -> list[bytes]:
    return [page[at : at + size] for at in range(0, len(page), size)]


def lazily(items: list[bytes], headers: Headers = HTML) -> App:
    """A generator function is an app whose start_response comes with the first item."""

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", headers)
        yield from items

    return app


def writing(written: list[bytes], returned: list[bytes], headers: Headers = HTML) -> App:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        write = start_response("200 OK", headers)
        for item in written:
            write(item)
        return returned

    return app


LENGTH = [*HTML, ("Content-Length", str(len(PAGE)))]
WAYS: dict[str, App] = {
    "list of one": answering([PAGE]),
    "list of two": answering([PAGE[:40], PAGE[40:]]),
    "list in crumbs": answering(split(PAGE, 1)),
    "tuple": answering((PAGE,)),
    "list with empty items": answering([b"", PAGE[:20], b"", PAGE[20:], b""]),
    "generator": answering(lambda: iter([PAGE])),
    "generator in crumbs": lazily(split(PAGE, 1)),
    "generator, empty item first": lazily([b"", PAGE]),
    "lazy generator": lazily([PAGE]),
    "iterable with close": answering(lambda: Counted([PAGE])),
    "file wrapper": answering(lambda: FileWrapper(io.BytesIO(PAGE), 10)),
    "write()": writing([PAGE], []),
    "write() in crumbs": writing(split(PAGE, 1), []),
    "write(), then a list": writing([PAGE[:10]], [PAGE[10:]]),
    "write() of nothing, then a list": writing([b""], [PAGE]),
    "length and list": answering([PAGE], LENGTH),
    "length and list of two": answering(split(PAGE, 40), LENGTH),
    "length and generator": lazily([PAGE], LENGTH),
    "length and crumbs": lazily(split(PAGE, 3), LENGTH),
    "length and write()": writing([PAGE], [], LENGTH),
    "length and write() in crumbs": writing(split(PAGE, 7), [], LENGTH),
}


@pytest.mark.parametrize("app", WAYS.values(), ids=WAYS.keys())
def test_every_way_to_answer_gets_the_tag(app: App) -> None:
    for exchange in (checked_request(DubMiddleware, app), request(DubMiddleware(app))):
        assert exchange.error is None
        assert exchange.body == INJECTED
        assert exchange.get("Content-Length") in ([], [str(len(INJECTED))])


def test_a_length_is_kept_where_the_first_item_decides() -> None:
    for app in (
        answering([PAGE], LENGTH),
        lazily([PAGE[:30], PAGE[30:]], LENGTH),
        writing([PAGE], [], LENGTH),
    ):
        assert checked_request(DubMiddleware, app).get("Content-Length") == [str(len(INJECTED))]


def test_a_length_that_cannot_be_known_is_dropped() -> None:
    for app in (lazily(split(PAGE, 3), LENGTH), writing(split(PAGE, 3), [], LENGTH)):
        assert checked_request(DubMiddleware, app).get("Content-Length") == []


def test_a_list_in_crumbs_has_an_exact_length_and_as_many_items() -> None:
    exchange = request(DubMiddleware(answering(split(PAGE, 3), LENGTH)))
    assert exchange.get("Content-Length") == [str(len(INJECTED))]
    assert len(exchange.items) == len(split(PAGE, 3))


def test_a_list_stays_a_list_of_as_many() -> None:
    exchange = request(DubMiddleware(answering([PAGE])))
    assert exchange.result == [INJECTED]


@pytest.mark.parametrize(
    "items", [[PAGE], split(PAGE, 1), [b"", PAGE[:25], b"", PAGE[25:]]], ids=["1", "crumbs", "odd"]
)
def test_one_item_out_per_item_in(items: list[bytes]) -> None:
    asked = 0

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        nonlocal asked
        start_response("200 OK", HTML)
        for item in items:
            asked += 1
            yield item

    exchange = Exchange()
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/"}
    for number, _ in enumerate(DubMiddleware(app)(environ, exchange.start_response), 1):
        assert asked == number


UNTOUCHED: dict[str, Any] = {
    "json": (JSON, "200 OK"),
    "no content": (HTML, "204 No Content"),
    "reset": (HTML, "205 Reset Content"),
    "range": ([*HTML, ("Content-Range", "bytes 0-9/99")], "206 Partial Content"),
    "redirect": ([*HTML, ("Location", "/")], "302 Found"),
    "attachment": ([*HTML, ("Content-Disposition", "attachment")], "200 OK"),
    "no-transform": ([*HTML, ("Cache-Control", "no-transform")], "200 OK"),
    "brotli": ([*HTML, ("Content-Encoding", "br")], "200 OK"),
    "utf-16": ([("Content-Type", "text/html; charset=utf-16")], "200 OK"),
}


@pytest.mark.parametrize(("headers", "status"), UNTOUCHED.values(), ids=UNTOUCHED.keys())
def test_what_is_not_ours_passes_as_the_same_objects(headers: Headers, status: str) -> None:
    result = FileWrapper(io.BytesIO(PAGE))
    seen: list[Any] = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response(status, headers)
        return result

    assert (
        DubMiddleware(app)({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda *args: seen.append(args))
        is result
    )
    assert seen == [(status, headers)]
    assert seen[0][1] is headers


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_head_does_not_announce_what_get_would_not_send(method: str) -> None:
    headers = [*HTML, ("Content-Length", str(len(PAGE))), ("ETag", '"v1"')]
    body: list[bytes] = [] if method == "HEAD" else [PAGE]
    exchange = checked_request(DubMiddleware, answering(body, headers), method=method)
    assert exchange.get("ETag") == ['W/"v1"']
    assert exchange.get("Content-Length") == ([] if method == "HEAD" else [str(len(INJECTED))])


def test_head_of_json_keeps_its_length() -> None:
    exchange = checked_request(DubMiddleware, answering([], [*JSON, ("Content-Length", "9")]), method="HEAD")
    assert exchange.get("Content-Length") == ["9"]


def test_a_304_confirms_the_weak_etag_that_the_page_was_given() -> None:
    app = answering([], [("ETag", '"v1"')], "304 Not Modified")
    assert checked_request(DubMiddleware, app, HTTP_IF_NONE_MATCH='W/"v1"').headers == [("ETag", 'W/"v1"')]
    assert checked_request(DubMiddleware, app, HTTP_IF_NONE_MATCH='"v1"').headers == [("ETag", '"v1"')]


def test_a_fragment_keeps_its_headers_and_bytes() -> None:
    headers = [*HTML, ("Content-Length", "12"), ("ETag", '"v1"')]
    for app in (answering([b"<div>x</div>"], headers), lazily([b"<div>x</div>"], headers)):
        exchange = checked_request(DubMiddleware, app)
        assert (exchange.headers, exchange.body) == (headers, b"<div>x</div>")


def test_an_app_may_use_its_header_list_again() -> None:
    headers = [*HTML, ("Content-Length", str(len(PAGE))), ("ETag", '"v1"')]

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", headers)
        return [PAGE]

    for _ in range(3):
        exchange = request(DubMiddleware(app))
        assert exchange.get("Content-Length") == [str(len(INJECTED))]
        assert exchange.get("ETag") == ['W/"v1"']


def failing(then: Headers, body: bytes, *, first: list[bytes], headers: Headers = HTML) -> App:
    """An app that starts, sends *first*, fails, and answers its own exception."""

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", headers)
        yield from first
        try:
            raise KeyError("lost")
        except KeyError:
            start_response("500 Internal Server Error", then, sys.exc_info())
        yield body

    return app


def test_an_error_may_be_written_with_the_function_of_the_page_it_replaces() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        write = start_response("200 OK", HTML)
        try:
            raise LookupError
        except LookupError:
            start_response("500 Internal Server Error", [("Content-Type", "text/plain")], sys.exc_info())
        write(b"Sorry.")  # servers give the same one each time
        return []

    exchange = request(DubMiddleware(app))
    assert (exchange.status, exchange.body) == ("500 Internal Server Error", b"Sorry.")


@pytest.mark.parametrize("first", [[], [b""]], ids=["nothing sent", "an empty item sent"])
@pytest.mark.parametrize("headers", [HTML, JSON], ids=["from html", "from json"])
def test_an_error_page_replaces_a_page_that_has_not_begun(first: list[bytes], headers: Headers) -> None:
    then = [*HTML, ("X-Error", "1"), ("Content-Length", str(len(PAGE)))]
    exchange = request(DubMiddleware(failing(then, PAGE, first=first, headers=headers)))
    assert exchange.error is None
    assert exchange.status == "500 Internal Server Error"
    assert exchange.get("X-Error") == ["1"]
    assert exchange.body in (INJECTED, PAGE)
    assert exchange.get("Content-Length") in ([], [str(len(exchange.body))])


@pytest.mark.parametrize("first", [[], [b""]], ids=["nothing sent", "an empty item sent"])
def test_an_error_that_is_no_page_replaces_one(first: list[bytes]) -> None:
    exchange = request(DubMiddleware(failing(JSON, b"{}", first=first)))
    assert (exchange.status, exchange.headers, exchange.body) == ("500 Internal Server Error", JSON, b"{}")


def test_after_the_first_bytes_the_server_raises_the_apps_own_error() -> None:
    exchange = request(DubMiddleware(failing(HTML, PAGE, first=[PAGE[:40]])))
    assert isinstance(exchange.error, KeyError)
    assert exchange.status == "200 OK"
    assert exchange.body == INJECTED[: 40 + len(TAG)]


def test_starting_twice_is_an_error_as_it_is_without_us() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", HTML)
        start_response("200 OK", HTML)
        return [PAGE]

    assert isinstance(request(DubMiddleware(app)).error, AssertionError)


@pytest.mark.parametrize("headers", [HTML, JSON], ids=["html", "json"])
@pytest.mark.parametrize("stop_after", [None, 1, 2])
def test_close_is_called_once(headers: Headers, stop_after: int | None) -> None:
    for items in (split(PAGE, 30), [PAGE], [b"<p>"] * 5):
        result = Counted(items)
        checked_request(DubMiddleware, answering(result, headers), stop_after=stop_after)
        assert result.closed == 1


def test_close_of_a_generator_runs_once_when_the_client_is_gone() -> None:
    closed = []

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", HTML)
        try:
            yield from split(PAGE, 30)
        finally:
            closed.append(1)

    request(DubMiddleware(app), stop_after=2)
    assert closed == [1]


def test_close_is_called_when_the_server_never_iterates() -> None:
    result = Counted([PAGE])
    body = DubMiddleware(answering(result))({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda *args: None)
    body.close()
    assert result.closed == 1


@pytest.mark.parametrize("size", [1, 30, 1000])
def test_an_error_of_the_app_reaches_the_server(size: int) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", HTML)
        yield from split(PAGE, size)
        raise ZeroDivisionError

    exchange = request(DubMiddleware(app))
    assert isinstance(exchange.error, ZeroDivisionError)
    assert exchange.body == INJECTED


def test_an_error_before_the_first_item_is_the_servers_to_answer() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", HTML)
        raise ZeroDivisionError
        yield b""

    exchange = request(DubMiddleware(app))
    assert isinstance(exchange.error, ZeroDivisionError)
    assert not exchange.are_headers_sent


def test_a_page_without_a_body_has_its_headers() -> None:
    for app in (answering([]), lazily([])):
        assert request(DubMiddleware(app)).status == "200 OK"


def test_two_middlewares_inject_once() -> None:
    exchange = checked_request(lambda app: DubMiddleware(DubMiddleware(app)), answering([PAGE]))
    assert exchange.body == INJECTED


@pytest.mark.parametrize("way", ["option", "callable", "environ", "environ while streaming"])
def test_a_page_can_opt_out(way: str) -> None:
    headers = [*HTML, ("Content-Length", str(len(PAGE)))]

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        if way == "environ":
            environ["dub_middleware.inject"] = False
        start_response("200 OK", headers)
        if way == "environ while streaming":
            environ["dub_middleware.inject"] = False
        yield PAGE

    options = {"option": False, "callable": lambda environ: environ["PATH_INFO"] != "/admin"}
    middleware = DubMiddleware(app, inject=options.get(way, True))
    exchange = request(middleware, path="/admin")
    assert (exchange.headers, exchange.body) == (headers, PAGE)
    if way == "callable":
        assert request(middleware, path="/").body == INJECTED


@pytest.mark.parametrize("when", ["before it starts", "while it renders"])
@pytest.mark.parametrize(
    "result", [[PAGE], (PAGE,), FileWrapper(io.BytesIO(PAGE))], ids=["list", "tuple", "file"]
)
def test_a_page_that_opts_out_passes_as_the_same_object(result: Any, when: str) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        if when == "while it renders":
            start_response("200 OK", HTML)
        environ["dub_middleware.inject"] = False
        if when == "before it starts":
            start_response("200 OK", HTML)
        return result

    exchange = Exchange()
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/"}
    assert DubMiddleware(app)(environ, exchange.start_response) is result
    assert exchange.headers == HTML


def test_a_page_that_opts_out_keeps_its_headers_where_they_go_before_its_bytes() -> None:
    headers = [*HTML, ("Content-Length", str(len(PAGE))), ("ETag", '"v1"')]

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        environ["dub_middleware.inject"] = False
        start_response("200 OK", headers)
        yield b"" if environ["REQUEST_METHOD"] == "HEAD" else PAGE

    for method in ("HEAD", "GET"):
        assert checked_request(DubMiddleware, app, method=method).headers == headers


@pytest.mark.parametrize("path", ["/x_y.css", "/a.css"], ids=["with an underscore", "without"])
def test_a_tag_that_the_template_placed_further_on_is_found(path: str) -> None:
    link = f'<link rel="stylesheet" href="{path}">'.encode() * 5
    placed = PAGE.replace(b"<head>", b"<head>" + link + TAG)
    middleware = DubMiddleware(answering([placed]))
    assert [request(middleware).body for _ in range(2)] == [placed, placed]
    without = PAGE.replace(b"<head>", b"<head>" + link)
    middleware = DubMiddleware(answering([without]))
    assert [request(middleware).body.count(TAG) for _ in range(2)] == [1, 1]


def test_a_failing_opt_out_is_logged_and_the_page_passes(caplog: pytest.LogCaptureFixture) -> None:
    exchange = request(DubMiddleware(answering([PAGE]), inject=lambda environ: 1 // 0))
    assert (exchange.status, exchange.body) == ("200 OK", PAGE)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_a_template_that_has_the_tag_keeps_it() -> None:
    assert request(DubMiddleware(answering([INJECTED]))).body == INJECTED


def test_a_compressed_page_is_injected() -> None:
    body = gzip.compress(PAGE)
    headers = [*HTML, ("Content-Encoding", "gzip"), ("Content-Length", str(len(body)))]
    for app in (
        answering([body], headers),
        lazily(split(body, 20), headers),
        writing(split(body, 9), [], headers),
    ):
        exchange = checked_request(DubMiddleware, app)
        assert gzip.decompress(exchange.body) == INJECTED
        assert exchange.get("Content-Length") in ([], [str(len(exchange.body))])


def test_a_compressed_list_has_an_exact_length() -> None:
    body = gzip.compress(PAGE)
    headers = [*HTML, ("Content-Encoding", "gzip"), ("Content-Length", str(len(body)))]
    exchange = request(DubMiddleware(answering([body], headers)))
    assert exchange.get("Content-Length") == [str(len(exchange.body))]


def test_the_nonce_of_the_policy_is_on_the_tag() -> None:
    headers = [*HTML, ("Content-Security-Policy", "script-src 'nonce-r4nd0m' 'strict-dynamic'")]
    assert b' nonce="r4nd0m"' in checked_request(DubMiddleware, answering([PAGE], headers)).body


def test_request_headers_do_not_change_the_page() -> None:
    for header in (
        "HTTP_HX_REQUEST",
        "HTTP_X_REQUESTED_WITH",
        "HTTP_PURPOSE",
        "HTTP_SEC_PURPOSE",
        "HTTP_USER_AGENT",
    ):
        exchange = checked_request(DubMiddleware, answering([PAGE]), **{header: "prefetch"})
        assert exchange.body == INJECTED
        assert exchange.headers == HTML


def test_the_script_is_served_below_the_path_and_nothing_there_reaches_the_app() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        raise AssertionError("not for the app")

    middleware = DubMiddleware(app)
    assert checked_request(lambda _: middleware, app, path=middleware.script.url).status == "200 OK"
    assert checked_request(lambda _: middleware, app, path="/_dub/nothing").status == "404 Not Found"


def test_a_mounted_app_answers_at_the_whole_path_that_the_browser_asks_for() -> None:
    shop = DubMiddleware(answering([PAGE]), path="/shop/_dub")
    client = Client(DispatcherMiddleware(answering([b"the site"]), {"/shop": shop}))
    source = re.search(r'src="([^"]+)"', client.get("/shop/").text)
    assert source is not None
    assert source[1].startswith("/shop/_dub/script.")
    assert client.get(source[1]).mimetype == "text/javascript"
    assert client.post("/shop/_dub/track/nothing").status_code == 404


def test_an_environ_with_nothing_in_it_is_enough() -> None:
    exchange = Exchange()
    assert list(DubMiddleware(answering([PAGE]))({"REQUEST_METHOD": "GET"}, exchange.start_response)) == [
        INJECTED
    ]

"""What the middleware costs a request, next to its peers: direct WSGI calls, one interleaved run.

Run `python benchmarks/injection.py` with the extras `[dev,bench]`; `--quick` for a glance.

Short batches of all variants take turns, in CPU time, so that a noisy machine hits them alike. A cell is the
variant's fastest batch less the bare app's; `bare`, measured a second time, shows the noise.

What the peers get: no page follows itself (the titles differ), so nothing may be remembered of a whole page.
New Relic is its insert path alone: its real middleware with a stub in place of the agent's transaction.
ProxyFix finds none of the headers it is there for, and WhiteNoise has no files: both are at their cheapest.
"""

from __future__ import annotations

import argparse
import platform
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from itertools import cycle
from typing import Any

from newrelic.api.wsgi_application import _WSGIApplicationMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from whitenoise import WhiteNoise

from dub_middleware.wsgi import DubMiddleware

App = Callable[..., Iterable[bytes]]

HEAD = (
    b'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>A page</title>\n'
    b'<link rel="stylesheet" href="/static/site.css">\n</head>\n<body>\n'
)
TAIL = b"</body>\n</html>\n"
TAG = b'<script defer src="/_dub/s.js"></script>'
ENVIRON = {
    "REQUEST_METHOD": "GET",
    "SCRIPT_NAME": "",
    "PATH_INFO": "/pricing",
    "QUERY_STRING": "",
    "SERVER_NAME": "shop.example.com",
    "SERVER_PORT": "443",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "HTTP_HOST": "shop.example.com",
    "HTTP_ACCEPT": "text/html",
    "HTTP_USER_AGENT": "Mozilla/5.0",
    "HTTP_COOKIE": "session=abcdef0123456789; dub_id=xxxxxxxxxxxxxxxx",
    "REMOTE_ADDR": "192.0.2.7",
    "wsgi.url_scheme": "https",
}


TITLES = [b"A page about %s" % thing for thing in (b"tea", b"hats", b"rain", b"maps", b"jazz", b"salt")]


def page(size: int, title: bytes = b"A page") -> bytes:
    filler = b"<p class='card'>Lorem ipsum dolor sit amet, consectetur adipiscing elit.</p>\n"
    head = HEAD.replace(b"A page", title)
    room = size - len(head) - len(TAIL)
    return head + (filler * (room // len(filler) + 1))[:room] + TAIL


def pages(size: int) -> list[bytes]:
    return [page(size, title) for title in TITLES]


def headers(kind: str, length: int | None) -> list[tuple[str, str]]:
    announced = [] if length is None else [("Content-Length", str(length))]
    return [
        ("Content-Type", kind),
        *announced,
        ("X-Frame-Options", "DENY"),
        ("Vary", "Cookie"),
        ("Server", "bare"),
    ]


def answering(bodies: list[bytes], kind: str = "text/html; charset=utf-8") -> App:
    turn = cycle(bodies)

    def app(environ: Any, start_response: Any) -> list[bytes]:
        body = next(turn)
        start_response("200 OK", headers(kind, len(body)))
        return [body]

    return app


def streaming(bodies: list[bytes], count: int) -> App:
    size = -(-len(bodies[0]) // count)
    rest = [bodies[0][at : at + size] for at in range(size, len(bodies[0]), size)]
    turn = cycle([[body[:size], *rest] for body in bodies])

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", headers("text/html; charset=utf-8", None))
        return iter_chunks(next(turn))

    return app


def iter_chunks(chunks: list[bytes]) -> Iterator[bytes]:
    yield from chunks


BODIES: dict[str, App] = {
    "html 2 KB": answering(pages(2048)),
    "html 50 KB": answering(pages(50 * 1024)),
    "html 50 KB / 50": streaming(pages(50 * 1024), 50),
    "html 1 MB / 64": streaming(pages(1 << 20), 64),
    "json 2 KB": answering([b"[" + b'{"a": 1}, ' * 204 + b"0]"], "application/json"),
}


def bare(app: App) -> App:
    return app


def pass_through(app: App) -> App:
    """The least a middleware can do that sees the headers."""

    def middleware(environ: Any, start_response: Any) -> Iterable[bytes]:
        def begin(status: Any, headers: Any, exc_info: Any = None) -> Any:
            if exc_info is None:
                return start_response(status, headers)
            return start_response(status, headers, exc_info)

        return app(environ, begin)

    return middleware


def naive_replace(app: App) -> App:
    """What many write first: collect the page, replace </head>, mend the length."""

    def middleware(environ: Any, start_response: Any) -> Iterable[bytes]:
        started: list[Any] = []
        result = app(environ, lambda *args: started.extend(args))
        if not started:  # a generator starts with its first item
            result = list(result)
        status, fields = started[:2]
        if not any(k.lower() == "content-type" and v.startswith("text/html") for k, v in fields):
            start_response(status, fields)
            return result
        body = b"".join(result).replace(b"</head>", TAG + b"</head>", 1)
        fields = [(k, v) for k, v in fields if k.lower() != "content-length"]
        start_response(status, [*fields, ("Content-Length", str(len(body)))])
        return [body]

    return middleware


class _Any:
    """Settings and transaction of an agent that is set up, as far as the insert path asks."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


TRANSACTION = _Any(
    settings=_Any(
        debug=_Any(log_autorum_middleware=False),
        browser_monitoring=_Any(content_type=["text/html"]),
    ),
    autorum_disabled=False,
    rum_header_generated=False,
    browser_timing_header=lambda: TAG.decode(),
)


def new_relic(app: App) -> App:
    return lambda environ, start_response: _WSGIApplicationMiddleware(
        app, environ, start_response, TRANSACTION
    )


VARIANTS: dict[str, Callable[[App], App]] = {
    "bare": bare,
    "pass-through wrapper": pass_through,
    "WhiteNoise, a miss": WhiteNoise,
    "Werkzeug ProxyFix": ProxyFix,
    "New Relic, insert path": new_relic,
    "naive replace": naive_replace,
    "dub-middleware": DubMiddleware,
}


def start_response(status: str, headers: Any, exc_info: Any = None) -> Callable[[bytes], None]:
    return lambda data: None


def request(app: App) -> None:
    result = app(ENVIRON.copy(), start_response)
    for _ in result:
        pass
    close = getattr(result, "close", None)
    if close is not None:
        close()


def batch(app: App, count: int) -> float:
    """Microseconds of CPU a request."""
    begun = time.thread_time()
    for _ in range(count):
        request(app)
    return (time.thread_time() - begun) / count * 1e6


def measure(rounds: int) -> dict[str, dict[str, tuple[float, float]]]:
    """Return, by body and variant, the overhead in microseconds and the ratio to the bare app."""
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for body, bare_app in BODIES.items():
        apps = {name: wrap(bare_app) for name, wrap in VARIANTS.items()}
        counts = {name: max(5, int(1000 / batch(app, 20))) for name, app in apps.items()}  # a millisecond
        plain, fastest = float("inf"), dict.fromkeys(apps, float("inf"))
        for _ in range(rounds):
            plain = min(plain, batch(bare_app, counts["bare"]))
            for name, app in apps.items():
                fastest[name] = min(fastest[name], batch(app, counts[name]))
        found[body] = {name: (cost - plain, cost / plain) for name, cost in fastest.items()}
    return found


def stream_costs(wrap: Callable[[App], App]) -> tuple[int, int]:
    """Return the peak KiB and how many of 64 chunks were made before the first byte of a 1 MB page."""
    made = 0

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        nonlocal made
        start_response("200 OK", headers("text/html; charset=utf-8", None))
        for number in range(64):
            made += 1
            yield (HEAD if number == 0 else b"") + bytes([65 + number % 26]) * (
                16384 - len(HEAD) * (number == 0)
            )

    wrapped = wrap(app)
    request(wrapped)  # what is built once is not the stream's
    made = before_first = 0
    tracemalloc.start()
    for item in wrapped(ENVIRON.copy(), start_response):
        if item and not before_first:
            before_first = made
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak // 1024, before_first


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    quick = parser.parse_args().quick
    results = measure(rounds=200 if quick else 1000)

    print(f"Python {platform.python_version()}, {platform.machine()}; added µs of CPU a request (×bare)\n")
    print(f"{'':24}" + "".join(f"{body:>18}" for body in BODIES))
    for name in VARIANTS:
        cells = (f"{results[body][name][0]:+.2f} (×{results[body][name][1]:.2f})" for body in BODIES)
        print(f"{name:24}" + "".join(f"{cell:>18}" for cell in cells))
    print("\nours, as a share of a peer's")
    for peer in ("WhiteNoise, a miss", "Werkzeug ProxyFix", "New Relic, insert path", "naive replace"):
        shares = (results[body]["dub-middleware"][0] / results[body][peer][0] for body in BODIES)
        print(f"{peer:24}" + "".join(f"{share:>18.2f}" for share in shares))

    print("\n1 MB in 64 chunks          peak KiB    chunks made before the first byte")
    for name, wrap in VARIANTS.items():
        peak, chunks = stream_costs(wrap)
        print(f"{name:24}{peak:>10}{chunks:>16} of 64")


if __name__ == "__main__":
    main()

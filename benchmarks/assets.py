"""What serving the script costs, next to the usual ways to serve a small file: direct WSGI calls in one run.

Run `python benchmarks/assets.py` with the extras `[dev,bench]`; `--quick` for a glance.

The same bundle, with its brotli and gzip twins, is served by the middleware and by its peers, in rounds that
take turns, so that a noisy machine hits all. A cell is the median over the rounds, in microseconds a request;
the noise is the distance between the quartiles. Each answer is read to its end and closed.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from werkzeug.middleware.shared_data import SharedDataMiddleware
from whitenoise import WhiteNoise

from dub_middleware.wsgi import DubMiddleware

App = Callable[..., Iterable[bytes]]

DIST = Path(__file__).parents[1] / "static" / "dist"
ENVIRON = {
    "REQUEST_METHOD": "GET",
    "SCRIPT_NAME": "",
    "QUERY_STRING": "",
    "SERVER_NAME": "shop.example.com",
    "SERVER_PORT": "443",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "HTTP_HOST": "shop.example.com",
    "HTTP_ACCEPT": "*/*",
    "HTTP_ACCEPT_ENCODING": "gzip, deflate, br, zstd",
    "HTTP_ACCEPT_LANGUAGE": "de,en;q=0.7",
    "HTTP_USER_AGENT": "Mozilla/5.0",
    "HTTP_REFERER": "https://shop.example.com/",
    "HTTP_COOKIE": "session=abcdef0123456789; dub_id=xxxxxxxxxxxxxxxx",
    "HTTP_SEC_FETCH_DEST": "script",
    "HTTP_SEC_FETCH_SITE": "same-origin",
    "REMOTE_ADDR": "192.0.2.7",
    "wsgi.url_scheme": "https",
    "wsgi.input": None,
}


def missing(environ: Any, start_response: Any) -> list[bytes]:
    start_response("404 Not Found", [("Content-Length", "0")])
    return []


def constant(body: bytes) -> App:
    """The least there can be: one answer, whatever is asked."""
    headers = [("Content-Type", "text/javascript"), ("Content-Length", str(len(body)))]

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", list(headers))
        return [body]

    return app


def contestants(folder: Path) -> dict[str, tuple[App, str]]:
    """Each app with the path of its script."""
    for suffix in ("", ".br", ".gz"):
        shutil.copy(DIST / f"script.js{suffix}", folder / f"script.js{suffix}")
    ours = DubMiddleware(missing)
    return {
        "constant bytes": (constant((DIST / "script.js.br").read_bytes()), "/"),
        "dub-middleware": (ours, ours.script.url),
        "WhiteNoise": (WhiteNoise(missing, root=str(folder), prefix="static"), "/static/script.js"),
        "SharedDataMiddleware": (
            SharedDataMiddleware(missing, {"/static": str(folder)}),
            "/static/script.js",
        ),
    }


def etag_of(app: App, path: str) -> str | None:
    answer: list[Any] = []
    read({**ENVIRON, "PATH_INFO": path}, app, lambda *args: answer.extend(args))
    return dict(answer[1]).get("ETag")


def read(environ: dict[str, Any], app: App, start_response: Callable[..., Any]) -> None:
    result = app(environ, start_response)
    for _ in result:
        pass
    close = getattr(result, "close", None)
    if close is not None:
        close()


def begin(status: str, headers: Any, exc_info: Any = None) -> None:
    pass


def batch(app: App, path: str, count: int, etag: str | None) -> float:
    """Microseconds a request."""
    environ = {**ENVIRON, "PATH_INFO": path, **({"HTTP_IF_NONE_MATCH": etag} if etag else {})}
    begun = time.perf_counter()
    for _ in range(count):
        read(environ, app, begin)
    return (time.perf_counter() - begun) / count * 1e6


def quartiles(values: list[float]) -> tuple[float, float]:
    low, middle, high = statistics.quantiles(values, n=4)
    return middle, high - low


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    rounds, count = (9, 100) if parser.parse_args().quick else (41, 500)

    with tempfile.TemporaryDirectory() as folder:
        apps = contestants(Path(folder))
        etags = {name: etag_of(*app) for name, app in apps.items()}
        found: dict[str, dict[str, list[float]]] = {name: {"hit": [], "known": []} for name in apps}
        for _ in range(rounds):
            for name, (app, path) in apps.items():
                found[name]["hit"].append(batch(app, path, count, None))
                if etags[name]:
                    found[name]["known"].append(batch(app, path, count, etags[name]))

    ours = {kind: quartiles(times)[0] for kind, times in found["dub-middleware"].items()}
    print(f"Python {platform.python_version()}, {platform.machine()}; µs a request (noise), and × ours\n")
    print(f"{'':24}{'hit':>26}{'If-None-Match':>26}")
    for name, kinds in found.items():
        row = f"{name:24}"
        for kind, times in kinds.items():
            if times:
                middle, noise = quartiles(times)
                row += f"{middle:>12.2f} ({noise:.2f}) ×{middle / ours[kind]:.1f}".rjust(26)
            else:
                row += f"{'':>26}"
        print(row)


if __name__ == "__main__":
    main()

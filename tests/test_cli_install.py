"""``dub-middleware verify`` and ``snippet``, run as a user runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from certificates import self_signed
from dub_middleware import DubMiddleware
from wsgi_server import serving

DIST = Path(__file__).parents[1] / "static" / "dist"


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dub_middleware", *arguments]
    environ = os.environ | environ
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=environ, check=False)


def page(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/html")])
    return [b"<!doctype html><html><head><title>Shop</title></head><body>Hello</body></html>"]


def behind_a_proxy_that_keeps_the_script_back(environ: dict[str, Any], start_response: Any) -> Any:
    app = page if environ["PATH_INFO"].startswith("/_dub/") else DubMiddleware(page)
    return app(environ, start_response)


def test_a_wrapped_app_passes() -> None:
    with serving(DubMiddleware(page)) as url:
        told = run("verify", f"{url}/pricing?plan=a&dub_id=other#top")
    assert told.returncode == 0, told
    assert told.stdout.startswith(f"{url}/pricing?dub_id=test&plan=a&dub_id=other\n")
    assert told.stdout.count("✓") == 3
    assert "Set-Cookie: dub_id=test;" in told.stdout
    assert "\x1b" not in told.stdout


def test_a_sealed_capture_sets_two_cookies_and_passes() -> None:
    with serving(DubMiddleware(page, secret_key="k" * 32)) as url:
        told = run("verify", url)
    assert told.returncode == 0, told
    assert "Set-Cookie: dub_id=test;" in told.stdout


def test_a_bare_app_fails_and_is_told_what_to_do() -> None:
    with serving(page) as url:
        told = run("verify", url)
    assert told.returncode == 1
    assert told.stdout.count("✗") == 2
    assert "Wrap the app with DubMiddleware." in told.stdout


def test_this_machine_is_asked_by_http_when_nothing_is_said() -> None:
    with serving(DubMiddleware(page)) as url:
        told = run("verify", url.removeprefix("http://"))
        other = run("verify", f"{url}?plan=a")
    assert told.returncode == 0, told
    assert told.stdout.startswith(f"{url}/?dub_id=test\n")
    assert other.stdout.startswith(f"{url}/?dub_id=test&plan=a\n")


def test_a_script_that_does_not_load_is_a_failure() -> None:
    with serving(behind_a_proxy_that_keeps_the_script_back) as url:
        told = run("verify", url, "--json")
    report = json.loads(told.stdout)
    assert (told.returncode, report["passed"]) == (1, False)
    assert [check["passed"] for check in report["checks"]] == [True, False, True]
    assert report["checks"][1]["found"].endswith("answered with status 200, text/html.")


def test_an_app_below_a_prefix_is_told_of_the_option() -> None:
    from werkzeug.middleware.dispatcher import DispatcherMiddleware

    def elsewhere(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("404 Not Found", [])
        return []

    def told_of(**options: Any) -> subprocess.CompletedProcess[str]:
        with serving(DispatcherMiddleware(elsewhere, {"/shop": DubMiddleware(page, **options)})) as url:
            return run("verify", f"{url}/shop/")

    told = told_of()
    assert told.returncode == 1
    assert "Where the whole app is below /shop, say path='/shop/_dub'." in told.stdout
    assert told_of(path="/shop/_dub").returncode == 0


@pytest.mark.parametrize(
    ("options", "is_told"),
    [
        pytest.param({}, True, id="the app knows only http"),
        pytest.param({"cookie_secure": True}, False, id="cookie_secure=True"),
    ],
)
def test_a_cookie_that_is_not_secure_on_an_https_page_is_a_warning(
    tmp_path: Path, options: dict[str, Any], is_told: bool
) -> None:
    wrapped = DubMiddleware(page, **options)

    def behind_a_proxy(environ: dict[str, Any], start_response: Any) -> Any:
        return wrapped(environ | {"wsgi.url_scheme": "http"}, start_response)

    with serving(behind_a_proxy, tls=self_signed(tmp_path)) as url:
        told = run("verify", url, SSL_CERT_FILE=str(tmp_path / "cert.pem"))
    assert told.returncode == 0, told
    assert told.stdout.count("✓") == (2 if is_told else 3)
    assert ("! ?dub_id=test leaves the cookie dub_id" in told.stdout) is is_told
    assert ("cookie_secure=True" in told.stdout) is is_told


def test_nobody_there() -> None:
    with serving(page) as url:
        pass
    told = run("verify", url)
    assert told.returncode == 1
    assert "✗ It did not answer: " in told.stdout


@pytest.mark.parametrize("url", ["ftp://acme.com", "acme com", "javascript://x"])
def test_what_is_no_web_address_is_refused(url: str) -> None:
    told = run("verify", url)
    assert (told.returncode, told.stdout) == (1, "")
    assert f"{url!r} is no web address." in told.stderr


def test_the_snippet_is_the_tag_of_the_environment() -> None:
    told = run("snippet", DUB_DOMAINS='{"refer":"go.acme.com"}', DUB_SCRIPT_SRC="https://cdn.acme.com/dub.js")
    assert told.returncode == 0
    assert told.stdout == (
        '<script defer src="https://cdn.acme.com/dub.js" '
        'data-domains="{&quot;refer&quot;:&quot;go.acme.com&quot;}"></script>\n'
    )


def test_the_script_of_the_snippet_has_the_features_it_needs() -> None:
    plain = run("snippet", "--script").stdout
    with_conversions = run("snippet", "--script", DUB_PUBLISHABLE_KEY="dub_pk_0123456789abcdef").stdout
    assert plain == (DIST / "script.js").read_text("utf-8")
    assert with_conversions == (DIST / "script.conversion-tracking.js").read_text("utf-8")


def test_a_wrong_option_of_the_snippet_is_named() -> None:
    told = run("snippet", DUB_RELAY="clicks")
    assert told.returncode == 1
    assert "DUB_RELAY='clicks' is not allowed" in told.stderr

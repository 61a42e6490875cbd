"""The checks of Dub's installation guide, against a page: is the script there, does the click id stay.

https://dub.co/docs/conversions/quickstart
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Literal
from urllib.parse import urljoin, urlsplit

from dub_middleware.conversions.http import Answer, HTTPClient, TransportError

TEST_ID = "test"  # the click id that the guide uses
MAX_HOPS = 5
MAX_ANSWER = 2 * 1024 * 1024  # bytes

_AGENT = {"User-Agent": "Mozilla/5.0 (compatible; dub-middleware install check)"}
_FOR_PAGES = _AGENT | {"Accept": "text/html", "Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate"}
_FOR_SCRIPTS = _AGENT | {"Accept": "*/*", "Sec-Fetch-Dest": "script", "Sec-Fetch-Mode": "no-cors"}

_NOT_SECURE = (
    "It is not Secure, although the page came by https: does a proxy speak http with the app? Let ProxyFix "
    "of Werkzeug (Django: SECURE_PROXY_SSL_HEADER, uvicorn: --proxy-headers) tell it, or say "
    "cookie_secure=True."
)


@dataclass(frozen=True, slots=True)
class Check:
    """One question about a page, its answer in a sentence, and what to do when it is no, or yes but."""

    title: str
    passed: bool
    found: str
    advice: str = ""

    @property
    def verdict(self) -> Literal["good", "warn", "bad"]:
        if not self.passed:
            return "bad"
        return "warn" if self.advice else "good"


@dataclass(frozen=True, slots=True)
class Report:
    """What the page at ``url`` answered; with a ``problem`` it could not be asked, and there is no check."""

    url: str
    problem: str = ""
    checks: tuple[Check, ...] = ()
    hops: tuple[str, ...] = field(default=())

    @property
    def passed(self) -> bool:
        return bool(self.checks) and all(check.passed for check in self.checks)


def check_install(url: str, allow_address: Callable[[str], bool] | None = None) -> Report:
    """Fetch a page as a visitor from a short link would, and look at what comes.

    ``url`` begins with http:// or https://. ``allow_address`` is asked about every IP address before it is
    connected to; redirects are followed, each under the same rule. Never raises for trouble on the far side.
    """
    client = HTTPClient(
        connect=3.0, read=5.0, total=8.0, max_body=MAX_ANSWER, user_agent=None, allow_address=allow_address
    )
    try:
        return _check(client, url)
    finally:
        client.close()


def _check(client: HTTPClient, url: str) -> Report:
    cookies: list[tuple[str, str]] = []  # who set it, and what
    hops = [_landing(url)]
    while True:
        try:
            answer = client.request("GET", hops[-1], _FOR_PAGES)
        except TransportError as error:
            return Report(url, problem=f"It did not answer: {error}.", hops=tuple(hops))
        cookies += [(hops[-1], cookie) for cookie in _cookies(answer)]
        location = answer.headers.get("location")
        if not (300 <= answer.status < 400 and location):
            break
        target = _with_path(urljoin(hops[-1], location).partition("#")[0])
        if len(hops) > MAX_HOPS or not target.startswith(("http://", "https://")):
            return Report(url, problem=f"It redirects on and on, last to {target}.", hops=tuple(hops))
        hops.append(target)
    if answer.status >= 400:
        return Report(url, problem=f"It answered with status {answer.status}.", hops=tuple(hops))
    page = _Page()
    page.feed(answer.body.decode("utf-8", "replace"))
    checks = [_tag_check(answer, page), _cookie_check(cookies)]
    if page.source:
        checks.insert(1, _script_check(client, urljoin(hops[-1], page.source), hops[-1]))
    return Report(url, checks=tuple(checks), hops=tuple(hops))


def _landing(url: str) -> str:
    """The page as a short link leads there: of two click ids the first counts."""
    base, _, query = url.partition("#")[0].partition("?")
    return f"{_with_path(base)}?dub_id={TEST_ID}" + (f"&{query}" if query else "")


def _with_path(url: str) -> str:
    """A URL as browsers show it: a host is not the end of one."""
    base, mark, query = url.partition("?")
    return url if "/" in base.partition("://")[2] else f"{base}/{mark}{query}"


def _tag_check(answer: Answer, page: _Page) -> Check:
    title = "The analytics script is in the page’s head"
    if "html" not in answer.headers.get("content-type", "html"):
        kind = answer.headers["content-type"]
        return Check(title, False, f"The answer is no page but {kind}.", "Give the address of an HTML page.")
    if page.in_head:
        return Check(title, True, page.in_head)
    if page.in_body:
        return Check(
            title,
            False,
            f"It is in the body: {page.in_body}",
            "Move it up into the head: pages may be left before the body is complete.",
        )
    return Check(
        title,
        False,
        "There is no script of Dub’s in the page.",
        "Wrap the app with DubMiddleware. If it is wrapped, the page may come from a cache or be streamed by "
        "something in front of it.",
    )


def _script_check(client: HTTPClient, url: str, page: str) -> Check:
    title = "The script loads"
    advice = "What stands in front of the app must pass this address on to it, as any other."
    folder = urlsplit(page).path.rpartition("/")[0]
    if folder and not urlsplit(url).path.startswith(f"{folder}/"):
        advice += f" Where the whole app is below {folder}, say path='{folder}/_dub'."
    try:
        answer = client.request("GET", url, _FOR_SCRIPTS)
    except TransportError as error:
        return Check(title, False, f"{url} did not answer: {error}.", advice)
    kind = answer.headers.get("content-type", "nothing known")
    if answer.status == 200 and "javascript" in kind:
        return Check(title, True, f"{url} ({len(answer.body):,} bytes)")
    return Check(title, False, f"{url} answered with status {answer.status}, {kind}.", advice)


def _cookie_check(cookies: list[tuple[str, str]]) -> Check:
    title = f"?dub_id={TEST_ID} leaves the cookie dub_id"
    ours = [(url, cookie) for url, cookie in cookies if cookie.startswith("dub_id=")]
    if any(cookie.partition(";")[0] == f"dub_id={TEST_ID}" for _, cookie in ours):
        url, cookie = ours[-1]
        is_exposed = url.startswith("https://") and "secure" not in cookie.lower().replace(" ", "").split(";")
        return Check(title, True, f"Set-Cookie: {cookie}", _NOT_SECURE if is_exposed else "")
    if ours:
        return Check(
            title,
            False,
            f"It sets another value: {ours[-1][1]}",
            "Something answers with a visitor’s own cookie.",
        )
    return Check(
        title,
        False,
        "The answer sets no cookie of that name.",
        "The script alone sets it in the browser, which cannot be seen from here; DubMiddleware sets it with "
        "the page, for longer than Safari lets scripts.",
    )


def _cookies(answer: Answer) -> list[str]:
    """The cookies of an answer: `HTTPClient` joins repeated headers by a comma, which a date holds too."""
    parts = answer.headers.get("set-cookie", "").split(", ")
    cookies: list[str] = []
    for part in parts:
        if cookies and "=" not in part.partition(";")[0]:
            cookies[-1] += f", {part}"
        elif part:
            cookies.append(part)
    return cookies


class _Page(HTMLParser):
    """Finds the script of Dub's: the official one, or ours."""

    def __init__(self) -> None:
        super().__init__()
        self.in_head = self.in_body = self.source = ""
        self._is_body = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "body":
            self._is_body = True
        source = dict(attrs).get("src") or ""
        if tag != "script" or not _is_dub_script(source):
            return
        self.source = self.source or source
        shown = self.get_starttag_text() or ""
        if self._is_body:
            self.in_body = self.in_body or shown
        else:
            self.in_head = self.in_head or shown

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)


def _is_dub_script(source: str) -> bool:
    name = urlsplit(source).path.rpartition("/")[2]
    is_theirs = "dubcdn.com/analytics/" in source or "/dub/" in source or "/_dub" in source
    return is_theirs and name.startswith("script") and name.endswith(".js")

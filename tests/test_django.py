"""The Django middleware through Django's own handlers, sync and async."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import django
import pytest
from csp.constants import NONCE
from django.core.checks import run_checks
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.template import engines
from django.test import AsyncClient, Client, override_settings
from django.urls import path

from django_settings import OURS
from dub_middleware.visit import current_visit, get_visit

PAGE = "<!doctype html><html><head><title>Acme</title></head><body>Hello</body></html>"
GZIP = "django.middleware.gzip.GZipMiddleware"
CSP = "csp.middleware.CSPMiddleware"
FLATPAGES = "django.contrib.flatpages.middleware.FlatpageFallbackMiddleware"


def page(request: HttpRequest) -> HttpResponse:
    response = HttpResponse(PAGE, headers={"ETag": '"v1"', "Content-Length": str(len(PAGE))})
    response.set_cookie("app", "1")
    return response


def streamed(request: HttpRequest) -> StreamingHttpResponse:
    parts = ["<!doctype html><he", "ad><title>A</title>", "</head>", "<p>x"]

    async def slowly() -> AsyncIterator[str]:
        for part in parts:
            yield part

    return StreamingHttpResponse(slowly() if hasattr(request, "scope") else iter(parts))


def placed(request: HttpRequest) -> HttpResponse:
    template = engines["django"].from_string("{% load dub %}<!doctype html><head>{% dub_script %}</head>")
    return HttpResponse(template.render({}, request))


def whoami(request: Any) -> JsonResponse:
    ids = [request.dub.click_id, current_visit().click_id, get_visit(request).click_id]
    return JsonResponse({"ids": ids, "source": request.dub.source})


def away(request: HttpRequest) -> HttpResponse:
    return redirect("/")


def public(request: HttpRequest) -> HttpResponse:
    return HttpResponse(
        "ok", headers={"Cache-Control": "public, s-maxage=60", "CDN-Cache-Control": "max-age=9"}
    )


def with_nonce(request: Any) -> HttpResponse:
    request.csp_nonce = "abc123"
    return HttpResponse(PAGE)


def plain(request: HttpRequest) -> HttpResponse:
    return HttpResponse("no page", content_type="text/plain")


def detour(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """A middleware that answers in place of all below it, and drops the query."""
    return lambda request: redirect("/") if request.path == "/old" else get_response(request)


def long(request: HttpRequest) -> HttpResponse:
    return HttpResponse(PAGE + "." * 500)


urlpatterns = [
    path("", page),
    path("long", long),
    path("streamed", streamed),
    path("placed", placed),
    path("whoami", whoami),
    path("away", away),
    path("public", public),
    path("nonce", with_nonce),
    path("plain", plain),
]


@pytest.fixture(autouse=True)
def pages() -> Iterator[None]:
    with override_settings(ROOT_URLCONF=__name__):
        yield


@pytest.fixture(params=["sync", "async"])
def get(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A function that asks for a path and returns Django's response."""
    if request.param == "sync":
        yield lambda path, **headers: Client().get(path, **headers)
        return

    def ask(path: str, **headers: Any) -> Any:
        async def once() -> Any:
            response = await AsyncClient().get(path, **headers)
            if response.streaming:
                response.body = b"".join([part async for part in response])
            return response

        return asyncio.run(once())

    yield ask


def body(response: Any) -> bytes:
    if hasattr(response, "body"):
        return bytes(response.body)
    return bytes(response.getvalue() if response.streaming else response.content)


def test_a_page_gets_the_script_once_and_its_headers_follow(get: Any) -> None:
    response = get("/")
    assert response.content.count(b"<script defer") == 1
    assert response.content.startswith(b"<!doctype html><html><head><script defer")
    assert response["Content-Length"] == str(len(response.content))
    assert response["ETag"] == 'W/"v1"'
    assert response.cookies.keys() == {"app"}


def test_a_landing_leaves_the_cookie(get: Any) -> None:
    cookies = [cookie.OutputString() for cookie in get("/?dub_id=test").cookies.values()]
    assert "dub_id=test; Max-Age=7776000; Path=/; SameSite=Lax" in cookies
    assert len(cookies) == 2


def test_a_redirect_that_drops_the_query_leaves_the_cookie(get: Any) -> None:
    response = get("/away?dub_id=test")
    assert (response.status_code, response["Location"]) == (302, "/")
    assert response.cookies["dub_id"].value == "test"


def test_a_response_with_our_cookie_is_private(get: Any) -> None:
    response = get("/public?dub_id=test")
    assert response["Cache-Control"] == "private"
    assert "CDN-Cache-Control" not in response
    assert get("/public")["Cache-Control"] == "public, s-maxage=60"


def test_a_new_click_replaces_both_cookies() -> None:
    headers = {"host": "shop.example.com", "cookie": "dub_id=old; dub_id=older"}
    response = Client().get("/whoami?dub_id=new", headers=headers)
    texts = [cookie.OutputString() for cookie in response.cookies.values()]
    assert [text.partition(";")[0] for text in texts] == ["dub_id=new", "dub_id="]


def test_views_read_the_click_id(get: Any) -> None:
    assert get("/whoami?dub_id=test").json() == {"ids": ["test"] * 3, "source": "query"}
    assert get("/whoami", headers={"cookie": "dub_id=kept"}).json() == {
        "ids": ["kept"] * 3,
        "source": "cookie",
    }
    assert not current_visit()


def test_a_streamed_page_is_injected_as_it_goes(get: Any) -> None:
    content = body(get("/streamed"))
    assert content.startswith(b"<!doctype html><head><script defer")
    assert content.endswith(b"</script><title>A</title></head><p>x")


def test_the_template_tag_is_not_doubled(get: Any) -> None:
    assert get("/placed").content.count(b"<script") == 1


def test_the_nonce_of_a_policy_that_is_announced_later_is_used(get: Any) -> None:
    assert b'nonce="abc123"></script>' in get("/nonce").content


STRICT = {"DIRECTIVES": {"script-src": [NONCE, "'strict-dynamic'"]}}


POLICIES: dict[str, tuple[str, dict[str, Any]]] = {"django-csp": (CSP, {"CONTENT_SECURITY_POLICY": STRICT})}
if django.VERSION >= (6, 0):
    from django.utils.csp import CSP as BUILTIN

    own = {"SECURE_CSP": {"script-src": [BUILTIN.NONCE, BUILTIN.STRICT_DYNAMIC]}}
    POLICIES["django"] = ("django.middleware.csp.ContentSecurityPolicyMiddleware", own)


@pytest.mark.parametrize("above", [True, False], ids=["above", "below"])
@pytest.mark.parametrize("policy", POLICIES)
def test_the_nonce_of_a_policy_is_used_on_either_side(get: Any, policy: str, above: bool) -> None:
    middleware, settings = POLICIES[policy]
    order = [OURS, middleware] if above else [middleware, OURS]
    with override_settings(MIDDLEWARE=order, **settings):
        response = get("/")
        nonce = re.search(r"'nonce-([^']+)'", response["Content-Security-Policy"])
        assert nonce is not None
        assert f'nonce="{nonce[1]}"></script>' in body(response).decode()


NOT_FOUND = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {
            "loaders": [
                (
                    "django.template.loaders.locmem.Loader",
                    {"404.html": "{% load dub %}<!doctype html><head>{% dub_script %}</head>Not here"},
                )
            ]
        },
    }
]


@pytest.mark.parametrize("case", ["policy-above", "tag-in-the-template"])
def test_a_page_that_no_view_answers_has_the_nonce(get: Any, case: str) -> None:
    """Nobody can ask for it in advance then: the policy is written after us, or the template asks for it."""
    changes: dict[str, Any] = {"MIDDLEWARE": [CSP, OURS]}
    if case == "tag-in-the-template":
        changes = {"MIDDLEWARE": [OURS, CSP], "TEMPLATES": NOT_FOUND}
    with override_settings(CONTENT_SECURITY_POLICY=STRICT, **changes):
        response = get("/missing")
        assert response.status_code == 404
        nonce = re.search(r"'nonce-([^']+)'", response["Content-Security-Policy"])
        assert nonce is not None
        assert body(response).decode().count(f'nonce="{nonce[1]}"></script>') == 1


def test_a_page_without_the_policy_that_its_middleware_would_write_has_the_script() -> None:
    exempt = {**STRICT, "EXCLUDE_URL_PREFIXES": ["/missing"]}
    with override_settings(MIDDLEWARE=[OURS, CSP], CONTENT_SECURITY_POLICY=exempt):
        response = Client().get("/missing")
        assert "Content-Security-Policy" not in response
        assert b"<script defer" in response.content


def test_a_middleware_below_that_answers_itself_leaves_the_cookie(get: Any) -> None:
    with override_settings(MIDDLEWARE=[OURS, f"{__name__}.detour"]):
        response = get("/old?dub_id=test")
    assert (response.status_code, response["Location"]) == (302, "/")
    assert response.cookies["dub_id"].value == "test"


def test_the_script_is_served_and_other_paths_below_are_not_the_app_s(get: Any) -> None:
    source = get("/").content.partition(b'src="')[2].partition(b'"')[0].decode()
    response = get(source)
    assert response["Content-Type"] == "text/javascript; charset=utf-8"
    assert b"_dubAnalytics" in response.content
    assert get("/_dub/nothing").status_code == 404


def test_below_a_prefix_the_script_is_served_at_the_whole_path() -> None:
    with override_settings(DUB={"path": "/shop/_dub"}):
        source = Client().get("/").content.partition(b'src="')[2].partition(b'"')[0].decode()
        assert source.startswith("/shop/_dub/script.")
        response = Client(SCRIPT_NAME="/shop").get(source.removeprefix("/shop"))
    assert b"_dubAnalytics" in response.content


def test_inside_the_asgi_class_it_adds_nothing_of_its_own() -> None:
    import httpx
    from django.core.handlers.asgi import ASGIHandler

    from dub_middleware.asgi import DubMiddleware

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(DubMiddleware(ASGIHandler()))
        async with httpx.AsyncClient(transport=transport, base_url="https://shop.example.com") as client:
            return await client.get("/?dub_id=test")

    response = asyncio.run(ask())
    assert response.text.count("<script") == 1
    assert [value[:11] for value in response.headers.get_list("set-cookie")] == ["app=1; Path", "dub_id=test"]


def test_a_compressed_page_has_the_script() -> None:
    with override_settings(MIDDLEWARE=[GZIP, OURS]):
        response = Client().get("/long", headers={"accept-encoding": "gzip"})
    assert response["Content-Encoding"] == "gzip"
    assert gzip.decompress(response.content).count(b"<script") == 1


def test_options_come_from_the_settings() -> None:
    with override_settings(DUB={"path": "/_d", "inject": False}):
        assert b"<script" not in Client().get("/").content
    with override_settings(DUB={"PATH": "/_d"}):
        assert b'src="/_d/script.' in Client().get("/").content


def test_system_checks_name_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [message.id for message in run_checks()] == []
    with override_settings(DUB={"cookie_samesite": "lax"}):
        (message,) = run_checks()
        assert (message.id, "'lax'" in message.msg) == ("dub.E001", True)
        assert message.hint == "Correct 'cookie_samesite' in settings.DUB."
    with monkeypatch.context() as environ:
        environ.setenv("DUB_RELAY", "clicks")
        (message,) = run_checks()
        assert message.hint == "Correct 'DUB_RELAY' in the environment."
    with override_settings(MIDDLEWARE=[]):
        assert [message.id for message in run_checks()] == ["dub.W001"]
    with override_settings(MIDDLEWARE=[OURS, GZIP]):
        assert [message.id for message in run_checks()] == ["dub.W002"]
    with override_settings(MIDDLEWARE=[FLATPAGES, OURS]):
        assert [message.id for message in run_checks()] == ["dub.W003"]
    with override_settings(MIDDLEWARE=[GZIP, OURS, CSP, FLATPAGES]):
        assert run_checks() == []

"""The ASGI middleware around Starlette apps, asked through httpx's ASGI transport."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from dub_middleware.asgi import DubMiddleware
from dub_middleware.errors import ConfigError
from dub_middleware.visit import current_visit, get_visit

PAGE = "<!doctype html><html><head><title>Acme</title></head><body>Hello</body></html>"


async def page(request: Request) -> Response:
    return HTMLResponse(PAGE, headers={"ETag": '"v1"'})


async def opted_out(request: Request) -> Response:
    request.scope["dub_middleware.inject"] = False
    return HTMLResponse(PAGE)


async def streamed(request: Request) -> Response:
    async def parts() -> AsyncIterator[str]:
        for part in (
            "<!doctype html><he",
            "ad><title>A</title>",
            "</head>",
            f"<p>{current_visit().click_id}",
        ):
            yield part

    return StreamingResponse(parts(), media_type="text/html")


async def whoami(request: Request) -> Response:
    return JSONResponse([get_visit(request).click_id, current_visit().click_id, get_visit(request).source])


async def away(request: Request) -> Response:
    return RedirectResponse("/", headers={"Cache-Control": "public, max-age=60"})


async def unchanged(request: Request) -> Response:
    return Response(status_code=304, headers={"ETag": '"v1"'})


APP = Starlette(
    routes=[
        Route("/", page),
        Route("/opted-out", opted_out),
        Route("/streamed", streamed),
        Route("/whoami", whoami),
        Route("/away", away),
        Route("/unchanged", unchanged),
    ]
)


def ask(path: str, method: str = "GET", app: Any = None, **headers: str) -> httpx.Response:
    async def once() -> httpx.Response:
        transport = httpx.ASGITransport(app or DubMiddleware(APP))
        async with httpx.AsyncClient(transport=transport, base_url="https://shop.example.com") as client:
            return await client.request(
                method, path, headers={key.replace("_", "-"): v for key, v in headers.items()}
            )

    return asyncio.run(once())


def test_a_page_gets_the_script_once_and_its_headers_follow() -> None:
    response = ask("/")
    assert response.text.startswith("<!doctype html><html><head><script defer")
    assert response.text.count("<script") == 1
    assert response.headers["content-length"] == str(len(response.content))
    assert response.headers["etag"] == 'W/"v1"'
    assert "set-cookie" not in response.headers


def test_head_announces_no_length_that_get_would_not_have() -> None:
    assert "content-length" not in ask("/", "HEAD").headers


def test_a_redirect_leaves_the_cookie_and_is_private() -> None:
    response = ask("/away?dub_id=test")
    assert response.status_code == 307
    assert response.headers["set-cookie"].startswith("dub_id=test; Domain=.shop.example.com; ")
    assert response.headers["set-cookie"].endswith("; Secure")
    assert response.headers["cache-control"] == "private, max-age=60"
    assert ask("/away").headers["cache-control"] == "public, max-age=60"


def test_a_streamed_page_is_injected_and_its_generator_sees_the_visit() -> None:
    text = ask("/streamed?dub_id=test").text
    assert text.startswith("<!doctype html><head><script defer")
    assert text.endswith("</head><p>test")


def test_handlers_read_the_click_id() -> None:
    assert ask("/whoami?dub_id=test").json() == ["test", "test", "query"]
    assert ask("/whoami", cookie="dub_id=kept").json() == ["kept", "kept", "cookie"]


def test_a_view_and_an_option_keep_the_script_out() -> None:
    assert "<script" not in ask("/opted-out").text
    assert "<script" not in ask("/", app=DubMiddleware(APP, inject=lambda environ: False)).text


def test_two_middlewares_inject_once() -> None:
    response = ask("/?dub_id=test", app=DubMiddleware(DubMiddleware(APP)))
    assert response.text.count("<script") == 1
    assert len(response.headers.get_list("set-cookie")) == 1


def test_a_304_has_the_weak_validator_the_client_was_given() -> None:
    assert ask("/unchanged", if_none_match='W/"v1"').headers["etag"] == 'W/"v1"'
    assert ask("/unchanged", if_none_match='"v1"').headers["etag"] == '"v1"'


def test_the_script_is_served_and_other_paths_below_are_not_the_app_s() -> None:
    source = ask("/").text.partition('src="')[2].partition('"')[0]
    response = ask(source)
    assert response.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "_dubAnalytics" in response.text
    assert ask("/_dub/nothing").status_code == 404
    assert ask("/_dub/track/lead", "POST").status_code == 404


def test_a_mounted_app_answers_at_the_whole_path_that_the_browser_asks_for() -> None:
    site = Starlette(routes=[Mount("/shop", DubMiddleware(APP, path="/shop/_dub"))])
    source = ask("/shop/", app=site).text.partition('src="')[2].partition('"')[0]
    assert source.startswith("/shop/_dub/script.")
    assert "_dubAnalytics" in ask(source, app=site).text


def test_lifespan_passes_untouched() -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    scope = {"type": "lifespan"}
    asyncio.run(DubMiddleware(app)(scope, None, None))  # type: ignore[arg-type]
    assert seen[0] is scope


def test_a_wrong_option_fails_at_start_up() -> None:
    with pytest.raises(ConfigError, match="relay='clicks'"):
        DubMiddleware(APP, relay="clicks")

"""The Flask extension, asked through Flask's own client."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, Response, jsonify, redirect, render_template_string, request, stream_with_context

from dub_middleware import Config, ConfigError, current_visit, get_visit
from dub_middleware.flask import Dub

PAGE = "<!doctype html><html><head><title>Acme</title></head><body>Hello</body></html>"


def make_app(dub: Dub | None = None, **config: Any) -> Flask:
    app = Flask("shop")
    app.config.update(config)
    dub = dub or Dub()
    dub.init_app(app)

    @app.get("/")
    def home() -> str:
        return PAGE

    @app.get("/placed")
    def placed() -> str:
        return render_template_string(
            "<!doctype html><head>{{ dub_script('n1') }}</head>{{ dub_visit.click_id }}"
        )

    @app.get("/away")
    def away() -> Any:
        return redirect("/")

    @app.get("/whoami")
    def whoami() -> Any:
        return jsonify([dub.visit.click_id, current_visit().click_id, get_visit(request).source])

    @app.get("/streamed")
    def streamed() -> Response:
        def parts() -> Any:
            yield "<!doctype html><he"
            yield f"ad></head>{dub.visit.click_id}"

        return Response(stream_with_context(parts()), mimetype="text/html")

    @app.get("/boom")
    def boom() -> str:
        raise RuntimeError("the app's own")

    return app


def test_a_page_gets_the_script_once_and_its_length_follows() -> None:
    response = make_app().test_client().get("/")
    assert response.data.startswith(b"<!doctype html><html><head><script defer")
    assert response.data.count(b"<script") == 1
    assert response.headers["Content-Length"] == str(len(response.data))


def test_a_redirect_that_drops_the_query_leaves_the_cookie() -> None:
    client = make_app().test_client()
    response = client.get("/away?dub_id=test")
    assert response.headers["Set-Cookie"] == "dub_id=test; Max-Age=7776000; Path=/; SameSite=Lax"
    assert client.get("/whoami").json == ["test", "test", "cookie"]


def test_an_error_page_leaves_the_cookie() -> None:
    response = make_app().test_client().get("/boom?dub_id=test")
    assert response.status_code == 500
    assert "dub_id=test" in response.headers["Set-Cookie"]


def test_handlers_and_templates_read_the_click_id() -> None:
    client = make_app().test_client()
    assert client.get("/whoami?dub_id=test").json == ["test", "test", "query"]
    page = client.get("/placed?dub_id=test").text
    assert page.endswith("test")
    assert page.count("<script") == 1
    assert 'nonce="n1"' in page


def test_a_stream_sees_the_visit() -> None:
    page = make_app().test_client().get("/streamed?dub_id=test").text
    assert page.startswith("<!doctype html><head><script defer")
    assert page.endswith("</head>test")


def test_keys_of_the_app_are_options_and_keywords_win() -> None:
    app = make_app(Dub(path="/b"), DUB_PATH="/a", DUB_API_HOST="http://127.0.0.1:1", DUB_API_KEY="dub_secret")
    page = app.test_client().get("/").text
    assert 'src="/b/script.' in page
    assert "http://127.0.0.1:1" in page
    assert "dub_secret" not in page


def test_the_environment_says_what_the_app_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUB_PATH", "/_env")
    monkeypatch.setenv("DUB_DOMAINS", '{"refer": "go.acme.test"}')
    page = make_app(DUB_PATH="/_app").test_client().get("/").text
    assert 'src="/_app/script.' in page
    assert "go.acme.test" in page


def test_one_object_serves_several_apps() -> None:
    dub = Dub()
    one, two = make_app(dub, DUB_PATH="/one"), make_app(dub, DUB_PATH="/two")
    assert 'src="/one/' in one.test_client().get("/").text
    assert 'src="/two/' in two.test_client().get("/").text


def test_wrong_options_fail_at_start_up() -> None:
    with pytest.raises(ConfigError, match="DUB_COOKIE_DOMIAN"):
        make_app(DUB_COOKIE_DOMIAN="example.com")
    with pytest.raises(ConfigError, match="'pth' is not an option"):
        Dub(pth="/x")
    assert Config().path == "/_dub"

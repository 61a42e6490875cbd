"""The README says what is so: its table is the code's, its snippets run, its links lead somewhere."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import re
from pathlib import Path
from typing import Any

import pytest

from dub_middleware import config

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SNIPPETS = {
    match["heading"]: match["code"]
    for match in re.finditer(
        r"^##+ (?P<heading>[^\n]+)\n(?:(?!^##|^```)[^\n]*\n)*```python\n(?P<code>.*?)^```$",
        README,
        re.MULTILINE | re.DOTALL,
    )
}


def test_the_options_are_those_of_config() -> None:
    rows = ["| option | default | what it does |", "| --- | --- | --- |"]
    for option in dataclasses.fields(config.Config):
        rows.append(f"| `{option.name}` | `{option.default!r}` | {option.metadata['doc']} |")
    table = "\n".join(rows)
    shown = re.search(r"<!-- options:[^\n]*-->\n(.*?)\n<!-- /options -->", README, re.DOTALL)
    assert shown is not None
    assert shown[1] == table, f"The options have changed; the table is now:\n{table}"


def test_every_python_block_is_seen() -> None:
    assert len(SNIPPETS) == README.count("```python\n")


@pytest.mark.parametrize("heading", SNIPPETS)
def test_every_import_of_a_snippet_exists(heading: str) -> None:
    for node in ast.walk(ast.parse(SNIPPETS[heading])):
        if isinstance(node, ast.ImportFrom) and node.module:
            module = importlib.import_module(node.module)
            assert [name.name for name in node.names if not hasattr(module, name.name)] == []


@pytest.mark.parametrize("target", re.findall(r"\]\((?!https?:)([^)#]+)", README))
def test_every_link_leads_to_a_file(target: str) -> None:
    assert (ROOT / target).is_file()


def run(heading: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(SNIPPETS[heading], f"README.md, {heading}", "exec"), names)
    return names


def test_the_webhook_snippet_refuses_an_unsigned_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from werkzeug.test import Client

    monkeypatch.chdir(tmp_path)
    assert Client(run("Webhooks")["app"]).post("/", json={}).status_code == 401


@pytest.mark.parametrize("heading", ["Any WSGI app", "Flask"])
def test_the_wrapped_app_keeps_the_click_id_and_gets_the_script(heading: str) -> None:
    from werkzeug.test import Client

    app = run(heading)["app"]
    if heading == "Flask":
        app.add_url_rule("/", view_func=lambda: "<!doctype html><title>Acme</title><h1>Welcome</h1>")
    client = Client(app)
    page = client.get("/?dub_id=xzYsc8LaGVtYGFYD", buffered=True)  # to its end, as a server does
    cookie = client.get_cookie("dub_id")
    assert cookie is not None
    assert cookie.value == "xzYsc8LaGVtYGFYD"
    source = re.search(r'<script[^>]* src="?(/_dub/[^\s">]+)', page.text)
    assert source is not None
    script = client.get(source[1])
    assert script.status_code == 200
    assert script.mimetype == "text/javascript"


def test_the_visitor_is_known_inside_the_request() -> None:
    from werkzeug.test import Client

    from dub_middleware import DubMiddleware

    seen = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        seen.append(run("Who is this visitor?")["visit"].click_id)
        start_response("204 No Content", [])
        return []

    Client(DubMiddleware(app)).get("/?dub_id=xzYsc8LaGVtYGFYD")
    assert seen == ["xzYsc8LaGVtYGFYD"]


def test_a_sign_up_and_a_payment_reach_dub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dub_stub import KEY, DubStub

    monkeypatch.chdir(tmp_path)  # the outbox is a file
    monkeypatch.setenv("DUB_API_KEY", KEY)
    with DubStub() as dub:
        monkeypatch.setenv("DUB_BASE_URL", dub.url)  # as `dub-middleware serve` prints it
        names = run("Leads and sales")
        names["signed_up"]({"id": "42", "email": "ada@example.com"})
        names["paid"]({"user": "42", "cents": 4900, "number": "inv_1"})
        assert names["conversions"].flush(10)
        names["conversions"].close()
        assert [request.path for request in dub.requests] == ["/track/lead", "/track/sale"]


def test_the_django_settings_are_right() -> None:
    settings: dict[str, Any] = {"INSTALLED_APPS": ["shop"], "MIDDLEWARE": ["shop.First"]}
    exec(SNIPPETS["Django"], settings)
    assert settings["INSTALLED_APPS"] == ["shop", "dub_middleware.django"]
    module, _, name = settings["MIDDLEWARE"][0].rpartition(".")
    assert hasattr(importlib.import_module(module), name)
    config.Config.from_mapping(settings["DUB"])


def test_the_asgi_snippet_runs() -> None:
    assert callable(run("Starlette, FastAPI and any ASGI app")["app"])

"""The pages below docs/ say what is so: links lead somewhere, imports exist, the server's page runs."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from dub_middleware.conversions import Conversions
from dub_middleware.server import Options, create_app
from wsgi_server import serving

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(DOCS.glob("*.md"))
SERVER = (DOCS / "server.md").read_text(encoding="utf-8")


def python_blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    wrong = []
    for target, anchor in re.findall(
        r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", page.read_text(encoding="utf-8")
    ):
        file = page.parent / target if target else page
        if not file.is_file():
            wrong.append(target)
        elif anchor and anchor not in headings(file):
            wrong.append(f"{target}#{anchor}")
    assert not wrong


def headings(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    found = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_import_of_ours_exists(page: Path) -> None:
    missing = []
    for block in python_blocks(page):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dub_middleware"):
                module = importlib.import_module(node.module or "")
                missing += [
                    f"{node.module}.{name.name}" for name in node.names if not hasattr(module, name.name)
                ]
    assert not missing


def test_the_fields_of_conversions_are_those_there_are() -> None:
    text = (DOCS / "conversions.md").read_text(encoding="utf-8")
    shown = re.search(r"<!-- fields:[^\n]*-->\n(.*?)\n<!-- /fields -->", text, re.DOTALL)
    assert shown is not None
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (?:`([^`]+)`|required) \|", shown[1], re.MULTILINE)
    for kind, track in (("lead", Conversions.track_lead), ("sale", Conversions.track_sale)):
        parameters = [it for it in inspect.signature(track).parameters.values() if it.name != "self"]
        assert {name: default for name, of, default in rows if of in (kind, "both")} == {
            it.name: "" if it.default is it.empty else repr(it.default) for it in parameters
        }


def test_the_servers_options_are_those_it_has() -> None:
    rows = ["| option | default | what it does |", "| --- | --- | --- |"]
    for option in dataclasses.fields(Options):
        rows.append(f"| `{option.name}` | `{option.default!r}` | {option.metadata['doc']} |")
    shown = re.search(r"<!-- options:[^\n]*-->\n(.*?)\n<!-- /options -->", SERVER, re.DOTALL)
    assert shown is not None
    assert shown[1] == "\n".join(rows), "The options have changed; the table is now:\n" + "\n".join(rows)


def test_the_way_from_link_to_sale_is_as_the_page_says(tmp_path: Path) -> None:
    snippet = re.search(r"<!-- run by [^\n]*-->\n```python\n(.*?)^```$", SERVER, re.MULTILINE | re.DOTALL)
    assert snippet is not None
    make, follow = snippet[1].split("# a visitor follows")
    app = create_app(f"sqlite:///{tmp_path}/dub.db")
    with serving(app) as url:
        names: dict[str, Any] = {}
        exec(make.replace("dub_…", app.api_key or "").replace("http://127.0.0.1:8787", url), names)
        names["click_id"] = click(app)
        exec(follow.partition("\n")[2], names)
    totals = app.queries.totals(app.queries.period("24h"))
    app.close()
    assert (totals.clicks, totals.leads, totals.sales, totals.sale_amount) == (1, 1, 1, 4900)


def click(app: Any) -> str:
    """Follow the short link as a browser and return the click id it hands over."""
    from werkzeug.test import Client

    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    answer = Client(app).get("/launch", base_url="http://go.localhost:8787", headers={"User-Agent": agent})
    found = re.fullmatch(r"https://acme\.test/\?dub_id=(\w+)", answer.location or "")
    assert found is not None, answer.location
    return found[1]

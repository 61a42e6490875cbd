"""The server as one app: options, keys, hosts and paths, forks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from dub_middleware.errors import ConfigError
from dub_middleware.server import Options, Server, create_app
from strict_server import request


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(
            {"api_key": "dub_pk_abcdefghijklmnopqrst"}, "api_key must be", id="publishable-as-secret"
        ),
        pytest.param(
            {"publishable_key": "dub_abcdefghijklmnopqrst"}, "publishable_key holds a secret", id="secret"
        ),
        pytest.param({"domains": ["https://go.test"]}, "domains=", id="domain-with-scheme"),
        pytest.param({"domains": []}, "domains=", id="no-domain"),
        pytest.param({"rate_limit": 0}, "rate_limit=0", id="rate"),
        pytest.param({"rates_file": "/nowhere"}, "rates_file=", id="rates"),
        pytest.param({"faithfull": True}, "Did you mean 'faithful'", id="misspelt"),
        pytest.param({"database_url": "mysql://x"}, "database_url must look like", id="database"),
    ],
)
def test_wrong_options_are_refused_by_name(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        create_app(**{"database_url": f"sqlite:///{tmp_path}/dub.db"} | options)
    assert message in str(caught.value)
    assert "abcdefghijklmnopqrst" not in str(caught.value)


def test_keys_are_made_once_and_never_shown_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/dub.db"
    first = create_app(url)
    assert first.api_key is not None
    assert first.publishable_key is not None
    assert first.api_key.startswith("dub_")
    assert first.publishable_key.startswith("dub_pk_")
    first.close()
    again = create_app(url)
    assert (again.api_key, again.publishable_key) == (None, None)
    assert again.store.keys.find(first.api_key)
    given = create_app(url, api_key="dub_abcdefghijklmnopqrst")
    assert given.api_key == "dub_abcdefghijklmnopqrst"
    assert given.store.keys.find(first.api_key), "the keys in use stay"
    assert "abcdefghijklmnopqrst" not in repr(given.options)
    for app in (again, given):
        app.close()


def test_domains_are_added_and_the_first_one_is_primary(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/dub.db"
    create_app(url, domains=["Go.Test", "b.test"]).close()
    again = create_app(url, domains=["c.test", "go.test"])
    assert [(domain.slug, domain.is_primary) for domain in again.store.workspace.domains()] == [
        ("go.test", True),
        ("b.test", False),
        ("c.test", False),
    ]
    again.close()


@pytest.mark.parametrize(
    ("host", "path", "body"),
    [
        pytest.param("127.0.0.1:8787", "/", b"<!doctype html>", id="dashboard"),
        pytest.param("127.0.0.1:8787", "/api/nowhere", b'{"error":{"code":"not_found"', id="api"),
        pytest.param("127.0.0.1:8787", "/openapi.json", b'{"openapi":"3.1', id="openapi"),
        pytest.param("127.0.0.1:8787", "/api/openapi.json", b'{"openapi":"3.1', id="openapi below api"),
    ],
)
def test_host_and_path_say_who_answers(server: Server, host: str, path: str, body: bytes) -> None:
    assert request(server, path=path, HTTP_HOST=host).body.lower().startswith(body)


def test_a_server_may_fork_its_workers(server: Server) -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:  # a worker: it tells of itself through the pipe and must not come back into pytest
        try:
            status = request(server, path="/api/nowhere").status
            os.write(write, f"{status}, {len(server.store.keys.all())} keys".encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 100) == b"404 Not Found, 2 keys"
    assert request(server, path="/api/nowhere").status == "404 Not Found"
    for end in (read, write):
        os.close(end)


def test_options_are_hidden_where_they_are_secret() -> None:
    shown = repr(Options(database_url="postgresql://me:hush@db/x", api_key="dub_abcdefghijklmnopqrst"))
    assert "hush" not in shown
    assert "abcdefghijklmnopqrst" not in shown

from __future__ import annotations

import re

import pytest

from dub_middleware.config import Config
from dub_middleware.errors import ConfigError


@pytest.mark.parametrize(
    ("options", "names"),
    [
        pytest.param({"path": "_dub"}, ["path", "'_dub'", "leading slash"], id="path-relative"),
        pytest.param({"path": "/"}, ["path", "'/'"], id="path-root"),
        pytest.param({"path": "/a/../b"}, ["path", "'/a/../b'"], id="path-dots"),
        pytest.param({"inject": "yes"}, ["inject", "'yes'", "callable"], id="inject-text"),
        pytest.param({"relay": "clicks"}, ["relay", "'clicks'", "'conversions', 'all', None"], id="relay"),
        pytest.param({"api_host": "api.dub.co"}, ["api_host", "http(s)"], id="api-host-bare"),
        pytest.param({"api_host": "https://u:p@x.example"}, ["api_host"], id="api-host-credentials"),
        pytest.param({"api_host": "https://x.example:99999"}, ["api_host"], id="api-host-port"),
        pytest.param({"api_host": "https://x.example\n"}, ["api_host"], id="api-host-newline"),
        pytest.param({"publishable_key": "pk"}, ["publishable_key", "'pk'", "dub_pk_"], id="key"),
        pytest.param({"domains": {"short": "x.co"}}, ["domains", "'short'", "'refer'"], id="domains-key"),
        pytest.param(
            {"domains": {"refer": "https://x.co"}}, ["domains['refer']", "https://x.co"], id="refer"
        ),
        pytest.param({"domains": "x.co"}, ["domains", "mapping"], id="domains-text"),
        pytest.param({"attribution_model": "linear"}, ["attribution_model", "last-click"], id="model"),
        pytest.param({"cookie_domain": "localhost"}, ["cookie_domain", "'localhost'"], id="domain-one-label"),
        pytest.param({"cookie_domain": "a b.com"}, ["cookie_domain"], id="domain-blank"),
        pytest.param({"cookie_max_age": 0}, ["cookie_max_age=0", "34560000"], id="max-age-zero"),
        pytest.param({"cookie_max_age": True}, ["cookie_max_age=True"], id="max-age-bool"),
        pytest.param({"cookie_max_age": 1.5}, ["cookie_max_age=1.5"], id="max-age-float"),
        pytest.param(
            {"cookie_samesite": "lax"}, ["cookie_samesite", "'Lax', 'Strict', 'None'"], id="samesite"
        ),
        pytest.param({"cookie_path": "/a;b"}, ["cookie_path", "semicolon"], id="cookie-path"),
        pytest.param({"consent": True}, ["consent", "callable"], id="consent"),
        pytest.param({"secret_key": ""}, ["secret_key"], id="secret-empty"),
        pytest.param({"secret_key": []}, ["secret_key"], id="secret-no-keys"),
        pytest.param({"nonce": "abc"}, ["nonce", "'auto'"], id="nonce"),
        pytest.param(
            {"cookie_samesite": "None", "cookie_secure": False},
            ["cookie_secure", "cookie_samesite"],
            id="clash",
        ),
    ],
)
def test_a_wrong_option_names_key_value_and_what_is_allowed(
    options: dict[str, object], names: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        Config(**options)  # type: ignore[arg-type]
    assert [name for name in names if name not in str(caught.value)] == []


def test_an_unknown_option_says_which_was_meant() -> None:
    with pytest.raises(ConfigError, match=r"'cookie_domian' is not an option\. Did you mean 'cookie_domain'"):
        Config.of(None, {"cookie_domian": "example.com"})


def test_a_secret_key_in_the_place_of_the_publishable_one_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigError) as caught:
        Config(publishable_key="dub_abcdefghijklmnopqrstuvwx")
    assert "secret key" in str(caught.value)
    assert "abcdefgh" not in str(caught.value)


def test_the_secret_key_is_not_in_the_repr() -> None:
    assert "hunter2" not in repr(Config(secret_key="hunter2"))


def test_options_are_laid_over_a_config() -> None:
    config = Config.of(Config(path="/a", relay="all"), {"path": "/b"})
    assert (config.path, config.relay) == ("/b", "all")


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("DUB_INJECT", "off", "inject", False),
        ("DUB_CLEAN_URL", "1", "clean_url", True),
        ("DUB_COOKIE_MAX_AGE", "3600", "cookie_max_age", 3600),
        ("DUB_COOKIE_SECURE", "auto", "cookie_secure", "auto"),
        ("DUB_COOKIE_DOMAIN", "none", "cookie_domain", None),
        ("DUB_COOKIE_SAMESITE", "None", "cookie_samesite", "None"),
        ("DUB_RELAY", "none", "relay", None),
        ("DUB_QUERY_PARAMS", "ref, partner", "query_params", ("ref", "partner")),
        ("DUB_DOMAINS", '{"refer": "GO.example.com"}', "domains", {"refer": "go.example.com"}),
        ("DUB_SECRET_KEY", "a,b", "secret_key", ("a,b",)),
        ("DUB_API_HOST", "http://127.0.0.1:8787/api/", "api_host", "http://127.0.0.1:8787/api"),
        ("DUB_PATH", "", "path", "/_dub"),
    ],
)
def test_the_environment_is_read_as_text(variable: str, text: str, name: str, value: object) -> None:
    assert getattr(Config.from_env({variable: text, "HOME": "/root"}), name) == value


def test_the_environment_stands_in_for_what_is_not_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it does for conversions: the lines that `serve` prints point a whole app at it."""
    monkeypatch.setenv("DUB_API_HOST", "http://127.0.0.1:8787/api")
    monkeypatch.setenv("DUB_PATH", "/_env")
    config = Config.of(None, {"path": "/_said"})
    assert (config.api_host, config.path) == ("http://127.0.0.1:8787/api", "/_said")
    assert Config.of(Config(), {}) == Config()


def test_other_dub_variables_are_left_alone_but_a_slip_is_told_to_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An environment belongs to every program that runs in it; ours must start beside the others'."""
    assert Config.from_env({"DUB_API_KEY": "dub_x", "DUB_WORKSPACE": "ws"}) == Config()
    assert caplog.messages == []
    assert Config.from_env({"DUB_DOMAIN": "go.acme.com", "DUB_COOKIE_DOMIAN": "acme.com"}) == Config()
    assert caplog.messages == [
        "The environment variable DUB_DOMAIN is not an option. Did you mean DUB_DOMAINS?",
        "The environment variable DUB_COOKIE_DOMIAN is not an option. Did you mean DUB_COOKIE_DOMAIN?",
    ]


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        ("DUB_RELAY", "clicks", "DUB_RELAY='clicks' is not allowed"),
        ("DUB_COOKIE_MAX_AGE", "90 days", "DUB_COOKIE_MAX_AGE='90 days' is not allowed"),
        ("DUB_DOMAINS", "go.acme.com", "DUB_DOMAINS='go.acme.com' is not JSON"),
        ("DUB_DOMAINS", '{"refer": "https://x"}', "DUB_DOMAINS['refer']='https://x' is not allowed"),
        ("DUB_PUBLISHABLE_KEY", "dub_secret", "DUB_PUBLISHABLE_KEY holds a secret key"),
    ],
)
def test_a_wrong_value_is_told_under_the_name_that_it_was_given_by(
    variable: str, text: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}"):
        Config.from_env({variable: text})
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}"):
        Config.from_mapping({variable: text}, prefix="DUB_")  # Flask's config
    key = variable.removeprefix("DUB_")
    with pytest.raises(ConfigError, match=f"^{re.escape(message.removeprefix('DUB_'))}"):
        Config.from_mapping({key: text})  # Django's DUB


def test_a_mapping_takes_names_in_any_case() -> None:
    config = Config.from_mapping(
        {"PATH": "/x", "clean_url": True, "CONVERSIONS": object()}, ignore={"conversions"}
    )
    assert (config.path, config.clean_url) == ("/x", True)

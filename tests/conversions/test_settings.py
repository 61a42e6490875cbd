from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dub_middleware.conversions import from_settings
from dub_middleware.conversions.outbox import open_outbox
from dub_middleware.errors import ConfigError
from dub_stub import KEY, DubStub
from segment_stub import WRITE_KEY, SegmentStub

CLICK = "cQ1tXYZ012345678"


def test_the_environment_alone_describes_a_client(tmp_path: Path) -> None:
    """With both keys, both destinations get the lead, through the outbox that is named."""
    with DubStub() as dub, SegmentStub() as segment:
        environ = {
            "DUB_API_KEY": KEY,
            "DUB_BASE_URL": dub.url,
            "DUB_RATE_LIMIT": "500",
            "DUB_OUTBOX": f"sqlite:///{tmp_path}/outbox.db",
            "DUB_DURABILITY": "process",
            "SEGMENT_WRITE_KEY": WRITE_KEY,
            "SEGMENT_HOST": segment.url,
            "SEGMENT_REVENUE": "major",
            "DUB_PATH": "/_dub",
            "PATH": "/bin",
        }
        with from_settings(environ=environ) as conversions:
            receipt = conversions.track_lead(customer_external_id="42", click_id=CLICK)
            conversions.track_sale(customer_external_id="42", amount=4900)
            assert conversions.flush()
        assert (len(dub.leads), len(dub.sales)) == (1, 1)
        assert [event["properties"].get("revenue") for event in segment.events] == [None, 49.0]
        assert open_outbox(environ["DUB_OUTBOX"]).states(receipt.id) == {
            "dub": "delivered",
            "segment": "delivered",
        }


@pytest.mark.parametrize("prefix", ["", "DUB_"], ids=["options", "flask"])
def test_settings_come_before_the_environment(tmp_path: Path, prefix: str) -> None:
    named = {"api_key": KEY, "outbox": "none", "deliver": False, "segment_write_key": ""}
    names = {
        "api_key": "DUB_API_KEY",
        "outbox": "DUB_OUTBOX",
        "deliver": "DUB_DELIVER",
        "segment_write_key": "SEGMENT_WRITE_KEY",
    }
    with DubStub() as dub:
        settings = {names.get(option, option) if prefix else option: value for option, value in named.items()}
        settings["DUB_BASE_URL" if prefix else "base_url"] = dub.url
        environ = {"DUB_API_KEY": "dub_another", "DUB_OUTBOX": f"sqlite:///{tmp_path}/not-here.db"}
        with from_settings(settings, prefix=prefix, environ=environ) as conversions:
            conversions.track_lead(customer_external_id="42", click_id=CLICK)
            assert conversions.flush()
        assert len(dub.leads) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({}, r"nowhere to send conversions: set api_key \(DUB_API_KEY\)"),
        ({"DUB_API_KEY": "dub_pk_0123456789abcdef"}, "^DUB_API_KEY is a publishable key"),
        (
            {"DUB_API_KEY": "dub_x", "DUB_BASE_URL": "api.dub.co"},
            "^DUB_BASE_URL must be an http",
        ),
        ({"DUB_API_KEY": "dub_x", "DUB_RATE_LIMIT": "fast"}, "^DUB_RATE_LIMIT='fast' is not allowed"),
        ({"DUB_API_KEY": "dub_x", "DUB_RATE_LIMIT": "-1"}, "^DUB_RATE_LIMIT must be a number"),
        (
            {"DUB_API_KEY": "dub_x", "DUB_OUTBOX": "mysql://x"},
            "^DUB_OUTBOX must be .* 'mysql' is not",
        ),
        ({"DUB_API_KEY": "dub_x", "DUB_DURABILITY": "fast"}, "^DUB_DURABILITY must be 'power' or 'process'"),
        ({"DUB_API_KEY": "dub_x", "DUB_DELIVER": "maybe"}, "^DUB_DELIVER='maybe' is not allowed"),
        ({"SEGMENT_WRITE_KEY": "a b"}, "^SEGMENT_WRITE_KEY must be text of printable"),
        ({"SEGMENT_WRITE_KEY": "x", "SEGMENT_HOST": "x"}, "^SEGMENT_HOST must be an http or https URL"),
        (
            {"SEGMENT_WRITE_KEY": "x", "SEGMENT_REVENUE": "euro"},
            "^SEGMENT_REVENUE must be 'minor' or 'major'",
        ),
    ],
    ids=lambda value: ",".join(value) or "nothing" if isinstance(value, Mapping) else "",
)
def test_a_wrong_setting_stops_the_start(environ: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        from_settings(environ=environ)


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("segment_write_ky", "segment_write_key"),
        ("apikey", "api_key"),
        ("apiKey", "api_key"),
        ("API_KEY", "api_key"),
        ("rate_limti", "rate_limit"),
        ("base_uri", "base_url"),
    ],
)
def test_a_slip_in_settings_is_told(slip: str, meant: str) -> None:
    settings: dict[str, Any] = {"segment_write_key": "x", slip: "x"}
    with pytest.raises(ConfigError, match=f"'{slip}' is not an option. Did you mean '{meant}'") as caught:
        from_settings(settings, environ={})
    assert caught.value.option == slip


def test_a_slip_in_the_environment_is_told_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    environ = {"DUB_API_KEY": "dub_x", "DUB_OUTBOX": "none", "DUB_APIKEY": "dub_y", "SEGMENT_WRITEKEY": "x"}
    from_settings(environ=environ).close()
    assert caplog.messages == [
        "The environment variable DUB_APIKEY is not an option. Did you mean DUB_API_KEY?",
        "The environment variable SEGMENT_WRITEKEY is not an option. Did you mean SEGMENT_WRITE_KEY?",
    ]


@pytest.mark.parametrize(
    ("settings", "prefix", "message"),
    [
        ({"base_url": "x"}, "", "^base_url must"),
        ({"deliver": "maybe"}, "", "^deliver='maybe'"),
        ({"DUB_BASE_URL": "x"}, "DUB_", "^DUB_BASE_URL must"),
        ({"DUB_DURABILITY": "fast"}, "DUB_", "^DUB_DURABILITY must"),
    ],
    ids=["option", "option-as-text", "flask", "flask-client"],
)
def test_a_wrong_setting_is_told_under_the_name_that_it_was_given_by(
    settings: dict[str, str], prefix: str, message: str
) -> None:
    environ = {"DUB_API_KEY": "dub_x", "DUB_DELIVER": "0"}
    with pytest.raises(ConfigError, match=message):
        from_settings(settings, prefix=prefix, environ=environ)


def test_only_the_environment_that_is_given_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUB_BASE_URL", "http://127.0.0.1:1")
    with from_settings({"api_key": "dub_x", "outbox": "none"}, environ={}) as conversions:
        assert repr(conversions._destinations) == "(DubAPI(base_url='https://api.dub.co'),)"


def test_names_of_others_are_left_alone() -> None:
    others = {
        "SEGMENT_PORT": "1",
        "SEGMENT_NAME": "x",
        "DUB_API_HOST": "https://x",
        "DUB_PATH": "/x",
        "OUTBOX": "x",
    }
    from_settings({"api_key": "dub_x", "outbox": "none", "api_host": "https://x"}, environ=others).close()

"""Currency conversion: the built-in table, files in the ECB's formats, and files that are none."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from dub_middleware.errors import ConfigError
from dub_middleware.server.currencies import Converter

XML = """<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01"
                 xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
  <gesmes:subject>Reference rates</gesmes:subject>
  <Cube><Cube time='2026-11-20'>
    <Cube currency='USD' rate='{usd}'/><Cube currency='JPY' rate='150'/>
  </Cube></Cube>
</gesmes:Envelope>
"""
CSV = "Date, USD, JPY, GBP, \n19 November 2026, 1.1, 160, 0.9, \n20 November 2026, 1.2, 150, N/A, \n"
ISO_CSV = "Date,USD,JPY,\n2026-11-20,1.2,150,\n2026-11-19,1.1,160,\n"


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        pytest.param(4900, "usd", (4900, "usd"), id="dollars"),
        pytest.param(1000, "eur", (1117, "usd"), id="euros"),
        pytest.param(1437, "jpy", (914, "usd"), id="yen-have-no-cents"),
        pytest.param(1000, "krw", (75, "usd"), id="won"),
        pytest.param(0, "gbp", (0, "usd"), id="nothing"),
        pytest.param(1000, "xyz", (1000, "xyz"), id="unknown"),
        pytest.param(2**53 - 1, "idr", (496_320_117_497, "usd"), id="as-exact-as-integers"),
    ],
)
def test_the_built_in_table(amount: int, currency: str, expected: tuple[int, str]) -> None:
    converted, into = Converter().to_usd(amount, currency)
    assert into == expected[1]
    assert converted == pytest.approx(expected[0], rel=1e-3)


@pytest.mark.parametrize("text", [XML.format(usd="1.2"), CSV, ISO_CSV], ids=["xml", "csv", "csv-iso"])
def test_a_file_in_either_format(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rates"
    path.write_text(text)
    converter = Converter(path)
    assert converter.rates.day == date(2026, 11, 20)
    assert converter.to_usd(1000, "eur") == (1200, "usd")
    assert converter.to_usd(3, "jpy") == (2, "usd")  # 2.4 cents
    assert converter.to_usd(1000, "gbp") == (1000, "gbp")


def test_halves_go_up(tmp_path: Path) -> None:
    path = tmp_path / "rates.xml"
    path.write_text(XML.format(usd="1.5"))
    assert Converter(path).to_usd(1, "eur") == (2, "usd")


def test_a_file_that_changes_is_read_again_and_a_broken_one_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "rates.xml"
    path.write_text(XML.format(usd="1.2"))
    converter = Converter(path)
    for number, text in enumerate((XML.format(usd="1.3"), "<html>", ""), 1):
        path.write_text(text)
        os.utime(path, (number, number))
        assert converter.to_usd(1000, "eur") == (1300, "usd")
    path.unlink()
    assert converter.to_usd(1000, "eur") == (1300, "usd")


@pytest.mark.parametrize(
    "text",
    ["", "<html></html>", "Date,USD\n", XML.format(usd="-1"), XML.format(usd="inf"), "\0", "a,b\nc,d\n"],
    ids=["empty", "html", "no-day", "negative", "infinite", "nul", "other-csv"],
)
def test_other_files_are_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rates"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"rates_file='.*rates' is not the ECB's eurofxref-daily.xml"):
        Converter(path)

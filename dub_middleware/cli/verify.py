"""``dub-middleware verify``: the checks of Dub's installation guide, against a page of yours."""

from __future__ import annotations

import argparse
import dataclasses
import json
import re

from dub_middleware.cli.terminal import paint, plain
from dub_middleware.errors import ConfigError
from dub_middleware.install_check import Check, Report, check_install

_LOCAL = re.compile(
    r"(?:[a-z0-9.-]+\.)?localhost(?:[:/?]|$)|127(?:\.\d+){3}(?:[:/?]|$)|\[::1\]", re.IGNORECASE
)
_MARKS = {"good": ("✓", "green"), "warn": ("!", "yellow"), "bad": ("✗", "red")}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the page."""
    parser.add_argument(
        "url", help="a page of the app; without a scheme https:// is meant, http:// on this machine"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(args: argparse.Namespace) -> int:
    """Fetch the page as ``?dub_id=test`` and tell what came; 1 when a check fails, 0 with mere warnings."""
    report = check_install(_page(args.url))
    if args.json:
        print(json.dumps(dataclasses.asdict(report) | {"passed": report.passed}))
    else:
        print("\n".join(_lines(report)))
    return 0 if report.passed else 1


def _page(text: str) -> str:
    url = text if "://" in text else f"{'http' if _LOCAL.match(text) else 'https'}://{text}"
    if not url.lower().startswith(("http://", "https://")) or not url.isascii() or " " in url:
        raise ConfigError("url", f"{text!r} is no web address. Give one such as https://acme.com/pricing.")
    return url


def _lines(report: Report) -> list[str]:
    lines = [plain(" → ".join(report.hops))]
    if report.problem:
        return [*lines, f"{paint('✗', 'red')} {plain(report.problem)}"]
    for check in report.checks:
        lines += _told(check)
    return lines


def _told(check: Check) -> list[str]:
    advice = [f"  {check.advice}"] if check.advice else []
    return [
        f"{paint(*_MARKS[check.verdict])} {check.title}",
        f"  {paint(plain(check.found), 'grey')}",
        *advice,
    ]

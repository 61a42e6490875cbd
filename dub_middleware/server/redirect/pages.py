"""The pages that a short link shows when it does not simply lead on."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

_FOLDER = Path(__file__).with_name("templates")


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER), autoescape=True, undefined=jinja2.StrictUndefined
    )


@cache
def _style() -> str:
    return (_FOLDER / "page.css").read_text()


def render(name: str, **values: Any) -> bytes:
    """Return a page as UTF-8; the values are escaped."""
    return _environment().get_template(f"{name}.html").render(style=_style(), **values).encode()


@cache
def policy(*, frames: bool = False) -> str:
    """Return the Content-Security-Policy of the pages: their own style, frames where needed, no more."""
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    frame = "frame-src http: https:; " if frames else ""
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; {frame}form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )

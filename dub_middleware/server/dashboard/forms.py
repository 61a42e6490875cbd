"""What pages with forms share: reading fields, going on after a change, saying what was done."""

from __future__ import annotations

from typing import Any

from flask import redirect, request, url_for
from werkzeug.wrappers import Response

PER_PAGE = 50

#: what a page says after a change, by the code in its address
NOTICES = {
    "created": "Created.",
    "saved": "Saved.",
    "deleted": "Deleted.",
    "archived": "Archived. It still works, and is listed under “Archived”.",
    "restored": "Back in the list.",
    "enabled": "Enabled.",
    "disabled": "Disabled.",
    "sent": "On its way: its line appears in the log below.",
    "revoked": "Revoked. It stops working within seconds.",
    "demo-removed": "The demo data is gone.",
}


def text(name: str, limit: int = 32_000) -> str:
    """A field of the form, without spaces around it and NUL, which PostgreSQL has no place for."""
    return request.form.get(name, "").replace("\0", "").strip()[:limit]


def asked(name: str) -> str:
    """A parameter of the address, in the same way."""
    return request.args.get(name, "").replace("\0", "").strip()


def is_on(name: str) -> bool:
    """A switch of the form."""
    return name in request.form


def done(notice: str, endpoint: str, **parameters: Any) -> Response:
    """Go on to a page that says what was done; reloading it changes nothing again."""
    return redirect(url_for(endpoint, done=notice, **parameters), 303)


def notice() -> str:
    """What the page asked for shall say."""
    return NOTICES.get(request.args.get("done", ""), "")


def page_number() -> int:
    """The page of a list, from 1."""
    number = request.args.get("page", "1")
    return min(max(int(number), 1), 10_000) if number.isascii() and number.isdigit() else 1

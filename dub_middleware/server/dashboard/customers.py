"""The customers, and what each did from click to sale."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any, Literal, cast

from flask import Blueprint, Response, abort, request

from dub_middleware.server.dashboard.forms import PER_PAGE, asked, page_number
from dub_middleware.server.dashboard.pages import answer, current_server, page, viewer_zone

blueprint = Blueprint("customers", __name__)

SortBy = Literal["created_at", "sale_amount", "first_sale_at"]

SORTS: dict[SortBy, str] = {
    "created_at": "Newest",
    "sale_amount": "Most revenue",
    "first_sale_at": "Newest buyers",
}
BOUGHT = {"": "Everybody", "yes": "Have bought", "no": "Not bought yet"}


@page(blueprint, "/customers")
def index() -> Response:
    """Every customer, by what was searched for."""
    customers = current_server().store.customers
    search = asked("q")
    sort = cast("SortBy", request.args.get("sort")) if request.args.get("sort") in SORTS else "created_at"
    number = page_number()
    bought = asked("bought") if asked("bought") in BOUGHT else ""
    link = current_server().store.links.get(asked("link_id"))
    wanted: dict[str, Any] = {
        "search": search or None,
        "link_id": link.id if link else None,
        "has_bought": bought == "yes" if bought else None,
    }
    found = customers.page(**wanted, sort_by=sort, limit=PER_PAGE + 1, offset=PER_PAGE * (number - 1))
    shown = found[:PER_PAGE]
    links = current_server().queries.links([each.link_pk for each in shown if each.link_pk is not None])
    return answer(
        "customers.html",
        {"customers": shown, "total": customers.count(**wanted), "page": number},
        has_more=len(found) > PER_PAGE,
        links=links,
        search=search,
        sort=sort,
        sorts=SORTS,
        bought=bought,
        choices=BOUGHT,
        only_link=link,
        parameters={
            "q": search or None,
            "sort": sort,
            "bought": bought or None,
            "link_id": link.id if link else None,
        },
        zone=viewer_zone(),
    )


@page(blueprint, "/customers/<customer_id>")
def show(customer_id: str) -> Response:
    """One customer and their journey, oldest step first."""
    server = current_server()
    customer = server.store.customers.get(customer_id)
    if customer is None:
        abort(404, "There is no customer with this id; they may have been deleted.")
    steps = server.queries.journey(customer)
    since = [
        None,
        *(_span(later.timestamp - step.timestamp) for step, later in itertools.pairwise(steps)),
    ]
    return answer(
        "customer.html",
        {"customer": customer, "journey": steps},
        link=None
        if customer.link_pk is None
        else server.queries.links([customer.link_pk]).get(customer.link_pk),
        since=since,
        first_sale_after=(
            _span(customer.first_sale_at - customer.clicked_at)
            if customer.first_sale_at and customer.clicked_at
            else None
        ),
        zone=viewer_zone(),
    )


def _span(time: timedelta) -> str:
    """A time in words, its largest unit only: "3 days"."""
    seconds = int(time.total_seconds())
    for size, unit in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            number = seconds // size
            return f"{number} {unit}{'' if number == 1 else 's'}"
    return "less than a minute"

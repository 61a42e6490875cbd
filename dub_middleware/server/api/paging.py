"""Pages of a list: parameters and messages as Dub's, by number or by cursor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from dub_middleware.server.api.errors import ApiError
from dub_middleware.server.api.schema import Number, Schema, String

T = TypeVar("T")

MAX_PAGE = 1_000_000  # a database counts no further than 2**63 rows
DEFAULT = 100


def page_number() -> Number:
    return Number(
        coerce=True,
        integer="Page must be an integer.",
        message="Page must be a number.",
        above=(0, "Page must be greater than 0."),
        max=(MAX_PAGE, "Page is too large."),
        default=1,
        doc="The number of the page, from 1.",
    )


def page_size(most: int) -> Number:
    return Number(
        coerce=True,
        integer="Page size must be an integer.",
        message="Page size must be a number.",
        above=(0, "Page size must be greater than 0."),
        max=(most, f"Max page size is {most}."),
        default=min(DEFAULT, most),
        doc="How many items a page has.",
    )


def by_number(most: int) -> dict[str, Schema]:
    """The parameters of a list that has numbered pages."""
    return {"page": page_number(), "pageSize": page_size(most)}


def by_cursor(most: int) -> dict[str, Schema]:
    """The parameters of a list that has cursors too, which are ids of items."""
    return {
        **by_number(most),
        "startingAfter": String(optional=True, doc="The id of the item that the page begins behind."),
        "endingBefore": String(optional=True, doc="The id of the item that the page ends before."),
    }


def place(query: Mapping[str, Any]) -> dict[str, Any]:
    """Where the page is, as the store takes it. Raises `ApiError` for contradictions."""
    after, before = query.get("startingAfter"), query.get("endingBefore")
    if after and before:
        message = "You cannot use both startingAfter and endingBefore at the same time."
        raise ApiError("unprocessable_entity", message)
    if (after or before) and query["page"] > 1:
        message = "You cannot use page together with startingAfter or endingBefore."
        raise ApiError("unprocessable_entity", message)
    size = query["pageSize"]
    if after or before:
        return {"limit": size, "starting_after": after or None, "ending_before": before or None}
    return {"limit": size, "offset": (query["page"] - 1) * size}


def no_such_cursor() -> ApiError:
    return ApiError("unprocessable_entity", "Invalid cursor: the provided ID does not exist.")


def cut(items: Sequence[T], query: Mapping[str, Any]) -> Sequence[T]:
    """The page of a list that is short enough to be read whole."""
    start = (query["page"] - 1) * query["pageSize"]
    return items[start : start + query["pageSize"]]

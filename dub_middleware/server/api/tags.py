"""Tags: https://dub.co/docs/api-reference/endpoint/create-a-tag and its siblings."""

from __future__ import annotations

import random
from typing import Any

from dub_middleware.errors import ConflictError
from dub_middleware.server.api import paging
from dub_middleware.server.api.answers import COLORS, TAG, deleted
from dub_middleware.server.api.errors import ApiError
from dub_middleware.server.api.operations import Call, Resource
from dub_middleware.server.api.schema import Array, Choice, Issue, Object, String, Values
from dub_middleware.server.store import Tag

resource = Resource("Tags", "Tags of links.")

_NAME = String(optional=True, trim=True, min=1, max=50, doc="Its name, unique among tags.")
_COLOR = Choice(COLORS, optional=True, doc="Its colour; any when left out.")
_FIELDS = {
    "name": _NAME,
    "color": _COLOR,
    "tag": String(optional=True, trim=True, min=1, deprecated=True, doc="The name."),
}


def _named(values: Values) -> Values:
    if not values.get("name") and not values.get("tag"):
        raise Issue("custom", "Name is required.", "name")
    return values


_NEW = Object(_FIELDS, check=_named, name="NewTag")
_CHANGED = Object(_FIELDS, name="ChangedTag")
_LIST = Object(
    {
        "search": String(optional=True, doc="Tags whose name contains this."),
        "ids": Array(String(), split=True, optional=True, doc="These tags."),
        "sortBy": Choice(("name", "createdAt"), default="name"),
        "sortOrder": Choice(("asc", "desc"), default="asc"),
        **paging.by_number(100),
    }
)
_PATH = {"id": String(doc="The id of the tag.")}


@resource.get("/tags", query=_LIST, answer=Array(TAG), scope="tags.read")
def list_tags(call: Call) -> list[Values]:
    """List tags."""
    query = call.query
    wanted = query.get("search", "").lower()
    ids = query.get("ids")
    found = [
        tag
        for tag in call.server.store.workspace.tags()
        if wanted in tag.name.lower() and (ids is None or tag.id in ids)
    ]
    found.sort(
        key=lambda tag: tag.name.lower() if query["sortBy"] == "name" else tag.id,  # ids grow with time
        reverse=query["sortOrder"] == "desc",
    )
    return [_object(tag) for tag in paging.cut(found, query)]


@resource.post("/tags", body=_NEW, answer=TAG, status=201, scope="tags.write", errors=(409,))
def create_tag(call: Call) -> Values:
    """Create a tag."""
    name = call.body.get("name") or call.body["tag"]
    color = call.body.get("color") or random.choice(COLORS)
    try:
        return _object(call.server.store.workspace.add_tag(name, color))
    except ConflictError:
        raise _taken() from None


@resource.put("/tags/{id}", path=_PATH, body=_CHANGED, answer=TAG, scope="tags.write", errors=(404, 409))
@resource.patch("/tags/{id}", path=_PATH, body=_CHANGED, answer=TAG, scope="tags.write", errors=(404, 409))
def update_tag(call: Call) -> Values:
    """Change a tag."""
    changes: dict[str, Any] = {
        "name": call.body.get("name") or call.body.get("tag"),
        "color": call.body.get("color"),
    }
    try:
        tag = call.server.store.workspace.update_tag(call.path["id"], **changes)
    except ConflictError:
        raise _taken() from None
    if tag is None:
        raise _unknown()
    return _object(tag)


@resource.delete("/tags/{id}", path=_PATH, answer=deleted("tag"), scope="tags.write", errors=(404,))
def delete_tag(call: Call) -> Values:
    """Delete a tag; its links stay."""
    if not call.server.store.workspace.delete_tag(call.path["id"]):
        raise _unknown()
    return {"id": call.path["id"]}


def _object(tag: Tag) -> Values:
    return {"id": tag.id, "name": tag.name, "color": tag.color}


def _taken() -> ApiError:
    return ApiError("conflict", "A tag with that name already exists.")


def _unknown() -> ApiError:
    return ApiError("not_found", "Tag not found.")

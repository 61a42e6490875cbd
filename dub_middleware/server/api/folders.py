"""Folders: https://dub.co/docs/api-reference/endpoint/create-a-folder and its siblings."""

from __future__ import annotations

from dub_middleware.errors import ConflictError
from dub_middleware.server.api import paging
from dub_middleware.server.api.answers import deleted, maybe, moment, text
from dub_middleware.server.api.errors import ApiError
from dub_middleware.server.api.operations import Call, Resource
from dub_middleware.server.api.schema import Array, Choice, Object, String, Values, snake_case
from dub_middleware.server.objects import iso
from dub_middleware.server.store import Folder
from dub_middleware.server.store.ids import time_of

resource = Resource("Folders", "Folders of links.")

_ACCESS = Choice(("write", "read"), optional=True, nullable=True, doc="What members may do with its links.")
_NEW = Object(
    {
        "name": String(trim=True, min=1, max=190, doc="Its name, unique among folders."),
        "description": String(optional=True, nullable=True, max=500, doc="What it is for."),
        "accessLevel": _ACCESS,
    },
    name="NewFolder",
)
FOLDER = Object(
    {
        "id": text("The id of the folder."),
        "name": text(),
        "description": maybe(),
        "type": Choice(("default", "mega")),
        "accessLevel": Choice(("write", "read"), nullable=True),
        "createdAt": moment("When it was made."),
        "updatedAt": moment("The same."),
    },
    name="Folder",
)
_LIST = Object(
    {"search": String(optional=True, doc="Folders whose name contains this."), **paging.by_number(50)}
)
_PATH = {"id": String(doc="The id of the folder.")}


@resource.get("/folders", query=_LIST, answer=Array(FOLDER), scope="folders.read")
def list_folders(call: Call) -> list[Values]:
    """List folders."""
    wanted = call.query.get("search", "").lower()
    found = [folder for folder in call.server.store.workspace.folders() if wanted in folder.name.lower()]
    return [_object(folder) for folder in paging.cut(found, call.query)]


@resource.post("/folders", body=_NEW, answer=FOLDER, status=201, scope="folders.write", errors=(409,))
def create_folder(call: Call) -> Values:
    """Create a folder."""
    try:
        return _object(call.server.store.workspace.add_folder(**snake_case(call.body)))
    except ConflictError as conflict:
        raise _taken(conflict) from None


@resource.patch(
    "/folders/{id}",
    path=_PATH,
    body=_NEW.partial(),
    answer=FOLDER,
    scope="folders.write",
    errors=(404, 409),
)
def update_folder(call: Call) -> Values:
    """Change a folder."""
    try:
        folder = call.server.store.workspace.update_folder(call.path["id"], **snake_case(call.body))
    except ConflictError as conflict:
        raise _taken(conflict) from None
    if folder is None:
        raise ApiError("not_found", "Folder not found.")
    return _object(folder)


@resource.delete("/folders/{id}", path=_PATH, answer=deleted("folder"), scope="folders.write", errors=(404,))
def delete_folder(call: Call) -> Values:
    """Delete a folder; its links stay."""
    if not call.server.store.workspace.delete_folder(call.path["id"]):
        raise ApiError("not_found", "Folder not found.")
    return {"id": call.path["id"]}


def _object(folder: Folder) -> Values:
    created = iso(time_of(folder.id))
    return {
        "id": folder.id,
        "name": folder.name,
        "description": folder.description,
        "type": "default",
        "accessLevel": folder.access_level,
        "createdAt": created,
        "updatedAt": created,
    }


def _taken(conflict: ConflictError) -> ApiError:
    return ApiError("conflict", f"A folder with the name {conflict.value} already exists.")

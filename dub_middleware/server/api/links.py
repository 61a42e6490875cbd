"""Links: https://dub.co/docs/api-reference/endpoint/create-a-link and its siblings."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from dub_middleware.errors import LinkError
from dub_middleware.server.api import paging
from dub_middleware.server.api.answers import LINK, LINK_ERROR, deleted
from dub_middleware.server.api.errors import ApiError
from dub_middleware.server.api.link_fields import BULK_UPDATE, CHANGED_LINK, MAX_BULK, NEW_LINK
from dub_middleware.server.api.operations import Call, Resource
from dub_middleware.server.api.schema import (
    Array,
    Boolean,
    Choice,
    Number,
    Object,
    Record,
    String,
    Union,
    Values,
    snake_case,
)
from dub_middleware.server.store import Link, LinkQuery

resource = Resource("Links", "Short links.")

SortBy = Literal["created_at", "clicks", "sale_amount", "last_clicked"]
GroupBy = Literal["domain", "tag_id", "user_id", "folder_id"]

_SORTS: dict[str, SortBy] = {
    "createdAt": "created_at",
    "clicks": "clicks",
    "saleAmount": "sale_amount",
    "lastClicked": "last_clicked",
}
_GROUPS: dict[str, GroupBy] = {
    "domain": "domain",
    "tagId": "tag_id",
    "userId": "user_id",
    "folderId": "folder_id",
}
_WRITE_ERRORS = (400, 403, 404, 409)

_FILTER = Object(
    {
        "domain": String(optional=True, doc="Links on this domain."),
        "tagId": String(optional=True, deprecated=True),
        "tagIds": Array(String(), split=True, optional=True, doc="Links with any of these tags, by id."),
        "tagNames": Array(String(), split=True, optional=True, doc="Links with any of these tags, by name."),
        "folderId": String(optional=True, doc="Links in this folder."),
        "search": String(optional=True, doc="Links whose short link or destination contains this."),
        "userId": String(optional=True),
        "tenantId": String(optional=True, doc="Links of this tenant."),
        "showArchived": Boolean(from_text=True, default=False, doc="Archived links too."),
        "withTags": Boolean(from_text=True, default=False, deprecated=True),
    }
)
_LIST = _FILTER.extend(
    {
        "sort": Choice(tuple(_SORTS), optional=True, deprecated=True),
        "sortBy": Choice(tuple(_SORTS), default="createdAt", doc="What the links are sorted by."),
        "sortOrder": Choice(("asc", "desc"), default="desc"),
        **paging.by_cursor(100),
    }
)
_COUNT = _FILTER.extend({"groupBy": Choice(tuple(_GROUPS), optional=True, doc="Count each of these.")})
_WHICH = Object(
    {
        "domain": String(optional=True, doc="The domain, together with the key."),
        "key": String(optional=True, doc="The key, together with the domain."),
        "linkId": String(optional=True, doc="The id."),
        "externalId": String(optional=True, doc="The id in your own database, behind `ext_`."),
    }
)
_PATH = {"linkId": String(doc="The id of the link, or `ext_` and its external id.")}


@resource.post("/links", body=NEW_LINK, answer=LINK, scope="links.write", errors=_WRITE_ERRORS)
def create_link(call: Call) -> Values:
    """Create a link."""
    return call.server.objects.link(call.server.links.create(snake_case(call.body)))


@resource.get("/links", query=_LIST, answer=Array(LINK), scope="links.read")
def list_links(call: Call) -> list[Values]:
    """List links, newest first."""
    query = call.query
    where = _link_query(call)
    if where is None:
        return []
    try:
        found = call.server.store.links.page(
            where,
            sort_by=_SORTS[query.get("sort") or query["sortBy"]],
            descending=query["sortOrder"] == "desc",
            **paging.place(query),
        )
    except LookupError:
        raise paging.no_such_cursor() from None
    return [call.server.objects.link(link) for link in found]


@resource.get(
    "/links/count",
    query=_COUNT,
    answer=Union((Number(integer=True), Array(Record()))),
    scope="links.read",
)
def count_links(call: Call) -> int | list[Values]:
    """Count links, all or by group."""
    where, group_by = _link_query(call), call.query.get("groupBy")
    if group_by is None:
        return 0 if where is None else call.server.store.links.count(where)
    if where is None:
        return []
    counted = call.server.store.links.count_by(_GROUPS[group_by], where)
    return [{group_by: value, "_count": number} for value, number in counted]


@resource.get("/links/info", query=_WHICH, answer=LINK, scope="links.read", errors=(400, 404))
def link_info(call: Call) -> Values:
    """Find one link by domain and key, id, or external id."""
    query, links = call.query, call.server.store.links
    if query.get("domain") and query.get("key"):
        link = links.get_by_key(query["domain"], query["key"])
    elif query.get("linkId"):
        link = _find(call, query["linkId"])
    elif query.get("externalId"):
        if not query["externalId"].startswith("ext_"):
            message = "Invalid externalId. Did you forget to prefix it with `ext_`?"
            raise ApiError("bad_request", message)
        link = _find(call, query["externalId"])
    else:
        message = "You must provide a domain and a key or a linkId or an externalId to retrieve a link."
        raise ApiError("bad_request", message)
    return call.server.objects.link(_known(link))


@resource.put("/links/upsert", body=NEW_LINK, answer=LINK, scope="links.write", errors=_WRITE_ERRORS)
def upsert_link(call: Call) -> Values:
    """Create a link, or change the one that leads to the same URL."""
    return call.server.objects.link(call.server.links.upsert(snake_case(call.body)))


@resource.post(
    "/links/bulk",
    body=Array(
        NEW_LINK,
        min=(1, "No links created."),
        max=(MAX_BULK, "You can only create up to 100 links at a time."),
    ),
    answer=Array(Union((LINK, LINK_ERROR))),
    scope="links.write",
)
def create_links(call: Call) -> list[Values]:
    """Create up to 100 links; what is wrong with one does not keep the others."""
    answers = []
    for body in call.body:
        try:
            link = call.server.links.create(snake_case(body), quiet=True)
            answers.append(call.server.objects.link(link))
        except LinkError as error:
            answers.append({"link": body, "error": str(error), "code": error.code})
    return answers


@resource.patch(
    "/links/bulk", body=BULK_UPDATE, answer=Array(LINK), scope="links.write", errors=_WRITE_ERRORS
)
def update_links(call: Call) -> list[Values]:
    """Change up to 100 links in the same way."""
    changes = snake_case(call.body["data"])
    links = _many(call, call.body.get("linkIds") or (), call.body.get("externalIds") or ())
    return [call.server.objects.link(call.server.links.update(link, changes, quiet=True)) for link in links]


@resource.delete(
    "/links/bulk",
    query=Object(
        {
            "linkIds": Array(
                String(),
                split=True,
                optional=True,
                max=(MAX_BULK, "You can only delete up to 100 links at a time."),
                doc="Ids of links, or `ext_` and their external ids.",
            ),
            "externalIds": Array(String(), split=True, optional=True, max=MAX_BULK),
        }
    ),
    answer=Object({"deletedCount": Number(integer=True)}),
    scope="links.write",
    errors=(400,),
)
def delete_links(call: Call) -> Values:
    """Delete up to 100 links."""
    links = _many(call, call.query.get("linkIds") or (), call.query.get("externalIds") or ())
    for link in links:
        call.server.links.delete(link, quiet=True)
    return {"deletedCount": len(links)}


@resource.get("/links/{linkId}", path=_PATH, answer=LINK, scope="links.read", errors=(404,))
def get_link(call: Call) -> Values:
    """Find one link."""
    return call.server.objects.link(_known(_find(call, call.path["linkId"])))


@resource.put(
    "/links/{linkId}",
    path=_PATH,
    body=CHANGED_LINK,
    answer=LINK,
    scope="links.write",
    errors=_WRITE_ERRORS,
)
@resource.patch(
    "/links/{linkId}",
    path=_PATH,
    body=CHANGED_LINK,
    answer=LINK,
    scope="links.write",
    errors=_WRITE_ERRORS,
)
def update_link(call: Call) -> Values:
    """Change a link."""
    link = _known(_find(call, call.path["linkId"]))
    return call.server.objects.link(call.server.links.update(link, snake_case(call.body)))


@resource.delete("/links/{linkId}", path=_PATH, answer=deleted("link"), scope="links.write", errors=(404,))
def delete_link(call: Call) -> Values:
    """Delete a link; its clicks stay counted."""
    link = _known(_find(call, call.path["linkId"]))
    call.server.links.delete(link)
    return {"id": link.id}


def _find(call: Call, link_id: str) -> Link | None:
    if link_id.startswith("ext_"):
        return call.server.store.links.get_by_external_id(link_id.removeprefix("ext_"))
    return call.server.store.links.get(link_id)


def _known(link: Link | None) -> Link:
    if link is None:
        raise ApiError("not_found", "Link not found.")
    return link


def _many(call: Call, names: Collection[str], external_ids: Collection[str]) -> list[Link]:
    """The links of these ids, each once; those that are not there are left out."""
    if not names and not external_ids:
        raise ApiError("bad_request", "Please provide linkIds or externalIds.")
    ids = [name for name in names if not name.startswith("ext_")]
    by_id = call.server.store.links.get_many(ids)
    found: list[Link | None] = [by_id.get(link_id) for link_id in ids]
    for name in [*(name for name in names if name.startswith("ext_")), *external_ids]:
        found.append(_find(call, f"ext_{name.removeprefix('ext_')}"))
    return list({link.pk: link for link in found if link is not None}.values())


def _link_query(call: Call) -> LinkQuery | None:
    """The links asked for; None when there can be none."""
    query = call.query
    tag_ids = query.get("tagIds") or ([query["tagId"]] if query.get("tagId") else [])
    tag_names = query.get("tagNames") or []
    if query["withTags"] and not tag_ids and not tag_names:
        tag_ids = [tag.id for tag in call.server.store.workspace.tags()]
        if not tag_ids:
            return None
    return LinkQuery(
        domain=query["domain"].lower() if query.get("domain") else None,
        search=query.get("search") or None,
        tag_ids=tag_ids,
        tag_names=tag_names,
        folder_id=query.get("folderId") or None,
        tenant_id=query.get("tenantId") or None,
        user_id=query.get("userId") or None,
        show_archived=query["showArchived"],
    )

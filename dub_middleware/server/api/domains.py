"""Domains: https://dub.co/docs/api-reference/endpoint/create-a-domain and its siblings."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from dub_middleware.errors import ConflictError
from dub_middleware.server.api import paging
from dub_middleware.server.api.answers import maybe, moment, text
from dub_middleware.server.api.errors import ApiError
from dub_middleware.server.api.operations import Call, Resource
from dub_middleware.server.api.schema import Array, Boolean, Issue, Object, Record, Schema, String, Values
from dub_middleware.server.links import clean_url
from dub_middleware.server.objects import iso
from dub_middleware.server.store import Domain

resource = Resource("Domains", "Short domains.")

_HOST = re.compile(
    r"(?=.{1,190}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
)


def _slug(value: str) -> str:
    slug = value.strip().lower()
    if not _HOST.fullmatch(slug):
        raise Issue("custom", "Invalid domain")
    return slug


def _url(value: str) -> str:
    url = clean_url(value)
    if url is None:
        raise Issue("custom", "Invalid URL")
    return url


def _maybe(doc: str, **rules: Any) -> Schema:
    return String(optional=True, nullable=True, doc=doc, **rules)


_DETAILS: dict[str, Schema] = {
    "expiredUrl": _maybe("Where links of this domain lead once they have expired.", check=_url),
    "notFoundUrl": _maybe("Where its links lead that do not exist.", check=_url),
    "archived": Boolean(optional=True, doc="Whether the domain is left out of lists."),
    "placeholder": _maybe("An example of a destination.", max=100),
    "logo": _maybe("The URL of a picture."),
    "assetLinks": _maybe("What Android is told at /.well-known/assetlinks.json."),
    "appleAppSiteAssociation": _maybe("What iOS is told at /.well-known/apple-app-site-association."),
}
_NEW = Object(
    {"slug": String(check=_slug, doc="Its name, such as `go.example.com`."), **_DETAILS}, name="NewDomain"
)
DOMAIN = Object(
    {
        "id": text(),
        "slug": text("Its name."),
        "verified": Boolean(doc="Always true: who serves it decides."),
        "primary": Boolean(doc="Whether new links are on it."),
        "archived": Boolean(),
        **{name: maybe() for name in ("placeholder", "expiredUrl", "notFoundUrl", "logo")},
        **{name: maybe() for name in ("assetLinks", "appleAppSiteAssociation")},
        "createdAt": moment("When it was added."),
        "updatedAt": moment("The same."),
        "registeredDomain": Record(nullable=True),
    },
    name="Domain",
)
_LIST = Object(
    {
        "archived": Boolean(from_text=True, default=False, doc="Archived domains instead of the others."),
        "search": String(optional=True, doc="Domains whose name contains this."),
        **paging.by_number(50),
    }
)
_PATH = {"slug": String(doc="The name of the domain.")}


@resource.get("/domains", query=_LIST, answer=Array(DOMAIN), scope="domains.read")
def list_domains(call: Call) -> list[Values]:
    """List domains, the primary one first."""
    wanted = call.query.get("search", "").lower()
    found = [
        domain
        for domain in call.server.store.workspace.domains()
        if wanted in domain.slug and bool(domain.details.get("archived")) == call.query["archived"]
    ]
    return [_object(domain) for domain in paging.cut(found, call.query)]


@resource.post("/domains", body=_NEW, answer=DOMAIN, status=201, scope="domains.write", errors=(409,))
def create_domain(call: Call) -> Values:
    """Add a domain; that it leads here is up to you."""
    details = dict(call.body)
    try:
        return _object(call.server.store.workspace.add_domain(details.pop("slug"), **details))
    except ConflictError:
        raise _taken() from None


@resource.put(
    "/domains/{slug}",
    path=_PATH,
    body=_NEW.partial(),
    answer=DOMAIN,
    scope="domains.write",
    errors=(404, 409),
)
@resource.patch(
    "/domains/{slug}",
    path=_PATH,
    body=_NEW.partial(),
    answer=DOMAIN,
    scope="domains.write",
    errors=(404, 409),
)
def update_domain(call: Call) -> Values:
    """Change a domain; under a new name its links go on."""
    details = dict(call.body)
    new_slug = details.pop("slug", None)
    try:
        domain = call.server.store.workspace.update_domain(
            call.path["slug"].lower(), new_slug=new_slug, **details
        )
    except ConflictError:
        raise _taken() from None
    if domain is None:
        raise _unknown()
    return _object(domain)


@resource.delete(
    "/domains/{slug}",
    path=_PATH,
    answer=Object({"slug": text("The name of the domain that is gone.")}),
    scope="domains.write",
    errors=(404,),
)
def delete_domain(call: Call) -> Values:
    """Remove a domain and its links."""
    slug = call.path["slug"].lower()
    if not call.server.store.workspace.delete_domain(slug):
        raise _unknown()
    return {"slug": slug}


def _object(domain: Domain) -> Values:
    created = iso(domain.created_at)
    details = domain.details
    return {
        "id": f"dom_{hashlib.sha256(domain.slug.encode()).hexdigest()[:24]}",
        "slug": domain.slug,
        "verified": True,
        "primary": domain.is_primary,
        "archived": bool(details.get("archived")),
        **{name: details.get(name) for name in _DETAILS if name != "archived"},
        "createdAt": created,
        "updatedAt": created,
        "registeredDomain": None,
    }


def _taken() -> ApiError:
    return ApiError("conflict", "Domain is already in use.")


def _unknown() -> ApiError:
    return ApiError("not_found", "Domain not found.")

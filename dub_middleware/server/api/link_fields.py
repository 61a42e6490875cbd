"""What a link may be made of: the bodies of the calls that create and change links."""

from __future__ import annotations

import dataclasses
from typing import Any

from dub_middleware.server.api.schema import Array, Boolean, Issue, Number, Object, Record, String
from dub_middleware.server.links import UTM, clean_url
from dub_middleware.server.visitor.places import CONTINENTS

MAX_BULK = 100


def _url(value: str) -> str:
    url = clean_url(value)
    if url is None:
        raise Issue("custom", "Invalid URL")
    return url


_URL = String(exact=True, max=32_000, format="uri", check=_url)
#: judged by the editor of links, whose messages are Dub's
_DESTINATION = String(
    exact=True, max=32_000, format="uri", doc="Where the link leads.", example="https://shop.test/"
)


def _countries(value: dict[str, Any]) -> dict[str, Any]:
    for code in value:
        if code.upper() not in CONTINENTS:
            raise Issue("custom", "Invalid country code").below(code)
    return {code.upper(): url for code, url in value.items()}


def _maybe(doc: str, *, most: int | None = None) -> String:
    return String(optional=True, nullable=True, max=most, doc=doc)


def _maybe_url(doc: str) -> String:
    return dataclasses.replace(_URL, optional=True, nullable=True, doc=doc)


def _switch(doc: str) -> Boolean:
    return Boolean(optional=True, doc=doc)


#: what may be changed of many links at once
COMMON = Object(
    {
        "url": dataclasses.replace(_DESTINATION, optional=True),
        "tenantId": _maybe("The tenant of your system that makes the link.", most=255),
        "programId": _maybe("The program it belongs to.", most=255),
        "partnerId": _maybe("The partner it belongs to.", most=255),
        "trackConversion": _switch("Give the destination the click id, in `dub_id`."),
        "archived": _switch("Leave the link out of lists; it leads on all the same."),
        "publicStats": _switch("Kept, and of no effect here."),
        "tagId": String(optional=True, nullable=True, deprecated=True),
        "tagIds": Array(String(), split=True, optional=True, nullable=True, doc="The ids of its tags."),
        "tagNames": Array(String(), split=True, optional=True, nullable=True, doc="The names of its tags."),
        "folderId": _maybe("The folder it is in."),
        "comments": _maybe("For you."),
        "expiresAt": _maybe("When it stops leading on: ISO 8601, or words such as `in 2 weeks`."),
        "expiredUrl": _maybe_url("Where it leads from then on."),
        "password": _maybe("What visitors must know to be led on."),
        "proxy": _switch("Show robots a preview made of title, description and image."),
        "title": _maybe("The title of the preview."),
        "description": _maybe("The description of the preview."),
        "image": _maybe("The URL of the preview's image."),
        "video": _maybe("The URL of the preview's video."),
        "rewrite": _switch("Show the destination below the short link."),
        "ios": _maybe_url("Where visitors with iOS are led."),
        "android": _maybe_url("Where visitors with Android are led."),
        "geo": Record(
            values=_URL,
            optional=True,
            nullable=True,
            check=_countries,
            doc="Where visitors of a country are led, by its ISO 3166-1 code.",
        ),
        "doIndex": _switch("Let search engines keep the short link."),
        **{
            name: String(optional=True, nullable=True, trim=True, max=255, doc=f"Sets `{name}` in the URL.")
            for name in (*UTM, "ref")
        },
        "testVariants": Array(
            Object({"url": _URL, "percentage": Number(min=10, max=90)}),
            min=2,
            max=4,
            optional=True,
            nullable=True,
            doc="The destinations of an A/B test, and their shares of the visitors.",
        ),
        "testStartedAt": _maybe("When the test begins."),
        "testCompletedAt": _maybe("When the test ends."),
        "webhookIds": Array(String(), optional=True, nullable=True, doc="Kept, and of no effect here."),
    }
)

_OWN = {
    "domain": String(optional=True, max=190, doc="The short domain; the primary one when left out."),
    "key": String(
        optional=True, exact=True, max=190, doc="The part behind the domain; random when left out."
    ),
    "externalId": String(
        optional=True,
        nullable=True,
        exact=True,
        min=1,
        max=255,
        doc="The id in your own database, unique among links.",
    ),
}

NEW_LINK = COMMON.extend(
    {
        "url": _DESTINATION,
        **_OWN,
        "keyLength": Number(optional=True, min=3, max=190, doc="How long a random key is; 7 when left out."),
        "prefix": String(
            optional=True, exact=True, max=100, doc="What a random key begins with, as in `c/` + key."
        ),
    },
    name="NewLink",
)
CHANGED_LINK = COMMON.extend(_OWN, name="ChangedLink")

_IDS = Array(
    String(), max=(MAX_BULK, f"You can only update up to {MAX_BULK} links at a time."), optional=True
)
BULK_UPDATE = Object({"linkIds": _IDS, "externalIds": _IDS, "data": COMMON}, name="BulkUpdate")

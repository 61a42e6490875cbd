"""What the API answers with, described: the shapes that `dub_middleware.server.objects` writes."""

from __future__ import annotations

from dub_middleware.server.api.schema import Array, Boolean, Choice, Number, Object, Record, Schema, String
from dub_middleware.server.links import UTM

COLORS = ("red", "yellow", "green", "blue", "purple", "brown", "gray", "pink")


def text(doc: str = "") -> String:
    return String(doc=doc)


def maybe(doc: str = "") -> String:
    return String(nullable=True, doc=doc)


def moment(doc: str) -> String:
    return String(format="date-time", doc=doc)


def maybe_moment(doc: str) -> String:
    return String(format="date-time", nullable=True, doc=doc)


def count(doc: str) -> Number:
    return Number(integer=True, doc=doc)


TAG = Object({"id": text(), "name": text(), "color": Choice(COLORS)}, name="Tag")

TEST_VARIANT = Object(
    {"url": text("Where this variant leads."), "percentage": Number(doc="Of the visitors, in per cent.")},
    name="TestVariant",
)

LINK = Object(
    {
        "id": text("The id, `link_` and 26 letters and digits."),
        "domain": text("The short domain."),
        "key": text("The part behind the domain."),
        "url": text("Where the link leads."),
        "trackConversion": Boolean(doc="Whether the destination gets the click id."),
        "externalId": maybe("The id in your own database."),
        "tenantId": maybe("The tenant of your system that made the link."),
        "programId": maybe(),
        "partnerId": maybe(),
        "archived": Boolean(doc="Whether it is left out of lists; it leads on all the same."),
        "expiresAt": maybe_moment("When the link stops leading on."),
        "expiredUrl": maybe("Where it leads from then on."),
        "disabledAt": maybe_moment("When the link was disabled."),
        "password": maybe("What visitors must know."),
        "proxy": Boolean(doc="Whether link previews are the link's own."),
        "title": maybe("The title of the preview."),
        "description": maybe("The description of the preview."),
        "image": maybe("The image of the preview."),
        "video": maybe("The video of the preview."),
        "rewrite": Boolean(doc="Whether the destination is shown below the short link."),
        "doIndex": Boolean(doc="Whether search engines may keep the short link."),
        "ios": maybe("Where visitors with iOS are led."),
        "android": maybe("Where visitors with Android are led."),
        "geo": Record(values=String(), nullable=True, doc="Where visitors of a country are led."),
        "publicStats": Boolean(),
        "tags": Array(TAG),
        "folderId": maybe(),
        "comments": maybe(),
        "shortLink": text("The URL that people click."),
        "qrCode": text("The URL of a QR code of it."),
        **{name: maybe(f"The `{name}` parameter of the destination.") for name in UTM},
        "testVariants": Array(TEST_VARIANT, nullable=True, doc="The destinations of an A/B test."),
        "testStartedAt": maybe_moment("When the test begins."),
        "testCompletedAt": maybe_moment("When the test ends."),
        "userId": maybe(),
        "workspaceId": text(),
        "clicks": count("How often it was clicked."),
        "leads": count("How many leads came of it."),
        "conversions": count("How many customers bought for the first time."),
        "sales": count("How many sales came of it."),
        "saleAmount": count("What they were worth, in cents."),
        "lastClicked": maybe_moment("When it was clicked last."),
        "createdAt": moment("When the link was made."),
        "updatedAt": moment("When it was changed last."),
        "tagId": String(nullable=True, deprecated=True),
        "projectId": String(deprecated=True),
        "webhookIds": Array(String()),
    },
    name="Link",
)

LINK_ERROR = Object(
    {
        "link": Record(doc="What was asked for."),
        "error": text("What is wrong with it."),
        "code": text("Dub's word for it."),
    },
    name="LinkError",
)

CUSTOMER_FIELDS: dict[str, Schema] = {
    "id": text("The id, `cus_` and 26 letters and digits."),
    "externalId": text("The id in your own database."),
    "name": maybe(),
    "email": maybe(),
    "avatar": maybe("The URL of a picture."),
    "stripeCustomerId": maybe(),
    "country": maybe("The country of their first click."),
    "sales": count("How many sales they made."),
    "saleAmount": count("What they were worth, in cents."),
    "createdAt": moment("When they became a customer."),
    "firstSaleAt": maybe_moment("When they bought for the first time."),
    "subscriptionCanceledAt": maybe_moment("Not kept here: always null."),
}
LINK_OF_CUSTOMER = ("id", "domain", "key", "shortLink", "url", "programId")
EVENT_CUSTOMER = Object(CUSTOMER_FIELDS, name="EventCustomer")

CUSTOMER = Object(
    {
        **CUSTOMER_FIELDS,
        "link": Object(
            {name: LINK.fields[name] for name in LINK_OF_CUSTOMER},
            name="CustomerLink",
            nullable=True,
            optional=True,
        ),
        "programId": String(nullable=True, optional=True),
        "partner": Record(nullable=True, optional=True),
        "discount": Record(nullable=True, optional=True),
    },
    name="Customer",
)

CLICK = Object(
    {
        "id": text("The click id."),
        "timestamp": moment("When it was."),
        "url": text("Where it led, without parameters that are not for attribution."),
        "country": text("`US`, or `Unknown`."),
        "city": text(),
        "region": text("`US-CA`, or `Unknown`."),
        "continent": text("`NA`, or `Unknown`."),
        "device": text(),
        "browser": text(),
        "os": text(),
        "ua": text("The user agent."),
        "trigger": Choice(("link", "qr", "pageview", "deeplink")),
        "referer": text("The host that referred, or `(direct)`."),
        "refererUrl": text("The URL that referred, without its query."),
        "qr": Boolean(deprecated=True),
        "ip": text("The address, empty where it is not kept."),
    },
    name="Click",
)

ERROR = Object(
    {"error": Object({"code": text("Dub's word for it."), "message": text(), "doc_url": text()})},
    name="Error",
)


def deleted(what: str) -> Object:
    return Object({"id": text(f"The id of the {what} that is gone.")})

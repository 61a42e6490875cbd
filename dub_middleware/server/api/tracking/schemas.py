"""What the tracking endpoints take and give, field by field as Dub documents them."""

from __future__ import annotations

from urllib.parse import urlsplit

from dub_middleware.server.api.schema import (
    Choice,
    Issue,
    Number,
    Object,
    Record,
    Schema,
    String,
    Values,
    is_url,
)
from dub_middleware.server.api.tracking.metadata import kept

MAX_ID = 500  # characters of an id that Dub does not bound and a database must

_PROCESSORS = ("stripe", "shopify", "polar", "paddle", "apple", "revenuecat", "dub", "custom")


def host_of(text: str) -> str | None:
    """The host that a domain or a URL names, without ``www.``; None when there is none."""
    if not is_url(text):
        if "." not in text or " " in text:
            return None
        text = f"https://{text}"
    try:
        host = urlsplit(text).hostname
    except ValueError:
        return None
    return host.removeprefix("www.") if host else None


def _domain(text: str) -> str:
    host = host_of(text)
    if host is None:
        raise Issue("invalid_type", "domain is required.")
    return host


def _absolute(text: str) -> str:
    url = text if is_url(text) else f"https://{text}"
    if "." not in text or " " in text or not is_url(url):
        raise Issue("custom", "Invalid URL")
    return url


def _deep_link_or_domain(values: Values) -> Values:
    if not values.get("deepLink") and not values.get("dubDomain"):
        raise Issue(
            "custom", "You need to provide either `deepLink` or `dubDomain` for deferred deep linking."
        )
    return values


def _id(doc: str) -> String:
    return String(default=None, exact=True, max=MAX_ID, doc=doc)


CLICK = Object(
    {
        "domain": String(
            message="domain is required.", check=_domain, doc="The short domain, or a URL on it."
        ),
        "key": String(message="key is required.", doc="The key of the short link."),
        "url": String(default=None, doc="The page that was opened; the link's own URL when left out."),
        "referrer": String(default=None, doc="Where the visitor came from, instead of the Referer header."),
    }
)
VISIT = Object(
    {
        "domain": String(default=None, doc="The domain whose pages are short links."),
        "url": String(default=None, doc="The page that was opened; its path is the key."),
        "referrer": String(default=None, doc="Where the visitor came from, instead of the Referer header."),
    }
)
OPEN = Object(
    {
        "deepLink": String(default=None, check=_absolute, doc="The deep link that opened the app."),
        "dubDomain": String(default=None, check=lambda text: host_of(text) or text, doc="The short domain."),
    },
    check=_deep_link_or_domain,
)

_WHO: dict[str, Schema] = {
    "customerName": String(max=100, default=None, doc="Made up when there is neither name nor e-mail."),
    "customerEmail": String(format="email", max=100, default=None, doc="The customer's e-mail address."),
    "customerAvatar": String(default=None, doc="URL of the customer's picture."),
}
_CUSTOMER_ID = String(
    exact=True,
    trim=True,
    min=(1, "customerExternalId is required"),
    max=100,
    doc="Your own id of the customer.",
)
_OLD_ID = String(default=None, exact=True, max=MAX_ID, deprecated=True, doc="Old name of customerExternalId.")
_SERVER_IDS: dict[str, Schema] = {
    "customerExternalId": _id("Your own id of the customer; required, under this name or an older one."),
    "externalId": _OLD_ID,
    "customerId": _OLD_ID,
}
_METADATA = Record(default=None, check=kept, doc="Anything to keep with it, at most 10,000 characters.")

LEAD_CLIENT = Object(
    {
        "clickId": String(trim=True, doc="The click; empty stands for the one the customer came by."),
        "eventName": String(
            trim=True, min=(1, "eventName is required"), max=255, doc="Counts once in 7 days per customer."
        ),
        "customerExternalId": _CUSTOMER_ID,
        **_WHO,
        "mode": Choice(
            ("async", "wait", "deferred"), default="async", doc="`deferred` creates the customer only."
        ),
        "eventQuantity": Number(
            integer=True, above=0, max=100, default=None, doc="How many leads this is, one by default."
        ),
        "metadata": _METADATA,
    }
)
LEAD = LEAD_CLIENT.extend(
    {"clickId": String(trim=True, default=None, doc="The click; see customerExternalId."), **_SERVER_IDS}
)
SALE_CLIENT = Object(
    {
        "customerExternalId": _CUSTOMER_ID,
        "amount": Number(
            integer=True,
            min=(0, "amount cannot be negative"),
            message="amount is required",
            doc="In the currency's smallest unit; at most ten billion dollars.",
        ),
        "currency": String(default="usd", check=str.lower, doc="ISO 4217; converted to US dollars."),
        "eventName": String(max=255, default="Purchase", doc="The sale's name."),
        "paymentProcessor": Choice(
            _PROCESSORS, also=("lemonsqueezy",), default="custom", doc="Who took the money."
        ),
        "invoiceId": _id("Makes repeated calls one sale, for 7 days."),
        "metadata": _METADATA,
        "leadEventName": String(default=None, doc="The lead this sale belongs to; the latest by default."),
        "clickId": String(trim=True, default=None, doc="Makes the sale of an unknown customer a direct one."),
        **_WHO,
    }
)
SALE = SALE_CLIENT.extend(_SERVER_IDS)

CLICKED = Object({"clickId": String(pattern="^[0-9A-Za-z]{16}$")})
OPENED = Object(
    {
        "clickId": String(nullable=True),
        "link": Object({"id": String(), "domain": String(), "key": String(), "url": String()}, nullable=True),
    }
)
_TOLD_CUSTOMER: dict[str, Schema] = {
    "name": String(nullable=True),
    "email": String(nullable=True),
    "avatar": String(nullable=True),
    "externalId": String(nullable=True),
}
LEAD_ANSWER = Object(
    {
        "click": Object({"id": String()}),
        "link": Object(
            {
                "id": String(),
                "domain": String(),
                "key": String(),
                "shortLink": String(),
                "url": String(),
                "partnerId": String(nullable=True),
                "programId": String(nullable=True),
                "tenantId": String(nullable=True),
                "externalId": String(nullable=True),
            },
            nullable=True,
            doc="Null for a lead that was already counted.",
        ),
        "customer": Object(_TOLD_CUSTOMER),
    }
)
SALE_ANSWER = Object(
    {
        "eventName": String(),
        "customer": Object({"id": String(), **_TOLD_CUSTOMER}, nullable=True),
        "sale": Object(
            {
                "amount": Number(integer=True),
                "currency": String(),
                "paymentProcessor": String(),
                "invoiceId": String(nullable=True),
                "metadata": Record(nullable=True),
            },
            nullable=True,
            doc="Null when nothing was recorded: the customer is unknown, or the amount is 0.",
        ),
    }
)

"""Customers: https://dub.co/docs/api-reference/endpoint/list-all-customers and its siblings."""

from __future__ import annotations

import dataclasses
from typing import Literal

from dub_middleware.errors import ConflictError
from dub_middleware.server.api import paging
from dub_middleware.server.api.answers import CUSTOMER, LINK_OF_CUSTOMER, deleted
from dub_middleware.server.api.errors import ApiError
from dub_middleware.server.api.operations import Call, Resource
from dub_middleware.server.api.schema import Array, Boolean, Choice, Issue, Object, String, Values, snake_case
from dub_middleware.server.objects import customer_object
from dub_middleware.server.store import Customer, CustomerDetails
from dub_middleware.server.visitor.places import CONTINENTS

resource = Resource("Customers", "Who signed up or bought.")

SortBy = Literal["created_at", "sale_amount", "first_sale_at"]
_SORTS: dict[str, SortBy] = {
    "createdAt": "created_at",
    "saleAmount": "sale_amount",
    "firstSaleAt": "first_sale_at",
    "subscriptionCanceledAt": "created_at",  # not kept: all are equal
}


def _country(value: str) -> str:
    code = value.upper()
    if code not in CONTINENTS:
        raise Issue("custom", "Invalid country code")
    return code


_EXTERNAL_ID = String(exact=True, trim=True, min=1, max=100, doc="The id in your own database.")
_FIELDS = {
    "email": String(optional=True, nullable=True, format="email", max=100),
    "name": String(optional=True, nullable=True, max=100),
    "avatar": String(optional=True, nullable=True, doc="The URL of a picture."),
    "externalId": dataclasses.replace(_EXTERNAL_ID, optional=True),
    "stripeCustomerId": String(optional=True, nullable=True, doc="Of no effect here."),
    "country": String(optional=True, check=_country, doc="An ISO 3166-1 code."),
}
_CHANGED = Object(
    {
        **_FIELDS,
        "subscriptionCanceledAt": String(optional=True, nullable=True, doc="Of no effect here."),
    },
    name="ChangedCustomer",
)
_NEW = Object(
    {**_FIELDS, "externalId": _EXTERNAL_ID},
    name="NewCustomer",
)
_EXPANDED = {
    "includeExpandedFields": Boolean(
        from_text=True, default=False, doc="With `link`, `programId`, `partner` and `discount`."
    )
}
_LIST = Object(
    {
        "email": String(optional=True, doc="The customer with this address; goes before the others."),
        "externalId": String(optional=True, doc="The customer with this id; goes before `search`."),
        "search": String(optional=True, doc="Customers whose name, address or id contains this."),
        "country": String(optional=True, doc="Customers from this country."),
        "linkId": String(optional=True, doc="Customers who came by this link."),
        "programId": String(optional=True, doc="Of no effect here."),
        "partnerId": String(optional=True, doc="Of no effect here."),
        **_EXPANDED,
        "sortBy": Choice(tuple(_SORTS), default="createdAt"),
        "sortOrder": Choice(("asc", "desc"), default="desc"),
        **paging.by_cursor(100),
    }
)
_PATH = {"id": String(doc="The id of the customer, or `ext_` and their external id.")}


@resource.get("/customers", query=_LIST, answer=Array(CUSTOMER), scope="customers.read")
def list_customers(call: Call) -> list[Values]:
    """List customers, newest first."""
    query = call.query
    email, external_id = query.get("email") or None, query.get("externalId") or None
    try:
        found = call.server.store.customers.page(
            email=email,
            external_id=None if email else external_id,
            search=None if email or external_id else query.get("search"),
            country=query.get("country") or None,
            link_id=query.get("linkId") or None,
            sort_by=_SORTS[query["sortBy"]],
            descending=query["sortOrder"] == "desc",
            **paging.place(query),
        )
    except LookupError:
        raise paging.no_such_cursor() from None
    return [_object(call, customer) for customer in found]


@resource.post("/customers", body=_NEW, answer=CUSTOMER, status=201, scope="customers.write", errors=(409,))
def create_customer(call: Call) -> Values:
    """Add a customer who came by no link."""
    body = call.body
    details = CustomerDetails(
        external_id=body["externalId"],
        name=body.get("name"),
        email=body.get("email"),
        avatar=body.get("avatar"),
    )
    try:
        return _object(call, call.server.store.customers.create(details, country=body.get("country")))
    except ConflictError:
        raise _taken() from None


@resource.get(
    "/customers/{id}",
    path=_PATH,
    query=Object(_EXPANDED),
    answer=CUSTOMER,
    scope="customers.read",
    errors=(404,),
)
def get_customer(call: Call) -> Values:
    """Find one customer."""
    return _object(call, _find(call))


@resource.patch(
    "/customers/{id}",
    path=_PATH,
    query=Object(_EXPANDED),
    body=_CHANGED,
    answer=CUSTOMER,
    scope="customers.write",
    errors=(404, 409),
)
def update_customer(call: Call) -> Values:
    """Change a customer."""
    ignored = ("stripeCustomerId", "subscriptionCanceledAt")
    changes = {name: value for name, value in call.body.items() if name not in ignored}
    try:
        customer = call.server.store.customers.update(_find(call).id, snake_case(changes))
    except ConflictError:
        raise _taken() from None
    if customer is None:
        raise _unknown()
    return _object(call, customer)


@resource.delete(
    "/customers/{id}", path=_PATH, answer=deleted("customer"), scope="customers.write", errors=(404,)
)
def delete_customer(call: Call) -> Values:
    """Forget a customer; their leads and sales stay counted, without a name."""
    customer = _find(call)
    call.server.store.customers.delete(customer.id)
    return {"id": customer.id}


def _find(call: Call) -> Customer:
    name, customers = call.path["id"], call.server.store.customers
    if name.startswith("ext_"):
        found = customers.get_by_external_id(name.removeprefix("ext_"))
    else:
        found = customers.get(name)
    if found is None:
        raise _unknown()
    return found


def _object(call: Call, customer: Customer) -> Values:
    shown = customer_object(customer)
    if not call.query.get("includeExpandedFields"):
        return shown
    links = call.server.queries.links([customer.link_pk] if customer.link_pk else [])
    link = next(map(call.server.objects.link, links.values()), None)
    shown["link"] = link and {name: link[name] for name in LINK_OF_CUSTOMER}
    return shown | {"programId": link and link["programId"], "partner": None, "discount": None}


def _taken() -> ApiError:
    return ApiError("conflict", "A customer with this external ID already exists.")


def _unknown() -> ApiError:
    return ApiError("not_found", "Customer not found.")

"""Leads and sales, from servers with the secret key and from browsers with the publishable one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dub_middleware.errors import AttributionError
from dub_middleware.server.api.errors import ApiError
from dub_middleware.server.api.hostnames import refusal
from dub_middleware.server.api.operations import Call, Resource
from dub_middleware.server.api.schema import Issue, Values
from dub_middleware.server.api.tracking.schemas import (
    LEAD,
    LEAD_ANSWER,
    LEAD_CLIENT,
    SALE,
    SALE_ANSWER,
    SALE_CLIENT,
)
from dub_middleware.server.store import Customer, CustomerDetails, Link

resource = Resource("Track")

#: minor units, ten billion dollars; sums of what anybody may send with a publishable key must stay integers
MAX_AMOUNT = 10**12

_NO_CLICK = (
    "The `clickId` property was not provided in the request, and no existing customer with the provided "
    "`customerExternalId` was found."
)


def _from_allowed_site(call: Call) -> None:
    settings = call.server.store.workspace.recent_settings()
    refused = refusal(settings.allowed_hostnames, call.environ)
    if refused is not None:
        raise ApiError("forbidden", refused)


@resource.post("/track/lead", body=LEAD, answer=LEAD_ANSWER, hides_limits=True, errors=(400, 404))
def track_lead(call: Call) -> Values:
    """Count a lead: a customer signed up, asked for a demo, started a trial."""
    return _lead(call, _given_id(call.body))


@resource.post(
    "/track/lead/client",
    body=LEAD_CLIENT,
    answer=LEAD_ANSWER,
    auth="publishable",
    cors=True,
    guard=_from_allowed_site,
    errors=(400, 403, 404),
)
def track_lead_client(call: Call) -> Values:
    """Count a lead that a browser reports."""
    return _lead(call, call.body["customerExternalId"])


@resource.post("/track/sale", body=SALE, answer=SALE_ANSWER, hides_limits=True, errors=(400, 404))
def track_sale(call: Call) -> Mapping[str, Any]:
    """Count a sale, once for each invoice."""
    return _sale(call, _given_id(call.body))


@resource.post(
    "/track/sale/client",
    body=SALE_CLIENT,
    answer=SALE_ANSWER,
    auth="publishable",
    cors=True,
    guard=_from_allowed_site,
    errors=(403, 404),
)
def track_sale_client(call: Call) -> Mapping[str, Any]:
    """Count a sale that a browser reports."""
    return _sale(call, call.body["customerExternalId"])


def _given_id(body: Values) -> str:
    given: str | None = body["customerExternalId"] or body["externalId"] or body["customerId"]
    if not given:
        raise ApiError("bad_request", "customerExternalId is required")
    return given


def _details(body: Values, external_id: str) -> CustomerDetails:
    return CustomerDetails(
        external_id=external_id,
        name=body["customerName"],
        email=body["customerEmail"],
        avatar=body["customerAvatar"],
    )


def _lead(call: Call, external_id: str) -> Values:
    body, server = call.body, call.server
    details = _details(body, external_id)
    try:
        result = server.store.record_lead(
            details,
            body["eventName"],
            click_id=body["clickId"] or "",
            deferred=body["mode"] == "deferred",
            quantity=body["eventQuantity"] or 1,
            metadata=body["metadata"],
            keep_claim=server.options.faithful,
        )
    except AttributionError as error:
        raise _not_attributed(error, "lead") from None
    return {
        "click": {"id": result.click_id},
        "link": None if result.link is None else _shown(result.link, server.objects.short_link(result.link)),
        "customer": _who(result.customer or details),
    }


def _sale(call: Call, external_id: str) -> Mapping[str, Any]:
    body, server = call.body, call.server
    amount, currency = server.converter.to_usd(body["amount"], body["currency"])
    if amount > MAX_AMOUNT:
        issue = Issue("too_big", f"Too big: expected number to be <={MAX_AMOUNT}", "amount")
        raise ApiError("unprocessable_entity", str(issue))

    def answer(customer: Customer) -> Values:
        return {
            "eventName": body["eventName"],
            "customer": {"id": customer.id, **_who(customer)},
            "sale": {
                "amount": amount,
                "currency": currency,
                "paymentProcessor": body["paymentProcessor"],
                "invoiceId": body["invoiceId"],
                "metadata": body["metadata"],
            },
        }

    try:
        result = server.store.record_sale(
            _details(body, external_id),
            amount,
            currency,
            event_name=body["eventName"],
            payment_processor=body["paymentProcessor"],
            invoice_id=body["invoiceId"] or None,
            metadata=body["metadata"],
            lead_event_name=body["leadEventName"] or None,
            click_id=body["clickId"] or None,
            answer=answer,
            late_claim=server.options.faithful,
        )
    except AttributionError as error:
        raise _not_attributed(error, "sale", external_id, body["leadEventName"]) from None
    return result.answer or {"eventName": body["eventName"], "customer": None, "sale": None}


def _not_attributed(
    error: AttributionError, kind: str, external_id: str = "", lead_name: str | None = None
) -> ApiError:
    who = f"customer {error.customer_id}" if error.customer_id else f"clickId: {error.click_id}"
    if error.reason == "no_click_id":
        return ApiError("bad_request", _NO_CLICK)
    if error.reason == "click_not_found":
        return ApiError("not_found", f"Click event not found for clickId: {error.click_id}")
    if error.reason == "link_not_found":
        return ApiError("not_found", f"Link not found for {who}")
    if error.reason == "link_disabled":
        where = who.replace("clickId:", "clickId")
        return ApiError("not_found", f"Link {error.link_id} for {where} is disabled, {kind} not tracked")
    named = "null" if lead_name is None else lead_name
    return ApiError(
        "not_found", f"Lead event not found for externalId: {external_id} and leadEventName: {named}"
    )


def _who(customer: Customer | CustomerDetails) -> Values:
    return {
        "name": customer.name,
        "email": customer.email,
        "avatar": customer.avatar,
        "externalId": customer.external_id,
    }


def _shown(link: Link, short_link: str) -> Values:
    return {
        "id": link.id,
        "domain": link.domain,
        "key": link.key,
        "shortLink": short_link,
        "url": link.url,
        "partnerId": link.partner_id,
        "programId": link.program_id,
        "tenantId": link.tenant_id,
        "externalId": link.external_id,
    }

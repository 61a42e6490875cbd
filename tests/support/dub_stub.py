"""A strict Dub API on loopback: the rules of ``/track/lead`` and ``/track/sale`` that matter to a client.

Stricter than Dub in one way: an unknown field is an error, so that a misspelt name cannot pass.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any

from stub_http import Fault, Reply, Request, StubServer, status

KEY = "dub_stubkeystubkeystubkey123"
LEAD = {
    "clickId", "eventName", "customerExternalId", "customerName", "customerEmail", "customerAvatar", "mode",
    "eventQuantity", "metadata",
}  # fmt: skip
SALE = {
    "customerExternalId", "amount", "currency", "eventName", "paymentProcessor", "invoiceId", "metadata",
    "leadEventName", "clickId", "customerName", "customerEmail", "customerAvatar",
}  # fmt: skip
PROCESSORS = {"stripe", "shopify", "polar", "paddle", "apple", "revenuecat", "dub", "custom"}
_CODES = {
    400: "bad_request", 401: "unauthorized", 403: "forbidden", 404: "not_found", 409: "conflict",
    422: "unprocessable_entity", 429: "rate_limit_exceeded", 500: "internal_server_error",
}  # fmt: skip


class Refusal(Exception):
    def __init__(self, code: int, message: str) -> None:
        self.code = code
        super().__init__(message)


def envelope(code: int, message: str) -> dict[str, Any]:
    """Dub's error body."""
    name = _CODES.get(code, "internal_server_error")
    doc = f"https://dub.co/docs/api-reference/errors#{name.replace('_', '-', 1)}"
    return {"error": {"code": name, "message": message, "doc_url": doc}}


def refuse(code: int, message: str = "", **headers: str) -> Fault:
    """A fault that answers with Dub's envelope."""
    return status(code, envelope(code, message), **headers)


class DubStub(StubServer):
    """Every non-empty click id is known, but for those in ``unknown_clicks``.

    ``lag`` holds, for a customer, how many sales meet a lead that cannot be found yet.
    """

    def __init__(self) -> None:
        super().__init__()
        self.key = KEY
        self.unknown_clicks: set[str] = set()
        self.lag: Counter[str] = Counter()
        self.leads: list[dict[str, Any]] = []  # what was recorded, in order
        self.sales: list[dict[str, Any]] = []
        self._customers: dict[str, dict[str, Any]] = {}
        self._seen: set[tuple[str, str]] = set()
        self._invoices: dict[str, Reply] = {}
        self._state = threading.Lock()

    def know(self, customer_id: str, click_id: str, *, leads: int = 1) -> None:
        """Know this customer as one who came by this click, with so many leads that a sale may follow."""
        self._customers[customer_id] = {"clickId": click_id, "leads": leads}

    def forget(self) -> None:
        """Forget which leads and invoices were seen: the seven days of Dub's have passed."""
        self._seen.clear()
        self._invoices.clear()

    def answer(self, request: Request) -> Reply:
        try:
            with self._state:
                return self._answer(request)
        except Refusal as refusal:
            return Reply.of(envelope(refusal.code, str(refusal)), refusal.code)

    def _answer(self, request: Request) -> Reply:
        handler = {"/track/lead": self._lead, "/track/sale": self._sale}.get(request.path)
        if handler is None:
            raise Refusal(404, "Not found.")
        if request.method != "POST":
            raise Refusal(405, "Method not allowed.")
        authorization = request.headers.get("authorization")
        if authorization is None:
            raise Refusal(401, "Missing Authorization header.")
        if authorization != f"Bearer {self.key}":
            raise Refusal(401, "Unauthorized: Invalid API key.")
        try:
            body = json.loads(request.body)
        except ValueError:
            raise Refusal(400, "Invalid JSON format in request body.") from None
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            raise Refusal(415, "The body must be application/json.")
        if (
            isinstance(body, dict) and "externalId" in body
        ):  # its older name, which Segment's destination uses
            body = {"customerExternalId": body["externalId"], **body}
            del body["externalId"]
        return handler(body)

    def _lead(self, body: dict[str, Any]) -> Reply:
        _check(body, LEAD)
        _need(body, "eventName", str)
        click_id = body.get("clickId") or ""
        customer_id = body.get("customerExternalId")
        if not customer_id:
            raise Refusal(400, "customerExternalId is required")
        if body.get("mode", "async") not in ("async", "wait", "deferred"):
            raise Refusal(422, "invalid_value: mode: Invalid option")
        known = self._customers.get(customer_id)
        click_id = click_id or (known["clickId"] if known else "")
        if not click_id:
            raise Refusal(400, "The `clickId` property was not provided in the request, and no existing …")
        deferred = body.get("mode") == "deferred"
        if not deferred:
            # before the click is looked up, as Dub does: a lead that fails below is marked as seen
            mark = (customer_id, body["eventName"].lower().replace(" ", "-"))
            if mark in self._seen:
                return Reply.of({"click": {"id": click_id}, "link": None, "customer": _customer(body)})
            self._seen.add(mark)
        if click_id in self.unknown_clicks:
            raise Refusal(404, f"Click event not found for clickId: {click_id}")
        self._customers.setdefault(customer_id, {"clickId": click_id, "leads": 0, **_customer(body)})
        if not deferred:
            self.leads.append(body)
            self._customers[customer_id]["leads"] += 1
        return Reply.of({"click": {"id": click_id}, "link": _link(), "customer": _customer(body)})

    def _sale(self, body: dict[str, Any]) -> Reply:
        _check(body, SALE)
        amount = body.get("amount")
        if not isinstance(amount, int) or isinstance(amount, bool) or amount < 0:
            raise Refusal(422, "invalid_type: amount: amount is required")
        if body.get("paymentProcessor", "custom") not in PROCESSORS:
            raise Refusal(422, "invalid_value: paymentProcessor: Invalid option")
        customer_id = body.get("customerExternalId")
        if not customer_id:
            raise Refusal(400, "customerExternalId is required")
        invoice = body.get("invoiceId")
        if invoice in self._invoices:
            return self._invoices[invoice]
        nobody = Reply.of({"eventName": body.get("eventName", "Purchase"), "customer": None, "sale": None})
        customer = self._customers.get(customer_id)
        if customer is None and not body.get("clickId"):
            return nobody
        if customer is not None and (not customer["leads"] or self.lag[customer_id] > 0):
            self.lag[customer_id] -= 1
            name = body.get("leadEventName") or "null"
            raise Refusal(
                404, f"Lead event not found for externalId: {customer_id} and leadEventName: {name}"
            )
        if body.get("clickId") in self.unknown_clicks and customer is None:
            raise Refusal(404, f"Click event not found for clickId: {body['clickId']}")
        if amount == 0:
            return nobody
        self.sales.append(body)
        reply = Reply.of(
            {
                "eventName": body.get("eventName", "Purchase"),
                "customer": {"id": "cus_1", **_customer(body)},
                "sale": {
                    "amount": amount,
                    "currency": body.get("currency", "usd").lower(),
                    "paymentProcessor": body.get("paymentProcessor", "custom"),
                    "invoiceId": invoice,
                    "metadata": body.get("metadata"),
                },
            }
        )
        if invoice is not None:
            self._invoices[invoice] = reply
        return reply


def _check(body: Any, allowed: set[str]) -> None:
    if not isinstance(body, Mapping):
        raise Refusal(422, "invalid_type: : Invalid input: expected object")
    if unknown := sorted(set(body) - allowed):
        raise Refusal(422, f"unrecognized_keys: : {unknown}")
    for name in ("customerName", "customerEmail", "customerExternalId", "eventName", "invoiceId"):
        if body.get(name) is not None and not isinstance(body[name], str):
            raise Refusal(422, f"invalid_type: {name}: Invalid input: expected string")
    metadata = body.get("metadata")
    if metadata is not None and not isinstance(metadata, Mapping):
        raise Refusal(422, "invalid_type: metadata: Invalid input: expected record")
    quantity = body.get("eventQuantity")
    if quantity is not None and (not isinstance(quantity, int) or not 1 <= quantity <= 100):
        raise Refusal(422, "too_big: eventQuantity: Too big")


def _need(body: Mapping[str, Any], name: str, kind: type) -> None:
    if not isinstance(body.get(name), kind) or not body[name]:
        raise Refusal(422, f"invalid_type: {name}: Invalid input: expected {kind.__name__}")


def _customer(body: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": body.get("customerName"),
        "email": body.get("customerEmail"),
        "avatar": body.get("customerAvatar"),
        "externalId": body["customerExternalId"],
    }


def _link() -> dict[str, Any]:
    return {
        "id": "link_1", "domain": "go.localhost", "key": "spring", "shortLink": "https://go.localhost/spring",
        "url": "https://shop.test/", "partnerId": None, "programId": None, "tenantId": None,
        "externalId": None,
    }  # fmt: skip

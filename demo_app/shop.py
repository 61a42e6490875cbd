"""What both shops share: the plans, the rules of the two forms, the policy, and the label on each page."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dub_middleware import OutboxError, Visit
from dub_middleware.conversions import Conversions, Receipt

HERE = Path(__file__).parent
TEMPLATES = HERE / "templates"
STATIC = HERE / "static"

#: what the foot of the label leads to, where no Dub runs beside the shop
LINKS = (
    ("Arrive by a Dub link", "/?dub_id=test"),
    ("…by a redirect that drops the query", "/launch?dub_id=launch-day"),
)

#: signs the sessions and seals the click; one for each run unless SHOP_SECRET_KEY says otherwise
SECRET_KEY = os.environ.get("SHOP_SECRET_KEY") or secrets.token_hex(32)


@dataclass(frozen=True, slots=True)
class Plan:
    """What one can subscribe to; ``amount`` is in cents a month."""

    key: str
    name: str
    amount: int
    weight: str
    pitch: str
    features: tuple[str, ...]

    @property
    def price(self) -> str:
        return f"${self.amount // 100}"


PLANS = {
    plan.key: plan
    for plan in (
        Plan(
            "feather", "Feather", 900, "50 g", "For a quiet start.", ("1 parcel a month", "Tied with string")
        ),
        Plan(
            "anvil",
            "Anvil",
            4900,
            "50 kg",
            "The one everybody means.",
            ("10 parcels a month", "Dropped on the mark", "Earplugs included"),
        ),
        Plan(
            "boulder",
            "Boulder",
            19900,
            "5 t",
            "For those in a hurry.",
            ("Unlimited parcels", "Rolls by itself", "A person on the phone"),
        ),
    )
}


def plan_of(key: str | None) -> Plan:
    """Return the plan named *key*, the middle one for anything else."""
    return PLANS.get(key or "", PLANS["anvil"])


def sign_up(
    form: Mapping[str, str],
    session: MutableMapping[str, Any],
    visit: Visit,
    track_lead: Callable[..., Receipt],
) -> dict[str, str]:
    """Keep the customer in the session and track the lead; return what is wrong with *form*, by field."""
    name, email = form.get("name", "").strip(), form.get("email", "").strip()
    errors = {}
    if not 1 <= len(name) <= 80:
        errors["name"] = "Tell us your name, in at most 80 letters."
    if not 3 <= len(email) <= 120 or "@" not in email[1:-1]:
        errors["email"] = "That is not an email address, such as ada@example.com."
    if not errors:
        id_ = secrets.token_hex(4)
        receipt = track_lead(customer_external_id=id_, customer_name=name, customer_email=email)
        session["customer"] = {
            "id": id_,
            "name": name,
            "email": email,
            "click_id": visit.click_id,
            "receipt": receipt.id,
        }
        session.pop("order", None)
    return errors


def check_out(
    form: Mapping[str, str],
    session: MutableMapping[str, Any],
    visit: Visit,
    track_sale: Callable[..., Receipt],
) -> None:
    """Keep the order in the session and track the sale."""
    plan = plan_of(form.get("plan"))
    number = f"ACME-{secrets.token_hex(3).upper()}"
    receipt = track_sale(
        customer_external_id=session["customer"]["id"],
        amount=plan.amount,
        invoice_id=number,  # a repeated form counts once
        metadata={"plan": plan.key},
    )
    session["order"] = {
        "number": number,
        "plan": plan.key,
        "amount": plan.amount,
        "click_id": visit.click_id,
        "receipt": receipt.id,
    }


#: the states of a receipt in the words of the label
STATES = {
    "none": "none yet",
    "pending": "queued",
    "delivered": "delivered",
    "duplicate": "delivered, known already",
    "not_attributed": "delivered, belongs to no click",
    "unconfirmed": "delivered, unconfirmed",
    "rejected": "refused, see the log",
    "refused": "refused, see the log",
    "expired": "given up",
    "dead": "given up",
    "unknown": "settled long ago",
}


def receipts(session: Mapping[str, Any], conversions: Conversions) -> list[tuple[str, str, bool]]:
    """Return what became of this customer's lead and sale: name, state, is it good news."""
    if "customer" not in session:
        return []
    return [
        (name, STATES[state], state == "delivered")
        for name, state in (
            ("Lead", _state(session["customer"], conversions)),
            ("Sale", _state(session.get("order"), conversions)),
        )
    ]


def _state(kept: Mapping[str, Any] | None, conversions: Conversions) -> str:
    if kept is None:
        return "none"
    try:
        return conversions.receipt(kept["receipt"]).state if kept["receipt"] else "refused"
    except OutboxError:
        return "unknown"


def policy(nonce: str) -> str:
    """Return the shop's Content-Security-Policy: only scripts with this response's *nonce* run."""
    return (
        f"default-src 'none'; script-src 'nonce-{nonce}' 'strict-dynamic'; connect-src 'self'; "
        "style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def label(visit: Visit, script: str, receipts: list[tuple[str, str, bool]]) -> list[tuple[str, str, bool]]:
    """Return what the middleware did, *script* being what the page carries: name, value, is it good news."""
    is_set = bool(visit.capture.cookies)
    if not visit:
        click, cookie = "no click", "none to set"
    else:
        click = "new on this request" if visit.is_new else "kept from before"
        cookie = "set by this response" if is_set else "there, not sent again"
        if visit.is_new and not is_set:
            cookie = "not set on this request"
    sealed = f"yes, {visit.captured_at:%d %b %H:%M:%S} UTC" if visit.captured_at else "no"
    return [
        ("Click id", visit.click_id or "none", bool(visit)),
        ("Source", visit.source or "none", bool(visit)),
        ("Click", click, bool(visit)),
        ("Cookie", cookie, is_set),
        ("Sealed", sealed, visit.is_sealed),
        *receipts,
        ("Script", script, True),
    ]

"""What both shops share: the plans, the rules of the two forms, the policy, and the label on each page."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dub_middleware import Visit

HERE = Path(__file__).parent
TEMPLATES = HERE / "templates"
STATIC = HERE / "static"

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


def sign_up(form: Mapping[str, str], session: MutableMapping[str, Any], visit: Visit) -> dict[str, str]:
    """Keep the customer in the session; return what is wrong with *form*, by field."""
    name, email = form.get("name", "").strip(), form.get("email", "").strip()
    errors = {}
    if not 1 <= len(name) <= 80:
        errors["name"] = "Tell us your name, in at most 80 letters."
    if not 3 <= len(email) <= 120 or "@" not in email[1:-1]:
        errors["email"] = "That is not an email address, such as ada@example.com."
    if not errors:
        # the place for dub.track_lead(...): everything it takes is here
        session["customer"] = {
            "id": secrets.token_hex(4),
            "name": name,
            "email": email,
            "click_id": visit.click_id,
        }
    return errors


def check_out(form: Mapping[str, str], session: MutableMapping[str, Any], visit: Visit) -> None:
    """Keep the order in the session."""
    plan = plan_of(form.get("plan"))
    # the place for dub.track_sale(...): everything it takes is here
    session["order"] = {
        "number": f"ACME-{secrets.token_hex(3).upper()}",
        "plan": plan.key,
        "amount": plan.amount,
        "click_id": visit.click_id,
    }


def policy(nonce: str) -> str:
    """Return the shop's Content-Security-Policy: only scripts with this response's *nonce* run."""
    return (
        f"default-src 'none'; script-src 'nonce-{nonce}' 'strict-dynamic'; connect-src 'self'; "
        "style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def label(visit: Visit, script: str) -> list[tuple[str, str, bool]]:
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
        ("Script", script, True),
    ]

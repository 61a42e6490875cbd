"""The shop's pages."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from demo_app import shop
from dub_middleware.django import conversions
from dub_middleware.django.conf import site


def protect(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: put the shop's policy, with a nonce of its own, on each response."""

    def middleware(request: HttpRequest) -> HttpResponse:
        nonce = request.csp_nonce = secrets.token_urlsafe(16)  # as django-csp does: Dub's tag takes it
        response = get_response(request)
        response["Content-Security-Policy"] = shop.policy(nonce)
        response["Referrer-Policy"] = "strict-origin-when-cross-origin"
        response["X-Content-Type-Options"] = "nosniff"
        return response

    return middleware


def page(request: HttpRequest, name: str, *, status: int = 200, **values: Any) -> HttpResponse:
    script = site().script
    context = {
        "page": name,
        "framework": "Django",
        "nonce": request.csp_nonce,
        "links": settings.SHOP_LINKS,
        "plans": shop.PLANS,
        "customer": request.session.get("customer"),
        "order": request.session.get("order"),
        "label": shop.label(
            request.dub, f"{script.variant} · {script.url}", shop.receipts(request.session, conversions())
        ),
        **values,
    }
    return render(request, f"{name}.html", context, status=status)


@require_GET
def landing(request: HttpRequest) -> HttpResponse:
    return page(request, "landing")


@require_GET
def launch(request: HttpRequest) -> HttpResponse:
    """A campaign's address: the redirect drops the query, the click id is already kept."""
    return HttpResponseRedirect("/")


@require_GET
def pricing(request: HttpRequest) -> HttpResponse:
    return page(request, "pricing")


@require_http_methods(["GET", "POST"])
def signup(request: HttpRequest) -> HttpResponse:
    plan = shop.plan_of(request.GET.get("plan"))
    if request.method == "GET":
        return page(request, "signup", plan=plan, errors={}, form={})
    if errors := shop.sign_up(request.POST, request.session, request.dub, request.dub.track_lead):
        return page(request, "signup", plan=plan, errors=errors, form=request.POST, status=422)
    return HttpResponseRedirect(f"/checkout?plan={plan.key}")


@require_http_methods(["GET", "POST"])
def checkout(request: HttpRequest) -> HttpResponse:
    plan = shop.plan_of(request.GET.get("plan"))
    if "customer" not in request.session:
        return HttpResponseRedirect(f"/signup?plan={plan.key}")
    if request.method == "GET":
        return page(request, "checkout", plan=plan, click_id=request.dub.click_id)
    shop.check_out(request.POST, request.session, request.dub, request.dub.track_sale)
    return HttpResponseRedirect("/account")


@require_GET
def account(request: HttpRequest) -> HttpResponse:
    return page(request, "account")


@require_GET
def receipts(request: HttpRequest) -> HttpResponse:
    """What the label asks for until everything has arrived."""
    return JsonResponse(shop.receipts(request.session, conversions()), safe=False)


@require_POST
def forget(request: HttpRequest) -> HttpResponse:
    request.session.flush()
    return HttpResponseRedirect("/account")


def missing(request: HttpRequest, exception: Exception) -> HttpResponse:
    return page(request, "missing", status=404)

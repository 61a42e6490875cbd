"""The Acme shop: a small site that shows what the middleware does, request by request."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, g, jsonify, redirect, render_template, request, session
from werkzeug.wrappers import Response as AnyResponse

from demo_app import shop
from dub_middleware.flask import Dub

__all__ = ["create_app"]


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Build the shop; *config* is laid over the Flask configuration.

    ``DUB_*`` keys are the middleware's, ``SHOP_LINKS`` is what the label leads to: text and address.

    Raises:
        ConfigError: a ``DUB_*`` key is unknown or its value wrong.
    """
    app = Flask(__name__)
    app.config.from_mapping(
        SECRET_KEY=shop.SECRET_KEY,
        SESSION_COOKIE_NAME="acme_flask",
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=16_384,
        SHOP_LINKS=shop.LINKS,
        DUB_SECRET_KEY=shop.SECRET_KEY,
    )
    app.config.update(config or {})
    dub = Dub(app)
    script = app.extensions["dub"].script

    @app.before_request
    def draw_nonce() -> None:
        g.nonce = secrets.token_urlsafe(16)

    @app.after_request
    def protect(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = shop.policy(g.nonce)
        response.headers["Referrer-Policy"] = "strict-origin-when-cross-origin"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    def page(name: str, **values: Any) -> str:
        return render_template(
            f"{name}.html",
            page=name,
            framework="Flask",
            nonce=g.nonce,
            links=app.config["SHOP_LINKS"],
            plans=shop.PLANS,
            customer=session.get("customer"),
            order=session.get("order"),
            label=shop.label(
                dub.visit, f"{script.variant} · {script.url}", shop.receipts(session, dub.conversions)
            ),
            **values,
        )

    @app.get("/")
    def landing() -> str:
        return page("landing")

    @app.get("/launch")
    def launch() -> AnyResponse:
        """A campaign's address: the redirect drops the query, the click id is already kept."""
        return redirect("/")

    @app.get("/pricing")
    def pricing() -> str:
        return page("pricing")

    @app.route("/signup", methods=["GET", "POST"])
    def signup() -> AnyResponse | str | tuple[str, int]:
        plan = shop.plan_of(request.args.get("plan"))
        if request.method == "GET":
            return page("signup", plan=plan, errors={}, form={})
        if errors := shop.sign_up(request.form, session, dub.visit, dub.track_lead):
            return page("signup", plan=plan, errors=errors, form=request.form), 422
        return redirect(f"/checkout?plan={plan.key}")

    @app.route("/checkout", methods=["GET", "POST"])
    def checkout() -> AnyResponse | str:
        plan = shop.plan_of(request.args.get("plan"))
        if "customer" not in session:
            return redirect(f"/signup?plan={plan.key}")
        if request.method == "GET":
            return page("checkout", plan=plan, click_id=dub.visit.click_id)
        shop.check_out(request.form, session, dub.visit, dub.track_sale)
        return redirect("/account")

    @app.get("/account")
    def account() -> str:
        return page("account")

    @app.get("/receipts")
    def receipts() -> Response:
        """What the label asks for until everything has arrived."""
        return jsonify(shop.receipts(session, dub.conversions))

    @app.post("/account/forget")
    def forget() -> AnyResponse:
        session.clear()
        return redirect("/account")

    @app.errorhandler(404)
    def missing(_: Exception) -> tuple[str, int]:
        return page("missing"), 404

    return app

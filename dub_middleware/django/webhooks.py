"""The view that takes Dub's webhooks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

if TYPE_CHECKING:
    from dub_middleware.webhooks import WebhookEvent


def webhook_view(
    secret: str | Sequence[str], on_event: Callable[[WebhookEvent], object], **options: Any
) -> Callable[[HttpRequest], HttpResponse]:
    """Return a view that takes Dub's webhooks and calls *on_event* once for each event.

    *secret* and *options* are those of `WebhookApp`, which says what is answered::

        urlpatterns = [path("webhooks/dub", webhook_view("whsec_…", on_event, seen="webhooks.db"))]
    """
    from dub_middleware.webhooks import WebhookApp

    webhooks = WebhookApp(secret, on_event, **options)

    def receive(request: HttpRequest) -> HttpResponse:
        answer = webhooks.handle(request.body, request.headers)
        response = HttpResponse(answer.body, status=answer.status)
        for name, value in answer.headers:
            response[name] = value
        return response

    return csrf_exempt(require_POST(receive))  # type: ignore[no-any-return]

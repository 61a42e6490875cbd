"""``{% load dub %}{% dub_script %}``: the tag where the template wants it, and no second one."""

from __future__ import annotations

from django import template
from django.template import Context
from django.utils.safestring import SafeString, mark_safe

from dub_middleware.django import conf
from dub_middleware.django.nonce import nonce_of

register = template.Library()


@register.simple_tag(takes_context=True)
def dub_script(context: Context) -> SafeString:
    """Return the script element, with the nonce of the request's Content-Security-Policy if there is one."""
    # the second is there without the context processor of that name, too
    request = context.get("request") or getattr(context, "request", None)
    nonce = nonce_of(request) if request is not None else None
    return mark_safe(conf.site().script.markup(nonce))

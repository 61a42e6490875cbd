"""The shop's addresses."""

from __future__ import annotations

from django.urls import path, re_path
from django.views.static import serve

from demo_app import shop
from demo_app.django_shop import views

urlpatterns = [
    path("", views.landing),
    path("launch", views.launch),
    path("pricing", views.pricing),
    path("signup", views.signup),
    path("checkout", views.checkout),
    path("account", views.account),
    path("account/forget", views.forget),
    path("receipts", views.receipts),
    re_path(r"^static/(?P<path>.*)$", serve, {"document_root": shop.STATIC}),
]
handler404 = views.missing

"""URLs of the pages."""

from __future__ import annotations

from django.urls import path

from . import views

app_name = "shop"
urlpatterns = [
    path("", views.products, name="products"),
    path("products/<int:product_id>", views.product, name="product"),
    path("checkout", views.checkout, name="checkout"),
    path("tickets", views.tickets, name="tickets"),
]

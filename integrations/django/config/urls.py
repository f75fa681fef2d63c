"""URLs of the readiness check and of the shop."""

from __future__ import annotations

from django.urls import include, path

from prio_middleware.django import ready

urlpatterns = [path("ready", ready), path("", include("shop.urls"))]

"""A Django site for real servers, configured by ``PRIO_...`` variables."""

from __future__ import annotations

import os
from typing import Any

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, JsonResponse
from django.urls import path

from tests.web.helpers import PRODUCTS


def products_sync(request: Any) -> HttpResponse:
    return JsonResponse({"process": os.getpid()}, status=request.prio.get(PRODUCTS).status_code)


async def products(request: Any) -> HttpResponse:
    return JsonResponse({"process": os.getpid()}, status=(await request.prio.get(PRODUCTS)).status_code)


urlpatterns = [path("products", products), path("sync", products_sync)]

settings.configure(
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["*"],
    SECRET_KEY="of the tests",
    MIDDLEWARE=["prio_middleware.django.PrioMiddleware"],
)
django.setup()
asgi = get_asgi_application()
wsgi = get_wsgi_application()

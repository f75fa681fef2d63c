"""A Django project that is nothing but django-oauth-toolkit, as its documentation sets it up."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import include, path

from tests.long.interop.accounts import LIFETIME, READ, SECRET_ACCOUNTS, WRITE, issuer

settings.configure(
    SECRET_KEY="only-for-tests",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": Path(os.environ["INTEROP_FOLDER"], "database"),
            "OPTIONS": {"timeout": 30},
        }
    },
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"],
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],  # the usual one takes a while, on purpose
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
    OAUTH2_PROVIDER={
        "SCOPES": {READ: "Read orders", WRITE: "Write orders", "introspection": "Introspect tokens"},
        "DEFAULT_SCOPES": [READ],
        "ACCESS_TOKEN_EXPIRE_SECONDS": LIFETIME,
        "OIDC_ISS_ENDPOINT": issuer(),
    },
)
django.setup()

from oauth2_provider.decorators import protected_resource, protected_resource_metadata  # noqa: E402 - once it is set up
from oauth2_provider.models import get_application_model  # noqa: E402
from oauth2_provider.urls import metadata_urlpatterns  # noqa: E402


def orders(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"orders": []})


def register() -> None:
    model: Any = get_application_model()
    for account in SECRET_ACCOUNTS:
        model.objects.create(
            name=account.client_id,
            client_id=account.client_id,
            client_secret=account.secret,
            client_type=model.CLIENT_CONFIDENTIAL,
            authorization_grant_type=model.GRANT_CLIENT_CREDENTIALS,
        )


urlpatterns = [
    path(f"{urlsplit(issuer()).path.strip('/')}/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    path("", include((metadata_urlpatterns, "metadata"))),
    path("bare/orders", protected_resource(scopes=[READ])(orders)),
    path("bare/reports", protected_resource(scopes=[WRITE])(orders)),
    path("challenged/orders", protected_resource_metadata(scopes=[READ])(orders)),
    path("challenged/reports", protected_resource_metadata(scopes=[WRITE])(orders)),
]

call_command("migrate", verbosity=0)
register()
application = get_wsgi_application()

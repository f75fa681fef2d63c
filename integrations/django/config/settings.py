"""Settings from ``DJANGO_...`` variables. Settings for Prio are ``PRIO_...`` variables, or a dict ``PRIO`` here.

There is no database: signed cookies hold sessions and messages.
"""

from __future__ import annotations

import os

from django.core.management.utils import get_random_secret_key

DEBUG = "DJANGO_DEBUG" in os.environ
SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY") or get_random_secret_key()  # A fixed key keeps carts across a restart.
ALLOWED_HOSTS = os.environ.get("DJANGO_ALLOWED_HOSTS", "127.0.0.1,localhost").split(",")

INSTALLED_APPS = [
    "django.contrib.messages",
    "prio_middleware.django.PrioConfig",  # manage.py check reports mistakes in the settings for Prio
    "shop",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "prio_middleware.django.PrioMiddleware",  # request.prio
]

PRIO_WARM_UP = True  # Wrong credentials stop the deployment; otherwise the first customer would get the error.

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
TIME_ZONE = "UTC"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}

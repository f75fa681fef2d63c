"""Settings and the constructors that they configure have the same defaults."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from prio_middleware import ClientSettings
from prio_middleware.middleware.budget_guard import BudgetGuard
from prio_middleware.middleware.header_injector import HeaderInjector
from prio_middleware.middleware.https_enforcer import HTTPSEnforcer
from prio_middleware.middleware.origin_guard import OriginGuard
from prio_middleware.oauth.access_token import ExpiryPolicy
from prio_middleware.oauth.cache import TokenCache
from prio_middleware.oauth.provider import ClientCredentialsProvider
from prio_middleware.oauth.shared.coordinator import SharedTokens
from prio_middleware.oauth.token_request import TokenEndpoint
from prio_middleware.settings.models import BudgetGuardTable
from prio_middleware.settings.token_store import TokenStore
from prio_middleware.telemetry.counters import MetricsRegistry

CONSTRUCTORS: list[tuple[Callable[..., Any], Any, dict[str, str]]] = [
    (
        ExpiryPolicy,
        ClientSettings,
        {
            "default_lifetime": "default_lifetime",
            "max_lifetime": "max_lifetime",
            "leeway_fraction": "leeway_fraction",
            "leeway_max": "leeway_max",
            "jitter": "leeway_jitter",
        },
    ),
    (TokenEndpoint, ClientSettings, {"timeout": "token_timeout", "body_format": "body_format", "token_scheme": "token_scheme"}),
    (
        ClientCredentialsProvider,
        ClientSettings,
        {
            "refresh": "refresh",
            "deadline_seconds": "token_deadline",
            "failure_cooldown": "failure_cooldown",
            "loopback_http_hosts": "loopback_http_hosts",
        },
    ),
    (TokenCache, ClientSettings, {"limit": "token_cache_size"}),
    (MetricsRegistry, ClientSettings, {"limit": "metric_client_limit"}),
    (SharedTokens, ClientSettings, {"failure_cooldown": "failure_cooldown"}),
    (SharedTokens, TokenStore, {"lease": "lease"}),
    (OriginGuard, ClientSettings, {"foreign": "foreign_origins"}),
    (HeaderInjector, ClientSettings, {"caller_authorization": "caller_authorization"}),
    (HTTPSEnforcer, ClientSettings, {"loopback_hosts": "loopback_http_hosts"}),
    (
        BudgetGuard,
        BudgetGuardTable,
        {name: name for name in ("client_errors", "requests", "share", "enforce", "in_flight")},
    ),
]


def default_settings(model: Any) -> Any:
    if model is ClientSettings:
        urls = {"base_url": "https://api.example", "token_url": "https://api.example/token"}
        return ClientSettings(preset="rfc6749", client_id="shop", client_secret="s", **urls)
    return model()


def test_every_constructor_has_the_default_of_its_setting(subtests: pytest.Subtests) -> None:
    for constructor, model, names in CONSTRUCTORS:
        parameters, settings = inspect.signature(constructor).parameters, default_settings(model)
        for parameter, setting in names.items():
            with subtests.test(f"{constructor.__name__}.{parameter}"):
                assert parameters[parameter].default == getattr(settings, setting)

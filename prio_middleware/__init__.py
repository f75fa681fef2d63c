"""Outbound authentication for ``httpx`` and ``httpx2`` clients: OAuth 2.0 client credentials, as a pipeline of components.

>>> from prio_middleware.httpx import client
>>> with client() as prio:              # configured by PRIO_... variables
...     prio.get("/products")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import (
        BodyNotReplayableError,
        BudgetExceededError,
        ConfigurationError,
        CredentialsRefusedError,
        DiscoveryError,
        ForeignOriginError,
        InsecureTransportError,
        InvalidTokenResponseError,
        NewTokenUnavailableError,
        PolicyError,
        PrioError,
        ReauthenticationError,
        SecondTryRefusedError,
        TokenEndpointUnavailableError,
        TokenError,
        TokenRequestRefusedError,
    )
    from .middleware import (
        ApplicationInfo,
        BudgetGuard,
        HeaderInjector,
        HTTPSEnforcer,
        OriginGuard,
        RefusalRules,
        RevocationHandler,
    )
    from .pipeline import Exchange, Pipeline, Verdict
    from .secret import Secret
    from .settings import ClientSettings, Settings
    from .tokens.provider import ClientCredentialsProvider, TokenProvider
    from .tokens.static import StaticTokenProvider
    from .tokens.token import AccessToken, TokenOptions

_HOMES = {
    "errors": (
        "BodyNotReplayableError",
        "BudgetExceededError",
        "ConfigurationError",
        "CredentialsRefusedError",
        "DiscoveryError",
        "ForeignOriginError",
        "InsecureTransportError",
        "InvalidTokenResponseError",
        "NewTokenUnavailableError",
        "PolicyError",
        "PrioError",
        "ReauthenticationError",
        "SecondTryRefusedError",
        "TokenEndpointUnavailableError",
        "TokenError",
        "TokenRequestRefusedError",
    ),
    "middleware": (
        "ApplicationInfo",
        "BudgetGuard",
        "HTTPSEnforcer",
        "HeaderInjector",
        "OriginGuard",
        "RefusalRules",
        "RevocationHandler",
    ),
    "pipeline": ("Exchange", "Pipeline", "Verdict"),
    "secret": ("Secret",),
    "settings": ("ClientSettings", "Settings"),
    "tokens.provider": ("ClientCredentialsProvider", "TokenProvider"),
    "tokens.static": ("StaticTokenProvider",),
    "tokens.token": ("AccessToken", "TokenOptions"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "AccessToken",
    "ApplicationInfo",
    "BodyNotReplayableError",
    "BudgetExceededError",
    "BudgetGuard",
    "ClientCredentialsProvider",
    "ClientSettings",
    "ConfigurationError",
    "CredentialsRefusedError",
    "DiscoveryError",
    "Exchange",
    "ForeignOriginError",
    "HTTPSEnforcer",
    "HeaderInjector",
    "InsecureTransportError",
    "InvalidTokenResponseError",
    "NewTokenUnavailableError",
    "OriginGuard",
    "Pipeline",
    "PolicyError",
    "PrioError",
    "ReauthenticationError",
    "RefusalRules",
    "RevocationHandler",
    "SecondTryRefusedError",
    "Secret",
    "Settings",
    "StaticTokenProvider",
    "TokenEndpointUnavailableError",
    "TokenError",
    "TokenOptions",
    "TokenProvider",
    "TokenRequestRefusedError",
    "Verdict",
]


def __getattr__(name: str) -> Any:
    """Load what is asked for when it is asked for (PEP 562): settings, Authlib and tenacity cost time to import."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOME_OF[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""Outbound authentication for ``httpx`` and ``httpx2`` clients: OAuth 2.0 client credentials, as a pipeline of components.

>>> from prio_middleware.httpx import client
>>> with client() as prio:              # configured by PRIO_... variables
...     prio.get("/products")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._util.secret import Secret
    from .errors import (
        BodyNotReplayableError,
        BudgetExceededError,
        CallerAuthorizationError,
        ClientClosedError,
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
        RetryBlockedError,
        TokenEndpointUnavailableError,
        TokenError,
        TokenRequestRefusedError,
        TokenUnchangedError,
        UnknownAccountError,
        UnsupportedProtocolError,
    )
    from .middleware import (
        ApplicationInfo,
        BudgetGuard,
        HeaderInjector,
        HTTPSEnforcer,
        OriginGuard,
        PathTemplates,
        ProcessLimiter,
        RefusalRules,
        RevocationHandler,
    )
    from .middleware.budget_guard import Budget
    from .middleware.query_key import QueryKey
    from .middleware.revocation.refusal import Refusal
    from .middleware.revocation.rules import PRIO_REFUSALS, RFC6749_REFUSALS
    from .middleware.static_headers import StaticHeaders
    from .oauth.access_token import AccessToken, ExpiryPolicy, TokenOptions
    from .oauth.accounts import AccountCredentials, AccountResolver, Accounts
    from .oauth.cache import TokenCache
    from .oauth.client_auth import ClientAuth, ClientSecretBasic, ClientSecretPost, Credentials, PrivateKeyJWT
    from .oauth.discovery import Discovery, Issuer
    from .oauth.effects import AsyncSend, Send
    from .oauth.provider import ClientCredentialsProvider, CredentialsSource, TokenProvider
    from .oauth.shared.circuit_breaker import CircuitBreaker
    from .oauth.shared.connection import RedisAddress
    from .oauth.shared.coordinator import SharedTokens
    from .oauth.shared.file_store import FileStore
    from .oauth.shared.keyring import Keyring
    from .oauth.shared.redis_store import RedisStore
    from .oauth.shared.store import SharedStore
    from .oauth.static_token import NoTokenProvider, StaticTokenProvider
    from .oauth.token_request import TokenEndpoint, TokenRequest, token_extensions
    from .oauth.token_response import TokenResponse
    from .pipeline.exchange import CallerAuthorization, Exchange, Verdict
    from .pipeline.pipeline import Pipeline
    from .pipeline.protocols import RequestHook, RequestLike, ResponseHook, ResponseLike, SendObserver, URLLike
    from .settings import ClientSettings, Settings
    from .telemetry.counters import ClientCounters, MetricsRegistry

_MODULES = {
    "errors": (
        "BodyNotReplayableError BudgetExceededError CallerAuthorizationError ClientClosedError ConfigurationError "
        "CredentialsRefusedError DiscoveryError ForeignOriginError InsecureTransportError InvalidTokenResponseError "
        "NewTokenUnavailableError PolicyError PrioError ReauthenticationError RetryBlockedError "
        "TokenEndpointUnavailableError TokenError TokenRequestRefusedError TokenUnchangedError UnknownAccountError "
        "UnsupportedProtocolError"
    ),
    "middleware": (
        "ApplicationInfo BudgetGuard HTTPSEnforcer HeaderInjector OriginGuard PathTemplates ProcessLimiter "
        "RefusalRules RevocationHandler"
    ),
    "middleware.budget_guard": "Budget",
    "middleware.revocation.refusal": "Refusal",
    "middleware.revocation.rules": "PRIO_REFUSALS RFC6749_REFUSALS",
    "middleware.query_key": "QueryKey",
    "middleware.static_headers": "StaticHeaders",
    "pipeline.exchange": "CallerAuthorization Exchange Verdict",
    "pipeline.pipeline": "Pipeline",
    "pipeline.protocols": "RequestHook RequestLike ResponseHook ResponseLike SendObserver URLLike",
    "_util.secret": "Secret",
    "settings": "ClientSettings Settings",
    "telemetry.counters": "ClientCounters MetricsRegistry",
    "oauth.accounts": "AccountCredentials AccountResolver Accounts",
    "oauth.access_token": "AccessToken ExpiryPolicy TokenOptions",
    "oauth.cache": "TokenCache",
    "oauth.client_auth": "ClientAuth ClientSecretBasic ClientSecretPost Credentials PrivateKeyJWT",
    "oauth.discovery": "Discovery Issuer",
    "oauth.effects": "AsyncSend Send",
    "oauth.provider": "ClientCredentialsProvider CredentialsSource TokenProvider",
    "oauth.shared.circuit_breaker": "CircuitBreaker",
    "oauth.shared.connection": "RedisAddress",
    "oauth.shared.coordinator": "SharedTokens",
    "oauth.shared.file_store": "FileStore",
    "oauth.shared.keyring": "Keyring",
    "oauth.shared.redis_store": "RedisStore",
    "oauth.shared.store": "SharedStore",
    "oauth.static_token": "NoTokenProvider StaticTokenProvider",
    "oauth.token_request": "TokenEndpoint TokenRequest token_extensions",
    "oauth.token_response": "TokenResponse",
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names.split()}

__all__ = [
    "PRIO_REFUSALS", "RFC6749_REFUSALS", "AccessToken", "AccountCredentials", "AccountResolver", "Accounts",
    "ApplicationInfo", "AsyncSend", "BodyNotReplayableError", "Budget", "BudgetExceededError", "BudgetGuard",
    "CallerAuthorization", "CallerAuthorizationError", "CircuitBreaker", "ClientAuth", "ClientClosedError",
    "ClientCounters", "ClientCredentialsProvider", "ClientSecretBasic", "ClientSecretPost", "ClientSettings",
    "ConfigurationError", "Credentials", "CredentialsRefusedError", "CredentialsSource", "Discovery", "DiscoveryError",
    "Exchange", "ExpiryPolicy", "FileStore", "ForeignOriginError", "HTTPSEnforcer", "HeaderInjector",
    "InsecureTransportError", "InvalidTokenResponseError", "Issuer", "Keyring", "MetricsRegistry",
    "NewTokenUnavailableError", "NoTokenProvider", "OriginGuard", "PathTemplates", "Pipeline", "PolicyError", "PrioError",
    "PrivateKeyJWT", "ProcessLimiter", "QueryKey", "ReauthenticationError", "RedisAddress", "RedisStore", "Refusal",
    "RefusalRules", "RequestHook", "RequestLike", "ResponseHook", "ResponseLike", "RetryBlockedError", "RevocationHandler",
    "Secret", "Send", "SendObserver", "Settings", "SharedStore", "SharedTokens", "StaticHeaders", "StaticTokenProvider",
    "TokenCache", "TokenEndpoint", "TokenEndpointUnavailableError", "TokenError", "TokenOptions", "TokenProvider",
    "TokenRequest", "TokenRequestRefusedError", "TokenResponse", "TokenUnchangedError", "URLLike", "UnknownAccountError",
    "UnsupportedProtocolError", "Verdict", "token_extensions",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a name on first use (PEP 562), because settings, Authlib and tenacity are slow to import."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_MODULE_OF[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""Builders: a pipeline, and the options of the library's client, from settings."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from ..errors import ConfigurationError
from ..middleware import ApplicationInfo, BudgetGuard, HeaderInjector, HTTPSEnforcer, OriginGuard, RevocationHandler
from ..middleware.budget_guard import forget as forget_budgets
from ..middleware.revocation import renewal_limiter
from ..middleware.revocation.memory import PathTemplates
from ..oauth.access_token import DEFAULT_OPTIONS, AccessToken
from ..oauth.accounts import AccountResolver, Accounts, ResolverCalls
from ..oauth.provider import ClientCredentialsProvider
from ..pipeline.pipeline import Pipeline
from ..pipeline.registry import BUILT_IN, OPT_IN, make_component
from ..settings import ClientSettings, Settings
from ..settings.checks import server_limits
from ..settings.models import BudgetGuardTable, ConnectionSettings, renewal_rules
from ..settings.presets import PRESETS
from ..telemetry import logs
from ..telemetry.counters import MetricsRegistry
from .client_options import client_options, trust_of
from .token_provider import (
    build_account_provider,
    build_provider,
    build_query_key,
    build_static_headers,
    build_token_source,
    load_resolver,
)

if TYPE_CHECKING:
    from ..transports.inner import HTTPLibrary

__all__ = [
    "Plan",
    "build_pipeline",
    "build_provider",
    "cached_token",
    "client_options",
    "forget",
    "pipeline_for",
    "plan",
    "registry",
]

PIPELINES_LIMIT = 1024  # Maximum pipelines that are kept for later clients. Each client keeps its own.

_pipelines: dict[tuple[Any, ...], Pipeline] = {}

registry = MetricsRegistry()
"""Counts of all clients made from settings. Tests may put another registry in its place before they make clients."""


class Plan(NamedTuple):
    """Parts of a client, with the options of the library's client from the settings.

    Clients of this process with equal settings and equal trust share the pipeline, and so the token.
    """

    name: str
    base_url: str
    pipeline: Pipeline
    options: dict[str, Any]


def plan(
    name: str | None,
    settings: Settings | ClientSettings | None,
    library: HTTPLibrary,
    options: Mapping[str, Any],
    accounts: AccountResolver | None = None,
    account: Callable[[], str | None] | None = None,
) -> Plan:
    """Return the parts of a client. The arguments are those of :meth:`ClientFactory.client`.

    Raises:
        ConfigurationError: the settings are incomplete or wrong.
    """
    others: Mapping[str, ClientSettings] = {}
    if not isinstance(settings, ClientSettings):
        every = settings or Settings()
        settings, others = every.client(name), every.clients
    configured = client_options(settings, library, options)
    trust = trust_of(options, configured)
    if options.get("verify") is False:
        message = "Client %r checks no certificate: neither the API's nor the token endpoint's, which gets the credentials."
        logs.log(logging.WARNING, message, settings.name, event="certificates_not_checked", client=settings.name)
    del options  # It may hold a secret, and crash reporters print local variables.
    pipeline = pipeline_for(settings, trust, accounts)
    if isinstance(pipeline.provider, ClientCredentialsProvider):
        known = pipeline.provider.accounts
        found = _accounts(settings, others, trust, accounts, known)
        if known not in (None, found):  # Other settings have the same client, and name other accounts beside it.
            pipeline = pipeline_for(settings, trust, accounts, tuple(sorted(others.items())))
            found = _accounts(settings, others, trust, accounts, pipeline.provider.accounts)
        pipeline.provider.accounts = found
        pipeline = pipeline.with_account(account) if account else pipeline
    return Plan(settings.name, settings.base_url, pipeline, configured)


def cached_token(name: str | None, settings: Settings | ClientSettings | None) -> AccessToken | None:
    """Return the fresh token of the client ``name`` that this process has, or None.

    Raises:
        ConfigurationError: the settings are incomplete or wrong.
    """
    own = settings if isinstance(settings, ClientSettings) else (settings or Settings()).client(name)
    token: AccessToken | None = pipeline_for(own).provider.current(DEFAULT_OPTIONS, None)
    return token


@dataclass(frozen=True, slots=True)
class _FindAccount:
    """Finds the accounts of a client: the other clients at its server, and those of its resolver."""

    settings: ClientSettings
    others: Mapping[str, ClientSettings]
    trust: tuple[str, ...]
    resolve: AccountResolver | None
    calls: ResolverCalls = field(default_factory=ResolverCalls, compare=False)

    def __call__(self, account: str) -> ClientCredentialsProvider | None:
        settings, other = self.settings, self.others.get(account)
        if other is not None and same_server(settings, other):
            provider = pipeline_for(other, self.trust).provider
            return provider if isinstance(provider, ClientCredentialsProvider) else None
        if self.resolve is None:
            return None
        counters = partial(registry.client, f"{settings.name}/{account}")
        return build_account_provider(settings, account, self.resolve, counters, self.trust, self.calls)


def _accounts(
    settings: ClientSettings,
    others: Mapping[str, ClientSettings],
    trust: tuple[str, ...],
    resolve: AccountResolver | None,
    known: Accounts | None,
) -> Accounts | None:
    """Return the accounts of a client. Return ``known``, with their tokens, if another client has the same accounts."""
    resolve = resolve or (load_resolver(settings.accounts, settings.name) if settings.accounts else None)
    if resolve is None and len(others) <= 1:
        return known
    find = _FindAccount(settings, others, trust, resolve)
    if known is not None and known.find == find:
        return known
    return Accounts(find, client=settings.name, limit=settings.accounts_limit)


def same_server(one: ClientSettings, other: ClientSettings) -> bool:
    """Return whether two clients call the same API with tokens of the same token endpoint, over equal connections."""
    names = ("base_url", "token_server_url", *ConnectionSettings.model_fields)
    return all(getattr(one, name) == getattr(other, name) for name in names)


def pipeline_for(
    settings: ClientSettings,
    trust: tuple[str, ...] = (),
    accounts: AccountResolver | None = None,
    others: tuple[tuple[str, ClientSettings], ...] = (),
    *,
    limit: int = PIPELINES_LIMIT,
) -> Pipeline:
    """Return the pipeline of a client: one per process for equal settings, trust, resolver of accounts, and ``others``.

    :func:`trust_of` returns the trust. At most ``limit`` pipelines are kept. The oldest one is dropped first.
    """
    key = settings, trust, accounts, others
    known = _pipelines.get(key)
    if known is None:
        if len(_pipelines) >= limit:
            _pipelines.pop(next(iter(_pipelines)), None)
        known = _pipelines.setdefault(key, build_pipeline(settings, trust))
    return known


def forget() -> None:
    """Drop all pipelines, tokens and counts, for tests."""
    from . import shared_tokens

    _pipelines.clear()
    shared_tokens.forget()
    forget_budgets()
    logs.forget()
    renewal_limiter.forget()
    registry.clear()


def build_pipeline(settings: ClientSettings, trust: tuple[str, ...] = ()) -> Pipeline:
    """Build a pipeline from ``settings``: the declared components, or the default ones.

    Raises:
        ConfigurationError: a component or the credentials cannot be used.
    """
    registry.limit = settings.metric_client_limit
    try:
        pipeline = Pipeline(_components(settings, trust), waive=settings.waive, registry=registry)
    except ConfigurationError as error:
        failure = error
    else:
        pipeline.counters.client_error_limit = server_limits(settings)["client_errors"]
        provider = pipeline.provider

        def limiter_of_account(account: str) -> renewal_limiter.ProcessLimiter:
            """Return the limiter of the account's credentials, which their own client shares."""
            endpoint = provider.of_account(account).endpoint
            return renewal_limiter.limiter_of(endpoint.url, endpoint.auth.client_id)

        for component in pipeline.components:
            if isinstance(component, RevocationHandler) and isinstance(provider, ClientCredentialsProvider):
                component.limiter_of_account = limiter_of_account
        return pipeline
    raise failure.copy(client=settings.name)


def _components(settings: ClientSettings, trust: tuple[str, ...]) -> list[Any]:
    built_in: dict[str, Callable[[], Any]] = {
        "https_enforcer": lambda: HTTPSEnforcer(settings.loopback_http_hosts),
        "budget_guard": lambda: _budget_guard(settings),
        "origin_guard": lambda: OriginGuard([settings.base_url, *settings.allowed_origins], settings.foreign_origins),
        "application_info": lambda: ApplicationInfo(**dict(settings.app)),
        "static_headers": lambda: build_static_headers(settings),
        "query_key": lambda: build_query_key(settings),
        "revocation_handler": lambda: RevocationHandler(
            PRESETS[settings.preset].refusals.over(renewal_rules(settings.renew_on)),
            limiter=renewal_limiter.limiter_of(settings.token_server_url or settings.base_url, settings.client_id),
            templates=PathTemplates(settings.path_templates, urlsplit(settings.base_url).path),
        ),
        "token_provider": lambda: build_token_source(settings, registry.client(settings.name), trust),
        "header_injector": lambda: HeaderInjector(settings.caller_authorization),
    }
    declared = [(component.use, dict(component.options)) for component in settings.pipeline]
    opted_in = {
        "budget_guard": settings.budget_guard,
        "static_headers": settings.headers or settings.headers_file,
        "query_key": settings.api_key or settings.api_key_file,
    }
    left_out = ("revocation_handler", "header_injector") if settings.provider == "none" else ()
    default = [use for use in BUILT_IN if use not in left_out and (use not in OPT_IN or opted_in[use])]
    return [
        built_in[use]() if use in built_in else make_component(use, options, settings.name)
        for use, options in declared or [(use, {}) for use in default]
    ]


def _budget_guard(settings: ClientSettings) -> BudgetGuard:
    table = settings.budget_guard or BudgetGuardTable()
    limits = server_limits(settings)
    return BudgetGuard(
        settings.base_url,
        client_errors=limits["client_errors"],
        requests=limits["requests"],
        share=table.share,
        enforce=table.enforce,
        in_flight=table.in_flight,
        client=settings.name,
    )

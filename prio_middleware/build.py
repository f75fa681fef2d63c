"""From settings to a pipeline, and to the options of the library's client."""

from __future__ import annotations

import ssl
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from .middleware import ApplicationInfo, HeaderInjector, HTTPSEnforcer, OriginGuard, RevocationHandler
from .pipeline import Pipeline
from .presets import PRESETS
from .secret import Secret
from .settings import ClientSettings, Settings
from .tokens.client_auth import ClientAuth, ClientSecretBasic, ClientSecretPost, PrivateKeyJWT
from .tokens.endpoint import TokenEndpoint
from .tokens.expiry import ExpiryPolicy
from .tokens.provider import ClientCredentialsProvider
from .tokens.token import TokenOptions

if TYPE_CHECKING:
    from .transports.library import HTTPLibrary

AHEAD_FRACTION, AHEAD_MAX = 0.25, 300.0
"""The leeway of tokens that are refreshed ahead: a fraction of their lifetime, and at most so many seconds."""

PIPELINES_LIMIT = 1024
"""How many pipelines are kept for clients to come. A client keeps its own."""

_pipelines: dict[ClientSettings, Pipeline] = {}


class Plan(NamedTuple):
    """What a client is made of.

    Attributes:
        name: the client's name in errors and telemetry.
        base_url: the API's URL.
        pipeline: the components, shared by all clients of this process whose settings are equal: so is the token.
        options: what the settings say of the library client's own options.
    """

    name: str
    base_url: str
    pipeline: Pipeline
    options: dict[str, Any]


def plan(name: str | None, settings: Settings | ClientSettings | None, library: HTTPLibrary) -> Plan:
    """What the client called ``name`` is made of.

    Raises:
        ConfigurationError: the settings are incomplete or wrong.
    """
    if not isinstance(settings, ClientSettings):
        settings = (settings or Settings()).client(name)
    return Plan(settings.name, settings.base_url, pipeline_for(settings), client_options(settings, library))


def pipeline_for(settings: ClientSettings) -> Pipeline:
    """The pipeline for ``settings``: one in each process."""
    known = _pipelines.get(settings)
    if known is None:
        if len(_pipelines) >= PIPELINES_LIMIT:
            _pipelines.pop(next(iter(_pipelines)), None)
        known = _pipelines.setdefault(settings, build_pipeline(settings))
    return known


def forget() -> None:
    """Keep no pipeline, and so no token, for clients to come: each test starts afresh."""
    _pipelines.clear()


def build_pipeline(settings: ClientSettings) -> Pipeline:
    """A new default pipeline for ``settings``."""
    return Pipeline(
        [
            HTTPSEnforcer(settings.loopback_http_hosts),
            OriginGuard([settings.base_url, *settings.allowed_origins], settings.foreign_origins),
            ApplicationInfo(**dict(settings.app)),
            RevocationHandler(PRESETS[settings.preset].refusals),
            build_provider(settings),
            HeaderInjector(),
        ]
    )


def build_provider(settings: ClientSettings) -> ClientCredentialsProvider:
    """A new token provider for ``settings``."""
    endpoint = TokenEndpoint(
        url=settings.token_url,
        auth=_client_auth(settings),
        body_format=settings.body_format,
        timeout=settings.token_timeout,
        expiry=_expiry(settings),
        client=settings.name,
    )
    return ClientCredentialsProvider(
        endpoint,
        defaults=TokenOptions(settings.scope, settings.audience, settings.resource, settings.params),
        refresh=settings.refresh,
        deadline=settings.token_deadline,
        hold_back=settings.hold_back,
        loopback_http_hosts=settings.loopback_http_hosts,
    )


def _client_auth(settings: ClientSettings) -> ClientAuth:
    if settings.client_auth == "private_key_jwt":
        return PrivateKeyJWT(
            settings.client_id,
            settings.private_key or Secret(""),
            algorithm=settings.algorithm,
            key_id=settings.key_id,
            audience=settings.assertion_audience or settings.issuer,
        )
    secret = settings.client_secret or Secret("")
    if settings.client_auth == "client_secret_post":
        return ClientSecretPost(settings.client_id, secret)
    return ClientSecretBasic(settings.client_id, secret, settings.basic_encoding)


def _expiry(settings: ClientSettings) -> ExpiryPolicy:
    policy = ExpiryPolicy(settings.default_lifetime, settings.max_lifetime, settings.leeway_fraction, settings.leeway_max)
    if settings.refresh == "ahead" and not settings.model_fields_set & {"leeway_fraction", "leeway_max"}:
        # Nobody waits for an early refresh, so it may start early enough to be tried again.
        return replace(policy, leeway_fraction=AHEAD_FRACTION, leeway_max=AHEAD_MAX)
    return policy


def _ssl_context(settings: ClientSettings, library: HTTPLibrary) -> ssl.SSLContext:
    if settings.ca_file:
        context = ssl.create_default_context(cafile=settings.ca_file)
    else:
        context = library.create_ssl_context(trust_env=settings.trust_env)
    if settings.cert_file:
        password = settings.cert_key_password
        context.load_cert_chain(settings.cert_file, settings.cert_key_file, password and password.reveal())
    return context


def client_options(settings: ClientSettings, library: HTTPLibrary) -> dict[str, Any]:
    """What ``settings`` say of the library client's own options."""
    timeout = library.Timeout(
        connect=settings.connect_timeout,
        read=settings.read_timeout,
        write=settings.write_timeout,
        pool=settings.pool_timeout,
    )
    limits = library.Limits(
        max_connections=settings.max_connections,
        max_keepalive_connections=settings.max_keepalive_connections,
        keepalive_expiry=settings.keepalive_expiry,
    )
    options: dict[str, Any] = {"timeout": timeout, "limits": limits, "trust_env": settings.trust_env, "http2": settings.http2}
    if settings.proxy:
        options["proxy"] = settings.proxy.reveal()
    if settings.ca_file or settings.cert_file:
        options["verify"] = _ssl_context(settings, library)
    return options

"""Clients and transports for httpx2 whose requests carry a token."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Unpack

from ._util.extras import needs
from .errors import ConfigurationError
from .transports.async_ import BaseAsyncAuthTransport
from .transports.inner import HTTPLibrary
from .transports.sync import BaseSyncAuthTransport

try:
    import httpx2
except ModuleNotFoundError as error:
    raise needs("httpx2", error) from None

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from .oauth.access_token import AccessToken
    from .oauth.accounts import AccountResolver
    from .settings import ClientSettings, Settings
    from .transports.options import ClientOptions
    from .transports.routes import TokenRoute

__all__ = [
    "AsyncAuthTransport",
    "AuthTransport",
    "async_client",
    "async_token",
    "async_transport",
    "client",
    "token",
    "transport",
]


class AuthTransport(BaseSyncAuthTransport[httpx2.Request, httpx2.Response], httpx2.BaseTransport):
    __doc__ = BaseSyncAuthTransport.__doc__

    library: ClassVar[HTTPLibrary] = httpx2


class AsyncAuthTransport(BaseAsyncAuthTransport[httpx2.Request, httpx2.Response], httpx2.AsyncBaseTransport):
    __doc__ = BaseAsyncAuthTransport.__doc__

    library: ClassVar[HTTPLibrary] = httpx2


def client(
    name: str | None = None,
    *,
    settings: Settings | ClientSettings | None = None,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    accounts: AccountResolver | None = None,
    account: Callable[[], str | None] | None = None,
    **options: Unpack[ClientOptions],
) -> httpx2.Client:
    """Return an ``httpx2.Client`` whose requests go through the pipeline, with the base URL set.

    Args:
        name: the name of a configured client; default: the default client.
        settings: its settings; default: from the environment and the files.
        tracer_provider: OpenTelemetry tracer provider; default: the global one, which may be set later.
        meter_provider: OpenTelemetry meter provider; default: the global one.
        accounts: returns the credentials of an account by its name, or None; default: the function that the settings name.
        account: returns the account of a call that names none, or None for the client's own.
        **options: options of ``httpx2.Client`` except ``auth`` and ``base_url``, which may only be ``None`` and ``""``.
            Options of the transport (``verify``, ``http2``, ``proxy`` and so on) reach the inner transport. ``cert=None`` and
            ``proxy=None`` mean the default. ``token_transport`` sends token requests; the caller closes it.

    Raises:
        ConfigurationError: the settings are incomplete or wrong, or an option would bypass the pipeline.
    """
    from .build import plan
    from .transports.options import assemble

    made = plan(name, settings, httpx2, options, accounts, account)

    def wrap(inner: httpx2.BaseTransport, token_route: TokenRoute) -> AuthTransport:
        return AuthTransport(
            inner,
            token_transport=token_route,
            pipeline=made.pipeline,
            name=made.name,
            tracer_provider=tracer_provider,
            meter_provider=meter_provider,
        )

    own = assemble(options, made.options, httpx2, wrap, client=made.name, api=made.base_url)
    del options  # crash reporters print local variables
    if isinstance(own, ConfigurationError):
        raise own
    return httpx2.Client(base_url=made.base_url, **own)


def async_client(
    name: str | None = None,
    *,
    settings: Settings | ClientSettings | None = None,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    accounts: AccountResolver | None = None,
    account: Callable[[], str | None] | None = None,
    **options: Unpack[ClientOptions],
) -> httpx2.AsyncClient:
    """Return an ``httpx2.AsyncClient`` for asyncio and trio. See :func:`client`."""
    from .build import plan
    from .transports.options import assemble

    made = plan(name, settings, httpx2, options, accounts, account)

    def wrap(inner: httpx2.AsyncBaseTransport, token_route: TokenRoute) -> AsyncAuthTransport:
        return AsyncAuthTransport(
            inner,
            token_transport=token_route,
            pipeline=made.pipeline,
            name=made.name,
            tracer_provider=tracer_provider,
            meter_provider=meter_provider,
        )

    own = assemble(options, made.options, httpx2, wrap, client=made.name, api=made.base_url, is_async=True)
    del options  # crash reporters print local variables
    if isinstance(own, ConfigurationError):
        raise own
    return httpx2.AsyncClient(base_url=made.base_url, **own)


def transport(
    name: str | None = None,
    *,
    settings: Settings | ClientSettings | None = None,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
) -> AuthTransport:
    """Return the transport of a configured client, for a library that takes a transport instead of a client.

    It sends as :func:`client` does, through the proxies of the settings or the environment. Base URL, timeouts and redirects
    are those of the library. Arguments and errors are those of :func:`client`.
    """
    from .build import plan
    from .transports.options import single_transport

    made = plan(name, settings, httpx2)
    inner, token_route = single_transport(made.options, httpx2, client=made.name, api=made.base_url)
    return AuthTransport(
        inner,
        token_transport=token_route,
        pipeline=made.pipeline,
        name=made.name,
        tracer_provider=tracer_provider,
        meter_provider=meter_provider,
    )


def async_transport(
    name: str | None = None,
    *,
    settings: Settings | ClientSettings | None = None,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
) -> AsyncAuthTransport:
    """Return the async transport of a configured client. See :func:`transport`."""
    from .build import plan
    from .transports.options import single_transport

    made = plan(name, settings, httpx2)
    inner, token_route = single_transport(made.options, httpx2, client=made.name, api=made.base_url, is_async=True)
    return AsyncAuthTransport(
        inner,
        token_transport=token_route,
        pipeline=made.pipeline,
        name=made.name,
        tracer_provider=tracer_provider,
        meter_provider=meter_provider,
    )


def token(name: str | None = None, *, settings: Settings | ClientSettings | None = None) -> AccessToken:
    """Return a fresh token of a configured client, for a tool that sends the header itself: ``token().authorization()``.

    It comes from the cache that the clients of this process share, or else from the token endpoint. A tool that keeps it gets
    no new one when the API rejects it. Prefer :func:`client` or :func:`transport`.

    Args:
        name: the name of a configured client; default: the default client.
        settings: its settings; default: from the environment and the files.

    Raises:
        ConfigurationError: the settings are incomplete or wrong.
        TokenError: no token can be fetched; also an ``httpx2.TransportError``.
    """
    from .build import cached_token
    from .transports.routes import transport_of

    cached = cached_token(name, settings)
    if cached is None:
        with client(name, settings=settings) as opened:
            fetched: AccessToken = transport_of(opened).authenticate()
            return fetched
    return cached


async def async_token(name: str | None = None, *, settings: Settings | ClientSettings | None = None) -> AccessToken:
    """Return a fresh token of a configured client, on asyncio or trio. See :func:`token`."""
    from .build import cached_token
    from .transports.routes import transport_of

    cached = cached_token(name, settings)
    if cached is None:
        async with async_client(name, settings=settings) as opened:
            fetched: AccessToken = await transport_of(opened).authenticate()
            return fetched
    return cached

"""Factories of an HTTP library's clients and transports: each sends through the pipeline of a configured client."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypedDict, TypeVar, Unpack

from ..errors import ConfigurationError
from .async_ import BaseAsyncAuthTransport
from .routes import INNER_OPTIONS, TokenRoute, find_routes, given_transports, redirect_problem, transport_of
from .sync import BaseSyncAuthTransport

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from ..build import Plan
    from ..oauth.access_token import AccessToken
    from ..oauth.accounts import AccountResolver
    from ..settings import ClientSettings, Settings
    from .inner import HTTPLibrary

ClientT = TypeVar("ClientT")
AsyncClientT = TypeVar("AsyncClientT")
TransportT = TypeVar("TransportT", bound=BaseSyncAuthTransport[Any, Any])
AsyncTransportT = TypeVar("AsyncTransportT", bound=BaseAsyncAuthTransport[Any, Any])
AnyTransportT = TypeVar("AnyTransportT", bound=BaseSyncAuthTransport[Any, Any] | BaseAsyncAuthTransport[Any, Any])


class ClientOptions(TypedDict, total=False):
    """Options of the HTTP library's ``Client``, which checks their types, and ``token_transport``.

    Token and metadata requests go through ``token_transport``. ``auth`` and ``base_url`` are for factories of SDKs, which pass
    ``None`` and ``""``: no other value is accepted.
    """

    auth: Any
    base_url: Any
    verify: ssl.SSLContext | str | bool
    cert: str | tuple[str, str] | tuple[str, str, str] | None
    http1: bool
    http2: bool
    proxy: Any
    limits: Any
    trust_env: bool
    transport: Any
    token_transport: Any
    mounts: Mapping[str, Any]
    timeout: Any
    headers: Any
    params: Any
    cookies: Any
    follow_redirects: bool
    max_redirects: int
    event_hooks: Mapping[str, list[Callable[..., Any]]]
    default_encoding: str | Callable[[bytes], str]


class ClientFactory(Generic[ClientT, AsyncClientT, TransportT, AsyncTransportT]):
    """Functions of ``prio_middleware.httpx`` and ``prio_middleware.httpx2``, each for its library and with its types."""

    def __init__(self, library: HTTPLibrary, transport: type[TransportT], async_transport: type[AsyncTransportT]) -> None:
        self._library = library
        self._transport = transport
        self._async_transport = async_transport

    def client(
        self,
        name: str | None = None,
        *,
        settings: Settings | ClientSettings | None = None,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        accounts: AccountResolver | None = None,
        account: Callable[[], str | None] | None = None,
        **options: Unpack[ClientOptions],
    ) -> ClientT:
        """Return the library's ``Client``. Its requests go through the pipeline, and its base URL is set.

        Args:
            name: the name of a configured client; default: the default client.
            settings: its settings; default: from the environment and the files.
            tracer_provider: OpenTelemetry tracer provider; default: the global one, which may be set later.
            meter_provider: OpenTelemetry meter provider; default: the global one.
            accounts: returns the credentials of an account by its name, or None; default: the function that the settings name.
            account: returns the account of a call that names none, or None for the client's own.
            **options: options of the library's client except ``auth`` and ``base_url``, which may only be ``None`` and ``""``.
                Options of the transport (``verify``, ``http2``, ``proxy`` and so on) reach the inner transport. ``cert=None``
                and ``proxy=None`` mean the default. ``token_transport`` sends token requests; the caller closes it.

        Raises:
            ConfigurationError: the settings are incomplete or wrong, or an option would bypass the pipeline.
        """
        wrap = partial(self._transport, tracer_provider=tracer_provider, meter_provider=meter_provider)
        arguments = self._arguments(wrap, name, settings, options, accounts, account, is_async=False)
        del options  # It may hold a secret, and crash reporters print local variables.
        if isinstance(arguments, ConfigurationError):
            raise arguments
        client: ClientT = self._library.Client(**arguments)
        return client

    def async_client(
        self,
        name: str | None = None,
        *,
        settings: Settings | ClientSettings | None = None,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        accounts: AccountResolver | None = None,
        account: Callable[[], str | None] | None = None,
        **options: Unpack[ClientOptions],
    ) -> AsyncClientT:
        """Return the library's ``AsyncClient``, for asyncio and trio. Arguments and errors are those of :meth:`client`."""
        wrap = partial(self._async_transport, tracer_provider=tracer_provider, meter_provider=meter_provider)
        arguments = self._arguments(wrap, name, settings, options, accounts, account, is_async=True)
        del options  # It may hold a secret, and crash reporters print local variables.
        if isinstance(arguments, ConfigurationError):
            raise arguments
        client: AsyncClientT = self._library.AsyncClient(**arguments)
        return client

    def transport(
        self,
        name: str | None = None,
        *,
        settings: Settings | ClientSettings | None = None,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> TransportT:
        """Return the transport of a configured client, for a library that takes a transport instead of a client.

        It sends as :meth:`client` does, through the proxies of the settings or the environment. Base URL, timeouts and
        redirects are those of the library. Arguments and errors are those of :meth:`client`.
        """
        wrap = partial(self._transport, tracer_provider=tracer_provider, meter_provider=meter_provider)
        return self._single(wrap, name, settings, is_async=False)

    def async_transport(
        self,
        name: str | None = None,
        *,
        settings: Settings | ClientSettings | None = None,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> AsyncTransportT:
        """Return the async transport of a configured client. See :meth:`transport`."""
        wrap = partial(self._async_transport, tracer_provider=tracer_provider, meter_provider=meter_provider)
        return self._single(wrap, name, settings, is_async=True)

    def token(self, name: str | None = None, *, settings: Settings | ClientSettings | None = None) -> AccessToken:
        """Return a fresh token of a configured client, for a tool that sends the header itself: ``token().authorization()``.

        It comes from the cache that the clients of this process share, or else from the token endpoint. A tool that keeps it
        gets no new one when the API rejects it. Prefer :meth:`client` or :meth:`transport`.

        Args:
            name: the name of a configured client; default: the default client.
            settings: its settings; default: from the environment and the files.

        Raises:
            ConfigurationError: the settings are incomplete or wrong.
            TokenError: no token can be fetched; also an instance of the library's ``TransportError``.
        """
        from ..build import cached_token

        token = cached_token(name, settings)
        if token is None:
            client: Any = self.client(name, settings=settings)
            with client:
                token = transport_of(client).authenticate()
        return token

    async def async_token(self, name: str | None = None, *, settings: Settings | ClientSettings | None = None) -> AccessToken:
        """Return a fresh token of a configured client, on asyncio or trio. See :meth:`token`."""
        from ..build import cached_token

        token = cached_token(name, settings)
        if token is None:
            client: Any = self.async_client(name, settings=settings)
            async with client:
                token = await transport_of(client).authenticate()
        return token

    def _arguments(
        self,
        wrap: Callable[..., Any],
        name: str | None,
        settings: Settings | ClientSettings | None,
        options: Mapping[str, Any],
        accounts: AccountResolver | None,
        account: Callable[[], str | None] | None,
        *,
        is_async: bool,
    ) -> dict[str, Any] | ConfigurationError:
        """Return the arguments of the library's client, or the error: raised here, its traceback would show ``options``."""
        from ..build import plan

        try:
            made = plan(name, settings, self._library, options, accounts, account)
        except ConfigurationError as error:
            return error.copy()
        return assemble(options, made, self._library, wrap, is_async=is_async)

    def _single(
        self,
        wrap: Callable[..., AnyTransportT],
        name: str | None,
        settings: Settings | ClientSettings | None,
        *,
        is_async: bool,
    ) -> AnyTransportT:
        from ..build import plan

        made = plan(name, settings, self._library, {})
        routes = find_routes(self._library, made.options, client=made.name, api=made.base_url, is_async=is_async)
        if isinstance(routes, ConfigurationError):
            raise routes
        return wrap(routes.single(), token_transport=routes, pipeline=made.pipeline, name=made.name)


_REMEDIES = {
    "auth": "It would replace the token of every request. For single requests, pass auth= to the request itself.",
    "base_url": "Set base_url in the settings: it also says which origin may have the token.",
}

_NONE_IS_NOT_GIVEN = frozenset({"auth", "base_url", "cert", "proxy"})

_INNER_DEFAULTS = {"verify": True, "http1": True, "http2": False}
"""Defaults of the libraries for transport options, other than None."""

_TRANSPORT_OPTIONS = INNER_OPTIONS | {"transport", "mounts", "token_transport"}


def assemble(
    options: Mapping[str, Any], made: Plan, library: HTTPLibrary, wrap: Callable[..., Any], *, is_async: bool = False
) -> dict[str, Any] | ConfigurationError:
    """Return the arguments of the library's client: the user's ``options`` over those of ``made``, with all transports wrapped.

    The user's transport overrides the settings of a transport. ``wrap`` puts a pipeline around a transport; ``token_transport``
    is the route of its token requests. Errors are returned, not raised, because an option may hold a secret. They name an
    option that would bypass the pipeline, be ignored or not work, or a missing package.
    """
    # Factories of SDKs pass auth=None, proxy=None and base_url="" for options that they were not given.
    options = {
        name: value
        for name, value in options.items()
        if not (name in _NONE_IS_NOT_GIVEN and (value is None or (name == "base_url" and not str(value))))
    }
    for name, remedy in _REMEDIES.items():
        if name in options:
            return ConfigurationError(f"{name}= is not an option of this client.", client=made.name, remedy=remedy)
    if options.get("transport") is not None and (ignored := _ignored_options(options)):
        return ConfigurationError(
            f"{', '.join(f'{name}=' for name in ignored)} would be ignored, because transport= is given.",
            client=made.name,
            remedy="Give these options to that transport, or omit transport=.",
        )
    together = {**made.options, **options}
    problem = redirect_problem(given_transports(options), made.name)
    if problem:
        return problem
    routes = find_routes(library, together, client=made.name, api=made.base_url, is_async=is_async)
    if isinstance(routes, ConfigurationError):
        return routes
    token_transport = together.get("token_transport")
    token_route = routes if token_transport is None else TokenRoute(token_transport)
    outer = {name: value for name, value in together.items() if name not in _TRANSPORT_OPTIONS}
    try:
        transports = routes.wrapped(partial(wrap, token_transport=token_route, pipeline=made.pipeline, name=made.name))
    except ConfigurationError as error:
        return error.copy(client=made.name)
    return {**outer, **transports, "base_url": made.base_url, "trust_env": together.get("trust_env", True)}


def _ignored_options(options: Mapping[str, Any]) -> list[str]:
    given = options.keys() & (INNER_OPTIONS - {"trust_env"})
    return sorted(name for name in given if not (name in _INNER_DEFAULTS and options[name] == _INNER_DEFAULTS[name]))

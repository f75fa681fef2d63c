"""Options of clients, and the timeouts and transports built from them."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import ssl
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypedDict

from .._util.clock import monotonic
from ..errors import ConfigurationError
from .routes import INNER_OPTIONS, Routes, TokenRoute, find_routes, redirect_problem

if TYPE_CHECKING:
    from .inner import HTTPLibrary


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


STEPS = ("connect", "read", "write", "pool")
"""Steps of a request that have a timeout of their own."""

MINIMUM_TIMEOUT = 0.001
"""Seconds. A socket takes 0 for "do not wait", which raises another error than a timeout."""


class Timeouts(dict[str, float]):
    """Timeouts with a common deadline, for ``request.extensions["timeout"]``. The library reads it at the start of each step.

    Waiting for the pool, the connection and the response are separate steps with separate timeouts. Each step gets the time
    that the earlier ones left, so that all end at the deadline.

    Args:
        each: maximum seconds of one step.
        total: maximum seconds of all steps, from now.
        clock: monotonic clock, in seconds.
    """

    def __init__(self, each: float, total: float, clock: Callable[[], float] = monotonic) -> None:
        super().__init__(dict.fromkeys(STEPS, each))
        self._until = clock() + total
        self._clock = clock

    def get(self, step: str, default: Any = None, /) -> Any:
        """Return the timeout of ``step`` in seconds, if it starts now."""
        if step not in self:
            return default
        return max(MINIMUM_TIMEOUT, min(self[step], self._until - self._clock()))


_REMEDIES = {
    "auth": "It would replace the token of every request. For single requests, pass auth= to the request itself.",
    "base_url": "Set base_url in the settings: it also says which origin may have the token.",
}

_NONE_IS_NOT_GIVEN = frozenset({"auth", "base_url", "cert", "proxy"})

_INNER_DEFAULTS = {"verify": True, "http1": True, "http2": False}
"""Defaults of the libraries for transport options, other than None."""


def assemble(
    options: Mapping[str, Any],
    configured: Mapping[str, Any],
    library: HTTPLibrary,
    wrap: Callable[[Any, TokenRoute], Any],
    *,
    client: str,
    api: str,
    is_async: bool = False,
) -> dict[str, Any] | ConfigurationError:
    """Return the arguments of the library's client: ``options`` over ``configured``, with all transports wrapped.

    Errors are returned, not raised, because an option may hold a secret. They name an option that would bypass the pipeline, be
    ignored or not work, or a missing package.

    Args:
        options: the user's options.
        configured: options from settings. The user's transport overrides those of the transport.
        library: ``httpx`` or ``httpx2``.
        wrap: puts the pipeline around a transport; the second argument is the route of its token requests.
        client: the client's name, for errors.
        api: the API's URL.
        is_async: True for an async client.
    """
    # Factories of SDKs pass auth=None, proxy=None and base_url="" for options that they were not given.
    options = {
        name: value
        for name, value in options.items()
        if not (name in _NONE_IS_NOT_GIVEN and (value is None or (name == "base_url" and not str(value))))
    }
    for name, remedy in _REMEDIES.items():
        if name in options:
            return ConfigurationError(f"{name}= is not an option of this client.", client=client, remedy=remedy)
    if options.get("transport") is not None and (ignored := _ignored_options(options)):
        return ConfigurationError(
            f"{', '.join(f'{name}=' for name in ignored)} would be ignored, because transport= is given.",
            client=client,
            remedy="Give these options to that transport, or omit transport=.",
        )
    together = {**configured, **options}
    problem = redirect_problem(_given_transports(options), client)
    if problem:
        return problem
    routes = routes_for(together, library, client=client, api=api, is_async=is_async)
    if isinstance(routes, ConfigurationError):
        return routes
    token_transport = together.get("token_transport")
    token_route = routes if token_transport is None else TokenRoute(token_transport)
    outer = {name: value for name, value in together.items() if name not in _TRANSPORT_OPTIONS}
    try:
        transports = routes.wrapped(lambda inner: wrap(inner, token_route))
    except ConfigurationError as error:
        return error.copy(client=client)
    return {**outer, **transports, "trust_env": together.get("trust_env", True)}


def single_transport(
    configured: Mapping[str, Any], library: HTTPLibrary, *, client: str, api: str, is_async: bool = False
) -> tuple[Any, TokenRoute]:
    """Return one transport for all URLs of a client with these options, and the route of its token requests.

    Args:
        configured: options from settings.
        library: ``httpx`` or ``httpx2``.
        client: the client's name, for errors.
        api: the API's URL.
        is_async: True for an async client.

    Raises:
        ConfigurationError: an option cannot be used, or a package is missing.
    """
    routes = routes_for(configured, library, client=client, api=api, is_async=is_async)
    if isinstance(routes, ConfigurationError):
        raise routes
    return routes.single(), routes


_TRANSPORT_OPTIONS = INNER_OPTIONS | {"transport", "mounts", "token_transport"}


def trust_of(options: Mapping[str, Any], configured: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the options that decide which server is believed to be the token endpoint, as text.

    Clients share tokens only if this is equal, in this process and through a store. It is empty if the options leave the
    decision to the settings. Transports of the caller count as one kind, because a sync and an async one are never equal;
    those of the library also by their certificate checks. A client certificate inside a context cannot be seen.

    Args:
        options: the user's options.
        configured: options from settings.
    """
    return tuple(_trust(options, configured))


def _trust(options: Mapping[str, Any], configured: Mapping[str, Any]) -> Iterator[str]:
    contexts = (getattr(getattr(one, "_pool", None), "_ssl_context", None) for one in _given_transports(options))
    yield from sorted({f"transport {_checks(context)}" for context in contexts})
    verify, cert = options.get("verify", True), options.get("cert")
    if verify is not True or ("verify" in options and "verify" in configured):
        yield f"verify {_checks(verify)}"
    if cert is not None:
        parts = (cert,) if isinstance(cert, str | os.PathLike) else cert[:2]  # The third part is a password.
        yield f"cert {' '.join(map(str, parts))}"
    of_settings = configured.get("trust_env", True)
    if (trust_env := options.get("trust_env", of_settings)) != of_settings:
        yield f"trust_env {trust_env}"


def _given_transports(options: Mapping[str, Any]) -> list[Any]:
    given = (options.get("transport"), options.get("token_transport"), *dict(options.get("mounts") or {}).values())
    return [transport for transport in given if transport is not None]


def _checks(verify: object) -> str:
    if not isinstance(verify, ssl.SSLContext):
        return str(verify)
    authorities = hashlib.sha256(b"".join(sorted(verify.get_ca_certs(binary_form=True)))).hexdigest()
    return f"{verify.verify_mode} {verify.check_hostname} {authorities}"


def routes_for(
    options: Mapping[str, Any], library: HTTPLibrary, *, client: str, api: str, is_async: bool = False
) -> Routes | ConfigurationError:
    """Return the routes of a client with these options, its own merged over those of the settings."""
    if options.get("transport") is not None:
        options = {name: options[name] for name in ("transport", "mounts", "trust_env") if name in options}
    elif options.get("http2") and importlib.util.find_spec("h2") is None:
        # The library's transport would fail at the first connection only, with the token request.
        return ConfigurationError(
            "http2 is on, and the package h2 is not installed.",
            client=client,
            remedy="Install it with pip install h2, or set http2 to false.",
        )
    routes = find_routes(library, options, is_async=is_async, api=api)
    return routes.copy(client=client) if isinstance(routes, ConfigurationError) else routes


def _ignored_options(options: Mapping[str, Any]) -> list[str]:
    given = options.keys() & (INNER_OPTIONS - {"trust_env"})
    return sorted(name for name in given if not (name in _INNER_DEFAULTS and options[name] == _INNER_DEFAULTS[name]))

"""Routes of one client: the transport for each URL, as its HTTP library chooses it, and the one for token requests.

The library decides about proxies, ``NO_PROXY`` and mounts, and keeps the result in private attributes. Only this module reads
them. Its tests compare it with the lowest supported and the newest version of the library.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.request import getproxies

from .._util.origins import Origin, cuts_password, parse_origin
from .._util.plain_http import is_plain_loopback, proxied_loopback
from .._util.redaction import safe_url
from .._util.secret import Secret
from ..errors import ConfigurationError
from .tls import context_key, shared_tls_context, tls_context

if TYPE_CHECKING:
    from .inner import HTTPLibrary

INNER_OPTIONS = frozenset({"verify", "cert", "http1", "http2", "limits", "proxy", "trust_env"})
"""Options that a client passes to the transport that it creates, and ignores if a transport is given."""

_HINT = (
    "The token request went through the transport of the API's calls, but its URL is at another origin: give token_transport= "
    "if that transport cannot reach it."
)
_INSTALL = "Install the missing package, or use a proxy that does not need it."
_PERCENT_ENCODE = (
    "Write it as http://user:password@host:port. In user name and password, write / as %2F, ? as %3F and # as %23."
)


def transport_of(client: Any) -> Any:
    """Return the transport that ``client``, of either library, uses for URLs without a mount."""
    return client._transport  # noqa: SLF001 - there is no public name


def is_proxied(transport: Any) -> bool:
    """Return True if ``transport`` is the library's own and sends through a proxy.

    Proxies of other transports are not detected.
    """
    pool = getattr(transport, "_pool", None)
    return getattr(pool, "_proxy_url", None) is not None or getattr(pool, "_proxy", None) is not None


def given_transports(options: Mapping[str, Any]) -> list[Any]:
    """Return the transports of the caller among the options of a client."""
    given = (options.get("transport"), options.get("token_transport"), *dict(options.get("mounts") or {}).values())
    return [transport for transport in given if transport is not None]


def redirect_problem(transports: Iterable[Any], client: str) -> ConfigurationError | None:
    """Return the error of a transport that follows redirects itself, or None.

    It would send the client's credentials and the token to another host, and no component would see the redirect. A transport
    tells by an attribute ``follow_redirects``. Those of pyqwest do not, and follow them by default.
    """
    for transport in transports:
        kind = type(transport)
        if getattr(transport, "follow_redirects", kind.__module__.partition(".")[0] == "pyqwest") is True:
            return ConfigurationError(
                f"The transport {kind.__name__} follows redirects itself: credentials and tokens would go to any host that a "
                "redirect names.",
                client=client,
                remedy="Make it with its redirects off, and set its attribute follow_redirects to False to confirm that.",
            )
    return None


class Route(NamedTuple):
    """Route to one URL: the transport of API calls, and its proxy if the library created it with one.

    ``make`` creates an equal transport for one token request. It is None if the caller provided the transport.
    """

    transport: Any
    proxy: Any = None
    make: Callable[[], Any] | None = None


class TokenRoute:
    """Route of a client's token and metadata requests: one transport for all, which stays open.

    ``api`` names URLs of the API, if its calls go through the same transport.
    """

    def __init__(self, transport: Any, api: Iterable[str] = ()) -> None:
        self._transport = transport
        self._api = frozenset(map(parse_origin, api))

    def find(self, url: str) -> Route:
        """Return the route to ``url``."""
        return Route(self._transport)

    def open(self, url: str) -> tuple[Any, bool]:
        """Return the transport for a request to ``url``, and True if it is to be closed after that request.

        Raises:
            InsecureTransportError: a request over plain HTTP to this machine would go through a proxy.
        """
        if self.leaks(url):
            raise proxied_loopback(url, None)
        route = self.find(url)
        return (route.make(), True) if route.make else (route.transport, False)

    def leaks(self, url: str) -> bool:
        """Return True if a request to ``url`` is plain HTTP to this machine and would go through a proxy."""
        return _is_plain_loopback(url) and is_proxied(self.find(url).transport)

    def hint(self, url: str) -> str | None:
        """Return advice for a failed request to ``url``, if its route may be the cause."""
        return _HINT if self._api and parse_origin(url) not in self._api else None


class Routes(TokenRoute):
    """Routes of one client.

    Args:
        client: a client of the library with the same options. Only its transports are used.
        make: creates a transport of the library with these options, for ``proxy=``.
        proxies: proxies by URL pattern, as the library reads them.
        from_environment: True if the proxies come from the environment.
        own_mounts: URL patterns of the caller's mounts.
        own_transport: True if the caller provided the client's transport.
        api: the API's URL.
    """

    def __init__(
        self,
        client: Any,
        make: Callable[..., Any],
        proxies: Mapping[str, Any],
        *,
        from_environment: bool,
        own_mounts: Iterable[str],
        own_transport: bool,
        api: str,
    ) -> None:
        super().__init__(transport_of(client), [api] if api else ())
        self._mounts: Mapping[Any, Any] = client._mounts  # noqa: SLF001 - there is no public name
        self._choose: Callable[[Any], Any] = client._transport_for_url  # noqa: SLF001 - as above
        self._parse: Callable[[str], Any] = type(client.base_url)
        self._from_environment = from_environment
        self._own_mounts = frozenset(own_mounts)
        self._direct = Route(self._transport, make=None if own_transport else functools.partial(make, proxy=None))
        self._proxied: dict[int, Route] = {}
        for pattern, transport in self._mounts.items():
            if transport is not None and pattern.pattern not in self._own_mounts:
                proxy = proxies[pattern.pattern]
                self._proxied[id(transport)] = Route(transport, proxy, functools.partial(make, proxy=proxy))

    def find(self, url: str) -> Route:
        transport = self._choose(self._parse(url))
        route = self._proxied.get(id(transport))
        if route is None:
            return self._direct if transport is self._transport else Route(transport)
        return self._direct if self._from_environment and _is_plain_loopback(url) else route

    def hint(self, url: str) -> str | None:
        route = self.find(url)
        if route.proxy is not None:
            named_by = "the environment" if self._from_environment else "the option or setting proxy"
            proxy = safe_url(route.proxy.url)
            return f"The request went through the proxy {proxy}, from {named_by}: check that it can be reached."
        return super().hint(url) if route is self._direct and route.make is None else None

    def wrapped(self, wrap: Callable[[Any], Any]) -> dict[str, Any]:
        """Return ``transport=`` and ``mounts=`` of a client with the same routes, each transport wrapped by ``wrap``."""

        def direct_to_loopback(proxied: Any) -> Any:
            def choose(url: Any) -> Any:
                return self._transport if is_plain_loopback(url.scheme, url.host) else proxied

            return ChoosingTransport(choose, [proxied])

        mounts: dict[str, Any] = {}
        for pattern, transport in self._mounts.items():
            inner = transport
            if self._from_environment and pattern.pattern not in self._own_mounts and pattern.scheme != "https":
                inner = direct_to_loopback(transport)
            mounts[pattern.pattern] = None if transport is None else wrap(inner)
        return {"transport": wrap(self._transport), "mounts": mounts}

    def single(self) -> Any:
        """Return one transport that sends each request by its route."""
        if not self._mounts:
            return self._transport

        def choose(url: Any) -> Any:
            text = str(url)
            if self.leaks(text):
                raise proxied_loopback(url, None)
            return self.find(text).transport

        mounted = [transport for transport in self._mounts.values() if transport is not None]
        return ChoosingTransport(choose, [self._transport, *mounted])


class ChoosingTransport:
    """Transport that sends each request through another transport, which ``choose`` returns for its URL.

    Sync and async: it returns the results of the others as they are. The given ``transports`` are closed with it.
    """

    def __init__(self, choose: Callable[[Any], Any], transports: list[Any]) -> None:
        self._choose = choose
        self.transports = transports

    def handle_request(self, request: Any) -> Any:
        return self._choose(request.url).handle_request(request)

    def handle_async_request(self, request: Any) -> Any:
        return self._choose(request.url).handle_async_request(request)

    def close(self) -> None:
        for transport in self.transports:
            transport.close()

    async def aclose(self) -> None:
        for transport in self.transports:
            await transport.aclose()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    async def __aenter__(self) -> Any:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()


def find_routes(
    library: HTTPLibrary, options: Mapping[str, Any], *, client: str | None = None, api: str = "", is_async: bool = False
) -> Routes | ConfigurationError:
    """Let the library choose the routes of a client with these options.

    ``options`` are ``INNER_OPTIONS``, ``transport`` and ``mounts``; others are ignored. A proxy may be a :class:`Secret`.
    ``api`` is the API's URL. A returned error names a missing package, or the option, setting or variable that cannot be used,
    without its value.
    """
    routes = _find_routes(library, options, api=api, is_async=is_async)
    return routes.copy(client=client) if isinstance(routes, ConfigurationError) else routes


def _find_routes(library: HTTPLibrary, options: Mapping[str, Any], *, api: str, is_async: bool) -> Routes | ConfigurationError:
    transport, mounts = options.get("transport"), dict(options.get("mounts") or {})
    used = INNER_OPTIONS if transport is None else {"trust_env"}
    inner = {name: value for name, value in options.items() if name in used}
    proxy, trust_env = inner.pop("proxy", None), inner.get("trust_env", True)
    if isinstance(proxy, Secret):
        proxy = proxy.reveal()
    make_client = library.AsyncClient if is_async else library.Client
    if transport is None:
        problem = _prepare_options(library, inner, proxy)
        if problem:
            return problem
    from_environment = proxy is None and trust_env and transport is None
    try:
        client = make_client(**inner, proxy=proxy, transport=transport, mounts=mounts)
        proxies = client._get_proxy_map(proxy, from_environment)  # noqa: SLF001 - there is no public name
    except Warning:
        raise
    except Exception:  # noqa: BLE001 - it may hold a password, so it becomes a PrioError
        plain = functools.partial(make_client, **{**inner, "trust_env": False})
        return _unusable_option(plain, proxy, mounts, trust_env=trust_env)
    return Routes(
        client,
        functools.partial(library.AsyncHTTPTransport if is_async else library.HTTPTransport, **inner),
        proxies,
        from_environment=from_environment,
        own_mounts=mounts,
        own_transport=transport is not None,
        api=api,
    )


def _prepare_options(library: HTTPLibrary, inner: dict[str, Any], proxy: Any) -> ConfigurationError | None:
    """Put the TLS context into ``inner``, the options of a transport. Return the error of an option that cannot be used."""
    if inner.get("http2") and importlib.util.find_spec("h2") is None:
        # The library's transport would fail at the first connection only, with the token request.
        return ConfigurationError(
            "http2 is on, and the package h2 is not installed.", remedy="Install it with pip install h2, or set http2 to false."
        )
    context = _tls_context(library, inner)
    if isinstance(context, ConfigurationError):
        return context
    inner["verify"] = context
    for name, url in _named_proxies(proxy, trust_env=inner.get("trust_env", True)):
        # A "/" in a password may leave a URL that parses, but has another host.
        if isinstance(url, str) and cuts_password(url):
            return _unreadable_proxy(name)
    return None


def _tls_context(library: HTTPLibrary, inner: dict[str, Any]) -> ssl.SSLContext | ConfigurationError:
    """Return the TLS context for the options ``inner``, and remove those that it replaces."""
    verify, cert, trust_env = inner.pop("verify", True), inner.pop("cert", None), inner.get("trust_env", True)
    make = functools.partial(tls_context, library, verify, cert, trust_env=trust_env)
    parts = tuple(cert) if isinstance(cert, tuple | list) else (cert,)
    # A context of the caller is used as it is. A password is not kept in the key of a context.
    if not isinstance(verify, bool | str | os.PathLike) or len(parts) > 2:
        return make()
    versions = bool(inner.get("http1", True)), bool(inner.get("http2", False))
    return shared_tls_context(context_key(library, verify, parts, trust_env=trust_env, http_versions=versions), make)


def _unusable_option(make_client: Callable[..., Any], proxy: Any, mounts: Any, *, trust_env: bool) -> ConfigurationError:
    """Return the error of the option that the library cannot use: try each one alone."""
    if error := _error_of(make_client):
        kind = type(error).__name__
        return ConfigurationError(f"The HTTP library cannot create a client with these limits=, http1= and http2=: {kind}.")
    for name, url in _named_proxies(proxy, trust_env=trust_env):
        error = _error_of(functools.partial(make_client, proxy=url))
        if isinstance(error, ImportError):
            missing = str(error).partition(". ")[0].rstrip(".")
            return ConfigurationError(f"{name} names a proxy that cannot be used: {missing}.", remedy=_INSTALL)
        if error:
            return _unreadable_proxy(name)
    if _error_of(functools.partial(make_client, mounts=mounts)):
        return ConfigurationError(
            "mounts= contains a pattern that the HTTP library cannot read.",
            remedy="Write patterns as all://, https:// or https://host.example:8443.",
        )
    return ConfigurationError(
        f"{_variable('no')} contains an entry that the HTTP library cannot read.",
        remedy="Write names, addresses or .domains, without ports, separated by commas.",
    )


def _error_of(make: Callable[[], Any]) -> Exception | None:
    try:
        make()
    except Exception as error:  # noqa: BLE001 - the library may raise anything
        return error
    return None


def _unreadable_proxy(name: str) -> ConfigurationError:
    return ConfigurationError(f"{name} is not the URL of a proxy.", remedy=_PERCENT_ENCODE)


def _named_proxies(proxy: Any, *, trust_env: bool) -> Iterator[tuple[str, Any]]:
    """Yield the proxies that the library would use, each with the name of its option or variable."""
    if proxy is not None:
        yield "proxy", proxy
    elif trust_env:
        found = getproxies()
        for scheme in ("http", "https", "all"):
            url = found.get(scheme)
            if url:
                yield _variable(scheme), url if "://" in url else f"http://{url}"


def _variable(scheme: str) -> str:
    """Return the name of the proxy variable. If both spellings are set, the lower-case one counts."""
    name = f"{scheme}_proxy"
    return name if os.environ.get(name) else name.upper()


def _is_plain_loopback(url: str) -> bool:
    origin = parse_origin(url)
    return isinstance(origin, Origin) and is_plain_loopback(origin.scheme, origin.host)

"""Transports of an HTTP library's clients: options and connections, and the transport that a client chooses for a URL."""
# Private access: httpx and httpx2 have no public name for a client's transport, its options and its connections.

from __future__ import annotations

import ssl
from typing import Any


def transport_of(client: Any) -> Any:
    """Return the transport of a client that is used unless a mount applies."""
    return client._transport


def connections_in_use(transport: Any) -> list[str]:
    """Return the connections of a transport of the library that are neither idle nor closed."""
    return [repr(each) for each in transport._pool.connections if not (each.is_idle() or each.is_closed())]


def use_pool(transport: Any, pool: Any) -> None:
    """Let a transport of the library connect by ``pool``."""
    transport._pool = pool


def proxy_of(transport: Any) -> str | None:
    """Return the host of the proxy that a transport of the library sends through."""
    found = getattr(transport._pool, "_proxy_url", None)
    return None if found is None else str(found.host.decode())


def tls_context_of(transport: Any) -> ssl.SSLContext:
    """Return the TLS context of a transport of the library."""
    context: ssl.SSLContext = transport._pool._ssl_context
    return context


def speaks_http2(transport: Any) -> bool:
    """Return True if a transport of the library offers HTTP/2."""
    return bool(transport._pool._http2)


def max_connections_of(transport: Any) -> int:
    """Return how many connections a transport of the library opens at most."""
    return int(transport._pool._max_connections)


def chosen_proxy(client: Any, library: Any, url: str) -> str | None:
    """Return the proxy that ``client`` chooses for ``url``, through every transport that wraps the library's own."""
    transport = client._transport_for_url(library.URL(url))
    while not hasattr(transport, "_pool"):
        transport = getattr(transport, "transports", [None])[0] or transport.inner
    return proxy_of(transport)

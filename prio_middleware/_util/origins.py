"""Origins in settings (RFC 6454 §4): scheme, host and port.

Parsing is strict: a text that two programs could parse as two different hosts is not an origin.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable
from typing import Final, NamedTuple, Protocol

from ..errors import ConfigurationError

DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}

_HTTP_SCHEMES: Final = {"ws": "http", "wss": "https"}
_WEBSOCKET_SCHEMES: Final = {"http": "ws", "https": "wss"}

_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s/?#@:%\\\[\]]+)"
    r"(?::(?P<port>[0-9]{0,5}))?"
    r"(?:[/?#][^\s\\]*)?"
)
_NAME = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*(?!\d+\.?$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.?")


class Origin(NamedTuple):
    """Origin of a URL in canonical form: in lower case, IDNA-encoded, an IPv6 address compressed and without brackets.

    The scheme's default port is None.
    """

    scheme: str
    host: str
    port: int | None


def with_websockets(origin: Origin) -> tuple[Origin, Origin]:
    """Return ``origin`` with the HTTP and with the WebSocket scheme.

    A WebSocket begins with an HTTP request to the same server (RFC 6455 §1.3).
    """
    http = origin._replace(scheme=_HTTP_SCHEMES.get(origin.scheme, origin.scheme))
    return http, http._replace(scheme=_WEBSOCKET_SCHEMES[http.scheme])


RawOrigin = tuple[str, bytes, int | None]  # Origin in the types of the HTTP libraries' URLs: scheme, host in bytes, port.


class RequestURL(Protocol):
    """URL of a request. ``httpx.URL`` and ``httpx2.URL`` satisfy it."""

    @property
    def scheme(self) -> str: ...
    @property
    def raw_host(self) -> bytes: ...
    @property
    def port(self) -> int | None: ...


def raw_origins(origins: Iterable[Origin]) -> frozenset[RawOrigin]:
    """Return the origins for :func:`same_origin`, each with the HTTP and with the WebSocket scheme."""
    pairs = (pair for origin in origins for pair in with_websockets(origin))
    return frozenset((scheme, host.encode("ascii"), port) for scheme, host, port in pairs)


def same_origin(url: RequestURL, origins: Collection[RawOrigin]) -> bool:
    """Return True if the URL of a request is at one of ``origins``, however it is spelt. Every component compares so."""
    return (url.scheme, url.raw_host, url.port) in origins or raw_origin(url) in origins


def raw_origin(url: RequestURL) -> RawOrigin:
    """Return the origin of a request's URL in canonical form."""
    host = url.raw_host
    if b":" in host:  # The libraries do not normalize IPv6 addresses.
        host = ipaddress.IPv6Address(host.decode("ascii")).compressed.encode("ascii")
    # They drop a default port only if the scheme is in lower case.
    return url.scheme, host, None if url.port == DEFAULT_PORTS.get(url.scheme) else url.port


def parse_origin(url: str) -> Origin | ConfigurationError:
    """Return the origin of an absolute URL.

    Errors are returned, not raised, because ``url`` may hold a password and a traceback keeps local variables.
    """
    match = _URL.fullmatch(url) if url.isprintable() else None
    scheme = match["scheme"].lower() if match else ""
    host = canonical_host(match["host"]) if match else None
    port = int(match["port"]) if match and match["port"] else None
    if host is None or scheme not in DEFAULT_PORTS or not (port is None or 0 < port < 65536):
        return ConfigurationError(
            "This is not the URL of an HTTP server.",
            url=url,
            remedy="Write it as https://host or https://host:port, without user name and password.",
        )
    return Origin(scheme, host, None if port == DEFAULT_PORTS[scheme] else port)


def cuts_password(proxy: str) -> bool:
    """Return True if a "/", "?" or "#" in the password of a proxy's URL ends its authority too early."""
    _, *behind = re.split(r"[/?#]", proxy.partition("://")[2] or proxy, maxsplit=1)
    return any("@" in part for part in behind)


def canonical_host(host: str) -> str | None:
    """Return a host name or address in canonical form. None if it is neither."""
    try:
        if host.startswith("["):
            return ipaddress.IPv6Address(host[1:-1]).compressed
        if host.replace(".", "").isdigit():
            return ipaddress.IPv4Address(host).compressed
    except ValueError:
        return None
    name = host.lower() if host.isascii() else _idna_encoded(host)
    return name if name and _NAME.fullmatch(name) else None


def _idna_encoded(host: str) -> str | None:
    import idna  # Both HTTP libraries encode with it.

    try:
        return idna.encode(host.lower()).decode("ascii")
    except UnicodeError:
        return None

"""Origins as the settings name them (RFC 6454 §4): scheme, host and port.

The reading is strict: a text that two programs could read as two different hosts is no origin.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final, NamedTuple

from .errors import ConfigurationError

DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}

_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s/?#@:%\\\[\]]+)"
    r"(?::(?P<port>[0-9]{0,5}))?"
    r"(?:[/?#][^\s\\]*)?"
)
_NAME = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*(?!\d+\.?$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.?")


class Origin(NamedTuple):
    """The origin of a URL, in one form whichever way it was written.

    Attributes:
        scheme: in lower case.
        host: in lower case, IDNA-encoded; an IPv6 address compressed and without brackets.
        port: None where it is the scheme's own.
    """

    scheme: str
    host: str
    port: int | None


def parse_origin(url: str) -> Origin | ConfigurationError:
    """The origin of an absolute URL, whatever follows it.

    Returns, and does not raise, the error: ``url`` may hold a password, and a traceback keeps what its frames hold.
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


def canonical_host(host: str) -> str | None:
    """A host name or address in its one form, or None where it is neither."""
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
    import idna  # Both HTTP libraries encode with it, and so come to the same name.

    try:
        return idna.encode(host.lower()).decode("ascii")
    except UnicodeError:
        return None

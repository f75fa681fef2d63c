"""Settings that say how a client's connections are made: timeouts, TLS, proxy, pool, HTTP library."""

from __future__ import annotations

from typing import Literal

from .server import PresetBased, from_preset
from .values import Count, ReadableFile, Seconds, SecretProxy, SecretText


class Connection(PresetBased):
    """Connections to the API; token requests travel over the same ones."""

    library: Literal["httpx", "httpx2"] = "httpx"
    """The HTTP library that drop-ins make the client with."""

    connect_timeout: Seconds = 10.0
    """Seconds to wait for a connection to be made."""

    read_timeout: Seconds = from_preset("read_timeout")
    """Seconds to wait for the next bytes of an answer. Preset prio: 60, because suppliers are slow; preset rfc6749: 30."""

    write_timeout: Seconds = 30.0
    """Seconds to wait for the next bytes of a request to be taken."""

    pool_timeout: Seconds = 60.0
    """Seconds to wait for a free connection of the pool."""

    max_connections: Count = 100
    """Connections open at once, at most."""

    max_keepalive_connections: Count = 20
    """Idle connections kept open, at most."""

    keepalive_expiry: Seconds = 5.0
    """Seconds after which an idle connection is closed."""

    http2: bool = False
    """Offer HTTP/2. It needs the HTTP library's extra of that name."""

    proxy: SecretProxy | None = None
    """The proxy's URL. It may hold a password, so it is never shown."""

    trust_env: bool = True
    """Take proxies from HTTPS_PROXY, NO_PROXY and the like, and certificates from SSL_CERT_FILE and SSL_CERT_DIR."""

    ca_file: ReadableFile | None = None
    """A PEM file with the certificate authorities to trust instead of the usual ones."""

    cert_file: ReadableFile | None = None
    """The client certificate, as PEM, where the server asks for one."""

    cert_key_file: ReadableFile | None = None
    """The client certificate's private key, as PEM, where cert_file does not hold it."""

    cert_key_password: SecretText | None = None
    """The password of the client certificate's private key."""

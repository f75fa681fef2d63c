"""What the settings say of the library client's own options: timeouts, limits, TLS."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError
from ..settings import ClientSettings

if TYPE_CHECKING:
    from ..transports.library import HTTPLibrary


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


def _ssl_context(settings: ClientSettings, library: HTTPLibrary) -> ssl.SSLContext:
    try:
        return _load_certificates(settings, library)
    except OSError as error:
        problem = f"{type(error).__name__}: {error.strerror or error}"
    raise ConfigurationError(
        f"The certificates cannot be loaded. {problem}.",
        client=settings.name,
        remedy="Check that ca_file, cert_file and cert_key_file are PEM files, and that key and password belong together.",
    )


def _load_certificates(settings: ClientSettings, library: HTTPLibrary) -> ssl.SSLContext:
    if settings.ca_file:
        context = ssl.create_default_context(cafile=settings.ca_file)
    else:
        context = library.create_ssl_context(trust_env=settings.trust_env)
    if settings.cert_file:
        password = settings.cert_key_password
        context.load_cert_chain(settings.cert_file, settings.cert_key_file, password.reveal() if password else None)
    return context

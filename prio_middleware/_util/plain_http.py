"""Plain HTTP: allowed for the loopback hosts in the settings only."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable
from typing import Final

from ..errors import ConfigurationError, InsecureTransportError, PolicyError, PrioError, UnsupportedProtocolError
from .origins import parse_origin

SECURE_SCHEMES: Final = frozenset({"https", "wss"})
PLAIN_SCHEMES: Final = frozenset({"http", "ws"})
_LOOPBACK_NETWORK = ipaddress.IPv4Network("127.0.0.0/8")
_LOOPBACK_IPV6 = ipaddress.IPv6Address("::1")


def loopback_names(hosts: Iterable[str]) -> frozenset[str]:
    """Return loopback hosts in canonical form.

    Raise ConfigurationError if one is not ``localhost``, in 127.0.0.0/8 or ``::1``, so it could be another machine.
    """
    return frozenset(_loopback_name(host) for host in ([hosts] if isinstance(hosts, str) else hosts))


def insecure_url(url: str, loopback_hosts: Iterable[str] = (), client: str | None = None) -> PrioError | None:
    """Return an :class:`InsecureTransportError` if a secret must not be sent to ``url``, else None.

    A :class:`ConfigurationError` if the URL cannot be parsed, or ``loopback_hosts`` contains another host. Errors are returned,
    not raised, because ``url`` may hold a password and a traceback keeps local variables.
    """
    origin = parse_origin(url)
    if isinstance(origin, ConfigurationError):
        return origin.copy(client=client)
    try:
        names = loopback_names(loopback_hosts)
    except ConfigurationError as error:
        return error.copy(client=client)
    return None if is_allowed(origin.scheme, origin.host, names) else blocked_scheme(origin.scheme, url, client)


def is_allowed(scheme: str, host: str, names: Collection[str]) -> bool:
    """Return True if a request may be sent: the scheme is secure, or the host is one of ``names``."""
    return scheme in SECURE_SCHEMES or (scheme in PLAIN_SCHEMES and _canonical(host) in names)


def blocked_scheme(scheme: str, url: object, client: str | None) -> PolicyError:
    """Return the error for a request that is blocked because of its scheme."""
    if scheme in PLAIN_SCHEMES:
        message = "Blocked: the URL is not https://, so the request would be sent unencrypted."
        return InsecureTransportError(message, client=client, url=url)
    problem = f"its scheme is {scheme[:16]!r}" if scheme else "it has no scheme"
    return UnsupportedProtocolError(f"Blocked: the URL is not https://, {problem}.", client=client, url=url)


def is_plain_loopback(scheme: str, host: str) -> bool:
    """Return True if a request goes to this machine over plain HTTP, so that no proxy may get it."""
    return scheme in PLAIN_SCHEMES and is_loopback(host)


def proxied_loopback(url: object, client: str | None) -> InsecureTransportError:
    """Return the error for a request over plain HTTP to a loopback host that would go through a proxy."""
    return InsecureTransportError(
        "Blocked: plain HTTP to a loopback host would go through the proxy, unencrypted.",
        client=client,
        url=url,
        remedy="Set HTTPS_PROXY, which does not apply to loopback hosts, or pass mounts={'http://localhost': None}.",
    )


def is_loopback(host: str) -> bool:
    """Return True if ``host`` is a name or address of this machine, and of no other."""
    if host.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address == _LOOPBACK_IPV6 or (address.version == 4 and address in _LOOPBACK_NETWORK)


def _loopback_name(host: str) -> str:
    name = host.removeprefix("[").removesuffix("]")
    if not is_loopback(name):
        raise ConfigurationError(
            f"Plain HTTP is for loopback hosts only, and {host!r} is not one.",
            remedy="Name localhost, 127.0.0.1 or ::1, without scheme and port; use https:// for every other host.",
        )
    return _canonical(name)


def _canonical(host: str) -> str:
    try:
        return ipaddress.ip_address(host).compressed
    except ValueError:
        return host.lower()

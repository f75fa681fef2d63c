"""Plain HTTP is for loopback hosts that the settings name, and for nothing else."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable
from typing import Final

from .errors import ConfigurationError, InsecureTransportError, PrioError
from .origins import parse_origin

SECURE_SCHEMES: Final = frozenset({"https", "wss"})
PLAIN_SCHEMES: Final = frozenset({"http", "ws"})

_LOOPBACK_NETWORK = ipaddress.IPv4Network("127.0.0.0/8")
_LOOPBACK_IPV6 = ipaddress.IPv6Address("::1")


def loopback_names(hosts: Iterable[str]) -> frozenset[str]:
    """The loopback hosts that the settings name, each in its one form.

    Raises:
        ConfigurationError: one of them is not ``localhost``, in 127.0.0.0/8 or ``::1``: it could be another machine.
    """
    return frozenset(_loopback_name(host) for host in ([hosts] if isinstance(hosts, str) else hosts))


def insecure_url(url: str, loopback_hosts: Iterable[str] = (), client: str | None = None) -> PrioError | None:
    """What is wrong with sending a secret to ``url``: an :class:`InsecureTransportError`, or None if nothing is.

    A URL that cannot be read, and a host in ``loopback_hosts`` that is none, give a :class:`ConfigurationError`. All are
    returned and not raised: ``url`` may hold a password, and a traceback keeps what its frames hold.
    """
    origin = parse_origin(url)
    if isinstance(origin, ConfigurationError):
        return origin.copy(client=client)
    try:
        names = loopback_names(loopback_hosts)
    except ConfigurationError as error:
        return error.copy(client=client)
    return None if is_allowed(origin.scheme, origin.host, names) else insecure_transport(url, client)


def is_allowed(scheme: str, host: str, names: Collection[str]) -> bool:
    """Whether a request to ``host`` may leave: the scheme is secure, or the host is one of ``names``."""
    return scheme in SECURE_SCHEMES or (scheme in PLAIN_SCHEMES and _one_form(host) in names)


def insecure_transport(url: object, client: str | None) -> InsecureTransportError:
    """The error for a request that may not leave."""
    return InsecureTransportError(
        "Refused: the URL is not https://, so the request would travel in the clear.", client=client, url=url
    )


def is_loopback(host: str) -> bool:
    """Whether ``host`` is a name or an address of this very machine, and cannot be another's."""
    if host.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address == _LOOPBACK_IPV6 or (address.version == 4 and address in _LOOPBACK_NETWORK)


def _loopback_name(host: str) -> str:
    bare = host.removeprefix("[").removesuffix("]")
    if not is_loopback(bare):
        raise ConfigurationError(
            f"Plain HTTP is for loopback hosts only, and {host!r} is none.",
            remedy="Name localhost, 127.0.0.1 or ::1, without scheme and port; use https:// for every other host.",
        )
    return _one_form(bare)


def _one_form(host: str) -> str:
    try:
        return ipaddress.ip_address(host).compressed
    except ValueError:
        return host.lower()

"""No request leaves over plain HTTP: it is refused before a token is asked for."""

from __future__ import annotations

from collections.abc import Iterable

from ..pipeline import Exchange
from ..plain_http import SECURE_SCHEMES, insecure_transport, is_allowed, loopback_names


class HTTPSEnforcer:
    """Refuses whatever is not ``https://`` or ``wss://``: redirects and foreign origins too, as the outermost component.

    Args:
        loopback_hosts: hosts of this machine that may be reached over plain HTTP, for tests: none unless named.

    Raises:
        ConfigurationError: one of ``loopback_hosts`` is no loopback host.
    """

    def __init__(self, loopback_hosts: Iterable[str] = ()) -> None:
        self._loopback_names = loopback_names(loopback_hosts)

    def on_request(self, exchange: Exchange) -> None:
        """Refuse plain HTTP.

        Raises:
            InsecureTransportError: the URL is plain HTTP, and its host is not one that may be.
        """
        if exchange.request.url.scheme not in SECURE_SCHEMES and not self._is_named(exchange):
            raise insecure_transport(exchange.request.url, exchange.client)

    def _is_named(self, exchange: Exchange) -> bool:
        url = exchange.request.url
        return is_allowed(url.scheme, url.raw_host.decode("ascii"), self._loopback_names)

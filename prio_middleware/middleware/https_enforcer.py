"""HTTPS enforcer: blocks requests over plain HTTP before a token is fetched."""

from __future__ import annotations

from collections.abc import Iterable

from .._util.plain_http import SECURE_SCHEMES, blocked_scheme, is_allowed, loopback_names
from ..pipeline.component_checks import built_in
from ..pipeline.exchange import Exchange


@built_in("https_enforcer")
class HTTPSEnforcer:
    """Component that blocks every URL other than ``https://`` and ``wss://``, also in redirects.

    Args:
        loopback_hosts: loopback hosts that may be reached over plain HTTP, for tests; default: none.

    Raises:
        ConfigurationError: a name in ``loopback_hosts`` is not a loopback host.
    """

    def __init__(self, loopback_hosts: Iterable[str] = ()) -> None:
        self._loopback_names = loopback_names(loopback_hosts)

    def on_request(self, exchange: Exchange) -> None:
        """Block the request unless its URL is allowed.

        Raises:
            InsecureTransportError: the URL is plain HTTP, and its host is not in ``loopback_hosts``.
            UnsupportedProtocolError: the URL has no scheme, or one that is neither HTTP nor HTTPS.
        """
        # No local variable holds the URL: its query may hold a key, and crash reporters print local variables.
        if exchange.request.url.scheme not in SECURE_SCHEMES and not is_allowed(
            exchange.request.url.scheme, exchange.request.url.raw_host.decode("ascii"), self._loopback_names
        ):
            raise blocked_scheme(exchange.request.url.scheme, exchange.request.url, exchange.client)

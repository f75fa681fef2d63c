"""What is ours goes to the client's own origins only: no token, no ``App-*`` header, to any other."""

from __future__ import annotations

import re
import weakref
from collections.abc import Iterable
from ipaddress import IPv6Address
from typing import Final, Literal

from ..errors import ConfigurationError, ForeignOriginError
from ..origins import DEFAULT_PORTS, parse_origin
from ..pipeline import Exchange, RequestLike, ResponseLike, URLLike

_RawOrigin = tuple[str, bytes, int | None]

LEFT_ORIGIN: Final = "prio_middleware.left_origin"
"""The key in a request's ``extensions`` that marks a redirect chain which has left the origins."""

# An absolute form without a host, as in "https:/path": the HTTP libraries put the request's own host there, but not its port.
_HOSTLESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?!//[^/?#])")


class OriginGuard:
    """Lets a request to another origin pass bare, or refuses it; so too on redirects.

    A redirect chain that has left the origins stays bare, also when it comes back: others chose where it leads. The HTTP
    libraries copy a request's ``extensions`` to the redirect they make from it, so a mark there travels along. It is put on as
    soon as a redirect leads elsewhere, for the hop itself may go through another transport of the client's, unseen. It names
    the request it was put on: the same object, sent once more, starts a chain of its own.

    Args:
        origins: URLs of which scheme, host and port count.
        foreign: what becomes of requests to other origins.

    Raises:
        ConfigurationError: no origin is given, or something that is none.
    """

    def __init__(self, origins: Iterable[str], foreign: Literal["bare", "refuse"] = "bare") -> None:
        if foreign not in {"bare", "refuse"}:
            raise ConfigurationError(f"Foreign origins can be passed 'bare', or one can 'refuse' them; {foreign!r} is neither.")
        allowed = _parse([origins] if isinstance(origins, str) else origins)
        del origins  # One may hold a password, which no traceback of ours is to show.
        if isinstance(allowed, ConfigurationError):
            raise allowed
        self._origins = allowed
        self._refuse = foreign == "refuse"

    def on_request(self, exchange: Exchange) -> None:
        """Let a request that leaves the origins, or has left them, pass bare.

        Raises:
            ForeignOriginError: such requests are to be refused.
        """
        url = exchange.request.url
        if (url.scheme, url.raw_host, url.port) in self._origins and LEFT_ORIGIN not in exchange.request.extensions:
            return  # What nearly every call comes to, without a further function.
        del url  # Its query may hold a key, and crash reporters print the locals of this frame.
        if self._holds(exchange.request.url) and not _has_left(exchange.request):
            return
        _mark(exchange.request)
        if self._refuse:
            raise ForeignOriginError(
                "Refused: the request, or the redirect chain it belongs to, leaves the client's origins.",
                client=exchange.client,
                url=exchange.request.url,
            )
        exchange.pass_bare()

    def on_response(self, exchange: Exchange, response: ResponseLike) -> None:
        """Mark the chain if this is a redirect to elsewhere."""
        if 300 <= response.status_code <= 399:
            location = response.headers.get("location")
            if location is not None and not self._leads_home(exchange.request.url, location):
                _mark(exchange.request)

    def _holds(self, url: URLLike) -> bool:
        host = url.raw_host
        if b":" in host:  # The libraries leave an IPv6 address as it was written.
            host = IPv6Address(host.decode("ascii")).compressed.encode("ascii")
        # They drop the scheme's own port only where the scheme was written in lower case.
        port = None if url.port == DEFAULT_PORTS.get(url.scheme) else url.port
        return (url.scheme, host, port) in self._origins

    def _leads_home(self, url: URLLike, location: str) -> bool:
        if url.port is not None and _HOSTLESS.match(location):
            return False
        try:
            return self._holds(url.join(location))
        except Exception:  # noqa: BLE001 - InvalidURL is a class of whichever library it is; what it cannot read leads nowhere
            return False


def _parse(urls: Iterable[str]) -> frozenset[_RawOrigin] | ConfigurationError:
    allowed: set[_RawOrigin] = set()
    for url in urls:
        origin = parse_origin(url)
        if isinstance(origin, ConfigurationError):
            return origin
        allowed.add((origin.scheme, origin.host.encode("ascii"), origin.port))
    return frozenset(allowed) or ConfigurationError("No origin is named that may have the token.")


def _mark(request: RequestLike) -> None:
    request.extensions.setdefault(LEFT_ORIGIN, weakref.ref(request))


def _has_left(request: RequestLike) -> bool:
    if LEFT_ORIGIN not in request.extensions:
        return False
    mark = request.extensions[LEFT_ORIGIN]
    return not (isinstance(mark, weakref.ref) and mark() is request)

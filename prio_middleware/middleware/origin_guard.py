"""Origin guard: sends the token and ``App-*`` headers to allowed origins only."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from typing import Final, Literal
from weakref import WeakValueDictionary

from .._util.origins import Origin, RawOrigin, parse_origin, raw_origins, same_origin
from .._util.redaction import safe_url
from ..errors import ConfigurationError, ForeignOriginError
from ..pipeline.component_checks import built_in
from ..pipeline.exchange import Exchange
from ..pipeline.protocols import RequestLike, ResponseLike, URLLike
from ..telemetry.logs import log_failure

# Key in a request's ``extensions`` that marks a redirect chain which has left the origins. Its value is the chain's id.
LEFT_ORIGIN: Final = "prio_middleware.left_origin"

# The request of each chain that was marked first, by the chain's id, while the request exists.
_FIRST: Final[WeakValueDictionary[str, RequestLike]] = WeakValueDictionary()

_REMEDY: Final = f"If it is not part of a redirect chain, remove {LEFT_ORIGIN!r} from its extensions."

# Absolute, but without a host ("https:/path"): the HTTP libraries add the request's host, but not its port.
_HOSTLESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?!//[^/?#])")


@built_in("origin_guard")
class OriginGuard:
    """Component that sends requests to other origins without the token, or blocks them, also in redirects.

    A redirect chain that has left the origins stays without the token when it returns, because another server chose its target.
    The HTTP libraries copy a request's ``extensions`` to its redirect, so the guard sets a mark there. It does so as soon as a
    redirect leads to another origin, because that hop may go through another transport of the client. The guard remembers the
    request that it marked first: the same object, sent again, starts a new chain. A request that the caller creates with marked
    ``extensions`` looks like a hop, so it is sent without the token too. Each such request is logged.

    Args:
        origins: URLs. Their scheme, host and port are compared, ``wss://`` like ``https://`` and ``ws://`` like ``http://``: a
            WebSocket begins with an HTTP request.
        foreign: the policy for requests to other origins: send them without the token, or raise an error.

    Raises:
        ConfigurationError: no origin is given, or one is not a URL of an HTTP server.
    """

    def __init__(self, origins: Iterable[str], foreign: Literal["without_token", "refuse"] = "without_token") -> None:
        if foreign not in {"without_token", "refuse"}:
            raise ConfigurationError(f"foreign is 'without_token' or 'refuse', not {foreign!r}.")
        allowed = _parse([origins] if isinstance(origins, str) else origins)
        del origins  # It may hold a password, which tracebacks must not show.
        if isinstance(allowed, ConfigurationError):
            raise allowed
        self._origins = allowed
        self._refuse = foreign == "refuse"

    def on_request(self, exchange: Exchange) -> None:
        """Bypass the pipeline for a request that leaves the origins, or belongs to a redirect chain that has left them.

        Raises:
            ForeignOriginError: the policy is to block such requests.
        """
        url = exchange.request.url
        if (url.scheme, url.raw_host, url.port) in self._origins and LEFT_ORIGIN not in exchange.request.extensions:
            return  # The steady path, without another function call.
        del url  # Its query may hold a key, and crash reporters print local variables.
        is_allowed = same_origin(exchange.request.url, self._origins)
        chain_id = exchange.request.extensions.get(LEFT_ORIGIN)
        is_first = isinstance(chain_id, str) and _FIRST.get(chain_id) is exchange.request
        if is_allowed and (is_first or LEFT_ORIGIN not in exchange.request.extensions):
            return
        _mark(exchange.request)
        if self._refuse:
            raise ForeignOriginError(
                "Blocked: the request, or its redirect chain, leaves the client's origins.",
                client=exchange.client,
                url=exchange.request.url,
                remedy=_REMEDY if is_allowed else None,
            )
        if is_allowed:
            log_failure(
                "A request of the client %r is sent without a token: extensions[%r] marks it as part of a redirect chain that "
                "left the client's origins. (%s) %s",
                *(exchange.client, LEFT_ORIGIN, safe_url(exchange.request.url), _REMEDY),
                event="redirect_without_token",
                client=exchange.client,
            )
        exchange.bypass()

    def on_response(self, exchange: Exchange, response: ResponseLike) -> None:
        """Mark the chain if the response redirects to another origin."""
        if 300 <= response.status_code <= 399:
            location = response.headers.get("location")
            if location is not None and not self._is_allowed(exchange.request.url, location):
                _mark(exchange.request)

    def _is_allowed(self, url: URLLike, location: str) -> bool:
        if url.port is not None and _HOSTLESS.match(location):
            return False
        try:
            return same_origin(url.join(location), self._origins)
        except Exception:  # noqa: BLE001 - each library has an InvalidURL of its own
            return False


def _parse(urls: Iterable[str]) -> frozenset[RawOrigin] | ConfigurationError:
    allowed: list[Origin] = []
    for url in urls:
        origin = parse_origin(url)
        if isinstance(origin, ConfigurationError):
            return origin
        allowed.append(origin)
    return raw_origins(allowed) or ConfigurationError("No origin is allowed to get the token.")


def _mark(request: RequestLike) -> None:
    if LEFT_ORIGIN not in request.extensions:
        chain_id = secrets.token_hex(8)
        _FIRST[chain_id] = request  # Before the mark: the same object may be in use in another thread.
        request.extensions.setdefault(LEFT_ORIGIN, chain_id)

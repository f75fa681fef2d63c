"""Budget guard: keeps this process below the rate limits of a server."""

from __future__ import annotations

from ..._util.origins import parse_origin, raw_origins, same_origin, with_websockets
from ...errors import BudgetExceededError, ConfigurationError
from ...pipeline.exchange import Exchange
from ...pipeline.protocols import RequestLike
from .budget import WHOLE_BUDGET, Allowance, Budget, Shortage, Usage, budget_of, part_of


class BudgetGuard:
    """Component that counts requests to ``origin`` and their 4xx responses within the last minute.

    It counts every request that is sent: retries, each hop of a redirect, requests with the caller's own token, and token
    requests. All guards of one origin in a process share one count.

    With ``enforce``, a request that might exceed a limit is blocked. Requests in flight count as if they got a 4xx response,
    because they cannot be recalled. Token requests are counted and never blocked.

    A server counts by IP address, which several processes may use: this process may use up its ``share`` of the limits.

    Args:
        origin: a URL of the server. Its scheme, host and port are compared. WebSockets to it count as requests.
        client_errors: 4xx responses that the server allows per minute; None if it does not limit them.
        requests: requests that it allows per minute; None if it does not limit them.
        share: the part of both limits for this process: more than 0, at most 1.
        enforce: block requests; otherwise they are only counted.
        in_flight: count requests in flight as 4xx responses; otherwise they may exceed the limit by their number.
        client: the configured name of the client, for errors.
        budget: the count; default: the one of this process for that origin.

    Raises:
        ConfigurationError: ``origin`` is not a URL of an HTTP server; a share of a limit is less than one; or ``enforce`` is
            set without a limit.
    """

    def __init__(
        self,
        origin: str,
        *,
        client_errors: int | None = None,
        requests: int | None = None,
        share: float = WHOLE_BUDGET,
        enforce: bool = False,
        in_flight: bool = True,
        client: str = "default",
        budget: Budget | None = None,
    ) -> None:
        parsed = parse_origin(origin)
        del origin  # It may hold a password, which tracebacks must not show.
        if isinstance(parsed, ConfigurationError):
            raise parsed
        self.allowance = Allowance(
            _part(client_errors, share, "client_errors"), _part(requests, share, "requests"), in_flight=in_flight
        )
        if enforce and self.allowance.client_errors is None and self.allowance.requests is None:
            raise ConfigurationError(
                "The budget guard has no limit to enforce.",
                remedy="Set client_errors, requests or both to the limits of the server per minute.",
            )
        self.client = client
        self.enforce = enforce
        self.budget = budget or budget_of(with_websockets(parsed)[0])
        self._origins = raw_origins([parsed])
        self._enforced = self.allowance if enforce else None

    @property
    def usage(self) -> Usage:
        """Requests and 4xx responses of this process within the last minute."""
        return self.budget.usage()

    def on_request(self, exchange: Exchange) -> None:
        """Block a call that would exceed the limit, before a token is fetched.

        Raises:
            BudgetExceededError: the limit is reached.
        """
        if self._enforced and same_origin(exchange.request.url, self._origins):
            shortage = self.budget.shortage(self._enforced)
            if shortage:
                raise self._error(shortage, exchange.request)

    def before_send(self, request: RequestLike, *, for_token: bool) -> None:
        """Count a request before it is sent.

        Raises:
            BudgetExceededError: other calls reached the limit in the meantime.
        """
        if same_origin(request.url, self._origins):
            shortage = self.budget.spend(None if for_token else self._enforced)
            if shortage:
                raise self._error(shortage, request)

    def after_send(self, request: RequestLike, status: int | None) -> None:
        """Count the end of a request."""
        if same_origin(request.url, self._origins):
            self.budget.settle(status)

    def _error(self, shortage: Shortage, request: RequestLike) -> BudgetExceededError:
        message = f"Blocked: of the limit of this process per minute, {shortage.message}."
        return BudgetExceededError(message, client=self.client, url=request.url, retry_after=shortage.retry_after)


def _part(limit: int | None, share: float, name: str) -> int | None:
    if not 0 < share <= 1:
        raise ConfigurationError(f"share is {share!r}; expected more than 0 and at most 1.")
    if limit is None:
        return None
    part = part_of(limit, share)
    if part < 1:
        raise ConfigurationError(
            f"A share of {share} of {limit} {name} per minute is less than one.",
            remedy="Increase the share: each process may have 1 divided by the number of processes.",
        )
    return part

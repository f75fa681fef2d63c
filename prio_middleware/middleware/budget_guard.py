"""Keeps a client below the limits at which a server shuts it out: counts, and refuses where it is asked to."""

from __future__ import annotations

from ..errors import BudgetExceededError, ConfigurationError
from ..origins import parse_origin
from ..pipeline import Exchange, RequestLike, URLLike
from ..shares import part_of
from .budget import Allowance, Budget, Usage, budget_of


class BudgetGuard:
    """Counts what the server at ``origin`` is sent, and its 4xx answers, in a rolling minute.

    It sees every request as it is sent: first and second tries, each hop of a redirect, requests with a token of the caller's
    own, and token requests. All guards of one origin in a process count together, for the server counts them together too.

    Where it enforces, a request is refused before the limit would be exceeded. Requests under way count as if they were
    answered with 4xx, for nobody can call them back. Token requests are counted and never refused.

    A server counts by IP address, and other processes may have the same one: this process may spend its ``share``.

    Args:
        origin: a URL of the server, of which scheme, host and port count.
        client_errors: answers 4xx that the server takes in a minute; None: it does not count them.
        requests: requests that it takes in a minute; None: it does not count them.
        share: the part of both that is this process's own: more than 0, at most 1.
        enforce: refuse requests; otherwise they are counted only.
        in_flight: requests under way count as answered with 4xx; otherwise they may overshoot, as many as there are.
        client: the client's name, for errors.
        budget: where to count; the process's own for that origin, if left out.

    Raises:
        ConfigurationError: ``origin`` is none; nothing is left of a limit, or there is none to enforce.
    """

    def __init__(
        self,
        origin: str,
        *,
        client_errors: int | None = None,
        requests: int | None = None,
        share: float = 1.0,
        enforce: bool = False,
        in_flight: bool = True,
        client: str = "default",
        budget: Budget | None = None,
    ) -> None:
        parsed = parse_origin(origin)
        del origin  # It may hold a password, which no traceback of ours is to show.
        if isinstance(parsed, ConfigurationError):
            raise parsed
        self.allowance = Allowance(
            _part(client_errors, share, "client_errors"), _part(requests, share, "requests"), in_flight=in_flight
        )
        if enforce and self.allowance.client_errors is None and self.allowance.requests is None:
            raise ConfigurationError(
                "The budget guard has no limit to enforce.",
                remedy="Give it client_errors, requests or both: how many the server takes in a minute.",
            )
        self.client = client
        self.enforce = enforce
        self.budget = budget or budget_of(parsed)
        self._origin = (parsed.scheme, parsed.host.encode("ascii"), parsed.port)
        self._enforced = self.allowance if enforce else None

    @property
    def usage(self) -> Usage:
        """What this process has spent of the server's budget within the last minute."""
        return self.budget.usage()

    def on_request(self, exchange: Exchange) -> None:
        """Refuse a call for which nothing is left, before a token is asked for.

        Raises:
            BudgetExceededError: so it is.
        """
        if self._enforced and self._concerns(exchange.request.url):
            shortage = self.budget.shortage(self._enforced)
            if shortage:
                raise self._error(shortage.message, shortage.retry_after, exchange.request)

    def on_send(self, request: RequestLike, *, for_token: bool) -> None:
        """Count a request that is about to be sent.

        Raises:
            BudgetExceededError: others have spent meanwhile what was left.
        """
        if self._concerns(request.url):
            shortage = self.budget.spend(None if for_token else self._enforced)
            if shortage:
                raise self._error(shortage.message, shortage.retry_after, request)

    def on_sent(self, request: RequestLike, status: int | None) -> None:
        """Count the answer."""
        if self._concerns(request.url):
            self.budget.settle(status)

    def _concerns(self, url: URLLike) -> bool:
        return (url.scheme, url.raw_host, url.port) == self._origin

    def _error(self, message: str, retry_after: float, request: RequestLike) -> BudgetExceededError:
        return BudgetExceededError(
            f"Refused here: of what this process may spend in a minute, {message}.",
            client=self.client,
            url=request.url,
            retry_after=retry_after,
        )


def _part(limit: int | None, share: float, name: str) -> int | None:
    if not 0 < share <= 1:
        raise ConfigurationError(f"A share is more than 0 and at most 1; {share!r} is not.")
    if limit is None:
        return None
    part = part_of(limit, share)
    if part < 1:
        raise ConfigurationError(
            f"A share of {share} of {limit} leaves not one of {name} in a minute.",
            remedy="Make the share larger: one divided by the number of processes is what each may have.",
        )
    return part

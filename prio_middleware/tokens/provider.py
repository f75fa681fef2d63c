"""Where tokens come from: the protocol, and the client credentials grant (RFC 6749 §4.4)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Literal, Protocol

from ..errors import CredentialsRefusedError, TokenEndpointUnavailableError, TokenError
from ..plain_http import insecure_url
from ..telemetry.fetch import Afterwards, FetchFacts
from ..telemetry.providers import Trigger, trigger
from ..telemetry.tally import LEDGER
from .attempt import request_token
from .decision import Decision, Failure, HoldBack, Use, UseAndRefresh, budget, decide, usable
from .discovery import Discovery
from .effects import AsyncSend, Background, Pause, Send, Steps, Wait, arun, run
from .endpoint import TokenEndpoint
from .failures import Failures
from .flight import Flight, Flights, Outcome, Unanswered
from .observed import observe_acquisition, observe_fetch
from .reasons import Reasons
from .report import TokenReport
from .retrying import Attempts
from .shared.report import StoreReport
from .store import MemoryStore
from .token import DEFAULT_OPTIONS, AccessToken, TokenOptions

if TYPE_CHECKING:
    from .shared.tokens import SharedTokens

GRACE = 1.0
"""Seconds past its budget after which a fetch is taken for lost."""


class Renewal(Protocol):
    """Where new credentials may come from."""

    def __call__(self, *, force: bool) -> TokenEndpoint | None:
        """The endpoint with new credentials, if there are any. ``force``: look closely, for the present ones were refused."""
        ...


class TokenProvider(Protocol):
    """Gives the shells a token. One object serves threads, event loops, sync and async callers at once."""

    def current(self, key: TokenOptions, stale: AccessToken | None, /) -> AccessToken | None:
        """A token that is fresh and newer than ``stale``, if one is at hand: a look-up, made for every call."""
        ...

    def get_token(self, key: TokenOptions, stale: AccessToken | None, send: Send, /) -> AccessToken:
        """A token newer than ``stale``, fetched through ``send`` where need be.

        Raises:
            TokenError: none can be had.
        """
        ...

    async def aget_token(self, key: TokenOptions, stale: AccessToken | None, send: AsyncSend, /) -> AccessToken:
        """The same, awaiting."""
        ...

    def invalidate(self, token: AccessToken, /) -> None:
        """Forget ``token``, if it is still the current one: a server refused it."""


class ClientCredentialsProvider:
    """Tokens of the client credentials grant: one token request for each lifetime, however many callers there are.

    Args:
        endpoint: the token endpoint and the credentials for it.
        defaults: scope, audience, resource and parameters for requests that name none of their own.
        refresh: ``"on_expiry"``: whoever needs a token when it is due waits for the new one. ``"ahead"``: the new one is
            fetched beside the callers, who use the old one until it expires.
        deadline: seconds that a fetch may take as a whole, retries and waiting for a connection included.
        hold_back: seconds during which a permanent failure (wrong credentials, say) is not tried again.
        loopback_http_hosts: hosts of this machine whose token endpoint may be reached over plain HTTP.
        discovery: finds the token endpoint in the server's metadata; until then, ``endpoint`` has the issuer for its URL.
        renewal: where new credentials may come from. It is asked whenever a token is not at hand, and once more, with
            ``force``, when the server refuses the credentials.
        shared: where tokens are shared with other processes.
        clock: seconds of a monotonic clock.

    Raises:
        InsecureTransportError: the token URL is plain HTTP.
    """

    def __init__(  # noqa: PLR0913 - each of them can be chosen on its own
        self,
        endpoint: TokenEndpoint,
        *,
        defaults: TokenOptions = DEFAULT_OPTIONS,
        refresh: Literal["on_expiry", "ahead"] = "on_expiry",
        deadline: float = 30.0,
        hold_back: float = 10.0,
        loopback_http_hosts: Iterable[str] = (),
        discovery: Discovery | None = None,
        renewal: Renewal | None = None,
        store: MemoryStore | None = None,
        shared: SharedTokens | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        problem = insecure_url(endpoint.url, loopback_http_hosts, endpoint.client)
        if problem:
            raise problem
        self.endpoint = endpoint
        self.defaults = defaults
        self.deadline = deadline
        self._discovery = discovery
        self._request_token = discovery.request_token if discovery else request_token
        self._renewal = renewal
        self._ahead = refresh == "ahead"
        self._clock = clock
        self._store = MemoryStore() if store is None else store
        self._lookup = self._store.get
        self._shared = shared
        self._flights = Flights()
        self._failures = Failures(hold_back)
        self._reasons = Reasons()
        self._tally = LEDGER.of(endpoint.client)
        self._newest_refused = 0

    @property
    def client(self) -> str:
        """The configured name of the client."""
        return self.endpoint.client

    @property
    def token_url(self) -> str:
        """Where tokens are asked for; the issuer, as long as the token endpoint is not discovered."""
        return (self._discovery and self._discovery.token_url) or self.endpoint.url

    def current(self, key: TokenOptions, stale: AccessToken | None, /) -> AccessToken | None:
        """A fresh token newer than ``stale``, if one is kept. This is the hot path."""
        token = self._lookup(self.defaults if key is DEFAULT_OPTIONS else key.over(self.defaults))
        if token is None or token.fresh_until <= self._clock() or (stale and token.serial <= stale.serial):
            return None
        return token

    def get_token(self, key: TokenOptions, stale: AccessToken | None, send: Send, /) -> AccessToken:
        """A token newer than ``stale``: the one that is kept, or a new one.

        Raises:
            TokenError: none can be had within twice the deadline.
        """
        return _token_or_raise(run(self.acquire(key.over(self.defaults), stale), send))

    async def aget_token(self, key: TokenOptions, stale: AccessToken | None, send: AsyncSend, /) -> AccessToken:
        """The same, awaiting."""
        return _token_or_raise(await arun(self.acquire(key.over(self.defaults), stale), send))

    def invalidate(self, token: AccessToken, /) -> None:
        """Forget ``token``, if it is still the current one of its key."""
        self._newest_refused = max(self._newest_refused, token.serial)
        self._reasons.lost(self._store.drop(token), "rejected")
        if self._shared:
            self._shared.refuse(token)

    def use(self, endpoint: TokenEndpoint) -> None:
        """Take on new credentials: tokens of the old ones are dropped, and so is what held them back."""
        self.endpoint = endpoint
        self._flights = Flights()
        self._reasons.lost(self._store.clear(), "forced")
        self._failures.clear()

    def report(self, key: TokenOptions | None = None) -> TokenReport:
        """What is known of the token for ``key``.

        By default it is the client's own; where all calls have options of their own, the one of theirs that lasts longest.
        """
        key, now = self._own_or_longest() if key is None else key.over(self.defaults), self._clock()
        token, failure = self._store.get(key), self._failures.get(key)
        return TokenReport(
            expires_in=None if token is None else token.expires_at - now,
            failure=None if failure is None else failure.error,
            failed_ago=None if failure is None else now - failure.at,
            held_back=failure.until - now if failure and failure.holds_back and failure.until > now else None,
            fetching=self._flights.is_open(key),
            lifetime=None if token is None else token.lifetime,
        )

    def store_report(self) -> StoreReport:
        """What is known of where tokens are kept."""
        return self._shared.report() if self._shared else StoreReport()

    def listen(self) -> None:
        """Hear of tokens that other processes drop, where they are shared: a thread of this process, best effort."""
        if self._shared:
            self._shared.listen(self._dropped_elsewhere)

    def __repr__(self) -> str:
        return f"<ClientCredentialsProvider {self.endpoint.client!r} {self.token_url}>"

    def acquire(self, key: TokenOptions, stale: AccessToken | None) -> Steps[AccessToken | TokenError]:
        """The steps to a token: what is to be done, for :func:`run` or :func:`arun` to do. It ends with a token or an error."""
        return observe_acquisition(self._acquire(key, stale), self._tally, self.client)

    def _acquire(self, key: TokenOptions, stale: AccessToken | None) -> Steps[AccessToken | TokenError]:
        self._take_on_new_credentials(force=False)
        patience = self._clock() + 2 * (self.deadline + GRACE)
        while self._clock() < patience:
            decision = self._decide(key, stale)
            if isinstance(decision, Use):
                return decision.token
            if isinstance(decision, HoldBack):
                return self._held_back(decision.failure)
            if isinstance(decision, UseAndRefresh):
                yield from self._refresh(key)
                return decision.token
            outcome = yield from self._board(key, stale, decision.fallback)
            result = _answer(outcome, stale, self._store.get(key), self._clock())
            if result is not None:
                return result
        return TokenEndpointUnavailableError(
            f"No token after waiting {2 * (self.deadline + GRACE):.0f} s for other callers' fetches.",
            client=self.endpoint.client,
            url=self.token_url,
        )

    def _board(self, key: TokenOptions, stale: AccessToken | None, fallback: AccessToken | None) -> Steps[Outcome]:
        now = self._clock()
        until = now + budget(self.deadline, fallback, now)
        flight, leading = self._flights.board(key, until + GRACE)
        if leading:
            return (yield from self._lead(key, stale, flight, until))
        outcome: Outcome = yield Wait(flight, max(0.0, flight.until - now))
        if outcome is Unanswered.OWN_THREAD:
            return (yield from self._observed_fetch(key, stale, until))
        if outcome is Unanswered.OVERDUE:
            self._flights.drop(key, flight)
        return outcome

    def _lead(
        self, key: TokenOptions, stale: AccessToken | None, flight: Flight, until: float, trigger: Trigger | None = None
    ) -> Steps[Outcome]:
        outcome: Outcome = Unanswered.HANDED_OVER  # What the others hear if this caller is cancelled.
        try:
            decision = self._decide(key, stale)  # Another flight may have landed since this caller looked.
            if isinstance(decision, Use):
                outcome = decision.token
            elif isinstance(decision, HoldBack):
                outcome = self._held_back(decision.failure)
            else:
                outcome = yield from self._observed_fetch(key, stale, until, flight, trigger)
        finally:
            self._flights.drop(key, flight)
            flight.land(self._handed_on(outcome))
        return outcome

    def _handed_on(self, outcome: Outcome) -> Outcome:
        # Kept already, the token may have been refused to another caller before the flight lands.
        if isinstance(outcome, AccessToken) and outcome.serial <= self._newest_refused:
            return Unanswered.HANDED_OVER
        return outcome

    def _refresh(self, key: TokenOptions) -> Steps[None]:
        until = self._clock() + self.deadline
        flight, leading = self._flights.board(key, until + GRACE)
        if leading:
            started = yield Background(self._lead(key, None, flight, until, trigger()), flight)
            if not started:
                self._flights.drop(key, flight)
                flight.land(Unanswered.HANDED_OVER)

    def _observed_fetch(
        self,
        key: TokenOptions,
        stale: AccessToken | None,
        until: float,
        flight: Flight | None = None,
        trigger: Trigger | None = None,
    ) -> Steps[Outcome]:
        reason = self._reasons.of(key, self._store.get(key), stale)
        facts = FetchFacts(self._tally, self.client, self.token_url, reason, trigger)

        def afterwards() -> Afterwards:
            return Afterwards(self.token_url, self.report(key).held_back)

        steps = self._fetch(key, stale, until, after_refusal=reason == "rejected")
        return observe_fetch(steps, facts, flight, afterwards)

    def _fetch(
        self, key: TokenOptions, stale: AccessToken | None, until: float, *, after_refusal: bool = False, may_renew: bool = True
    ) -> Steps[Outcome]:
        endpoint = self.endpoint
        self.listen()
        if self._shared:
            spare = usable(self._store.get(key), stale, self._clock()) is not None
            fetch = partial(self._shared.fetch, spare=spare, after_refusal=after_refusal)
            result = yield from fetch(endpoint, key, until, self._ask)
        else:
            result = yield from self._ask(endpoint, key, until)
        if endpoint is not self.endpoint or isinstance(result, Unanswered):
            return result if isinstance(result, AccessToken) else Unanswered.HANDED_OVER
        if isinstance(result, CredentialsRefusedError) and may_renew and self._take_on_new_credentials(force=True):
            return (yield from self._fetch(key, stale, until, after_refusal=after_refusal, may_renew=False))
        self._remember(key, result)
        return result

    def _ask(self, endpoint: TokenEndpoint, key: TokenOptions, until: float) -> Steps[Outcome]:
        attempts = Attempts(until, self._clock)
        while (pause := attempts.pause_before_next()) is not None:
            if pause:
                yield Pause(pause)
            if endpoint is self.endpoint or not pause:  # The first attempt is always made: there must be a result.
                attempts.record((yield from self._request_token(endpoint, key, until, self._clock)))
            if endpoint is not self.endpoint:  # What failed with credentials that were replaced meanwhile says nothing.
                return attempts.result if isinstance(attempts.result, AccessToken) else Unanswered.HANDED_OVER
        return attempts.result

    def _dropped_elsewhere(self, generation: str) -> None:
        self._reasons.lost(self._store.drop_generation(generation), "rejected")

    def _take_on_new_credentials(self, *, force: bool) -> bool:
        endpoint = self._renewal(force=force) if self._renewal else None
        if endpoint is None:
            return False
        self.use(endpoint)
        return True

    def _own_or_longest(self) -> TokenOptions:
        own = self.defaults
        if self._store.get(own) or self._failures.knows(own):
            return own
        return self._store.longest() or own

    def _decide(self, key: TokenOptions, stale: AccessToken | None) -> Decision:
        return decide(self._store.get(key), stale, self._failures.get(key), self._clock(), ahead=self._ahead)

    def _remember(self, key: TokenOptions, result: AccessToken | TokenError) -> None:
        now = self._clock()
        if isinstance(result, AccessToken):
            self._store.put(key, result, now)
            self._failures.forget(key)
        else:
            self._failures.record(key, result, now)

    def _held_back(self, failure: Failure) -> TokenError:
        left = max(0.0, failure.until - self._clock())
        return failure.error.copy(message=f"{failure.error.message} Held back since.", retry_after=left, held_back=True)


def _answer(
    outcome: Outcome, stale: AccessToken | None, kept: AccessToken | None, now: float
) -> AccessToken | TokenError | None:
    """What a flight's outcome is to a caller, who may have a token that is ``kept``; None: he has to look again."""
    if isinstance(outcome, AccessToken):
        return outcome if stale is None or outcome.serial > stale.serial else None
    if isinstance(outcome, TokenError):
        return usable(kept, stale, now) or outcome
    return None


def _token_or_raise(result: AccessToken | TokenError) -> AccessToken:
    if isinstance(result, TokenError):
        raise result.copy()  # A copy for each caller: twenty waiters must not share one traceback.
    return result

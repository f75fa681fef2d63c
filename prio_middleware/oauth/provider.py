"""Token providers: the protocol, and the client credentials grant (RFC 6749 §4.4)."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Literal, Protocol

from .._util.clock import Clock, current_clock
from .._util.plain_http import insecure_url
from .._util.redaction import safe_url
from ..errors import ClientClosedError, CredentialsRefusedError, TokenEndpointUnavailableError, TokenError, TokenUnchangedError
from ..telemetry.counters import ClientCounters
from ..telemetry.logs import error_type
from ..telemetry.metrics import trigger
from ..telemetry.providers import StoreReport, TokenReport
from ..telemetry.spans import FetchContext, ProviderState
from .access_token import DEFAULT_OPTIONS, AccessToken, TokenOptions
from .accounts import Accounts, Resolution, unknown_account
from .cache import TokenCache
from .decision import (
    Decision,
    Failure,
    Fetch,
    Reason,
    RemovedTokens,
    UseAndRefresh,
    decide,
    fetch_seconds,
    is_after_rejection,
    is_newer,
    usable,
)
from .discovery import Discovery
from .effects import AsyncSend, Background, Pause, RunBlocking, Send, Steps, Wait, arun, request_token, run
from .failures import Failures
from .observation import observe_acquisition, observe_fetch
from .single_flight import GRACE, Crash, InFlightFetch, NoResult, Outcome, Result, SingleFlight
from .token_request import FAILURE_COOLDOWN, TOKEN_DEADLINE, TokenEndpoint

if TYPE_CHECKING:
    from .._util.secret import Secret
    from .attempts import Attempts
    from .shared.coordinator import RequestToken, SharedTokens

_NO_OPTIONS = DEFAULT_OPTIONS[:4]

WAIT_WITH_TOKEN = 0.1  # Seconds that a caller with a usable token waits for a new one. The fetch goes on afterwards.
# A wait that ends these seconds past its deadline: the process was suspended. The transport ends slow requests earlier.
FROZEN = 0.6
UNCHANGED_PAUSE = 10.0  # Seconds between token requests while the token endpoint returns a token that the API rejected.
REJECTED_VALUES_LIMIT = 64  # Number of rejected tokens that are recognised by their values.
CLOSING = 1.0  # Seconds for which the closing of a client waits for the end of each fetch.


class CredentialsSource(Protocol):
    """Source of new credentials, such as a file that is rotated."""

    def __call__(self, *, force: bool) -> TokenEndpoint | None:
        """Return the endpoint with new credentials, or None if they have not changed. Called if no fresh token is cached.

        Args:
            force: read the source even if it looks unchanged: the token endpoint refused the credentials.
        """


class TokenProvider(Protocol):
    """Source of tokens for the transports. One object serves threads, event loops, sync and async callers at once."""

    def current(self, options: TokenOptions, rejected: AccessToken | None, /) -> AccessToken | None:
        """Return a cached token that is fresh and newer than ``rejected``, or None. Called for every request."""

    def get_token(
        self, options: TokenOptions, rejected: AccessToken | None, send: Send, /, *, max_wait: float | None = None
    ) -> AccessToken:
        """Return a token newer than ``rejected``, fetched through ``send`` if necessary.

        Args:
            options: scope, audience and so on of the token, and its account.
            rejected: the token that the API rejected for this call, if any.
            send: sends a token request for the calling client, and returns the response. It also identifies the client.
            max_wait: longest wait of the caller in seconds. Default: the provider decides.

        Raises:
            TokenError: there is no token.
        """
        ...

    async def aget_token(
        self, options: TokenOptions, rejected: AccessToken | None, send: AsyncSend, /, *, max_wait: float | None = None
    ) -> AccessToken:
        """Async version of :meth:`get_token`."""
        ...

    def invalidate(self, token: AccessToken, /) -> None:
        """Note that the API rejected ``token``, and return another one from now on, if there is one."""


class ClientCredentialsProvider:
    """Tokens of the client credentials grant: one token request for each lifetime, for any number of callers.

    A fetch belongs to the provider. It runs in a task of its own on an event loop, in a daemon thread of its own for sync
    callers. It goes on when a caller stops waiting, for at most ``deadline_seconds``.

    Args:
        endpoint: the token endpoint and its credentials.
        defaults: scope, audience, resource and parameters for requests that name none of their own.
        refresh, failure_cooldown, loopback_http_hosts, renewal_params: see the settings of these names. With ``"on_expiry"``,
            callers wait up to 0.1 s for the new token once it is due, shortly before it expires, then use the old one. With
            ``"ahead"``, they use the old one at once.
        deadline_seconds: the setting ``token_deadline``: seconds for a whole fetch.
        discovery: finds the token endpoint in the server's metadata; until then, the URL of ``endpoint`` is the issuer.
        credentials_source: source of new credentials.
        resolution: the resolver's credentials, for a provider of :class:`Accounts`. They replace those of ``endpoint``.
        cache: the token cache. Default: a new one.
        shared: shares tokens with other processes.
        counters: the client's counters. Default: new ones, which a pipeline with a registry replaces.
        clock: seconds of a monotonic clock. Default: the package's clock.

    Raises:
        InsecureTransportError: the token URL is plain HTTP.
    """

    def __init__(  # noqa: PLR0913 - each of them can be chosen on its own
        self,
        endpoint: TokenEndpoint,
        *,
        defaults: TokenOptions = DEFAULT_OPTIONS,
        refresh: Literal["on_expiry", "ahead"] = "on_expiry",
        deadline_seconds: float = TOKEN_DEADLINE,
        failure_cooldown: float = FAILURE_COOLDOWN,
        loopback_http_hosts: Iterable[str] = (),
        discovery: Discovery | None = None,
        credentials_source: CredentialsSource | None = None,
        resolution: Resolution | None = None,
        renewal_params: tuple[tuple[str, str], ...] = (),
        cache: TokenCache | None = None,
        shared: SharedTokens | None = None,
        counters: ClientCounters | None = None,
        clock: Clock | None = None,
    ) -> None:
        problem = insecure_url(endpoint.url, loopback_http_hosts, endpoint.client)
        if problem:
            raise problem
        self.endpoint = endpoint
        self.defaults = defaults
        self.deadline_seconds = deadline_seconds
        self._discovery = discovery
        self._request_token = discovery.request_token if discovery else request_token
        self._credentials_source = credentials_source
        self._ahead = refresh == "ahead"
        self._clock = clock or current_clock()
        self._cache = TokenCache() if cache is None else cache
        self._lookup = self._cache.lookup
        self._shared = shared
        self._single_flight = SingleFlight()
        self._failures = Failures(failure_cooldown)
        self._removed = RemovedTokens()
        self.counters = counters or ClientCounters(endpoint.client)
        self._resolution = resolution
        self.is_resolved = resolution is None
        self.accounts: Accounts | None = None
        self._renewal_params = renewal_params
        self._newest_rejected = 0
        self._has_fetched = False
        self._rejected: dict[bytes, None] = {}  # Fingerprints, oldest first.

    @property
    def client(self) -> str:
        """The configured name of the client."""
        return self.endpoint.client

    @property
    def token_url(self) -> str:
        """The URL of the token endpoint; the issuer until the token endpoint is discovered."""
        return (self._discovery and self._discovery.token_url) or self.endpoint.url

    @property
    def recent_secrets(self) -> tuple[Secret, ...]:
        """The credentials and tokens of the last token requests: no error repeats them if a server echoes them."""
        return tuple(self.endpoint.recent)

    def current(self, options: TokenOptions, rejected: AccessToken | None, /) -> AccessToken | None:
        """Return a cached token that is fresh and newer than ``rejected``, or None. This is the hot path."""
        if options is not DEFAULT_OPTIONS:
            name = options.account
            if name is not None:
                account = self.accounts.lookup(name) if self.accounts else None
                if account is None:
                    return None
                return account.current(DEFAULT_OPTIONS if options[:4] == _NO_OPTIONS else options.without_account(), rejected)
            token = self._lookup(options.over(self.defaults))
        else:
            token = self._lookup(self.defaults)
        if token is None or token.fresh_until <= self._clock() or (rejected and not is_newer(token, rejected)):
            return None
        return token

    def get_token(
        self, options: TokenOptions, rejected: AccessToken | None, send: Send, /, *, max_wait: float | None = None
    ) -> AccessToken:
        """Return a token newer than ``rejected``, cached or new.

        Raises:
            TokenError: there is none within ``max_wait`` or the deadline. If the fetch is lost because its event loop or the
                process was stopped, the caller waits for a second one, for the same time again.
        """
        if options.account is not None:
            provider, options = self.of_account(options.account), options.without_account()
            return provider.get_token(options, rejected, send, max_wait=max_wait)
        return _token_or_raise(run(self.acquire(options.over(self.defaults), rejected, max_wait), send))

    async def aget_token(
        self, options: TokenOptions, rejected: AccessToken | None, send: AsyncSend, /, *, max_wait: float | None = None
    ) -> AccessToken:
        """Async version of :meth:`get_token`, on asyncio or trio."""
        if options.account is not None:
            provider, options = self.of_account(options.account), options.without_account()
            return await provider.aget_token(options, rejected, send, max_wait=max_wait)
        return _token_or_raise(await arun(self.acquire(options.over(self.defaults), rejected, max_wait), send))

    def release(self, send: Hashable, /, *, keep: bool) -> None:
        """Stop the fetches of a client that closes, and wait at most 1 s for the end of each.

        Its waiting callers get a :class:`ClientClosedError`.

        Args:
            send: the ``send`` that the client gave to :meth:`get_token`.
            keep: a fetch goes on if callers of other clients wait for it, because it does not need the client's connections.
        """
        for fetch in self.stop_fetches(send, keep=keep):
            fetch.wait(CLOSING)

    async def arelease(self, send: Hashable, /, *, keep: bool) -> None:
        for fetch in self.stop_fetches(send, keep=keep):
            await fetch.await_(CLOSING, CLOSING)

    def invalidate(self, token: AccessToken, /) -> None:
        """Remove ``token`` from the cache: the API rejected it. In the shared store, this process's next read drops it.

        An unchanged token stays until the token endpoint returns another one. Otherwise each call would send a token request.
        """
        if token.unchanged:
            return
        self._newest_rejected = max(self._newest_rejected, token.serial)
        self._remember_rejection(token)
        self._removed.record(self._cache.remove(token), "rejected")
        if self._shared:
            self._shared.record_rejection(token)

    def _remember_rejection(self, token: AccessToken) -> None:
        self._rejected[token.fingerprint()] = None
        if len(self._rejected) > REJECTED_VALUES_LIMIT:
            self._rejected.pop(next(iter(self._rejected)), None)

    def of_account(self, name: str) -> ClientCredentialsProvider:
        """Return the provider of the account ``name``, which shares the client's connections.

        Raises:
            UnknownAccountError: no account has that name.
        """
        if self.accounts is None:
            raise unknown_account(name, self.client, "The client has no accounts.")
        return self.accounts.provider(name)

    def replace_credentials(self, endpoint: TokenEndpoint) -> None:
        """Use new credentials. Remove the tokens of the old ones, and forget their failures."""
        endpoint.recent.add(*self.endpoint.recent)
        self.endpoint = endpoint
        self._single_flight.detach_all()
        self._removed.record(self._cache.clear(), "forced")
        # If the old credentials failed, readiness starts anew with the new ones.
        self._has_fetched = self._has_fetched and not self._failures.get(self.defaults)
        self._failures.clear()

    def report(self, options: TokenOptions | None = None) -> TokenReport:
        """Return the state of the token for ``options``.

        Default: the token for the client's own options. If there is none, the token that expires last.
        """
        now = self._clock()
        options = self._main_options() if options is None else options.over(self.defaults)
        token, failure = self._cache.get(options), self._failures.get(options)
        return TokenReport(
            without_token=self._failures.last_failed
            and not usable(self._cache.get(self._cache.longest_lived() or options), None, now),
            expires_in=None if token is None else token.expires_at - now,
            failure=None if failure is None else failure.error,
            failed_ago=None if failure is None else now - failure.failed_at,
            cooldown_seconds=failure.retry_at - now if failure and failure.retry_at > now else None,
            fetching=self._single_flight.is_in_progress(options),
            lifetime=None if token is None else token.lifetime,
            never_tried=not (self._has_fetched or failure),
        )

    def start_fetch(self, send: Send, /) -> None:
        """Start a fetch of the token that :meth:`report` describes, if the next caller would have to wait for one.

        Do not wait for it. If no thread can be started, fetch the token in this one.
        """
        run(self._fetch_in_background(), send)

    async def astart_fetch(self, send: AsyncSend, /) -> None:
        await arun(self._fetch_in_background(), send)

    def store_report(self) -> StoreReport:
        return self._shared.report() if self._shared else StoreReport()

    def listen(self) -> None:
        """Remove the shared tokens that other processes drop, as a thread of this process hears of them. Best effort."""
        if self._shared:
            self._shared.listen(self._remove_id)  # A bound method: the store keeps a weak reference.

    def __repr__(self) -> str:
        return f"<ClientCredentialsProvider {self.endpoint.client!r} {safe_url(self.token_url)}>"

    def acquire(self, options: TokenOptions, rejected: AccessToken | None, max_wait: float | None = None) -> Steps[Result]:
        """Return the steps to a token, for :func:`run` or :func:`arun`. They end with a token or an error."""
        return observe_acquisition(self._acquire(options, rejected, max_wait), self.counters, self.client)

    def _fetch_in_background(self) -> Steps[None]:
        self._reload_credentials(force=False)
        options = self._main_options()
        needed = self._decide(options, None)
        if isinstance(needed, Fetch):
            yield from self._join(options, None, needed, give_up_at=self._clock())

    def _main_options(self) -> TokenOptions:
        if self._cache.get(self.defaults) or self._failures.has(self.defaults):
            return self.defaults
        return self._cache.longest_lived() or self.defaults

    def _acquire(self, options: TokenOptions, rejected: AccessToken | None, max_wait: float | None) -> Steps[Result]:
        self._reload_credentials(force=False)
        wait_seconds = min(math.inf if max_wait is None else max_wait, self.deadline_seconds + GRACE)
        give_up_at, extended = self._clock() + wait_seconds, False
        while True:
            decision = self._decide(options, rejected)
            if isinstance(decision, AccessToken):
                return decision
            if isinstance(decision, Failure):
                return self._cooldown_error(decision)
            if isinstance(decision, UseAndRefresh):
                yield from self._refresh(options)
                return decision.token
            outcome = yield from self._join(options, rejected, decision, give_up_at)
            now = self._clock()
            result = _result_for_caller(outcome, rejected, self._cache.get(options), now)
            if result is not None:
                return result
            if isinstance(outcome, Crash):
                raise outcome.copy()
            if outcome is NoResult.CLOSED:
                return self._error(ClientClosedError, "The client was closed while this call waited for a token.")
            if now >= give_up_at:
                if extended or outcome is NoResult.TIMED_OUT:
                    return self._error(
                        TokenEndpointUnavailableError,
                        f"No token within {wait_seconds:.1f} s, the longest wait of this call. The fetch may go on.",
                        "Try again: the next call finds the token if the fetch succeeds. "
                        "The call's read timeout limits this wait.",
                    )
                give_up_at, extended = now + wait_seconds, True

    def _join(self, options: TokenOptions, rejected: AccessToken | None, needed: Fetch, give_up_at: float) -> Steps[Outcome]:
        """Wait for the fetch of ``options``, and start one if there is none. Return TIMED_OUT if the caller gives up."""
        fetch, starts = self._single_flight.join(options, self._clock(), self.deadline_seconds, needed.not_before)
        if not starts:
            outcome = yield from self._wait(fetch, needed.fallback, give_up_at, joined=True)
            if outcome is not NoResult.OWN_THREAD:
                return outcome
            fetch = InFlightFetch(fetch.lost_at, options)  # Of this caller alone.
        if (yield Background(self._run_fetch(fetch, rejected, fetch.lost_at - GRACE), fetch)):
            return (yield from self._wait(fetch, needed.fallback, give_up_at, joined=False))
        now = self._clock()
        steps = self._run_fetch(fetch, rejected, now + fetch_seconds(self.deadline_seconds, needed.fallback, now))
        try:
            fetch.steps = steps
            return (yield from steps)
        finally:
            steps.close()  # An interrupt may come before its first step.

    def _wait(self, fetch: InFlightFetch, fallback: AccessToken | None, give_up_at: float, *, joined: bool) -> Steps[Outcome]:
        """Wait for ``fetch``. Return TIMED_OUT if the caller gives up, ABANDONED if the process was suspended meanwhile."""
        now = self._clock()
        seconds = min(give_up_at - now, WAIT_WITH_TOKEN) if fallback else give_up_at - now
        if joined:
            seconds = min(seconds, fetch.starting_seconds(now))
        outcome: Outcome = yield Wait(fetch, max(0.0, seconds), max(0.0, fetch.lost_at - now), joined)
        ended_at = self._clock()
        if outcome is NoResult.TIMED_OUT and ended_at >= fetch.lost_at:
            return self._give_up(fetch)
        was_frozen = ended_at - now >= seconds + FROZEN
        return NoResult.ABANDONED if outcome is NoResult.TIMED_OUT and was_frozen else outcome

    def _give_up(self, fetch: InFlightFetch) -> Outcome:
        """Remove a lost fetch. Return ABANDONED (its callers start another) or, from the second in a row on, an error."""
        if not self._single_flight.remove(fetch) or self._failures.record_lost(fetch) or not fetch.is_running():
            return NoResult.ABANDONED
        error = self._error(
            TokenEndpointUnavailableError,
            f"The token request did not end within {self.deadline_seconds:.0f} s, and could not be cancelled.",
        )
        self.counters.failed_requests[error_type(error)] += 1
        self._remember(fetch.options, error)
        fetch.complete(error)
        return error

    def _run_fetch(self, fetch: InFlightFetch, rejected: AccessToken | None, deadline_at: float) -> Steps[Outcome]:
        """Fetch a token and complete ``fetch`` in every case, as abandoned if these steps are closed before their end."""
        outcome: Outcome = NoResult.ABANDONED
        began: float | None = None
        try:
            decision = self._decide(fetch.options, rejected)  # Another fetch may have completed since the caller's decision.
            while isinstance(decision, Fetch) and (pause := decision.not_before - self._clock()) > 0:
                yield Pause(pause)
                decision = self._decide(fetch.options, rejected)
            if isinstance(decision, AccessToken):
                outcome = decision
            elif isinstance(decision, Failure):
                outcome = self._cooldown_error(decision)
            else:
                began = self._clock()
                outcome = yield from self._observed_fetch(fetch, rejected, deadline_at)
                began = None
        except Exception as error:  # noqa: BLE001 - each caller raises a copy of whatever it is
            outcome, began = Crash(error), None
        finally:
            if began is not None:
                self._failures.record_interruption(fetch.options, began)
            # The API may have rejected the cached token for another caller before the fetch completes.
            is_rejected = isinstance(outcome, AccessToken) and outcome.serial <= self._newest_rejected
            self._single_flight.remove(fetch)
            fetch.complete(NoResult.ABANDONED if is_rejected else outcome)
        return outcome

    def _refresh(self, options: TokenOptions) -> Steps[None]:
        """Start the fetch of the next token in the background, unless there is one or it cannot be started."""
        fetch, starts = self._single_flight.join(options, self._clock(), self.deadline_seconds)
        if starts:
            fetch.trigger = trigger()
            started = yield Background(self._run_fetch(fetch, None, fetch.lost_at - GRACE), fetch)
            if not started:
                self._single_flight.abandon(fetch)

    def _observed_fetch(self, fetch: InFlightFetch, rejected: AccessToken | None, deadline_at: float) -> Steps[Outcome]:
        options = fetch.options
        failure = yield from self._resolve(deadline_at)  # First, because it may replace the counters.
        if failure:
            self._remember(options, failure)
            return failure
        removed, cached = self._removed.pop(options), self._cache.get(options)
        after_rejection = is_after_rejection(removed, cached, rejected)
        reason: Reason = "rejected" if after_rejection else "expiring" if cached else removed or "initial"
        context = FetchContext(self.counters, self.client, self.token_url, reason, fetch.trigger)

        def provider_state() -> ProviderState:
            return ProviderState(self.token_url, self.report(options).cooldown_seconds)

        steps = self._fetch(fetch, rejected, deadline_at, after_rejection=after_rejection)
        return (yield from observe_fetch(steps, context, fetch, provider_state))

    def _fetch(
        self, fetch: InFlightFetch, rejected: AccessToken | None, deadline_at: float, *, after_rejection: bool
    ) -> Steps[Result | NoResult]:
        """Request a token, once more with new credentials if the first ones are refused, and remember the result."""
        self.listen()
        endpoint = self.endpoint
        result = yield from self._request(fetch.options, rejected, deadline_at, after_rejection=after_rejection)
        if (yield from self._replace_refused_credentials(endpoint, result, deadline_at)):
            endpoint = self.endpoint
            result = yield from self._request(fetch.options, rejected, deadline_at, after_rejection=after_rejection)
        if isinstance(result, NoResult):
            return result
        if endpoint is not self.endpoint:  # Replaced meanwhile: waiting callers may use the token, but it is not kept.
            return result if isinstance(result, AccessToken) else NoResult.ABANDONED
        was_frozen = isinstance(result, TokenEndpointUnavailableError) and self._clock() > deadline_at + FROZEN
        if was_frozen and self._failures.record_lost(fetch):
            return NoResult.ABANDONED
        result = self._mark(result)  # Not done yet for a shared token.
        self._remember(fetch.options, result)
        if isinstance(result, AccessToken) and result.unchanged:
            return self._error(TokenUnchangedError, "The token endpoint returned the token that the API rejected.")
        return result

    def _replace_refused_credentials(self, endpoint: TokenEndpoint, result: object, deadline_at: float) -> Steps[bool]:
        """Reload the credentials if ``result`` is an error about those of ``endpoint``. Return whether there are new ones."""
        is_about_credentials = isinstance(result, CredentialsRefusedError) or getattr(result, "status_code", None) == 401
        if endpoint is not self.endpoint or not is_about_credentials:
            return False
        if self._resolution:
            error = yield from self._resolve(deadline_at, force=True)
            return error is None and endpoint is not self.endpoint
        if self._credentials_source is None:
            return False
        # In a worker thread: with ``force``, the source reads its file, which may be a pipe. Else it compares file times.
        is_new: bool = yield RunBlocking(partial(self._reload_credentials, force=True))
        return is_new

    def _request(
        self, options: TokenOptions, rejected: AccessToken | None, deadline_at: float, *, after_rejection: bool
    ) -> Steps[Result | NoResult]:
        """Request a token from the shared store, if there is one, or from the token endpoint."""
        from .attempts import Attempts

        wanted = options.over(self._resolution.options) if self._resolution else options
        attempts = Attempts(self._clock, may_retry=self._failures.may_retry)
        params = self._renewal_params if after_rejection else ()
        request: RequestToken = partial(self._request_with_retries, attempts, params)
        if not self._shared:
            return (yield from request(self.endpoint, wanted, deadline_at))[0]
        has_fallback = usable(self._cache.get(options), rejected, self._clock()) is not None
        return (
            yield from self._shared.fetch(
                self.endpoint, wanted, deadline_at, request, has_fallback=has_fallback, after_rejection=after_rejection
            )
        )

    def _request_with_retries(
        self,
        attempts: Attempts,
        params: tuple[tuple[str, str], ...],
        endpoint: TokenEndpoint,
        options: TokenOptions,
        deadline_at: float,
    ) -> Steps[tuple[Result | NoResult, float | None]]:
        """Request a token, with retries. Return the result, and the pause that is due after it, see :class:`Attempts`."""
        options = TokenOptions(params=params).over(options)
        while (pause := attempts.pause_before_next(deadline_at)) is not None:
            if pause:
                failure = attempts.result if isinstance(attempts.result, TokenError) else None
                yield Pause(pause, failure, deadline_at - self._clock())
            if endpoint is self.endpoint or not pause:  # The first attempt is always made: there must be a result.
                result = yield from self._request_token(endpoint, options, deadline_at, self._clock)
                if isinstance(result, TokenError):
                    self.counters.failed_requests[error_type(result)] += 1
                attempts.record(result)
            if endpoint is not self.endpoint:  # A failure of replaced credentials does not count.
                return attempts.result if isinstance(attempts.result, AccessToken) else NoResult.ABANDONED, None
        return self._mark(attempts.result), attempts.due_pause

    def _mark(self, result: Result) -> Result:
        """Return ``result``, marked as unchanged if it is a token whose value the API has rejected."""
        if isinstance(result, TokenError):
            return result
        if result.unchanged:  # Another process may have seen the rejection.
            self._remember_rejection(result)
            return result
        if result.fingerprint() not in self._rejected:
            return result
        return result.mark_unchanged(self._clock() + UNCHANGED_PAUSE)

    def _resolve(self, deadline_at: float, *, force: bool = False) -> Steps[TokenError | None]:
        """Use the resolver's present credentials, if there is a resolver. Return its error if there are none."""
        resolution = self._resolution
        if resolution is None:
            return None
        found = yield from resolution.resolve(deadline_at, force=force)
        if not isinstance(found, TokenEndpoint):
            return found
        if not self.is_resolved:
            self.endpoint, self.is_resolved = found, True
            self.counters, resolution.counters = resolution.counters() if resolution.counters else self.counters, None
            self.counters.add_provider(self)
        elif found.auth.fingerprint != self.endpoint.auth.fingerprint:
            self.replace_credentials(found)
        return None

    def _remove_id(self, token_id: str) -> None:
        self._removed.record(self._cache.remove_id(token_id), "rejected")

    def _reload_credentials(self, *, force: bool) -> bool:
        endpoint = self._credentials_source(force=force) if self._credentials_source else None
        if endpoint is None:
            return False
        self.replace_credentials(endpoint)
        return True

    def _decide(self, options: TokenOptions, rejected: AccessToken | None) -> Decision:
        not_before = self._failures.not_before(options)
        cached = self._accept_again(options, self._cache.get(options))
        return decide(cached, rejected, self._failures.get(options), self._clock(), ahead=self._ahead, not_before=not_before)

    def _accept_again(self, options: TokenOptions, cached: AccessToken | None) -> AccessToken | None:
        """Return ``cached``, and forget that it was rejected if the API has accepted it since."""
        if cached and cached.unchanged and cached.unchanged.works:
            self._rejected.pop(cached.fingerprint(), None)
            cached = cached.mark_working(cached.unchanged)
            self._remember(options, cached)
        return cached

    def _remember(self, options: TokenOptions, result: Result) -> None:
        now = self._clock()
        if isinstance(result, AccessToken):
            self.endpoint.recent.add(result.value)  # It may come from the shared store.
            self.counters.evictions += self._cache.put(options, result, now)
            self._failures.forget(options)
            self._has_fetched = True
        else:
            self._failures.record(options, result, now)

    def _cooldown_error(self, failure: Failure) -> TokenError:
        left = max(0.0, failure.retry_at - self._clock())
        message = f"{failure.error.message} Not retried for {left:.1f} s."
        return failure.error.copy(message=message, retry_after=left, cooling_down=True)

    def _error(self, kind: type[TokenError], message: str, remedy: str | None = None) -> TokenError:
        return kind(message, client=self.client, url=self.token_url, remedy=remedy)

    def stop_fetches(self, send: Hashable, *, keep: bool) -> list[InFlightFetch]:
        """Stop the fetches of a client that closes, those of its accounts included. Return them. See :meth:`release`."""
        accounts = self.accounts.active() if self.accounts else ()
        stopped = [fetch for account in accounts for fetch in account.stop_fetches(send, keep=keep)]
        for fetch in self._single_flight.in_progress():
            others_wait = fetch.close(send)
            if fetch.sender == send and not (keep and others_wait):
                fetch.stop()
                stopped.append(fetch)
        return stopped


def _result_for_caller(outcome: Outcome, rejected: AccessToken | None, cached: AccessToken | None, now: float) -> Result | None:
    """Return a caller's token or error after ``outcome``, perhaps from the cache, or None if it has to try again."""
    if isinstance(outcome, AccessToken):
        return outcome if rejected is None or outcome.serial > rejected.serial else None
    return usable(cached, rejected, now) or (outcome if isinstance(outcome, TokenError) else None)


def _token_or_raise(result: Result) -> AccessToken:
    if isinstance(result, TokenError):
        raise result.copy()  # A copy for each caller: twenty waiters must not share one traceback.
    return result

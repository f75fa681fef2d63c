"""Coordinator of one token among many processes."""

from __future__ import annotations

import logging
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from ..._util.clock import Clock, current_clock
from ...errors import CredentialsRefusedError, TokenEndpointUnavailableError, TokenError
from ...telemetry.logs import log, log_failure
from ...telemetry.providers import StoreReport
from ..access_token import AccessToken, TokenOptions, new_id
from ..effects import Pause, RunBlocking, Steps, may_start_threads
from ..retry import RETRY_AFTER_LIMIT
from ..single_flight import Outcome
from ..token_request import FAILURE_COOLDOWN
from .circuit_breaker import RETRY_PAUSE, CircuitBreaker
from .keyring import Keyring
from .records import (
    RecordKey,
    lease_deadline_at,
    lease_seconds,
    open_error,
    open_token,
    poll_pause,
    seal_error,
    seal_token,
    stop_waiting_at,
)
from .store import (
    LONGEST_LEASE,
    Lease,
    LeaseReply,
    OperationName,
    SharedStore,
    StoreEntry,
    StoreObserver,
    StoreOperation,
    Unreachable,
)

if TYPE_CHECKING:
    from ..token_request import TokenEndpoint

LIMIT = 64
"""Number of rejected tokens that are remembered: the newest ones."""


NAMES_LIMIT = 1024
"""Number of token ids whose name is remembered: the newest ones."""

LONGEST = 86_400.0
"""Longest time in seconds for which a rejected token is remembered."""


class RejectedTokens:
    """Shared tokens that the API rejected, sent with every read until they would have expired: a store may lose data.

    Changes are single steps of a dictionary: there is no lock.

    Args:
        limit: number of rejected tokens that are remembered.
        names_limit: number of token ids whose name is remembered.
    """

    def __init__(self, limit: int = LIMIT, names_limit: int = NAMES_LIMIT) -> None:
        self._limit = limit
        self._names_limit = names_limit
        self._names: dict[str, str] = {}
        self._expires_at: dict[str, float] = {}

    def record_name(self, token_id: str, name: str) -> None:
        """Remember that other processes may have that token too, under ``name``."""
        self._names[token_id] = name
        if len(self._names) > self._names_limit:
            self._names.pop(next(iter(self._names)), None)

    def add(self, token_id: str, expires_at: float) -> None:
        """Remember a rejected token until it would have expired, unless no other process can have it."""
        if token_id not in self._names:
            return
        self._expires_at[token_id] = expires_at
        if len(self._expires_at) > self._limit:
            self._expires_at.pop(next(iter(self._expires_at)), None)

    def remaining(self, name: str, now: float) -> Mapping[str, float]:
        """Return the rejected token ids under ``name``, with the seconds until each would expire."""
        for token_id, expires_at in list(self._expires_at.items()):
            if expires_at <= now:
                self._expires_at.pop(token_id, None)
        return {
            token_id: min(expires_at - now, LONGEST)
            for token_id, expires_at in list(self._expires_at.items())
            if self._names.get(token_id) == name
        }


T = TypeVar("T")

RequestToken = Callable[["TokenEndpoint", TokenOptions, float], Steps[Outcome]]
"""Requests a token from the token endpoint, until that moment at most."""

_draw = random.SystemRandom().random  # It has no state that a fork would copy.


class TokenQuery(NamedTuple):
    """Query for a token.

    Attributes:
        endpoint: the token endpoint.
        keys: record keys under which the token may be found; the first is the one to publish under.
        deadline_at: moment at which the fetch is given up.
        after_rejection: the API rejected another token: accept only records with ``after_rejection``.
    """

    endpoint: TokenEndpoint
    keys: tuple[RecordKey, ...]
    deadline_at: float
    after_rejection: bool


class HeldLease(NamedTuple):
    """A lease of this process, and the moment at which a fetch under it must be over."""

    lease: Lease
    deadline_at: float


class SuspectToken(NamedTuple):
    """A token that was probably revoked together with another one, and the moment at which it would expire."""

    token_id: str
    expires_at: float


class SharedTokens:
    """The part of a token provider that shares tokens with other processes, through a store.

    A failure of the store costs the sharing, never the token: the token is then requested as if there were no store. Only a
    process that needs a new token uses the store.

    Args:
        store: the store.
        keyring: keys that seal the tokens.
        failure_cooldown: seconds for which no process retries rejected credentials.
        kind: the store's kind, for reports.
        lease: longest lease in seconds: a leader that died is replaced after it.
        circuit: circuit breaker of the store. Providers with one store share one.
        observe: called after every operation.
        client: the client's name, for the log.
        clock: seconds of a monotonic clock. Default: the package's clock.
        unix_clock: Unix time in seconds, which records seal. The clocks of the hosts may differ by ``SKEW``.
        draw: returns random numbers from 0 to below 1.
    """

    def __init__(  # noqa: PLR0913 - each of them can be chosen on its own
        self,
        store: SharedStore,
        keyring: Keyring,
        *,
        failure_cooldown: float = FAILURE_COOLDOWN,
        kind: str = "redis",
        lease: float = LONGEST_LEASE,
        circuit: CircuitBreaker | None = None,
        observe: StoreObserver | None = None,
        client: str = "default",
        clock: Clock | None = None,
        unix_clock: Clock = time.time,
        draw: Callable[[], float] = _draw,
    ) -> None:
        self._store = store
        self._keyring = keyring
        self._failure_cooldown = failure_cooldown
        self._lease = lease
        self._circuit = CircuitBreaker() if circuit is None else circuit
        self._observe = observe
        self._client = client
        self._clock = clock or current_clock()
        self._unix_clock = unix_clock
        self._draw = draw
        self._report = StoreReport(kind)
        self._rejected = RejectedTokens()
        self._owner = (0, "")

    def fetch(
        self,
        endpoint: TokenEndpoint,
        key: TokenOptions,
        deadline_at: float,
        request_token: RequestToken,
        *,
        has_fallback: bool,
        after_rejection: bool,
    ) -> Steps[Outcome]:
        """Return a fresh token: another process's, or a new one that is published for the others.

        Args:
            endpoint: the token endpoint.
            key: options of the token.
            deadline_at: moment of the clock at which the fetch is given up.
            request_token: requests a token from the token endpoint.
            has_fallback: the caller has a token that still works. It goes on using that if the leader is slow or dead, instead
                of sending a token request of its own.
            after_rejection: the API rejected the caller's token. Tokens are revoked together, so another token that is older
                than the rejection is not used either, but dropped: there are several after an outage, and during a rotation.
        """
        keys = tuple(RecordKey(name, endpoint.url) for name in self._keyring.names(endpoint, key))
        query = TokenQuery(endpoint, keys, deadline_at, after_rejection)
        give_up_at = stop_waiting_at(self._clock(), deadline_at)
        polls, missed = 0, False
        while self._clock() < give_up_at:
            found = yield from self._find(query)
            if isinstance(found, AccessToken | TokenError):
                return found
            requested_at = self._clock()
            reply = Unreachable("") if found is None else (yield from self._acquire_lease(query, found))
            if isinstance(reply, Unreachable):
                if missed or not polls or self._clock() + RETRY_PAUSE >= give_up_at:
                    break
                missed = True  # The store answered a moment ago, and a leader may be about to publish: retry once.
                yield Pause(RETRY_PAUSE)
                continue
            if isinstance(reply, Lease):
                held = HeldLease(reply, lease_deadline_at(requested_at, reply.seconds, deadline_at))
                result, is_final = yield from self._fetch_for_all(query, held, key, request_token)
                if is_final:
                    return result
            else:
                yield Pause(poll_pause(polls, reply.wait_seconds, self._draw()))
                polls += 1
        if has_fallback and self._clock() >= give_up_at:
            return TokenEndpointUnavailableError(
                "Timed out waiting for another process to fetch the token.", client=endpoint.client, url=endpoint.url
            )
        self._report.fallbacks += 1
        return (yield from request_token(endpoint, key, deadline_at))

    def record_rejection(self, token: AccessToken) -> None:
        """Remember that the API rejected ``token``. No I/O: the leader of the next fetch tells the other processes."""
        self._rejected.add(token.token_id, token.expires_at)

    def listen(self, dropped: Callable[[str], None]) -> None:
        """Listen for tokens that other processes drop, in a thread of this process. Best effort; cheap to call again.

        Args:
            dropped: a bound method that is called with their ids, as long as its object lives.
        """
        if may_start_threads():
            self._store.listen(dropped)

    def report(self) -> StoreReport:
        """Return the state of the store.

        While its circuit is open, start a probe in the background, so that a later report tells when the store is back.
        """
        now = self._clock()
        report = replace(self._report, circuit=self._circuit.state(now))
        if self._circuit.allows_background_probe(now) and may_start_threads():
            _start_thread(self._probe, "probe")
        return report

    def _probe(self) -> None:
        reply = self._store.read("probe", {})
        self._record(reply.reason if isinstance(reply, Unreachable) else None)

    def _find(self, query: TokenQuery) -> Steps[AccessToken | TokenError | StoreEntry | None]:
        """Return a usable token or an error; else the entry under the token's own name, or None if the store fails."""
        own: StoreEntry | None = None
        for key in query.keys:
            found = yield from self._find_at(query, key)
            if not isinstance(found, StoreEntry):
                return found
            own = found if own is None else own
        return own

    def _find_at(self, query: TokenQuery, key: RecordKey) -> Steps[AccessToken | TokenError | StoreEntry | None]:
        entry = StoreEntry()
        for _ in range(2):
            rejected = self._rejected.remaining(key.name, self._clock())
            requested_at = self._clock()
            reply: StoreEntry | Unreachable = yield from self._run_command(
                "read", partial(self._store.read, key.name, rejected)
            )
            if isinstance(reply, Unreachable):
                return None
            entry, token = reply, self._token(query, key, reply, requested_at)
            if not isinstance(token, SuspectToken):
                return token or self._error(query.endpoint, key, entry) or entry
            self._rejected.add(token.token_id, token.expires_at)  # The second read drops it, for all.
        return entry

    def _token(
        self, query: TokenQuery, key: RecordKey, entry: StoreEntry, requested_at: float
    ) -> AccessToken | SuspectToken | None:
        if entry.record is None:
            return None
        opened = open_token(self._keyring, key, entry.record, self._unix_clock(), query.endpoint.token_scheme)
        if isinstance(opened, str):
            _warn(query.endpoint, key, opened)
            return None
        expiry = query.endpoint.expiry
        seconds = min(opened.remaining_seconds, expiry.max_lifetime)
        if not opened.unchanged:
            seconds = min(entry.record_seconds, seconds)
        leeway = expiry.leeway(opened.lifetime)
        if seconds <= leeway:
            return None
        self._rejected.record_name(opened.token_id, key.name)
        if query.after_rejection and not (opened.after_rejection or opened.unchanged):
            return SuspectToken(opened.token_id, requested_at + seconds)
        self._report.hits += 1
        token = AccessToken(
            opened.value,
            opened.token_type,
            opened.scope,
            expires_at=requested_at + seconds,
            fresh_until=requested_at + seconds - leeway,
            lifetime=opened.lifetime,
            source="shared",
            token_id=opened.token_id,
        )
        return token.mark_unchanged(requested_at + entry.record_seconds) if opened.unchanged else token

    def _error(self, endpoint: TokenEndpoint, key: RecordKey, entry: StoreEntry) -> TokenError | None:
        if entry.error is None:
            return None
        opened = open_error(self._keyring, key, entry.error, self._unix_clock())
        if isinstance(opened, str):
            _warn(endpoint, key, opened)
            return None
        # A value without expiry has negative seconds in the store.
        left = min(seconds for seconds in (entry.error_seconds, opened.remaining_seconds) if seconds > 0)
        self._report.errors += 1
        error = opened.error
        return error.copy(
            client=endpoint.client,
            message=f"{error.message} Learnt from another process. Not retried for {left:.0f} s.",
            retry_after=left if isinstance(error, TokenEndpointUnavailableError) else None,
        )

    def _acquire_lease(self, query: TokenQuery, entry: StoreEntry) -> Steps[Lease | LeaseReply | Unreachable]:
        pid, owner_id = self._owner
        if pid != os.getpid():  # A forked child is another owner: its parent's leases are not its own.
            _, owner_id = self._owner = os.getpid(), new_id()
        lease = Lease(owner_id, new_id(), lease_seconds(query.deadline_at - self._clock(), self._lease))
        name, answered = query.keys[0].name, False
        try:
            acquire = partial(self._store.acquire_lease, name, entry, lease)
            reply: LeaseReply | Unreachable = yield from self._run_command("acquire_lease", acquire)
            answered = True
        finally:
            if not answered:  # Cancelled. The store may have granted it all the same.
                _start_thread(partial(self._store.release_lease, name, lease), "release")
        return lease if isinstance(reply, LeaseReply) and reply.granted else reply

    def _fetch_for_all(
        self, query: TokenQuery, held: HeldLease, key: TokenOptions, request_token: RequestToken
    ) -> Steps[tuple[Outcome, bool]]:
        """Return the outcome, and whether it is final: a fetch that only the lease cut short goes on."""
        (lease, deadline_at), record_key, leased_at = held, query.keys[0], self._clock()
        ended = False
        try:
            result = yield from request_token(query.endpoint, key, deadline_at)
            ended = True
        finally:
            if not ended:  # Cancelled. The others should not have to wait for the end of the lease.
                _start_thread(partial(self._store.release_lease, record_key.name, lease), "release")
        if isinstance(result, AccessToken):
            expires_at = self._unix_clock() + result.expires_at - self._clock()
            sealed = seal_token(self._keyring, record_key, result, expires_at, after_rejection=query.after_rejection)
            # Before the reply, which may be lost: the store may have kept the token all the same.
            self._rejected.record_name(result.token_id, record_key.name)
            # The others use an unchanged one for new calls until the next process asks again.
            seconds = (result.fresh_until if result.unchanged else result.expires_at) - leased_at
            publish = partial(self._store.publish_token, record_key.name, lease, result.token_id, sealed, seconds)
            kept: bool | Unreachable = yield from self._run_command("publish_token", publish)
            self._report.published += kept is True
            self._report.rejected += kept is False
            return result, True
        seconds = 0.0  # For which no process should retry.
        if isinstance(result, CredentialsRefusedError):
            seconds = self._failure_cooldown
        elif isinstance(result, TokenEndpointUnavailableError):
            seconds = min(result.retry_after or 0.0, RETRY_AFTER_LIMIT)
        if seconds > 0 and isinstance(result, TokenError):
            sealed = seal_error(self._keyring, record_key, result, seconds, self._unix_clock())
            publish = partial(self._store.publish_error, record_key.name, lease, sealed, seconds)
            yield from self._run_command("publish_error", publish)
        else:
            yield from self._run_command("release_lease", partial(self._store.release_lease, record_key.name, lease))
        cut_short = isinstance(result, TokenEndpointUnavailableError) and seconds <= 0 and deadline_at < query.deadline_at
        return result, not cut_short

    def _run_command(self, operation: OperationName, command: Callable[[], T | Unreachable]) -> Steps[T | Unreachable]:
        if not self._circuit.allows(self._clock()):
            return Unreachable("circuit open")
        started_at = self._clock()
        reply: T | Unreachable = yield RunBlocking(command)
        failure = reply.reason if isinstance(reply, Unreachable) else None
        self._record(failure)
        if self._observe is not None:
            now = self._clock()
            self._observe(StoreOperation(operation, now - started_at, failure, self._circuit.state(now)))
        return reply

    def _record(self, failure: str | None) -> None:
        report, failures = self._report, self._circuit.failures
        report.reachable = failure is None
        if failure is None:
            self._circuit.record_success()
            if failures:
                log(
                    logging.WARNING,
                    "The shared token store of client %r answers again, after failures: %d.",
                    *(self._client, failures),
                    event="store_available",
                    client=self._client,
                    failures=failures,
                )
            return
        self._circuit.record_failure(self._clock())
        if not failures:
            log_failure(
                "The shared token store of client %r does not answer (%s). Until it does, each process fetches its own token.",
                *(self._client, failure),
                event="store_unavailable",
                client=self._client,
            )
        report.failures += 1
        report.last_failure = failure


def _start_thread(target: Callable[[], object], name: str) -> None:
    """Run ``target`` in a daemon thread, if one can be started."""
    if sys.is_finalizing():  # Before Python 3.12, starting a thread then blocks for ever.
        return
    with suppress(RuntimeError):  # No more threads, or the interpreter is shutting down.
        threading.Thread(target=target, name=f"prio_middleware.{name}", daemon=True).start()


def _warn(endpoint: TokenEndpoint, key: RecordKey, problem: str) -> None:
    log_failure(
        "A record in the shared token store is not used: %s. Its name begins with %s; the next token replaces it.",
        *(problem, key.name[:8]),
        event="store_record_not_used",
        client=endpoint.client,
    )

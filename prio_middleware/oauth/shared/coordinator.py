"""Coordinator of shared tokens: it takes a token from the store, or requests one as the leader and publishes it."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar, TypeVarTuple

from ..._util.clock import Clock, current_clock
from ...errors import CredentialsRefusedError, TokenEndpointUnavailableError, TokenError
from ...telemetry.logs import log, log_failure
from ...telemetry.providers import StoreReport
from ..access_token import AccessToken, TokenOptions, new_id
from ..effects import Pause, RunBlocking, Steps, may_start_threads
from ..failures import RETRY_AFTER_LIMIT
from ..single_flight import NoResult, Result
from ..token_request import FAILURE_COOLDOWN
from . import records
from .circuit_breaker import FIRST_PAUSE, CircuitBreaker, random_number
from .keyring import Keyring
from .records import RecordKey
from .store import (
    LONGEST_LEASE,
    Lease,
    LeaseReply,
    OperationName,
    SharedStore,
    StoreEntry,
    StoreFailure,
    StoreObserver,
)

if TYPE_CHECKING:
    from ..token_request import TokenEndpoint

PUBLISH_MARGIN = 1.0  # Seconds of a lease that are kept for publishing: a fetch that used all of its time still holds it.
# Seconds at most that a waiting process keeps for its own token request. With the default deadline, it still waits longer than
# one lease lasts.
OWN_REQUEST_SECONDS = 6.0
REJECTED_IDS_LIMIT = 64  # Number of rejected tokens that are remembered: the newest ones.
SHARED_NAMES_LIMIT = 1024  # Number of token ids whose name is remembered: the newest ones.
RETRY_PAUSE = 1.3 * FIRST_PAUSE  # Seconds. Longer than any first pause of the circuit, which jitter lengthens to 1.25 times.
LONGEST_REJECTION = 86_400.0  # Seconds at most for which the store is told to drop a rejected token.


class RejectedTokens:
    """Shared tokens that the API rejected. Every read repeats them until they would have expired: a store may lose data.

    Changes are single steps of a dictionary: there is no lock.
    """

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._expires_at: dict[str, float] = {}

    def record_name(self, token_id: str, name: str) -> None:
        """Remember that the token is in the store under ``name``, so other processes may have it too."""
        self._names[token_id] = name
        if len(self._names) > SHARED_NAMES_LIMIT:
            self._names.pop(next(iter(self._names)), None)

    def add(self, token_id: str, expires_at: float) -> None:
        """Remember a rejected token until it would have expired, unless its name is unknown: then no other process has it."""
        if token_id not in self._names:
            return
        self._expires_at[token_id] = expires_at
        if len(self._expires_at) > REJECTED_IDS_LIMIT:
            self._expires_at.pop(next(iter(self._expires_at)), None)

    def remaining(self, name: str, now: float) -> Mapping[str, float]:
        """Return the rejected token ids under ``name``, with the seconds until each would expire."""
        for token_id, expires_at in list(self._expires_at.items()):
            if expires_at <= now:
                self._expires_at.pop(token_id, None)
        return {
            token_id: min(expires_at - now, LONGEST_REJECTION)
            for token_id, expires_at in list(self._expires_at.items())
            if self._names.get(token_id) == name
        }


T = TypeVar("T")
Ts = TypeVarTuple("Ts")

RequestToken = Callable[["TokenEndpoint", TokenOptions, float], Steps[tuple[Result | NoResult, float | None]]]
"""Requests a token from the token endpoint, with retries.

The last argument is the moment of the clock at which it gives up. It returns the result, and the seconds until the next attempt
if that moment alone forbids it. Called again, it goes on with its retries.
"""


class TokenQuery(NamedTuple):
    """Arguments of one fetch, see :meth:`SharedTokens.fetch`."""

    endpoint: TokenEndpoint
    options: TokenOptions
    record_keys: tuple[RecordKey, ...]  # One for each encryption key. A token is published under the first.
    deadline_at: float
    request_token: RequestToken
    after_rejection: bool


class SharedTokens:
    """The part of a token provider that shares tokens with other processes, through a store.

    If the store fails, the token is requested as if there were no store. Only a process that needs a new token uses the store.

    Args:
        store: keeps the sealed records and the leases.
        keyring: encryption keys of the records.
        failure_cooldown: see the setting of this name. It counts for all processes.
        kind: the store's kind, for reports.
        lease: longest lease in seconds. After it, another process replaces a leader that died.
        circuit: circuit breaker of the store. Providers with one store share one.
        observe: called after every operation.
        client: the client's name, for the log.
        clock: seconds of a monotonic clock. Default: the package's clock.
        unix_clock: Unix time in seconds, for the sealed times of records. The clocks of the hosts may differ by ``SKEW``.
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
        draw: Callable[[], float] = random_number,
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
        options: TokenOptions,
        deadline_at: float,
        request_token: RequestToken,
        *,
        has_fallback: bool,
        after_rejection: bool,
    ) -> Steps[Result | NoResult]:
        """Return a fresh token: another process's, or a new one that is published for the others.

        Args:
            endpoint: the token endpoint.
            options: scope, audience and so on of the token.
            deadline_at: moment of the clock at which the fetch is given up.
            request_token: requests a token from the token endpoint.
            has_fallback: the caller has a token that still works. If the leader is slow or died, the fetch then fails instead
                of requesting a token itself, so that not all processes do.
            after_rejection: the API rejected the caller's token. Tokens are revoked together, so a shared token counts only if
                it was requested after a rejection, too. Any other is dropped: after an outage or during a rotation of keys,
                several tokens exist.
        """
        record_keys = tuple(RecordKey(name, endpoint.url) for name in self._keyring.names(endpoint, options))
        query = TokenQuery(endpoint, options, record_keys, deadline_at, request_token, after_rejection)
        wait_until = deadline_at - min(OWN_REQUEST_SECONDS, (deadline_at - self._clock()) / 2)
        polls, has_retried = 0, False
        while self._clock() < wait_until:
            found = yield from self._find(query)
            if isinstance(found, AccessToken | TokenError):
                return found
            requested_at = self._clock()
            reply = StoreFailure("") if found is None else (yield from self._acquire_lease(query, found))
            if isinstance(reply, Lease):
                fetch_until = min(deadline_at, requested_at + max(reply.seconds - PUBLISH_MARGIN, reply.seconds / 2))
                result, due_pause = yield from self._fetch_as_leader(query, reply, fetch_until)
                if due_pause is None or self._clock() + due_pause >= deadline_at:
                    return result
                failure = result if isinstance(result, TokenError) else None
                yield Pause(due_pause, failure, deadline_at - self._clock())
            elif isinstance(reply, LeaseReply):
                yield Pause(records.poll_pause(polls, reply.wait_seconds, self._draw()))
                polls += 1
            elif polls and not has_retried and self._clock() + RETRY_PAUSE < wait_until:
                # The store answered before, and the leader may be about to publish: try once more, when the circuit allows it.
                has_retried = True
                yield Pause(RETRY_PAUSE)
            else:
                break
        if has_fallback and self._clock() >= wait_until:
            return TokenEndpointUnavailableError(
                "Timed out waiting for another process to fetch the token.", client=endpoint.client, url=endpoint.url
            )
        self._report.fallbacks += 1
        return (yield from request_token(endpoint, options, deadline_at))[0]

    def record_rejection(self, token: AccessToken) -> None:
        """Remember that the API rejected ``token``. No I/O: the next read of this process drops it for all processes."""
        self._rejected.add(token.token_id, token.expires_at)

    def listen(self, dropped: Callable[[str], None]) -> None:
        """Call ``dropped`` with the id of each token that another process drops, as :meth:`SharedStore.listen` does."""
        if may_start_threads():
            self._store.listen(dropped)

    def report(self) -> StoreReport:
        """Return the state of the store, without I/O in this thread.

        While the circuit is not closed, start a probe in the background, so that a later report shows when the store is back.
        """
        now = self._clock()
        report = replace(self._report, circuit=self._circuit.state(now))
        if self._circuit.try_acquire_background(now) and may_start_threads():
            _start_thread(self._probe, "probe")
        return report

    def _probe(self) -> None:
        reply = self._store.drop_and_read("probe", {})
        self._record(reply.reason if isinstance(reply, StoreFailure) else None)

    def _find(self, query: TokenQuery) -> Steps[AccessToken | TokenError | StoreEntry | None]:
        """Return a usable token or an error; else the entry under the first record key, or None if the store fails."""
        entries: list[StoreEntry] = []
        for record_key in query.record_keys:
            found = yield from self._find_at(query, record_key)
            if not isinstance(found, StoreEntry):
                return found
            entries.append(found)
        return entries[0]

    def _find_at(self, query: TokenQuery, record_key: RecordKey) -> Steps[AccessToken | TokenError | StoreEntry | None]:
        entry = StoreEntry()
        for _ in range(2):
            rejected = self._rejected.remaining(record_key.name, self._clock())
            requested_at = self._clock()
            reply = yield from self._run_command("read", self._store.drop_and_read, record_key.name, rejected)
            if isinstance(reply, StoreFailure):
                return None
            entry = reply
            taken = self._token(query, record_key, entry, requested_at)
            if taken is None:
                return self._error(query.endpoint, record_key, entry) or entry
            token, is_suspect = taken
            if not is_suspect:
                self._report.hits += 1
                return token
            self._rejected.add(token.token_id, token.expires_at)  # The second read drops it for all processes.
        return entry

    def _token(
        self, query: TokenQuery, record_key: RecordKey, entry: StoreEntry, requested_at: float
    ) -> tuple[AccessToken, bool] | None:
        """Return the token if it is usable, and whether it is suspect: probably revoked together with the caller's."""
        if entry.record is None:
            return None
        shared = records.decrypt_token(self._keyring, record_key, entry.record, self._unix_clock(), query.endpoint.token_scheme)
        if isinstance(shared, str):
            _warn_of_record(query.endpoint, record_key, shared)
            return None
        expiry = query.endpoint.expiry
        seconds = min(shared.remaining_seconds, expiry.max_lifetime)
        if not shared.unchanged:  # The record of an unchanged token lives only until the next token request is due.
            seconds = min(entry.record_seconds, seconds)
        leeway = expiry.leeway(shared.lifetime)
        if seconds <= leeway:
            return None
        self._rejected.record_name(shared.token_id, record_key.name)
        token = AccessToken(
            shared.value,
            shared.token_type,
            shared.scope,
            expires_at=requested_at + seconds,
            fresh_until=requested_at + seconds - leeway,
            lifetime=shared.lifetime,
            source="shared",
            token_id=shared.token_id,
        )
        if shared.unchanged:
            return token.mark_unchanged(requested_at + entry.record_seconds), False
        return token, query.after_rejection and not shared.after_rejection

    def _error(self, endpoint: TokenEndpoint, record_key: RecordKey, entry: StoreEntry) -> TokenError | None:
        if entry.error is None:
            return None
        error = records.decrypt_error(self._keyring, record_key, entry.error, self._unix_clock())
        if isinstance(error, str):
            _warn_of_record(endpoint, record_key, error)
            return None
        # The store's time is negative if the value has no expiry there.
        left = min(seconds for seconds in (error.retry_after, entry.error_seconds) if seconds is not None and seconds >= 0)
        self._report.errors += 1
        return error.copy(
            client=endpoint.client,
            message=f"{error.message} Reported by another process. Not retried for {left:.0f} s.",
            retry_after=left if isinstance(error, TokenEndpointUnavailableError) else None,
        )

    def _acquire_lease(self, query: TokenQuery, entry: StoreEntry) -> Steps[Lease | LeaseReply | StoreFailure]:
        pid, owner_id = self._owner
        if pid != os.getpid():  # A forked child is another owner: its parent's leases are not its own.
            _, owner_id = self._owner = os.getpid(), new_id()
        # No longer than the fetch needs, so that another process soon replaces a leader that died.
        lease = Lease(owner_id, new_id(), min(query.deadline_at - self._clock() + PUBLISH_MARGIN, self._lease))
        name = query.record_keys[0].name
        with self._releasing_if_cancelled(name, lease):  # The store may have granted it before the cancellation.
            reply = yield from self._run_command("acquire_lease", self._store.acquire_lease, name, entry, lease)
        return lease if isinstance(reply, LeaseReply) and reply.granted else reply

    @contextmanager
    def _releasing_if_cancelled(self, name: str, lease: Lease) -> Generator[None]:
        """Release the lease in a thread if the caller is cancelled, so that other processes need not wait for its end."""
        try:
            yield
        except BaseException:
            _start_thread(partial(self._store.release_lease, name, lease), "release")
            raise

    def _fetch_as_leader(
        self, query: TokenQuery, lease: Lease, deadline_at: float
    ) -> Steps[tuple[Result | NoResult, float | None]]:
        """Request a token and publish the result. Return it, and the pause before the next attempt if there should be one."""
        record_key, leased_at = query.record_keys[0], self._clock()
        with self._releasing_if_cancelled(record_key.name, lease):
            result, due_pause = yield from query.request_token(query.endpoint, query.options, deadline_at)
        if isinstance(result, AccessToken):
            yield from self._publish_token(query, lease, leased_at, result)
            return result, None
        cooldown = 0.0  # Seconds for which no process retries.
        if isinstance(result, CredentialsRefusedError):
            cooldown = self._failure_cooldown
        elif isinstance(result, TokenEndpointUnavailableError):
            cooldown = min(result.retry_after or 0.0, RETRY_AFTER_LIMIT)
        if cooldown > 0 and isinstance(result, TokenError):
            sealed = records.encrypt_error(self._keyring, record_key, result, cooldown, self._unix_clock())
            yield from self._run_command("publish_error", self._store.publish_error, record_key.name, lease, sealed, cooldown)
            return result, None
        yield from self._run_command("release_lease", self._store.release_lease, record_key.name, lease)
        return result, due_pause

    def _publish_token(self, query: TokenQuery, lease: Lease, leased_at: float, token: AccessToken) -> Steps[None]:
        record_key = query.record_keys[0]
        expires_at = self._unix_clock() + token.expires_at - self._clock()
        sealed = records.encrypt_token(self._keyring, record_key, token, expires_at, after_rejection=query.after_rejection)
        # Before the reply, which may be lost although the store has kept the token.
        self._rejected.record_name(token.token_id, record_key.name)
        # An unchanged token is stored until the next token request is due. Until then, other processes use it for new calls.
        seconds = (token.fresh_until if token.unchanged else token.expires_at) - leased_at
        is_stored = yield from self._run_command(
            "publish_token", self._store.publish_token, record_key.name, lease, token.token_id, sealed, seconds
        )
        self._report.published += is_stored is True
        self._report.not_stored += is_stored is False

    def _run_command(
        self, operation: OperationName, command: Callable[[*Ts], T | StoreFailure], *args: *Ts
    ) -> Steps[T | StoreFailure]:
        """Run a command of the store, unless the circuit breaker forbids it. Record and observe the result."""
        started_at = self._clock()
        if not self._circuit.try_acquire(started_at):
            return StoreFailure("circuit open")
        reply: T | StoreFailure = yield RunBlocking(partial(command, *args))
        failure = reply.reason if isinstance(reply, StoreFailure) else None
        self._record(failure)
        if self._observe is not None:
            self._observe(operation, self._clock() - started_at, failure)
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


def _warn_of_record(endpoint: TokenEndpoint, record_key: RecordKey, problem: str) -> None:
    log_failure(
        "A record in the shared token store is not used: %s. Its name begins with %s; it counts as missing.",
        *(problem, record_key.name[:8]),
        event="store_record_not_used",
        client=endpoint.client,
    )

"""One simulated process: the real token provider, stepped in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from prio_middleware import AccessToken, ClientCredentialsProvider, TokenError
from prio_middleware.oauth.access_token import DEFAULT_OPTIONS
from prio_middleware.oauth.effects import Background, Pause, Post, RunBlocking, Steps
from prio_middleware.oauth.shared.circuit_breaker import CircuitBreaker
from prio_middleware.oauth.shared.coordinator import SharedTokens
from prio_middleware.oauth.shared.store import Lease, LeaseReply, StoreEntry, StoreFailure

from .context import SimulationContext
from .stats import Cause, Revocation

TokenSteps = Steps[AccessToken | TokenError]


class StoreConnection:
    """The connection of one process to the simulated store.

    Args:
        context: state that the processes share.
    """

    def __init__(self, context: SimulationContext) -> None:
        self._context = context
        self._reconnect_seconds = context.random.random() * context.conditions.reconnect
        self._on_dropped: Callable[[str], None] | None = None
        self.cut = False

    def drop_and_read(self, name: str, rejected: Mapping[str, float]) -> StoreEntry | StoreFailure:
        """Read the record of a token."""
        return self._failure() or self._context.store.drop_and_read(name, rejected)

    def acquire_lease(self, name: str, entry: StoreEntry, lease: Lease) -> LeaseReply | StoreFailure:
        """Take the lease of a token."""
        return self._failure() or self._context.store.acquire_lease(name, entry, lease)

    def publish_token(self, name: str, lease: Lease, token_id: str, sealed: bytes, seconds: float) -> bool | StoreFailure:
        """Store a token and release its lease."""
        return self._failure() or self._context.store.publish_token(name, lease, token_id, sealed, seconds)

    def publish_error(self, name: str, lease: Lease, sealed: bytes, seconds: float) -> bool | StoreFailure:
        """Store an error and release the lease."""
        return self._failure() or self._context.store.publish_error(name, lease, sealed, seconds)

    def release_lease(self, name: str, lease: Lease) -> bool | StoreFailure:
        """Release the lease of a token."""
        return self._failure() or self._context.store.release_lease(name, lease)

    def listen(self, dropped: Callable[[str], None]) -> None:
        """Subscribe to dropped token ids."""
        self._on_dropped = dropped

    def receive(self, token_id: str) -> None:
        """Receive the message that a token id was dropped, unless the subscription has not reconnected yet."""
        context = self._context
        if self._on_dropped and context.store_up and context.timeline.now >= context.store_back_at + self._reconnect_seconds:
            self._on_dropped(token_id)

    def _failure(self) -> StoreFailure | None:
        self._context.stats.store_operations[int(self._context.timeline.now)] += 1
        return StoreFailure("TimeoutError") if self.cut or not self._context.store_up else None


class SimulatedProcess:
    """A process that makes calls at a rate. Only calls without a token, or with a due or revoked one, are simulated.

    Args:
        context: state that the processes share.
    """

    def __init__(self, context: SimulationContext) -> None:
        self._context = context
        self._connection = StoreConnection(context)
        shared = SharedTokens(
            self._connection,
            context.keyring,
            circuit=CircuitBreaker(context.random.random),
            clock=context.timeline,
            unix_clock=context.timeline,
            draw=context.random.random,
        )
        self._provider = ClientCredentialsProvider(
            context.endpoint(), shared=shared if context.sharing else None, clock=context.timeline
        )
        self._alive = True
        self._busy = False
        self._cause: Cause = "start"
        self._revocation: Revocation | None = None
        self._rejected_at: float | None = None
        self._token: AccessToken | None = None
        self._plan = 0
        self.is_killed: Callable[[SimulatedProcess], bool] = lambda _process: False
        """Returns True if the process is killed during its token request."""

    def start(self) -> None:
        """Plan the first call."""
        self._plan_call(self._context.random.random() * self._context.conditions.start)

    def kill(self) -> None:
        """Kill the process. Its lease stays in the store."""
        self._alive, self._connection.cut = False, True

    def on_revocation(self, revocation: Revocation) -> None:
        """Plan the first call with the revoked token. The process does not know that it is revoked."""
        if self._token and not self._busy and self._provider.current(DEFAULT_OPTIONS, None):
            self._revocation = revocation
            self._plan_call(self._context.until_next_call())

    def on_dropped(self, token_id: str) -> None:
        """Receive the message that another process dropped a token."""
        if not self._alive or self._token is None or self._token.token_id != token_id:
            return
        self._connection.receive(token_id)
        if not self._busy and self._provider.current(DEFAULT_OPTIONS, None) is None:
            self._cause = "revoked"
            self._record_recovery()
            self._plan_call(self._context.until_next_call())

    def _plan_call(self, seconds: float) -> None:
        """Plan the next simulated call. It replaces the one planned before."""
        self._plan = plan = self._plan + 1
        self._context.timeline.after(seconds, lambda: self._call(plan))

    def _call(self, plan: int) -> None:
        if not self._alive or self._busy or plan != self._plan:
            return
        self._busy = True
        token = self._provider.current(DEFAULT_OPTIONS, None)
        if token:
            self._send(token, is_retry=False)
        else:
            self._acquire(None)

    def _acquire(self, rejected: AccessToken | None) -> None:
        steps, began = self._provider.acquire(DEFAULT_OPTIONS, rejected), self._context.timeline.now
        self._step(steps, None, lambda result: self._acquired(result, began, is_retry=rejected is not None))

    def _step(self, steps: TokenSteps, result: Any, then: Callable[[AccessToken | TokenError], None]) -> None:
        if not self._alive:
            return
        try:
            effect = steps.send(result)
        except StopIteration as stop:
            then(stop.value)
            return
        context, conditions = self._context, self._context.conditions
        match effect:
            case RunBlocking(operation):
                seconds = context.store_seconds()
                context.timeline.after(seconds, lambda: self._step(steps, operation() if self._alive else None, then))
            case Post():
                context.timeline.after(conditions.token_round_trip / 2, lambda: self._request_token(steps, then))
            case Background():  # The only caller of a process fetches itself: it has to wait in any case.
                self._step(steps, result=False, then=then)
            case Pause(seconds):
                context.timeline.after(seconds, lambda: self._step(steps, None, then))
            case other:
                raise AssertionError(f"one caller alone never needs {type(other).__name__}")

    def _request_token(self, steps: TokenSteps, then: Callable[[AccessToken | TokenError], None]) -> None:
        response = self._context.server.grant(self._cause)
        if self.is_killed(self):
            self.kill()
        self._context.timeline.after(self._context.conditions.token_round_trip / 2, lambda: self._step(steps, response, then))

    def _acquired(self, result: AccessToken | TokenError, began: float, *, is_retry: bool) -> None:
        stats, now = self._context.stats, self._context.timeline.now
        stats.longest_wait = max(stats.longest_wait, now - began)
        if isinstance(result, TokenError):
            stats.failed += 1
            self._idle(self._context.until_next_call())
            return
        self._token, self._cause = result, "due"
        self._send(result, is_retry=is_retry)

    def _send(self, token: AccessToken, *, is_retry: bool) -> None:
        self._context.timeline.after(self._context.conditions.round_trip / 2, lambda: self._respond(token, is_retry=is_retry))

    def _respond(self, token: AccessToken, *, is_retry: bool) -> None:
        if not self._context.server.accepts(token):
            self._context.server.reject(1)
            seconds = self._context.conditions.round_trip / 2
            self._context.timeline.after(seconds, lambda: self._rejected(token, is_retry=is_retry))
            return
        self._record_recovery()
        self._idle(token.fresh_until - self._context.timeline.now + self._context.until_next_call())

    def _rejected(self, token: AccessToken, *, is_retry: bool) -> None:
        if not self._alive:
            return
        context = self._context
        if not is_retry:
            # Other calls in flight with the same token; they join the fetch of this one.
            context.server.reject(context.calls_within(context.conditions.round_trip))
        self._revocation = self._revocation or (context.stats.revocations[-1] if context.stats.revocations else None)
        self._rejected_at = self._rejected_at or context.timeline.now
        self._cause = "revoked"
        self._provider.invalidate(token)
        if is_retry:
            context.stats.failed += 1
            self._idle(context.until_next_call())
        else:
            self._acquire(token)

    def _idle(self, seconds: float) -> None:
        self._busy = False
        self._plan_call(seconds)

    def _record_recovery(self) -> None:
        revocation, self._revocation = self._revocation, None
        rejected_at, self._rejected_at = self._rejected_at, None
        now = self._context.timeline.now
        if revocation:
            revocation.last = max(revocation.last, now)
            if rejected_at is not None:
                revocation.slowest = max(revocation.slowest, now - rejected_at)

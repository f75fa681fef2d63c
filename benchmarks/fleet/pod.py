"""One process of a simulated fleet: the real token provider, stepped in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from prio_middleware import AccessToken, ClientCredentialsProvider, TokenError
from prio_middleware.oauth.access_token import DEFAULT_OPTIONS
from prio_middleware.oauth.effects import Background, Pause, Post, RunBlocking, Steps
from prio_middleware.oauth.shared.circuit_breaker import CircuitBreaker
from prio_middleware.oauth.shared.coordinator import SharedTokens
from prio_middleware.oauth.shared.store import Lease, LeaseReply, StoreEntry, Unreachable

from .ledger import Cause, Revocation
from .world import World

Acquiring = Steps[AccessToken | TokenError]


class Line:
    """The store as one process reaches it.

    Args:
        world: where the store is.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._hears_after = world.chance.random() * world.conditions.reconnect
        self._dropped: Callable[[str], None] | None = None
        self.cut = False

    def read(self, name: str, rejected: Mapping[str, float]) -> StoreEntry | Unreachable:
        """As the store does."""
        return self._reached() or self._world.store.read(name, rejected)

    def acquire_lease(self, name: str, entry: StoreEntry, lease: Lease) -> LeaseReply | Unreachable:
        """As the store does."""
        return self._reached() or self._world.store.acquire_lease(name, entry, lease)

    def publish_token(self, name: str, lease: Lease, token_id: str, sealed: bytes, seconds: float) -> bool | Unreachable:
        """As the store does."""
        return self._reached() or self._world.store.publish_token(name, lease, token_id, sealed, seconds)

    def publish_error(self, name: str, lease: Lease, sealed: bytes, seconds: float) -> bool | Unreachable:
        """As the store does."""
        return self._reached() or self._world.store.publish_error(name, lease, sealed, seconds)

    def release_lease(self, name: str, lease: Lease) -> bool | Unreachable:
        """As the store does."""
        return self._reached() or self._world.store.release_lease(name, lease)

    def listen(self, dropped: Callable[[str], None]) -> None:
        """Begin to hear, if it has not."""
        self._dropped = dropped

    def hear(self, token_id: str) -> None:
        """A message has arrived, unless the connection for messages is not back yet."""
        if self._dropped and self._world.store_up and self._world.timeline.now >= self._world.store_back_at + self._hears_after:
            self._dropped(token_id)

    def _reached(self) -> Unreachable | None:
        self._world.ledger.store_operations[int(self._world.timeline.now)] += 1
        return Unreachable("TimeoutError") if self.cut or not self._world.store_up else None


class Pod:
    """A process that makes calls at a rate. Only those are played that meet something: no token, a due one, or a dead one.

    Args:
        world: what it has in common with the others.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._line = Line(world)
        shared = SharedTokens(
            self._line,
            world.keyring,
            circuit=CircuitBreaker(world.chance.random),
            clock=world.timeline,
            unix_clock=world.timeline,
            draw=world.chance.random,
        )
        self._provider = ClientCredentialsProvider(
            world.endpoint(), shared=shared if world.sharing else None, clock=world.timeline
        )
        self._alive = True
        self._busy = False
        self._cause: Cause = "start"
        self._suffers: Revocation | None = None
        self._rejected_at: float | None = None
        self._token: AccessToken | None = None
        self._plan = 0
        self.mourn: Callable[[Pod], bool] = lambda _pod: False
        """Asked whether it dies while its token request is under way."""

    def start(self) -> None:
        """Make a first call soon."""
        self._plan_call(self._world.chance.random() * self._world.conditions.start)

    def kill(self) -> None:
        """Without a word: what it holds in the store stays there."""
        self._alive, self._line.cut = False, True

    def token_died(self, revocation: Revocation) -> None:
        """Every token so far was revoked. It does not know."""
        if self._token and not self._busy and self._provider.current(DEFAULT_OPTIONS, None):
            self._suffers = revocation
            self._plan_call(self._world.until_next_call())

    def hear(self, token_id: str) -> None:
        """Another process dropped that token."""
        if not self._alive or self._token is None or self._token.token_id != token_id:
            return
        self._line.hear(token_id)
        if not self._busy and self._provider.current(DEFAULT_OPTIONS, None) is None:
            self._cause = "revoked"
            self._recovered()
            self._plan_call(self._world.until_next_call())

    def _plan_call(self, seconds: float) -> None:
        """The next call that matters; whatever was planned before does not."""
        self._plan = plan = self._plan + 1
        self._world.timeline.after(seconds, lambda: self._call(plan))

    def _call(self, plan: int) -> None:
        if not self._alive or self._busy or plan != self._plan:
            return
        self._busy = True
        token = self._provider.current(DEFAULT_OPTIONS, None)
        if token:
            self._send(token, is_retry=False)
        else:
            self._acquire(None)

    def _acquire(self, stale: AccessToken | None) -> None:
        steps, began = self._provider.acquire(DEFAULT_OPTIONS, stale), self._world.timeline.now
        self._step(steps, None, lambda result: self._acquired(result, began, is_retry=stale is not None))

    def _step(self, steps: Acquiring, result: Any, then: Callable[[AccessToken | TokenError], None]) -> None:
        if not self._alive:
            return
        try:
            effect = steps.send(result)
        except StopIteration as stop:
            then(stop.value)
            return
        world, conditions = self._world, self._world.conditions
        match effect:
            case RunBlocking(operation):
                world.timeline.after(world.store_takes(), lambda: self._step(steps, operation() if self._alive else None, then))
            case Post():
                world.timeline.after(conditions.token_round_trip / 2, lambda: self._ask(steps, then))
            case Background():  # The one caller of a pod fetches itself: it would have to wait in any case.
                self._step(steps, result=False, then=then)
            case Pause(seconds):
                world.timeline.after(seconds, lambda: self._step(steps, None, then))
            case other:
                raise AssertionError(f"one caller alone never needs {type(other).__name__}")

    def _ask(self, steps: Acquiring, then: Callable[[AccessToken | TokenError], None]) -> None:
        answer = self._world.vendor.grant(self._cause)
        if self.mourn(self):
            self.kill()
        self._world.timeline.after(self._world.conditions.token_round_trip / 2, lambda: self._step(steps, answer, then))

    def _acquired(self, result: AccessToken | TokenError, began: float, *, is_retry: bool) -> None:
        ledger, now = self._world.ledger, self._world.timeline.now
        ledger.longest_wait = max(ledger.longest_wait, now - began)
        if isinstance(result, TokenError):
            ledger.failed += 1
            self._rest(self._world.until_next_call())
            return
        self._token, self._cause = result, "due"
        self._send(result, is_retry=is_retry)

    def _send(self, token: AccessToken, *, is_retry: bool) -> None:
        self._world.timeline.after(self._world.conditions.round_trip / 2, lambda: self._answer(token, is_retry=is_retry))

    def _answer(self, token: AccessToken, *, is_retry: bool) -> None:
        if not self._world.vendor.accepts(token):
            self._world.vendor.reject(1)
            self._world.timeline.after(self._world.conditions.round_trip / 2, lambda: self._rejected(token, is_retry=is_retry))
            return
        self._recovered()
        self._rest(token.fresh_until - self._world.timeline.now + self._world.until_next_call())

    def _rejected(self, token: AccessToken, *, is_retry: bool) -> None:
        if not self._alive:
            return
        world = self._world
        if not is_retry:
            # Those that were under way with the same token; they join the fetch of this one.
            world.vendor.reject(world.calls_within(world.conditions.round_trip))
        self._suffers = self._suffers or (world.ledger.revocations[-1] if world.ledger.revocations else None)
        self._rejected_at = self._rejected_at or world.timeline.now
        self._cause = "revoked"
        self._provider.invalidate(token)
        if is_retry:
            world.ledger.failed += 1
            self._rest(world.until_next_call())
        else:
            self._acquire(token)

    def _rest(self, seconds: float) -> None:
        self._busy = False
        self._plan_call(seconds)

    def _recovered(self) -> None:
        revocation, self._suffers = self._suffers, None
        rejected_at, self._rejected_at = self._rejected_at, None
        now = self._world.timeline.now
        if revocation:
            revocation.last = max(revocation.last, now)
            if rejected_at is not None:
                revocation.slowest = max(revocation.slowest, now - rejected_at)

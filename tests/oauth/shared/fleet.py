"""Simulated processes that share a store, in virtual time, step by step."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from prio_middleware import AccessToken, ClientCredentialsProvider, Secret, TokenError, TokenOptions
from prio_middleware.oauth.access_token import DEFAULT_OPTIONS
from prio_middleware.oauth.effects import Pause, Post, RunBlocking
from prio_middleware.oauth.provider import CredentialsSource
from prio_middleware.oauth.shared.circuit_breaker import CircuitBreaker
from prio_middleware.oauth.shared.coordinator import SharedTokens
from prio_middleware.oauth.shared.keyring import Keyring
from prio_middleware.oauth.shared.store import LONGEST_LEASE, Lease, LeaseReply, StoreEntry, StoreFailure
from prio_middleware.oauth.token_request import TokenEndpoint
from prio_middleware.oauth.token_response import TokenResponse
from tests.oauth.helpers import Clock, Server, endpoint, inline

KEY = base64.urlsafe_b64encode(b"k" * 32).decode()
OTHER_KEY = base64.urlsafe_b64encode(b"o" * 32).decode()


def keyring(*keys: str) -> Keyring:
    return Keyring(tuple(map(Secret, keys or (KEY,))))


@dataclass
class Kept:
    """A value with an expiry."""

    value: bytes
    until: float


@dataclass
class Slot:
    """Entry of one token."""

    record: Kept | None = None
    error: Kept | None = None
    lease: tuple[Lease, float] | None = None
    dropped: set[str] = field(default_factory=set)


class FakeStore:
    """In-memory shared store.

    ``down`` is the reason for which every operation fails, or None; ``reading`` the time in seconds that a read takes.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.slots: dict[str, Slot] = {}
        self.down: str | None = None
        self.reading = 0.0
        self.asked: list[str] = []
        self.listeners: list[Callable[[str], None]] = []

    def slot(self, name: str) -> Slot:
        found = self.slots.setdefault(name, Slot())
        now = self.clock.now
        found.record = found.record if found.record and found.record.until > now else None
        found.error = found.error if found.error and found.error.until > now else None
        found.lease = found.lease if found.lease and found.lease[1] > now else None
        return found

    def drop_and_read(self, name: str, rejected: Mapping[str, float]) -> StoreEntry | StoreFailure:
        self.clock.now += self.reading
        if self._is_down("read"):
            return StoreFailure(str(self.down))
        slot = self.slot(name)
        for token_id in rejected:
            is_new = token_id not in slot.dropped
            is_stored = slot.record is not None and slot.record.value[:32].decode() == token_id
            slot.dropped.add(token_id)
            slot.record = None if is_stored else slot.record
            for listener in self.listeners if is_new or is_stored else ():
                listener(token_id)
        now = self.clock.now
        return StoreEntry(
            slot.record.value if slot.record else None,
            slot.record.until - now if slot.record else 0.0,
            slot.error.value if slot.error else None,
            slot.error.until - now if slot.error else 0.0,
        )

    def acquire_lease(self, name: str, entry: StoreEntry, lease: Lease) -> LeaseReply | StoreFailure:
        if self._is_down("acquire_lease"):
            return StoreFailure(str(self.down))
        slot = self.slot(name)
        if StoreEntry(slot.record.value if slot.record else None).token_id != entry.token_id:
            return LeaseReply(granted=False)
        if (slot.error.value if slot.error else None) != entry.error:
            return LeaseReply(granted=False)
        if slot.lease and slot.lease[0].owner_id != lease.owner_id:
            return LeaseReply(granted=False, wait_seconds=slot.lease[1] - self.clock.now)
        slot.lease = (lease, self.clock.now + lease.seconds)
        return LeaseReply(granted=True)

    def publish_token(self, name: str, lease: Lease, token_id: str, sealed: bytes, seconds: float) -> bool | StoreFailure:
        if self._is_down("publish_token"):
            return StoreFailure(str(self.down))
        slot = self.slot(name)
        passed = lease.seconds - (slot.lease[1] - self.clock.now) if slot.lease else 0.0
        if not self._give_back(slot, lease) or token_id in slot.dropped or seconds <= passed:
            return False
        slot.record, slot.error = Kept(token_id.encode() + sealed, self.clock.now + seconds - passed), None
        return True

    def publish_error(self, name: str, lease: Lease, sealed: bytes, seconds: float) -> bool | StoreFailure:
        if self._is_down("publish_error"):
            return StoreFailure(str(self.down))
        slot = self.slot(name)
        if not self._give_back(slot, lease):
            return False
        slot.error = Kept(sealed, self.clock.now + seconds)
        return True

    def release_lease(self, name: str, lease: Lease) -> bool | StoreFailure:
        if self._is_down("release_lease"):
            return StoreFailure(str(self.down))
        return self._give_back(self.slot(name), lease)

    def listen(self, dropped: Callable[[str], None]) -> None:
        if dropped not in self.listeners:
            self.listeners.append(dropped)

    def _is_down(self, operation: str) -> bool:
        self.asked.append(operation)
        return self.down is not None

    @staticmethod
    def _give_back(slot: Slot, lease: Lease) -> bool:
        held = slot.lease is not None and slot.lease[0] == lease
        if held:
            slot.lease = None
        return held


class Observed(NamedTuple):
    """Arguments of a call of ``observe``."""

    operation: str
    seconds: float
    failure: str | None


class Process:
    """One process of the fleet."""

    def __init__(
        self, fleet: Fleet, keys: Keyring | None, credentials_source: CredentialsSource | None = None, **options: Any
    ) -> None:
        self.fleet = fleet
        self.seen: list[Observed] = []
        options = {"deadline_seconds": 30.0, "failure_cooldown": 10.0, **options}
        self.shared = SharedTokens(
            fleet.store,
            keys or keyring(),
            failure_cooldown=options["failure_cooldown"],
            lease=options.pop("lease", LONGEST_LEASE),
            circuit=CircuitBreaker(lambda: 0.5),
            observe=(lambda *seen: self.seen.append(Observed(*seen))) if fleet.watched else None,
            clock=fleet.clock,
            unix_clock=options.pop("unix_clock", fleet.clock),
            draw=lambda: 0.5,
        )
        self.tokens = ClientCredentialsProvider(
            options.pop("endpoint", None) or endpoint(),
            shared=self.shared,
            clock=fleet.clock,
            credentials_source=credentials_source,
            **options,
        )

    def steps(self, options: TokenOptions = DEFAULT_OPTIONS, rejected: AccessToken | None = None) -> Run:
        """Return a caller that needs a token, before its first step."""
        return Run(self.fleet, inline(self.tokens.acquire(options, rejected)))

    def get(self, options: TokenOptions = DEFAULT_OPTIONS, rejected: AccessToken | None = None) -> AccessToken | TokenError:
        """Return the result of a caller that takes all its steps at once."""
        return self.tokens.current(options, rejected) or self.steps(options, rejected).finish()

    def token(self, options: TokenOptions = DEFAULT_OPTIONS, rejected: AccessToken | None = None) -> AccessToken:
        got = self.get(options, rejected)
        assert isinstance(got, AccessToken), got
        return got

    def after_rejection_of(self, token: AccessToken) -> AccessToken:
        self.tokens.invalidate(token)
        return self.token(rejected=token)


class Run:
    """The steps of one caller. ``result`` is set after the last one."""

    def __init__(self, fleet: Fleet, steps: Any) -> None:
        self.fleet = fleet
        self.steps = steps
        self.result: AccessToken | TokenError | None = None
        self.effect: Any = None
        try:
            self.effect = next(steps)
        except StopIteration as stop:  # The token was there.
            self.result = stop.value

    def step(self) -> bool:
        """Run the present effect. Return False after the last step."""
        try:
            self.effect = self.steps.send(self._do())
        except StopIteration as stop:
            self.result = stop.value
        return self.result is None

    def until(self, kind: type) -> Any:
        """Run every effect before the next one of that kind, and return that one."""
        while not isinstance(self.effect, kind):
            assert self.step()
        return self.effect

    def finish(self) -> AccessToken | TokenError:
        while self.result is None:
            self.step()
        return self.result

    def cancel(self) -> None:
        self.steps.close()

    def _do(self) -> Any:
        match self.effect:
            case RunBlocking(operation):
                return operation()
            case Post(request):
                self.fleet.clock.now += self.fleet.takes
                return self.fleet.server(request)
            case Pause(seconds):
                self.fleet.clock.now += seconds
            case other:
                raise AssertionError(f"unexpected effect: {other}")
        return None


class Fleet:
    """A store, a token endpoint, a clock, and the processes that use them."""

    def __init__(self, *script: TokenResponse, takes: float = 0.1) -> None:
        self.clock = Clock()
        self.store = FakeStore(self.clock)
        self.server = Server(*script)
        self.takes = takes
        self.watched = True

    def process(self, keys: Keyring | None = None, **options: Any) -> Process:
        return Process(self, keys, **options)

    def processes(self, number: int, **options: Any) -> list[Process]:
        return [self.process(**options) for _ in range(number)]

    @property
    def requests(self) -> int:
        return len(self.server.requests)

    @property
    def only_slot(self) -> Slot:
        (name,) = self.store.slots
        return self.store.slot(name)


def in_turn(runs: list[Run]) -> Iterator[AccessToken | TokenError]:
    """Run the callers in turn, one step at a time, and yield their results."""
    left = list(runs)
    while left:
        left = [run for run in left if run.step()]
    for run in runs:
        assert run.result is not None
        yield run.result


def other_endpoint(secret: str) -> TokenEndpoint:
    return endpoint(secret)

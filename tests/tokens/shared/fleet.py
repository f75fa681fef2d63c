"""Processes that share a store, in virtual time: any number of them, each step by hand."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from prio_middleware import AccessToken, ClientCredentialsProvider, Secret, TokenError, TokenOptions
from prio_middleware.tokens.effects import Ask, Pause, Post, Within
from prio_middleware.tokens.endpoint import TokenAnswer, TokenEndpoint
from prio_middleware.tokens.provider import Renewal
from prio_middleware.tokens.shared.circuit import Circuit
from prio_middleware.tokens.shared.keyring import Keyring
from prio_middleware.tokens.shared.lease import LONGEST_LEASE
from prio_middleware.tokens.shared.report import OperationSeen
from prio_middleware.tokens.shared.store import Lease, Seen, Turn, Unreachable
from prio_middleware.tokens.shared.tokens import SharedTokens
from prio_middleware.tokens.token import DEFAULT_OPTIONS
from tests.tokens.kit import Clock, Server, endpoint

KEY = base64.urlsafe_b64encode(b"k" * 32).decode()
OTHER_KEY = base64.urlsafe_b64encode(b"o" * 32).decode()


def keyring(*keys: str) -> Keyring:
    return Keyring(tuple(map(Secret, keys or (KEY,))))


@dataclass
class Kept:
    """A value that goes at a moment."""

    value: bytes
    until: float


@dataclass
class Slot:
    """What is kept for one token."""

    record: Kept | None = None
    refusal: Kept | None = None
    lease: tuple[Lease, float] | None = None
    dropped: set[str] = field(default_factory=set)


class FakeStore:
    """The rules of a shared store, without one. ``down`` names a reason for which it answers nothing."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.slots: dict[str, Slot] = {}
        self.down: str | None = None
        self.asked: list[str] = []
        self.listeners: list[Callable[[str], None]] = []

    def slot(self, name: str) -> Slot:
        found = self.slots.setdefault(name, Slot())
        now = self.clock.now
        found.record = found.record if found.record and found.record.until > now else None
        found.refusal = found.refusal if found.refusal and found.refusal.until > now else None
        found.lease = found.lease if found.lease and found.lease[1] > now else None
        return found

    def look(self, name: str, refused: Mapping[str, float]) -> Seen | Unreachable:
        if self._is_down("look"):
            return Unreachable(str(self.down))
        slot = self.slot(name)
        for generation in refused:
            is_new = generation not in slot.dropped
            is_kept = slot.record is not None and slot.record.value[:32].decode() == generation
            slot.dropped.add(generation)
            slot.record = None if is_kept else slot.record
            for listener in self.listeners if is_new or is_kept else ():
                listener(generation)
        now = self.clock.now
        return Seen(
            slot.record.value if slot.record else None,
            slot.record.until - now if slot.record else 0.0,
            slot.refusal.value if slot.refusal else None,
            slot.refusal.until - now if slot.refusal else 0.0,
        )

    def lead(self, name: str, seen: Seen, lease: Lease) -> Turn | Unreachable:
        if self._is_down("lead"):
            return Unreachable(str(self.down))
        slot = self.slot(name)
        if Seen(slot.record.value if slot.record else None).generation != seen.generation:
            return Turn(granted=False)
        if (slot.refusal.value if slot.refusal else None) != seen.refusal:
            return Turn(granted=False)
        if slot.lease and slot.lease[0].owner != lease.owner:
            return Turn(granted=False, wait=slot.lease[1] - self.clock.now)
        slot.lease = (lease, self.clock.now + lease.seconds)
        return Turn(granted=True)

    def publish(self, name: str, lease: Lease, generation: str, sealed: bytes, life: float) -> bool | Unreachable:
        if self._is_down("publish"):
            return Unreachable(str(self.down))
        slot = self.slot(name)
        passed = lease.seconds - (slot.lease[1] - self.clock.now) if slot.lease else 0.0
        if not self._give_back(slot, lease) or generation in slot.dropped or life <= passed:
            return False
        slot.record, slot.refusal = Kept(generation.encode() + sealed, self.clock.now + life - passed), None
        return True

    def refuse(self, name: str, lease: Lease, sealed: bytes, life: float) -> bool | Unreachable:
        if self._is_down("refuse"):
            return Unreachable(str(self.down))
        slot = self.slot(name)
        if not self._give_back(slot, lease):
            return False
        slot.refusal = Kept(sealed, self.clock.now + life)
        return True

    def release(self, name: str, lease: Lease) -> bool | Unreachable:
        if self._is_down("release"):
            return Unreachable(str(self.down))
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


class Process:
    """One process of the fleet."""

    def __init__(self, fleet: Fleet, keys: Keyring | None, renewal: Renewal | None = None, **options: Any) -> None:
        self.fleet = fleet
        self.seen: list[OperationSeen] = []
        options = {"deadline": 30.0, "hold_back": 10.0, **options}
        self.shared = SharedTokens(
            fleet.store,
            keys or keyring(),
            hold_back=options["hold_back"],
            lease=options.pop("lease", LONGEST_LEASE),
            circuit=Circuit(lambda: 0.5),
            observe=self.seen.append if fleet.watched else None,
            clock=fleet.clock,
            draw=lambda: 0.5,
        )
        self.tokens = ClientCredentialsProvider(
            options.pop("endpoint", None) or endpoint(),
            shared=self.shared,
            clock=fleet.clock,
            renewal=renewal,
            **options,
        )

    def steps(self, key: TokenOptions = DEFAULT_OPTIONS, stale: AccessToken | None = None) -> Run:
        """A caller who needs a token, and has not taken a step yet."""
        return Run(self.fleet, self.tokens.acquire(key, stale))

    def get(self, key: TokenOptions = DEFAULT_OPTIONS, stale: AccessToken | None = None) -> AccessToken | TokenError:
        """A caller who takes all steps before anybody else takes one."""
        return self.tokens.current(key, stale) or self.steps(key, stale).finish()

    def token(self, key: TokenOptions = DEFAULT_OPTIONS, stale: AccessToken | None = None) -> AccessToken:
        got = self.get(key, stale)
        assert isinstance(got, AccessToken), got
        return got

    def after_refusal_of(self, token: AccessToken) -> AccessToken:
        self.tokens.invalidate(token)
        return self.token(stale=token)


class Run:
    """The steps of one caller. ``result`` is there when they are over."""

    def __init__(self, fleet: Fleet, steps: Any) -> None:
        self.fleet = fleet
        self.steps = steps
        self.result: AccessToken | TokenError | None = None
        self.effect = _bare(next(steps))

    def step(self) -> bool:
        """Do what is asked for next. False: it is over."""
        try:
            self.effect = _bare(self.steps.send(self._do()))
        except StopIteration as stop:
            self.result = stop.value
        return self.result is None

    def until(self, kind: type) -> Any:
        """Do everything before the next effect of that kind."""
        while not isinstance(self.effect, kind):
            assert self.step()
        return self.effect

    def finish(self) -> AccessToken | TokenError:
        while self.step():
            pass
        assert self.result is not None
        return self.result

    def cancel(self) -> None:
        self.steps.close()

    def _do(self) -> Any:
        match self.effect:
            case Ask(operation):
                return operation()
            case Post(request):
                self.fleet.clock.now += self.fleet.takes
                return self.fleet.server(request)
            case Pause(seconds):
                self.fleet.clock.now += seconds
            case other:
                raise AssertionError(f"nobody plays {other}")
        return None


def _bare(effect: Any) -> Any:
    """Without the span that it may be done in."""
    return effect.effect if isinstance(effect, Within) else effect


class Fleet:
    """A store, a token endpoint, a clock, and processes."""

    def __init__(self, *script: TokenAnswer, takes: float = 0.1) -> None:
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
    """Each takes one step after the other, until all are done."""
    left = list(runs)
    while left:
        left = [run for run in left if run.step()]
    for run in runs:
        assert run.result is not None
        yield run.result


def other_endpoint(secret: str) -> TokenEndpoint:
    return endpoint(secret)

"""Shared state of the processes of a day: clock, server, store and random numbers."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from prio_middleware import Secret
from prio_middleware.oauth.access_token import ExpiryPolicy
from prio_middleware.oauth.client_auth import ClientSecretBasic
from prio_middleware.oauth.shared.keyring import Keyring
from prio_middleware.oauth.token_request import TokenEndpoint

from .ledger import Ledger
from .store import VirtualStore
from .timeline import Timeline
from .vendor import Vendor

URL = "https://auth.example/token"
JITTER = 0.5
"""Default of the setting leeway_jitter."""

KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


@dataclass(frozen=True, slots=True)
class Conditions:
    """Assumptions. All times in seconds.

    Attributes:
        rate: calls a second that each process makes, at random moments.
        lifetime: that a token lives.
        round_trip: of a call.
        token_round_trip: of a token request.
        store_round_trip: of an operation of the store.
        store_timeout: that an operation takes while the store does not answer.
        message: until the subscribers have heard.
        reconnect: within which a subscriber is back after the store is.
        start: within which processes that are started together make their first calls.
    """

    rate: float = 0.1
    lifetime: float = 3600.0
    round_trip: float = 0.1
    token_round_trip: float = 0.15
    store_round_trip: float = 0.001
    store_timeout: float = 0.25
    message: float = 0.002
    reconnect: float = 30.0
    start: float = 2.0


class World:
    """Shared by all processes of one run.

    Args:
        conditions: what is assumed.
        sharing: there is a store between them.
        jitter: each takes a share of its own of the leeway.
        seed: of chance.
    """

    def __init__(self, conditions: Conditions, *, sharing: bool, jitter: bool, seed: int) -> None:
        self.conditions = conditions
        self.sharing = sharing
        self.jitter = jitter
        self.chance = random.Random(seed)  # noqa: S311 - a simulation, not a secret
        self.timeline = Timeline()
        self.ledger = Ledger()
        self.vendor = Vendor(self.timeline, self.ledger, conditions.lifetime)
        self.keyring = Keyring((Secret(KEY),))
        self.store = VirtualStore(self.timeline, self._tell)
        self.store_up = True
        self.store_back_at = -math.inf
        self.heard: Callable[[str], None] = lambda _generation: None
        """Receive the message that a token id was dropped."""
        self._auth = ClientSecretBasic("shop@example.com", Secret("simulated"))

    def endpoint(self) -> TokenEndpoint:
        """The token endpoint as a new process knows it."""
        drawn = self.chance.random()
        expiry = ExpiryPolicy(jitter=JITTER if self.jitter else 0.0, draw=lambda: drawn)
        return TokenEndpoint(URL, self._auth, body_format="json", expiry=expiry, client="fleet")

    def stop_store(self) -> None:
        """It does not answer any more, and loses what it knew."""
        self.store_up = False
        self.store.forget()

    def start_store(self) -> None:
        """It answers again, and is empty."""
        self.store_up, self.store_back_at = True, self.timeline.now

    def store_takes(self) -> float:
        """Seconds for one operation."""
        return self.conditions.store_round_trip if self.store_up else self.conditions.store_timeout

    def until_next_call(self) -> float:
        """Seconds until a process makes its next call, from any moment: calls know no history."""
        return self.chance.expovariate(self.conditions.rate)

    def calls_within(self, seconds: float) -> int:
        """Return the number of calls that a process begins in that time."""
        calls, passed = 0, self.until_next_call()
        while passed < seconds:
            calls, passed = calls + 1, passed + self.until_next_call()
        return calls

    def _tell(self, generation: str) -> None:
        self.timeline.after(self.conditions.message, lambda: self.heard(generation))

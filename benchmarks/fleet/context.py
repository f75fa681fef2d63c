"""State that the simulated processes of a day share: clock, server, store and random numbers."""

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

from .authorization_server import AuthorizationServer
from .stats import Stats
from .store import VirtualStore
from .timeline import Timeline

URL = "https://auth.example/token"
JITTER = 0.5
"""Default of the setting leeway_jitter."""

KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


@dataclass(frozen=True, slots=True)
class Conditions:
    """Assumptions. All times in seconds.

    Attributes:
        rate: calls a second of each process, at random moments.
        lifetime: lifetime of a token.
        round_trip: duration of a call.
        token_round_trip: duration of a token request.
        store_round_trip: duration of a store operation.
        store_timeout: duration of a store operation while the store is down.
        message: delay of a message to the subscribers.
        reconnect: most time until a subscriber reconnects after the store returned.
        start: period in which processes started together make their first calls.
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


class SimulationContext:
    """Everything that the processes of one run share.

    Args:
        conditions: assumptions of the run.
        sharing: the processes share a store.
        jitter: each process draws its own part of the leeway.
        seed: seed of the random numbers.
    """

    def __init__(self, conditions: Conditions, *, sharing: bool, jitter: bool, seed: int) -> None:
        self.conditions = conditions
        self.sharing = sharing
        self.jitter = jitter
        self.random = random.Random(seed)  # noqa: S311 - a simulation, not a secret
        self.timeline = Timeline()
        self.stats = Stats()
        self.server = AuthorizationServer(self.timeline, self.stats, conditions.lifetime)
        self.keyring = Keyring((Secret(KEY),))
        self.store = VirtualStore(self.timeline, self._publish_dropped)
        self.store_up = True
        self.store_back_at = -math.inf
        self.on_dropped: Callable[[str], None] = lambda _token_id: None
        """Receives the message that a token id was dropped."""
        self._auth = ClientSecretBasic("shop@example.com", Secret("simulated"))

    def endpoint(self) -> TokenEndpoint:
        """Return the token endpoint of a new process."""
        drawn = self.random.random()
        expiry = ExpiryPolicy(jitter=JITTER if self.jitter else 0.0, draw=lambda: drawn)
        return TokenEndpoint(URL, self._auth, body_format="json", expiry=expiry, client="fleet")

    def stop_store(self) -> None:
        """Stop the store, and lose its records."""
        self.store_up = False
        self.store.clear()

    def start_store(self) -> None:
        """Start the store again, empty."""
        self.store_up, self.store_back_at = True, self.timeline.now

    def store_seconds(self) -> float:
        """Return the seconds that one store operation takes now."""
        return self.conditions.store_round_trip if self.store_up else self.conditions.store_timeout

    def until_next_call(self) -> float:
        """Draw the seconds until a process makes its next call, with an exponential distribution."""
        return self.random.expovariate(self.conditions.rate)

    def calls_within(self, seconds: float) -> int:
        """Draw the number of calls that a process begins in that time."""
        calls, passed = 0, self.until_next_call()
        while passed < seconds:
            calls, passed = calls + 1, passed + self.until_next_call()
        return calls

    def _publish_dropped(self, token_id: str) -> None:
        self.timeline.after(self.conditions.message, lambda: self.on_dropped(token_id))

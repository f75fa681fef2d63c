"""The provider, with the places made visible where another thread may come in between."""

from __future__ import annotations

from typing import Any

from prio_middleware import AccessToken, ClientCredentialsProvider, TokenError, TokenOptions
from prio_middleware.telemetry.providers import Trigger
from prio_middleware.tokens.effects import Steps
from prio_middleware.tokens.flight import Flight, Outcome


class Preempted:
    """The thread stops here for a while, and others go on. Nothing is asked for."""


PREEMPTED: Any = Preempted()


class PreemptibleProvider(ClientCredentialsProvider):
    """Every decision is the provider's own: nothing is added but steps that do nothing.

    Between two effects a task runs alone, but a thread does not. It can be stopped after it decided and before it boards;
    after it boarded and before it looks a second time; after the result is kept and before the flight lands. What telemetry
    records on the way is left out.
    """

    def acquire(self, key: TokenOptions, stale: AccessToken | None) -> Steps[AccessToken | TokenError]:
        """The steps to a token, unrecorded."""
        return self._acquire(key, stale)

    def _observed_fetch(
        self,
        key: TokenOptions,
        stale: AccessToken | None,
        until: float,
        flight: Flight | None = None,
        trigger: Trigger | None = None,
    ) -> Steps[Outcome]:
        return self._fetch(key, stale, until)

    def _board(self, key: TokenOptions, stale: AccessToken | None, fallback: AccessToken | None) -> Steps[Outcome]:
        yield PREEMPTED
        return (yield from super()._board(key, stale, fallback))

    def _lead(
        self, key: TokenOptions, stale: AccessToken | None, flight: Flight, until: float, trigger: Trigger | None = None
    ) -> Steps[Outcome]:
        yield PREEMPTED
        return (yield from super()._lead(key, stale, flight, until, trigger))

    def _fetch(self, key: TokenOptions, stale: AccessToken | None, until: float, **options: bool) -> Steps[Any]:
        result = yield from super()._fetch(key, stale, until, **options)
        yield PREEMPTED
        return result

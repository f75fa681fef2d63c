"""Internals of the provider: its state, the points of preemption, and faults that the exploration must detect."""

# Private access: two states are equal only if the provider's own variables are, and faults are injected into it.

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator
from typing import Any, NamedTuple
from unittest import mock

import pytest

from prio_middleware import AccessToken, ClientCredentialsProvider, TokenError, TokenOptions
from prio_middleware.oauth import access_token as token_module
from prio_middleware.oauth import attempts as retrying
from prio_middleware.oauth import provider as provider_module
from prio_middleware.oauth.access_token import DEFAULT_OPTIONS
from prio_middleware.oauth.attempts import Attempts
from prio_middleware.oauth.decision import Failure, Fetch, decide, usable
from prio_middleware.oauth.effects import Pause, Steps, Wait
from prio_middleware.oauth.failures import Failures
from prio_middleware.oauth.single_flight import GRACE, InFlightFetch, NoResult, Outcome, SingleFlight
from tests.long.exhaustive.scope import NEVER

PAUSE = 1.0
"""Seconds between two attempts, without jitter."""


class Preempted:
    """Effect of a preempted thread: it pauses here, and others go on."""


PREEMPTED: Any = Preempted()


class PreemptibleProvider(ClientCredentialsProvider):
    """The real provider, with added steps that do nothing and without telemetry.

    A task runs alone between two effects, but a thread does not. It can be preempted between its decision and joining a fetch,
    between starting a fetch and its second decision, and between caching the result and completing the fetch.
    """

    def acquire(
        self, options: TokenOptions, rejected: AccessToken | None, max_wait: float | None = None
    ) -> Steps[AccessToken | TokenError]:
        """Return the steps to a token, without telemetry."""
        return self._acquire(options, rejected, max_wait)

    def _observed_fetch(self, fetch: InFlightFetch, rejected: AccessToken | None, deadline_at: float) -> Steps[Outcome]:
        return self._fetch(fetch, rejected, deadline_at, after_rejection=False)

    def _join(self, options: TokenOptions, rejected: AccessToken | None, needed: Fetch, give_up_at: float) -> Steps[Outcome]:
        yield PREEMPTED
        return (yield from super()._join(options, rejected, needed, give_up_at))

    def _run_fetch(self, fetch: InFlightFetch, rejected: AccessToken | None, deadline_at: float) -> Steps[Outcome]:
        yield PREEMPTED
        return (yield from super()._run_fetch(fetch, rejected, deadline_at))

    def _fetch(
        self, fetch: InFlightFetch, rejected: AccessToken | None, deadline_at: float, *, after_rejection: bool
    ) -> Steps[Any]:
        result = yield from super()._fetch(fetch, rejected, deadline_at, after_rejection=after_rejection)
        yield PREEMPTED
        return result


class Inside(NamedTuple):
    """State of a provider.

    Attributes:
        kept: the cached token.
        failure: the remembered failure.
        newest_rejected: serial of the newest rejected token.
        may_retry: a fetch may retry transient failures.
        lost: the fetch that was lost last.
        in_progress: fetches that have not completed.
    """

    kept: AccessToken | None
    failure: Failure | None
    newest_rejected: int
    may_retry: bool
    lost: object
    in_progress: list[InFlightFetch]


def inside(provider: ClientCredentialsProvider) -> Inside:
    """Return the state of ``provider``."""
    failures = provider._failures
    return Inside(
        provider._cache.get(DEFAULT_OPTIONS),
        failures.get(DEFAULT_OPTIONS),
        provider._newest_rejected,
        failures.may_retry,
        failures._lost,
        list(provider._single_flight.in_progress()),
    )


def attempt_number(attempts: Attempts) -> int:
    """Return the number of attempts of a fetch."""
    return attempts._state.attempt_number


@contextlib.contextmanager
def determined() -> Generator[None]:
    """Remove randomness: the same moves lead to the same state."""
    with mock.patch.object(retrying, "_backoff", return_value=PAUSE), mock.patch.object(token_module, "_serials"):
        yield


def number_tokens(serials: Iterator[int]) -> None:
    """Number the next tokens by ``serials``."""
    token_module._serials = serials  # type: ignore[assignment]


# Faults that the exploration must detect.

Break = Callable[[pytest.MonkeyPatch], None]


def every_caller_fetches(monkeypatch: pytest.MonkeyPatch) -> None:
    def join(self: Any, options: Any, now: float, deadline_seconds: float, not_before: float = 0.0) -> Any:
        return InFlightFetch(now + deadline_seconds + GRACE, options), True

    monkeypatch.setattr(SingleFlight, "join", join)


def no_second_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    def run_fetch(self: Any, fetch: Any, rejected: Any, deadline_at: float) -> Any:
        outcome = yield from self._fetch(fetch, rejected, deadline_at, after_rejection=False)
        self._single_flight.remove(fetch)
        fetch.complete(outcome)
        return outcome

    monkeypatch.setattr(ClientCredentialsProvider, "_run_fetch", run_fetch)


def a_fetch_that_ends_early_never_completes(monkeypatch: pytest.MonkeyPatch) -> None:
    complete = InFlightFetch.complete
    monkeypatch.setattr(
        InFlightFetch, "complete", lambda self, outcome: outcome is NoResult.ABANDONED or complete(self, outcome)
    )


def a_fetch_is_never_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SingleFlight, "remove", lambda self, fetch: None)


def an_invalid_token_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ClientCredentialsProvider, "invalidate", lambda self, token: None)


def a_rejected_token_still_completes(monkeypatch: pytest.MonkeyPatch) -> None:
    def invalidate(self: Any, token: AccessToken) -> None:
        self._cache.remove(token)

    monkeypatch.setattr(ClientCredentialsProvider, "invalidate", invalidate)


def a_rejected_token_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    an_invalid_token_is_kept(monkeypatch)
    monkeypatch.setattr(
        provider_module, "decide", lambda token, rejected, *rest, **options: decide(token, None, *rest, **options)
    )


def an_error_beats_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    def result_for_caller(outcome: Any, rejected: Any, kept: Any, now: float) -> Any:
        return outcome if isinstance(outcome, AccessToken | TokenError) else usable(kept, rejected, now)

    monkeypatch.setattr(provider_module, "_result_for_caller", result_for_caller)


def an_expired_token_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_module, "decide", lambda token, *_, **__: token or Fetch())


def the_cache_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_module, "decide", lambda token, *rest, **options: decide(None, *rest, **options))


def old_credentials_are_tried_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def run_attempts(self: Any, fetch: Any, rejected: Any, deadline_at: float, *, after_rejection: bool) -> Any:
        endpoint, attempts = self.endpoint, Attempts(self._clock)
        while (pause := attempts.pause_before_next(deadline_at)) is not None:
            if pause:
                yield Pause(pause)
            attempts.record((yield from self._request_token(endpoint, fetch.options, deadline_at, self._clock)))
        if endpoint is self.endpoint:
            self._remember(fetch.options, attempts.result)
        return attempts.result

    monkeypatch.setattr(ClientCredentialsProvider, "_fetch", run_attempts)


def a_waiter_never_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        provider_module, "Wait", lambda fetch, seconds, lost_after_seconds, joined: Wait(fetch, NEVER, NEVER, joined)
    )


def a_fetch_that_ends_early_is_made_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Failures, "not_before", lambda self, options: 0.0)


def callers_of_an_outage_fetch_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def decide_without_pause(token: Any, rejected: Any, failure: Any, now: float, **options: Any) -> Any:
        return decide(token, rejected, None, now, **options)

    monkeypatch.setattr(provider_module, "decide", decide_without_pause)


def a_frozen_process_fails_its_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Failures, "record_lost", lambda self, fetch: False)

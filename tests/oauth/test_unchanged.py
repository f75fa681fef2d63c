"""A token endpoint that returns the rejected token again, as caches before a login do until it expires."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import parse_qs

import httpx
import pytest

from prio_middleware import AccessToken, TokenUnchangedError, build
from prio_middleware._util.clock import using
from prio_middleware.httpx import client
from prio_middleware.oauth.provider import UNCHANGED_PAUSE
from prio_middleware.settings import ClientSettings
from tests.oauth.helpers import Clock, Server, play, provider, token
from tests.transports.matrix import settings

SAME = token(3600)


@pytest.mark.pitfall(id="same-token-again")
def test_the_rejected_token_is_not_given_to_its_caller_again() -> None:
    clock, server = Clock(), Server(SAME)
    tokens = provider(clock)
    rejected = play(tokens.acquire(tokens.defaults, None), server, clock)
    assert isinstance(rejected, AccessToken)
    tokens.invalidate(rejected)

    error = play(tokens.acquire(tokens.defaults, rejected), server, clock)
    assert isinstance(error, TokenUnchangedError)
    assert error.message
    assert len(server.requests) == 2
    assert [fetch.outcome for fetch in tokens.counters.fetches] == ["unchanged_token", "ok"]


@pytest.mark.pitfall(id="same-token-again")
def test_new_calls_are_sent_with_it_and_requests_are_paced() -> None:
    clock, server = Clock(), Server(SAME)
    tokens = provider(clock)
    rejected = play(tokens.acquire(tokens.defaults, None), server, clock)
    assert isinstance(rejected, AccessToken)
    tokens.invalidate(rejected)
    for _ in range(60):
        found = tokens.current(tokens.defaults, None) or play(tokens.acquire(tokens.defaults, None), server, clock)
        assert isinstance(found, AccessToken)
        tokens.invalidate(found)
        clock.now += 1

    assert len(server.requests) == 1 + 60 / UNCHANGED_PAUSE


@pytest.mark.pitfall(id="same-token-again")
def test_once_the_api_accepts_it_it_lives_its_full_life() -> None:
    clock, server = Clock(), Server(SAME)
    tokens = provider(clock)
    rejected = play(tokens.acquire(tokens.defaults, None), server, clock)
    assert isinstance(rejected, AccessToken)
    tokens.invalidate(rejected)
    again = play(tokens.acquire(tokens.defaults, None), server, clock)
    assert isinstance(again, AccessToken)
    assert again.unchanged
    again.unchanged.works = True
    accepted = play(tokens.acquire(tokens.defaults, None), server, clock)
    assert tokens.current(tokens.defaults, None) is accepted
    found: object = None
    for _ in range(300):
        found = tokens.current(tokens.defaults, None) or play(tokens.acquire(tokens.defaults, None), server, clock)
        clock.now += 10

    assert isinstance(found, AccessToken)
    assert found.unchanged is None
    assert found.serial > again.serial
    assert len(server.requests) == 2
    assert tokens.report().failure is None
    clock.now += 3600
    fetched = play(tokens.acquire(tokens.defaults, None), server, clock)
    assert isinstance(fetched, AccessToken)
    assert fetched.unchanged is None
    assert tokens.current(tokens.defaults, None) is fetched


def test_a_renewal_after_a_rejection_may_carry_parameters_of_its_own() -> None:
    clock, server = Clock(), Server(SAME, token())
    tokens = provider(clock, renewal_params=(("force", "true"),))
    rejected = play(tokens.acquire(tokens.defaults, None), server, clock)
    assert isinstance(rejected, AccessToken)
    tokens.invalidate(rejected)
    play(tokens.acquire(tokens.defaults, rejected), server, clock)

    first, second = (parse_qs(request.body.decode()) for request in server.requests)
    assert "force" not in first
    assert second["force"] == ["true"]


def test_a_renewal_for_other_callers_carries_these_parameters_too() -> None:
    clock, server = Clock(), Server(SAME, SAME, token())
    tokens = provider(clock, renewal_params=(("force", "true"),))
    for _ in range(3):
        found = play(tokens.acquire(tokens.defaults, None), server, clock)
        assert isinstance(found, AccessToken)
        tokens.invalidate(found)
        clock.now += UNCHANGED_PAUSE

    assert ["force" in parse_qs(request.body.decode()) for request in server.requests] == [False, True, True]


class CachedLogin:
    """API whose token was revoked, and a login that returns that token until it mends."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.mends_at = float("inf")
        self.token_requests = 0
        self.calls = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        value = "dead" if self._clock() < self.mends_at else "alive"
        if request.url.path == "/token":
            self.token_requests += 1
            return httpx.Response(200, json={"access_token": value, "expires_in": 3600})
        self.calls += 1
        if request.headers["authorization"] == "Bearer alive" or self.mends_at == float("inf"):
            return httpx.Response(200)
        return httpx.Response(401, content=json.dumps({"error": "invalid_token"}))


@pytest.fixture
def clock() -> Iterator[Clock]:
    clock = Clock()
    with using(clock):
        yield clock


def own(**changes: object) -> ClientSettings:
    return settings(leeway_jitter=0, **changes)


@pytest.mark.pitfall(id="same-token-again")
def test_callers_see_no_refusal_15_s_after_the_login_mends(clock: Clock) -> None:
    login = CachedLogin(clock)
    with client(settings=own(), transport=httpx.MockTransport(login)) as calling:
        assert calling.get("/a").status_code == 200
        login.mends_at = clock.now + 30
        refused_at: list[float] = []
        for second in range(100):
            response = calling.get(f"/a/{second}")
            if response.status_code == 401:
                refused_at.append(clock.now)
                assert isinstance(response.extensions["prio_middleware.reason"], TokenUnchangedError)
            clock.now += 1

    assert refused_at
    assert refused_at[-1] <= login.mends_at + 15
    assert login.calls == 101  # No call was sent twice.
    assert login.token_requests <= 2 + (refused_at[-1] - refused_at[0]) / UNCHANGED_PAUSE + 1
    assert build.registry.client("shop").reauthentications["unchanged"] == len(refused_at)


def test_a_call_that_the_api_accepts_ends_the_pace(clock: Clock) -> None:
    login = CachedLogin(clock)
    with client(settings=own(), transport=httpx.MockTransport(login)) as calling:
        calling.get("/a")
        login.mends_at = clock.now + 5
        calling.get("/a")
        login.mends_at = float("inf")  # The API accepts the old token again.
        for _ in range(60):
            clock.now += 1
            assert calling.get("/a").status_code == 200

    assert login.token_requests == 2

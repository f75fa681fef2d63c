"""How components are composed, and whom a request meets on its way."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from prio_middleware import (
    AccessToken,
    ConfigurationError,
    Exchange,
    HeaderInjector,
    Pipeline,
    Secret,
    StaticTokenProvider,
    Verdict,
)
from prio_middleware.refusal import Refusal

PROVIDER = StaticTokenProvider("fixed")


class Note:
    """Notes what it meets."""

    def __init__(self, name: str, notes: list[str]) -> None:
        self.name = name
        self.notes = notes

    def on_request(self, exchange: Exchange) -> None:
        self.notes.append(f"{self.name} request")

    def on_response(self, exchange: Exchange, response: object) -> None:
        self.notes.append(f"{self.name} response")


class Stop(Note):
    """Lets the request pass bare."""

    def on_request(self, exchange: Exchange) -> None:
        super().on_request(exchange)
        exchange.pass_bare()


class Judge:
    judges = frozenset({403})

    def on_response(self, exchange: Exchange, response: object) -> Verdict:
        return Verdict.REAUTHENTICATE


def exchange() -> Exchange:
    return Exchange(httpx.Request("GET", "https://api.example/"), {})


def travel(pipeline: Pipeline) -> Exchange:
    call = exchange()
    pipeline.admit(call)
    call.judge(httpx.Response(200))
    return call


def test_requests_go_inwards_and_responses_outwards() -> None:
    notes: list[str] = []
    pipeline = Pipeline([Note("outer", notes), Note("inner", notes), PROVIDER, Note("attempt", notes)])
    travel(pipeline)

    assert notes == ["outer request", "inner request", "attempt response", "inner response", "outer response"]


def test_what_stands_inside_the_provider_runs_for_each_attempt() -> None:
    notes: list[str] = []
    pipeline = Pipeline([PROVIDER, Note("attempt", notes)])

    for on_request in pipeline.inner_requests:
        on_request(exchange())
    assert notes == ["attempt request"]


def test_a_request_that_passes_bare_meets_only_those_up_to_who_said_so() -> None:
    notes: list[str] = []
    travel(Pipeline([Note("first", notes), Stop("guard", notes), Note("last", notes), PROVIDER, HeaderInjector()]))

    assert notes == ["first request", "guard request", "guard response", "first response"]


@pytest.mark.parametrize(
    ("refusal", "token", "wanted"),
    [
        (Refusal(403), AccessToken(Secret("t")), True),
        (Refusal(403, complete=False), AccessToken(Secret("t")), False),
        (None, AccessToken(Secret("t")), False),
        (Refusal(403), None, False),
    ],
)
def test_a_new_token_is_wanted_only_where_one_of_ours_was_refused_and_the_refusal_is_known(
    refusal: Refusal | None, token: AccessToken | None, wanted: bool
) -> None:
    pipeline = Pipeline([Judge(), PROVIDER, HeaderInjector()])
    call = exchange()
    pipeline.admit(call)
    call.refusal, call.token = refusal, token
    call.judge(httpx.Response(403))

    assert pipeline.statuses == {403}
    assert (call.refused is not None) is wanted


@pytest.mark.parametrize(
    ("components", "message"),
    [
        ([HeaderInjector()], "has 0"),
        ([PROVIDER, HeaderInjector(), PROVIDER], "has 2"),
        ([PROVIDER], "presents the token"),
        ([PROVIDER, HeaderInjector(), Judge()], "Judge asks for re-authentication from inside"),
        ([object(), PROVIDER, HeaderInjector()], "is no pipeline component"),
        ([Judge, PROVIDER, HeaderInjector()], "is no pipeline component"),
    ],
)
def test_what_cannot_work_is_refused_at_once(components: list[Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        Pipeline(components)

    assert caught.value.remedy


def test_it_shows_what_it_is_made_of() -> None:
    assert repr(Pipeline([PROVIDER, HeaderInjector()])) == "Pipeline([StaticTokenProvider, HeaderInjector])"

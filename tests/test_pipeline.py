"""How components are composed, and whom a request meets on its way."""

from __future__ import annotations

from typing import Any

import httpx
import httpx2
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
from prio_middleware.telemetry.tally import LEDGER
from prio_middleware.tokens.token import DEFAULT_OPTIONS
from tests.tokens import kit

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


class Listener:
    """Hears responses only, and judges none."""

    def on_response(self, exchange: Exchange, response: object) -> None:
        pass


class Nothing:
    """Has neither function of a component."""

    def __repr__(self) -> str:
        return "Nothing()"


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


ONE_PROVIDER = "Put exactly one token provider into the list, before the header injector."
OUTSIDE = "Move it before the token provider: what stands after it runs again for every attempt."
FUNCTIONS = "A component is an instance with on_request(exchange), on_response(exchange, response), or both."


@pytest.mark.parametrize(
    ("components", "message", "remedy"),
    [
        ([HeaderInjector()], "A pipeline has one token provider; this one has 0.", ONE_PROVIDER),
        ([PROVIDER, HeaderInjector(), PROVIDER], "A pipeline has one token provider; this one has 2.", ONE_PROVIDER),
        ([PROVIDER], "Nothing after the token provider presents the token.", "Put HeaderInjector() after the token provider."),
        (
            [PROVIDER, HeaderInjector(), Judge(), Judge()],
            "Judge, Judge asks for re-authentication from inside the token provider.",
            OUTSIDE,
        ),
        ([Nothing(), PROVIDER, HeaderInjector()], "Nothing() is no pipeline component.", FUNCTIONS),
        ([Judge, PROVIDER, HeaderInjector()], f"{Judge!r} is no pipeline component.", FUNCTIONS),
    ],
)
def test_what_cannot_work_is_refused_at_once(components: list[Any], message: str, remedy: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Pipeline(components)

    assert (caught.value.message, caught.value.remedy) == (message, remedy)


def test_the_provider_is_the_one_in_the_list() -> None:
    assert Pipeline([Judge(), PROVIDER, HeaderInjector()]).provider is PROVIDER


@pytest.mark.parametrize("function", ["get_token", "current"])
def test_what_has_but_one_function_of_a_provider_is_none(function: str) -> None:
    component = Note("half a provider", [])
    setattr(component, function, None)

    assert Pipeline([component, PROVIDER, HeaderInjector()]).provider is PROVIDER


@pytest.mark.parametrize(
    ("inside", "spared"),
    [
        ([HeaderInjector()], True),
        ([Listener(), HeaderInjector()], True),
        ([Note("presents the token", [])], False),
        ([Note("may write the header", []), HeaderInjector()], False),
    ],
)
def test_the_look_for_the_caller_s_own_header_is_spared_where_the_injector_comes_first(inside: list[Any], spared: bool) -> None:
    assert Pipeline([PROVIDER, *inside]).gives_way is spared


@pytest.mark.parametrize("library", [httpx, httpx2])
@pytest.mark.parametrize(
    ("own", "gave_way", "sent"),
    [
        ([], False, [(b"Authorization", b"Bearer ours"), (b"X", b"1")]),
        ([("AUTHORIZATION", "Basic own")], True, [(b"X", b"1"), (b"AUTHORIZATION", b"Basic own")]),
    ],
)
def test_the_caller_s_own_header_takes_the_place_of_ours(
    library: Any, own: list[tuple[str, str]], gave_way: bool, sent: list[tuple[bytes, bytes]]
) -> None:
    request = library.Request("GET", "https://api.example/", headers=own)
    call = Exchange(request, library.Headers([("Authorization", "Bearer ours"), ("X", "1")]))
    call.token = token = AccessToken(Secret("ours"))

    assert call.give_way() is gave_way
    headers: Any = call.headers
    assert headers.raw == sent
    assert (call.token, call.options) == ((None, None) if gave_way else (token, DEFAULT_OPTIONS))


class Watching(Note):
    """Sees what is sent, too."""

    def on_send(self, request: object, *, for_token: bool) -> None:
        pass

    def on_sent(self, request: object, status: int | None) -> None:
        pass


def test_watchers_are_those_that_see_what_is_sent_and_what_comes_back() -> None:
    watcher, half, other_half = Watching("all", []), Note("sent only", []), Note("answered only", [])
    half.on_send = other_half.on_sent = lambda *_: None  # type: ignore[attr-defined]

    assert Pipeline([half, watcher, other_half, PROVIDER, HeaderInjector()]).watchers == (watcher,)


def test_it_counts_under_the_name_of_its_client() -> None:
    assert Pipeline([kit.provider(), HeaderInjector()]).tally is LEDGER.of("shop")


def test_who_judges_is_given_the_exchange_and_the_response() -> None:
    class Witness:
        def on_response(self, *given: object) -> None:
            self.given = given

    witness, response = Witness(), httpx.Response(200)
    call = exchange()
    Pipeline([witness, PROVIDER, HeaderInjector()]).admit(call)
    call.judge(response)

    assert witness.given == (call, response)


def test_an_exchange_is_the_default_client_s_unless_named_and_has_two_attempts_at_most() -> None:
    call = exchange()
    assert (call.client, call.attempt) == ("default", 1)
    call.begin_second(AccessToken(Secret("second")))
    assert call.attempt == 2


def test_it_shows_what_it_is_made_of() -> None:
    assert repr(Pipeline([PROVIDER, HeaderInjector()])) == "Pipeline([StaticTokenProvider, HeaderInjector])"

"""Each rule finds what breaks it, and nothing in a history that keeps it: the histories are doctored."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from prio_middleware.middleware.revocation.renewal_limiter import LIMIT
from tests.long.chaos.checks import RULES, violations
from tests.long.chaos.history import Arrival, Call, History, Span, numbered


def answered(name: str, began: float = 10.0, status: int = 200, *, allowed: bool = True) -> Call:
    return Call(name, began, began + 0.1, "response", status, allowed=allowed)


def failed(name: str, began: float) -> Call:
    return Call(name, began, began + 0.1, "error", said="TokenEndpointUnavailableError: no")


def history() -> History:
    """An uneventful one, but for a revocation that a call notices, an outage, a closed door, and a caller who gives up."""
    return History(
        calls=[
            answered("first", 1.0),
            answered("revoked", 2.0),
            answered("closed", 3.0, 403, allowed=False),
            Call("gave-up", 4.0, 4.01, "cancelled"),
            failed("cut-off", 5.0),
            answered("refused", 5.0, 403),
            answered("last", 9.0),
        ],
        arrivals=[
            Arrival("first", 1, 200),
            Arrival("revoked", 1, 403),
            Arrival("revoked", 2, 200),
            Arrival("closed", 2, 403),
            Arrival("gave-up", 2, None),
            Arrival("refused", 2, 403),
            Arrival("last", 3, 200),
        ],
        outages=[Span("the endpoint fails", 4.9, 5.2)],
        deaths=[Span("revoked", 2.0, 2.0)],
    )


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert violations(history()) == {rule: [] for rule in RULES}


def call(*more: Call) -> Callable[[History], None]:
    return lambda history: history.calls.extend(more)


def arrive(*more: Arrival) -> Callable[[History], None]:
    return lambda history: history.arrivals.extend(more)


def take_long(history: History) -> None:
    history.calls[0] = dataclasses.replace(history.calls[0], ended=1.0 + history.limit + 0.01)


def give_up_late(history: History) -> None:
    history.calls[3] = dataclasses.replace(history.calls[3], ended=20.0)


def without_outage(history: History) -> None:
    history.outages = []


def outage_before(history: History) -> None:
    ended = 5.0 - history.margin
    history.outages = [Span("long ago", ended - 1.0, ended - 0.5)]  # Felt for as long as it was, and the margin.


def outage_afterwards(history: History) -> None:
    history.outages = [Span("too late", 5.2, 9.0)]


def leap_long_before(history: History) -> None:
    without_outage(history)
    history.leaps = [Span("leap", 4.4, 4.4)]


def leap_afterwards(history: History) -> None:
    without_outage(history)
    history.leaps = [Span("leap", 5.2, 5.2)]


def a_token_all_along(history: History) -> None:
    history.arrivals[-1] = Arrival("last", 2, 200)


def twice_refused(history: History) -> None:
    history.arrivals[2] = Arrival("revoked", 2, 403)
    history.calls[1] = answered("revoked", 2.0, 403)
    history.deaths = []


def once_refused(history: History) -> None:
    del history.arrivals[2]
    history.calls[1] = answered("revoked", 2.0, 403)


NO_SECOND_TOKEN = "NewTokenUnavailableError: The server refused the token, and no new one could be had."


def once_refused_as_the_clock_leaps(history: History) -> None:
    once_refused(history)
    history.calls[1] = dataclasses.replace(history.calls[1], said=NO_SECOND_TOKEN)
    history.leaps = [Span("leap", 2.05, 2.05)]


def once_refused_for_another_reason(history: History) -> None:
    once_refused_as_the_clock_leaps(history)
    history.calls[1] = dataclasses.replace(history.calls[1], said="")


def once_refused_before_the_clock_leaps(history: History) -> None:
    once_refused_as_the_clock_leaps(history)
    history.leaps = [Span("leap", 2.2, 2.2)]


def twice_refused_as_the_clock_leaps(history: History) -> None:
    twice_refused(history)
    history.calls[1] = dataclasses.replace(history.calls[1], said=NO_SECOND_TOKEN)
    history.leaps = [Span("leap", 2.05, 2.05)]


def same_token_again(history: History) -> None:
    history.arrivals[2] = Arrival("revoked", 1, 200)


def after_an_answer(history: History) -> None:
    history.arrivals[1] = Arrival("revoked", 1, 200)


def after_no_answer(history: History) -> None:
    history.arrivals[1] = Arrival("revoked", 1, None)


def twice_refused_with_a_token_of_another_provider(history: History) -> None:
    """The second token had worked elsewhere, and died there before anybody noticed."""
    twice_refused(history)
    history.calls.append(dataclasses.replace(answered("beside", 1.0), provider="beside"))
    history.arrivals.insert(1, Arrival("beside", 2, 200))
    history.arrivals[-1] = Arrival("last", 3, 200)
    history.deaths = [Span("revoked", 1.5, 1.5)]


def twice_refused_with_a_token_that_works(history: History) -> None:
    twice_refused_with_a_token_of_another_provider(history)
    history.calls.append(dataclasses.replace(answered("beside-again", 3.0), provider="beside"))
    history.arrivals.append(Arrival("beside-again", 2, 200))


def twice_refused_before_anything_died(history: History) -> None:
    twice_refused_with_a_token_of_another_provider(history)
    history.deaths = [Span("revoked", 0.5, 0.5)]


def a_token_all_along_elsewhere(history: History) -> None:
    a_token_all_along(history)
    history.calls[-1] = dataclasses.replace(history.calls[-1], provider="beside")


def token_of_another_account(history: History) -> None:
    history.calls.append(dataclasses.replace(answered("as-berlin", 6.0), account="berlin"))
    history.arrivals.append(Arrival("as-berlin", 9, 200, "paris"))


def outage_of_another_account(history: History) -> None:
    history.outages = [Span("the resolver raises", 4.9, 5.2, "berlin")]


def twice_refused_as_another_account_dies(history: History) -> None:
    twice_refused(history)
    history.deaths = [Span("revoked", 2.05, 2.05, "berlin")]


def a_thread(history: History) -> None:
    history.left = ["the thread t is left"]


BREAKS: list[tuple[Callable[[History], None], str, str]] = [
    (take_long, "every call ended within its deadline", "first"),
    (give_up_late, "every call ended within its deadline", "gave-up"),
    (
        call(Call("odd", 1.0, 1.1, "stray", said="KeyError: 1")),
        "every call ended in a response or an error of the tree",
        "odd",
    ),
    (call(answered("dreamt")), "every answer is the server's", "dreamt"),
    (call(failed("lost", 7.0)), "none failed while a token could be had", "lost"),
    (outage_before, "none failed while a token could be had", "cut-off"),
    (outage_afterwards, "none failed while a token could be had", "cut-off"),
    (leap_long_before, "none failed while a token could be had", "cut-off"),
    (leap_afterwards, "none failed while a token could be had", "cut-off"),
    (without_outage, "none was refused while a token could be had", "refused"),
    (once_refused, "none was refused while a token could be had", "revoked"),
    (once_refused_for_another_reason, "none was refused while a token could be had", "revoked"),
    (once_refused_before_the_clock_leaps, "none was refused while a token could be had", "revoked"),
    (twice_refused, "none was refused while a token could be had", "revoked"),
    (twice_refused_as_the_clock_leaps, "none was refused while a token could be had", "revoked"),
    (twice_refused_with_a_token_that_works, "none was refused while a token could be had", "revoked"),
    (twice_refused_before_anything_died, "none was refused while a token could be had", "revoked"),
    (twice_refused_as_another_account_dies, "none was refused while a token could be had", "revoked"),
    (outage_of_another_account, "none failed while a token could be had", "cut-off"),
    (token_of_another_account, "none was sent as another account", "as-berlin"),
    (a_token_all_along, "none failed while a token was at hand", "cut-off"),
    (arrive(Arrival("first", None, 400)), "none was sent without a token", "first"),
    (same_token_again, "none was sent twice but to re-authenticate", "revoked"),
    (after_an_answer, "none was sent twice but to re-authenticate", "revoked"),
    (after_no_answer, "none was sent twice but to re-authenticate", "revoked"),
    (arrive(Arrival("revoked", 3, 200)), "none was sent twice but to re-authenticate", "revoked"),
    (arrive(Arrival("stranger", 3, 200)), "nothing arrived that nobody sent", "stranger"),
    (arrive(Arrival("", 3, 200)), "nothing arrived that nobody sent", "without a name"),
    (a_thread, "no connection, task, thread or descriptor is left", "thread t"),
]


@pytest.mark.parametrize(("doctor", "rule", "who"), BREAKS)
def test_what_breaks_a_rule_is_found_and_named(doctor: Callable[[History], None], rule: str, who: str) -> None:
    doctored = history()
    doctor(doctored)
    found = violations(doctored)[rule]

    assert len(found) == 1
    assert who in found[0]


def test_a_second_token_that_dies_as_well_excuses_a_refusal() -> None:
    doctored = history()
    twice_refused(doctored)
    doctored.deaths = [Span("revoked", 2.05, 2.05)]

    assert violations(doctored) == {rule: [] for rule in RULES}


@pytest.mark.parametrize(("renewals", "is_excused"), [(LIMIT - 1, False), (LIMIT, True)])
def test_a_spent_limit_of_renewals_excuses_a_refusal(renewals: int, is_excused: bool) -> None:
    doctored = history()
    once_refused_for_another_reason(doctored)
    for number in range(renewals):
        doctored.calls.append(answered(f"closed-{number}", 1.0, 403, allowed=False))
        doctored.arrivals += [Arrival(f"closed-{number}", number + 10, 403), Arrival(f"closed-{number}", number + 20, 403)]

    assert (violations(doctored)["none was refused while a token could be had"] == []) is is_excused


def test_a_clock_that_leaps_over_the_deadline_excuses_a_failure() -> None:
    doctored = history()
    without_outage(doctored)
    doctored.leaps = [Span("leap", 5.05, 5.05)]

    assert violations(doctored)["none failed while a token could be had"] == []


def test_a_clock_that_leaps_over_the_deadline_excuses_a_refusal_without_a_second_token() -> None:
    doctored = history()
    once_refused_as_the_clock_leaps(doctored)

    assert violations(doctored) == {rule: [] for rule in RULES}


def test_a_second_token_that_died_unnoticed_with_another_provider_excuses_a_refusal() -> None:
    doctored = history()
    twice_refused_with_a_token_of_another_provider(doctored)

    assert violations(doctored) == {rule: [] for rule in RULES}


def test_a_token_of_another_provider_need_not_be_at_hand() -> None:
    doctored = history()
    a_token_all_along_elsewhere(doctored)

    assert violations(doctored) == {rule: [] for rule in RULES}


def test_a_token_that_works_for_a_call_that_began_before_may_be_gone() -> None:
    doctored = history()
    doctored.calls[-1] = answered("last", 5.09)
    a_token_all_along(doctored)

    assert violations(doctored)["none failed while a token was at hand"] == []


def test_every_rule_has_a_history_that_breaks_it() -> None:
    assert {rule for _, rule, _ in BREAKS} == RULES.keys()


def test_tokens_are_numbered_in_the_order_of_their_first_use() -> None:
    assert numbered(["b", None, "a", "b", "c"]) == [1, None, 2, 1, 3]

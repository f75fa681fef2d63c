from __future__ import annotations

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prio_middleware.middleware.revocation.memory import (
    CODES_LIMIT,
    DENIAL,
    HISTORY,
    KINDS_LIMIT,
    LONGEST_DENIAL,
    OFTEN,
    ORIGINS_LIMIT,
    PATHS_LIMIT,
    TEMPLATES_LIMIT,
    TEXT_LIMIT,
    EndpointKey,
    PathTemplates,
    RefusalMemory,
    text_length,
)
from prio_middleware.middleware.revocation.renewal_limiter import LIMIT, RESERVE, UNKNOWN_LIMIT, WINDOW, RenewalLimiter

from .references import References, Text

CODE = "403 AUTHORIZATION_FAILURE"


def endpoint(path: str = "/a") -> EndpointKey:
    return EndpointKey(None, "GET", "api.example.com", path)


A, B, C = endpoint("/a"), endpoint("/b"), endpoint("/c")


def refuse(memory: RefusalMemory, where: EndpointKey, serial: int, now: float = 0.0, *, retried: bool = False) -> bool:
    return memory.judge_refusal(where, CODE, serial, now, retried=retried)


def renew_without_success(memory: RefusalMemory, where: EndpointKey, serial: int, now: float = 0.0) -> None:
    assert refuse(memory, where, serial, now)
    assert not refuse(memory, where, serial + 1, now, retried=True)


def would_try(memory: RefusalMemory, where: EndpointKey, serial: int, now: float = 0.0) -> bool:
    """Return the verdict of a copy of the memory."""
    return refuse(copy.deepcopy(memory), where, serial, now)


@pytest.fixture
def memory() -> RefusalMemory:
    return RefusalMemory()


def test_the_first_refusal_is_worth_a_new_token(memory: RefusalMemory) -> None:
    assert refuse(memory, A, 1)


def test_a_retry_is_never_followed_by_another(memory: RefusalMemory) -> None:
    memory.record_success(A, 1)
    renew_without_success(memory, A, 1)


def test_a_request_rejected_with_a_replaced_token_is_retried_without_a_renewal(memory: RefusalMemory) -> None:
    refuse(memory, A, 1)
    assert all(refuse(memory, endpoint(f"/{n}"), 1) for n in range(1000))


@pytest.mark.pitfall(id="always-forbidden")
def test_a_path_that_never_answered_is_not_tried_again_once_a_new_token_did_not_help(memory: RefusalMemory) -> None:
    renew_without_success(memory, A, 1)
    assert not refuse(memory, A, 1, 1.0)
    assert not refuse(memory, A, 2, DENIAL - 1)


def test_a_path_without_answers_is_not_retried_after_a_newer_token_of_another_path(memory: RefusalMemory) -> None:
    refuse(memory, B, 1)
    assert not refuse(memory, A, 2)
    assert not refuse(memory, A, 3, WINDOW)
    assert not refuse(memory, A, 3, WINDOW + DENIAL - 1)


def test_after_a_while_it_gets_another_chance(memory: RefusalMemory) -> None:
    renew_without_success(memory, A, 1)
    assert refuse(memory, A, 2, DENIAL)


def test_every_further_denial_holds_twice_as_long_within_limits(memory: RefusalMemory) -> None:
    now, held = 0.0, []
    for serial in range(1, 8):
        renew_without_success(memory, A, serial, now)
        denied = now
        while not would_try(memory, A, serial + 1, now):
            now += DENIAL / 2
        held.append(now - denied)
    assert held == [DENIAL, 2 * DENIAL, 4 * DENIAL, 8 * DENIAL, LONGEST_DENIAL, LONGEST_DENIAL, LONGEST_DENIAL]


def test_a_thousand_calls_that_are_denied_with_one_token_count_once(memory: RefusalMemory) -> None:
    refuse(memory, A, 1)
    for _ in range(1000):
        refuse(memory, A, 2, retried=True)
    assert refuse(memory, A, 2, DENIAL)


def test_a_path_that_answers_is_known_at_once(memory: RefusalMemory) -> None:
    renew_without_success(memory, A, 1)
    memory.record_success(A, 2)
    assert refuse(memory, A, 2, 1.0)


def test_a_known_path_is_worth_a_renewal_though_unknown_ones_had_theirs(memory: RefusalMemory) -> None:
    memory.record_success(A, 1)
    assert refuse(memory, B, 1)
    assert not refuse(memory, C, 2)
    assert refuse(memory, A, 2)


def test_a_known_path_is_trusted_until_two_new_tokens_did_not_help(memory: RefusalMemory) -> None:
    memory.record_success(A, 1)
    renew_without_success(memory, A, 1)
    renew_without_success(memory, A, 2, 1.0)
    assert not refuse(memory, A, 3, 2.0)
    assert refuse(memory, A, 3, 1.0 + DENIAL)


def test_a_distrusted_path_still_gets_the_token_that_others_asked_for(memory: RefusalMemory) -> None:
    for serial in (1, 2):
        memory.record_success(A, serial)
        renew_without_success(memory, A, serial)
    memory.record_success(B, 3)
    assert not refuse(memory, A, 3, 1.0)
    assert refuse(memory, B, 3, 1.0)
    assert refuse(memory, A, 3, 1.0)


def test_a_retry_that_succeeds_clears_the_path_that_asked_for_the_token(memory: RefusalMemory) -> None:
    memory.record_success(A, 1)
    for serial in (1, 3):
        renew_without_success(memory, A, serial)
        memory.record_success(A, serial + 2, retried=True)
    assert refuse(memory, A, 5)


@pytest.mark.pitfall(id="paths-with-ids")
def test_a_retry_that_succeeds_clears_no_other_path(memory: RefusalMemory) -> None:
    for serial in (1, 2):
        memory.record_success(A, serial)
        renew_without_success(memory, A, serial)
    memory.record_success(B, 3)
    assert refuse(memory, B, 3, 1.0)
    assert refuse(memory, A, 3, 1.0)
    memory.record_success(A, 4, retried=True)
    assert not refuse(memory, A, 4, 2.0)


def test_error_codes_are_denied_one_by_one(memory: RefusalMemory) -> None:
    for serial in (1, 2):
        memory.record_success(A, serial)
        renew_without_success(memory, A, serial)
    memory.record_success(A, 3)
    assert not refuse(memory, A, 3, 1.0)
    assert memory.judge_refusal(A, "401 EXPIRED", 3, 1.0)


@pytest.mark.parametrize("other", [{"method": "POST"}, {"origin": "other.example"}, {"kind": "scope"}])
def test_method_origin_and_kind_make_another_endpoint(memory: RefusalMemory, other: dict[str, str]) -> None:
    renew_without_success(memory, A, 1)
    memory.record_success(B, 2, retried=True)
    assert not refuse(memory, A, 2, 1.0)
    memory.record_success(B._replace(**other), 2)
    assert refuse(memory, A._replace(**other), 2, WINDOW + 1.0)


@pytest.mark.parametrize("other", [{"method": "POST"}, {"origin": "other.example"}, {"kind": "scope"}])
def test_method_origin_and_kind_make_another_template(memory: RefusalMemory, other: dict[str, str]) -> None:
    memory.record_success(endpoint("/orders/1")._replace(**other), 1)
    renew_without_success(memory, B, 1)
    assert not refuse(memory, endpoint("/orders/2"), 2)


def test_a_new_path_of_another_origin_is_worth_a_renewal(memory: RefusalMemory) -> None:
    renew_without_success(memory, A, 1)
    assert not refuse(memory, B, 2)
    assert refuse(memory, A._replace(origin="other.example"), 2)


def test_an_origin_that_refuses_a_token_which_works_elsewhere_has_two_renewals(memory: RefusalMemory) -> None:
    for where in (A, B, C):
        memory.record_success(where, 1)
    renew_without_success(memory, A, 1)
    memory.record_success(B, 2)
    renew_without_success(memory, B, 2)
    memory.record_success(A._replace(origin="other.example"), 3)
    assert not refuse(memory, C, 3)


def test_an_origin_that_was_forgotten_has_not_worked_with_the_first_token(memory: RefusalMemory) -> None:
    memory.record_success(A, 1)
    for n in range(ORIGINS_LIMIT):
        memory.record_success(B._replace(origin=f"{n}.example"), 1)
    for serial, kind in enumerate(("one", "other"), 2):
        assert refuse(memory, B._replace(kind=kind), serial)
    assert not refuse(memory, A, 1)


def test_a_replaced_token_causes_no_renewal_after_the_window_either(memory: RefusalMemory) -> None:
    one, other = (B._replace(kind=kind) for kind in ("one", "other"))
    assert refuse(memory, A, 1)
    assert refuse(memory, one, 2, WINDOW)
    assert refuse(memory, B, 1, WINDOW)
    assert refuse(memory, other, 3, WINDOW), "the second renewal of this window"


# Paths with ids.


@pytest.mark.pitfall(id="paths-with-ids")
def test_a_new_path_of_a_known_template_is_known(memory: RefusalMemory) -> None:
    memory.record_success(endpoint("/orders/1"), 1)
    renew_without_success(memory, B, 1)
    assert not refuse(memory, endpoint("/invoices/2"), 2)
    assert refuse(memory, endpoint("/orders/2"), 2)


@pytest.mark.pitfall(id="paths-with-ids")
def test_denials_are_by_full_path(memory: RefusalMemory) -> None:
    memory.record_success(endpoint("/orders/1"), 1)
    renew_without_success(memory, endpoint("/orders/2"), 1)
    for _ in range(100):
        memory.record_success(endpoint("/orders/1"), 2)
    assert not refuse(memory, endpoint("/orders/2"), 2, 1.0)
    assert refuse(memory, endpoint("/orders/1"), 2, 1.0)


def test_a_template_of_which_many_paths_are_closed_vouches_for_no_new_one(memory: RefusalMemory) -> None:
    renew_without_success(memory, endpoint("/unknown"), 1)
    for n in range(50):
        memory.record_success(endpoint(f"/orders/{n}"), 2)
    for n in range(100, 110):
        refuse(memory, endpoint(f"/orders/{n}"), 2, retried=True)
    assert not refuse(memory, endpoint("/orders/200"), 2)
    for n in range(50, 1000):
        memory.record_success(endpoint(f"/orders/{n}"), 2)
    assert refuse(memory, endpoint("/orders/201"), 2)


@pytest.mark.parametrize(("successes", "verdict"), [(28, True), (27, False)])
def test_a_template_is_trusted_up_to_one_refusal_in_twenty(memory: RefusalMemory, successes: int, verdict: bool) -> None:
    renew_without_success(memory, endpoint("/unknown"), 1)
    for n in range(successes):
        memory.record_success(endpoint(f"/orders/{n}"), 2)
    refuse(memory, endpoint("/orders/100"), 2, retried=True)
    assert refuse(memory, endpoint("/orders/200"), 2) is verdict


def test_templates_may_be_declared() -> None:
    memory = RefusalMemory(templates=PathTemplates(["/products/{product}"]))
    memory.record_success(endpoint("/products/zoo"), 1)
    renew_without_success(memory, B, 1)
    assert refuse(memory, endpoint("/products/museum"), 2)


# Explicit refusals.


@pytest.mark.pitfall(id="paths-with-ids")
def test_a_token_that_is_called_invalid_is_renewed_though_the_path_is_new(memory: RefusalMemory) -> None:
    renew_without_success(memory, A, 1)
    assert not would_try(memory, B, 2)
    assert memory.judge_refusal(B, "401 invalid_token", 2, 0.0, explicit=True)


def test_a_retry_that_is_refused_for_another_reason_shows_that_the_renewal_helped(memory: RefusalMemory) -> None:
    for serial in range(1, 10):
        path = endpoint(f"/{'abcdefghij'[serial]}")
        assert memory.judge_refusal(path, "401 invalid_token", serial, 0.0, explicit=True)
        assert not refuse(memory, path, serial + 1, retried=True)


def test_a_renewal_that_helped_leaves_the_next_new_path_its_own(memory: RefusalMemory) -> None:
    assert memory.judge_refusal(A, "401 invalid_token", 1, 0.0, explicit=True)
    assert not refuse(memory, A, 2, retried=True)
    assert refuse(memory, B, 2)


def test_a_retry_with_the_token_that_is_called_invalid_shows_no_help(memory: RefusalMemory) -> None:
    for serial, path in ((1, A), (2, B)):
        assert memory.judge_refusal(path, "401 invalid_token", serial, 0.0, explicit=True)
        assert not memory.judge_refusal(path, "401 invalid_token", serial + 1, 0.0, explicit=True, retried=True)
    assert not memory.judge_refusal(C, "401 invalid_token", 3, 0.0, explicit=True)
    assert not refuse(memory, C, 3, retried=True)
    assert not memory.judge_refusal(endpoint("/d"), "401 invalid_token", 3, 0.0, explicit=True)


def test_a_retry_that_is_called_invalid_shows_that_the_renewal_did_not_help(memory: RefusalMemory) -> None:
    renewed = 0
    for serial in range(1, 10):
        path = endpoint(f"/{'abcdefghij'[serial]}")
        if memory.judge_refusal(path, "401 invalid_token", renewed + 1, 0.0, explicit=True):
            renewed += 1
            memory.judge_refusal(path, "401 invalid_token", renewed + 1, 0.0, explicit=True, retried=True)
    assert renewed == UNKNOWN_LIMIT


# Evidence.


def spend_all(memory: RefusalMemory, serial: int) -> int:
    """Renew without success up to the limit, for known paths that start to refuse. Return the current serial."""
    for _ in range(LIMIT):
        odd = endpoint(f"/odd/{'abcdefghij'[serial]}")
        memory.record_success(odd, serial)
        renew_without_success(memory, odd, serial)
        serial += 1
    return serial


def answer(memory: RefusalMemory, where: EndpointKey, serial: int, times: int) -> None:
    for _ in range(times):
        memory.record_success(where, serial)


def tries_until_renewed(memory: RefusalMemory, where: EndpointKey, serial: int, most: int = 100) -> int:
    return next((n for n in range(1, most) if refuse(memory, where, serial)), most)


def tries_at_new_paths(memory: RefusalMemory, serial: int, now: float = 0.0, most: int = 100) -> int:
    return next((n for n in range(1, most) if refuse(memory, endpoint(f"/closed/{letters(n)}"), serial, now)), most)


@pytest.mark.pitfall(id="paths-with-ids")
def test_a_path_that_answers_often_notices_a_revocation_though_odd_ones_had_all_renewals(memory: RefusalMemory) -> None:
    serial = spend_all(memory, 1)
    answer(memory, A, serial, 200)
    assert tries_until_renewed(memory, A, serial) <= 3
    memory.record_success(A, serial + 1, retried=True)
    answer(memory, A, serial + 1, 200)
    assert tries_until_renewed(memory, A, serial + 1) <= 3


def test_a_path_that_did_not_answer_the_token_is_no_evidence_if_others_did(memory: RefusalMemory) -> None:
    answer(memory, A, 1, 200)
    serial = spend_all(memory, 2)
    answer(memory, B, serial, 1)
    assert tries_until_renewed(memory, A, serial) == 100


def test_a_path_notices_a_token_that_was_dead_on_arrival(memory: RefusalMemory) -> None:
    answer(memory, A, 1, 200)
    serial = spend_all(memory, 1)
    assert tries_until_renewed(memory, A, serial) <= 3


def test_a_path_with_few_answers_notices_no_revocation(memory: RefusalMemory) -> None:
    serial = spend_all(memory, 1)
    answer(memory, A, serial, OFTEN - 1)
    assert tries_until_renewed(memory, A, serial) == 100


def test_answers_in_between_take_the_evidence_away(memory: RefusalMemory) -> None:
    serial = spend_all(memory, 1)
    answer(memory, A, serial, 200)
    for _ in range(50):
        assert not refuse(memory, A, serial)
        answer(memory, A, serial, 10)


def test_the_more_often_an_endpoint_refuses_the_less_its_refusals_say(memory: RefusalMemory) -> None:
    serial = spend_all(memory, 1)
    for _ in range(50):
        answer(memory, A, serial, 4)
        refuse(memory, A, serial)
    assert 5 < tries_until_renewed(memory, A, serial) < 20


def test_where_nothing_ever_succeeded_no_run_of_refusals_is_long_enough(memory: RefusalMemory) -> None:
    renew_without_success(memory, A, 1)
    assert not any(refuse(memory, endpoint(f"/closed/{n}/x"), 2) for n in range(1000))


def test_a_run_of_unknown_paths_is_when_answers_that_were_due_stay_away(memory: RefusalMemory) -> None:
    renew_without_success(memory, A, 1)
    answer(memory, B, 2, 500)
    names = (endpoint(f"/closed/{a}{b}") for a in "abcdefgh" for b in "abcdefgh")
    tries = next(n for n, name in enumerate(names, 1) if refuse(memory, name, 2))
    assert 2 < tries < 10


@pytest.mark.parametrize(("answers", "own", "template", "elsewhere"), [(10, 10, 13, 15), (30, 5, 6, 7), (100, 4, 5, 4)])
def test_refusals_until_a_renewal_by_the_number_of_answers(answers: int, own: int, template: int, elsewhere: int) -> None:
    """The more answers, the fewer refusals are needed: of one path, of paths of one template, and of new paths."""
    memory = RefusalMemory()
    serial = spend_all(memory, 1)
    answer(memory, A, serial, answers)
    assert tries_until_renewed(memory, A, serial) == own

    memory = RefusalMemory()
    serial = spend_all(memory, 1)
    for n in range(answers):
        memory.record_success(endpoint(f"/orders/{n}"), serial)
    assert tries_until_renewed(memory, endpoint("/orders/0"), serial) == template

    memory = RefusalMemory()
    renew_without_success(memory, A, 1)
    answer(memory, B, 2, answers)
    assert tries_at_new_paths(memory, 2) == elsewhere


@pytest.mark.parametrize(("answers", "refusals"), [(HISTORY // 2, 21), (HISTORY, 11), (2 * HISTORY, 6), (3 * HISTORY, 4)])
def test_refusals_until_a_renewal_by_the_number_of_answers_after_many_refusals(answers: int, refusals: int) -> None:
    memory = RefusalMemory()
    renew_without_success(memory, A, 1)
    for _ in range(2 * HISTORY):
        refuse(memory, endpoint("/closed"), 2)
    answer(memory, B, 2, answers)
    assert tries_at_new_paths(memory, 2) == refusals


@pytest.mark.parametrize(("answers", "refusals"), [(10, 10), (100, 4)])
def test_no_evidence_is_left_after_a_renewal(answers: int, refusals: int) -> None:
    memory = RefusalMemory()
    answer(memory, A, 1, answers)
    serial = spend_all(memory, 1)
    assert tries_until_renewed(memory, A, serial) == refusals


def test_refusals_of_a_known_path_leave_the_base_rate_of_new_paths_as_it_is() -> None:
    tries = []
    for refusals in (0, 30):
        memory = RefusalMemory()
        serial = spend_all(memory, 1)
        answer(memory, A, serial, 2)
        for _ in range(refusals):
            refuse(memory, A, serial)
        answer(memory, A, serial, 98)
        renew_without_success(memory, B, serial, WINDOW)
        tries.append(tries_at_new_paths(memory, serial + 1, WINDOW))
    assert tries[0] == tries[1] < 10


def test_old_answers_count_less_than_new_ones(memory: RefusalMemory) -> None:
    renew_without_success(memory, A, 1)
    for _ in range(4 * HISTORY):
        refuse(memory, endpoint("/closed"), 2)
    answer(memory, B, 2, 2 * HISTORY)
    names = (endpoint(f"/closed/{a}{b}") for a in "abcdefgh" for b in "abcdefgh")
    assert any(refuse(memory, name, 2) for name in names)


def test_an_answer_to_a_token_given_up_says_nothing_of_the_one_in_use(memory: RefusalMemory) -> None:
    answer(memory, A, 1, 500)
    assert refuse(memory, A, 1)
    memory.record_success(A, 2, retried=True)
    serial = 2 + LIMIT
    assert spend_all(memory, 2) == serial
    answer(memory, A, serial, 100)
    tried = []
    for _ in range(3):
        tried.append(refuse(memory, A, serial))
        answer(memory, A, serial - 1, 10)
    assert tried[-1]


# Limits of the memory.


class Value:
    """A kind of tokens, or an origin."""


def use_other_paths(memory: RefusalMemory) -> None:
    """Evict all paths and templates from the memory."""
    for n in range(PATHS_LIMIT):
        memory.record_success(endpoint(f"/other/{letters(n)}"), 1)


def letters(number: int) -> str:
    """Write a number so that it does not look like an id."""
    return "".join("abcdefghij"[int(digit)] for digit in str(number))


def test_paths_are_bounded(memory: RefusalMemory) -> None:
    paths = References()
    for n in range(PATHS_LIMIT + 50):
        memory.record_success(endpoint(paths.add(Text(f"/{n}"))), 1)
    assert paths.count() == PATHS_LIMIT


def test_templates_are_bounded() -> None:
    templates = References()

    class Templates(PathTemplates):
        def of(self, path: str) -> str:
            return templates.add(Text(path))

    memory = RefusalMemory(templates=Templates())
    for n in range(TEMPLATES_LIMIT + 50):
        memory.record_success(endpoint(f"/{n}"), 1)
    assert templates.count() == TEMPLATES_LIMIT


def test_kinds_are_bounded(memory: RefusalMemory) -> None:
    kinds = References()
    for _ in range(KINDS_LIMIT + 50):
        memory.record_success(A._replace(kind=kinds.add(Value())), 1)
    use_other_paths(memory)
    assert kinds.count() == KINDS_LIMIT - 1, "one is that of the other paths"


def test_the_length_of_a_key_is_that_of_its_texts() -> None:
    assert text_length((None, 443, "ab", ("c", b"d"))) == 4


def test_origins_are_bounded(memory: RefusalMemory) -> None:
    origins = References()
    for _ in range(ORIGINS_LIMIT + 50):
        memory.record_success(A._replace(origin=origins.add(Value())), 1)
    use_other_paths(memory)
    assert origins.count() == ORIGINS_LIMIT - 1, "one is that of the other paths"


def test_codes_are_bounded(memory: RefusalMemory) -> None:
    codes = References()
    for n in range(3 * CODES_LIMIT):
        memory.judge_refusal(A, codes.add(Text(n)), 1, 0.0)
    assert codes.count() == CODES_LIMIT


def test_of_a_long_path_only_the_beginning_is_kept(memory: RefusalMemory) -> None:
    paths = References()
    long = Text("/x" * TEXT_LIMIT)
    memory.record_success(endpoint(paths.add(long)), 1)
    assert refuse(memory, endpoint(long), 1)
    del long
    assert paths.count() == 0


def test_long_paths_are_told_apart(memory: RefusalMemory) -> None:
    long, other = (endpoint("/x" * TEXT_LIMIT + end) for end in "ab")
    memory.record_success(long, 1)
    renew_without_success(memory, B, 1)
    assert not refuse(memory, other, 2)
    assert refuse(memory, long, 2)


def test_the_paths_in_use_are_the_ones_remembered(memory: RefusalMemory) -> None:
    for n in range(PATHS_LIMIT + 50):
        memory.record_success(endpoint(f"/x/{n}y"), 1)
        memory.record_success(A, 1)
    refuse(memory, B, 1)
    refuse(memory, C, 2)
    assert refuse(memory, A, 2)


def test_a_token_that_another_memory_gave_up_is_renewed_already() -> None:
    limiter = RenewalLimiter()
    memories = [RefusalMemory(limiter) for _ in range(10)]
    assert all(refuse(memory, A, 1) for memory in memories)
    assert [refuse(RefusalMemory(limiter), B, serial) for serial in (2, 3)] == [True, False], "all of them cost one renewal"


def test_memories_that_share_a_limiter_share_its_limits_and_nothing_else() -> None:
    limiter = RenewalLimiter()
    one, other = RefusalMemory(limiter), RefusalMemory(limiter)
    assert refuse(one, A, 1)
    assert refuse(other, A, 2)
    other.record_success(A, 3, retried=True)
    assert not refuse(one, B, 4), "the other's renewal helped, and not this one's"


# Properties for any sequence of events.

Call = tuple[int, int, bool, bool, float]
calls = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 2), st.booleans(), st.booleans(), st.floats(0, 40)),
    max_size=300,
)


@settings(deadline=None)
@given(calls=calls)
def test_whatever_the_server_answers_few_renewals_are_unsuccessful(calls: list[Call]) -> None:
    """Play random successes and refusals of a client with its newest token."""
    memory, serial, now = RefusalMemory(), 1, 0.0
    lost: list[float] = []
    for where, code, answered, explicit, pause in calls:
        now += pause
        key = endpoint(f"/{where}")
        if answered:
            memory.record_success(key, serial)
        elif memory.judge_refusal(key, str(code), serial, now, explicit=explicit):
            serial += 1
            lost.append(now)
            assert not memory.judge_refusal(key, str(code), serial, now, explicit=explicit, retried=True)
    for first in lost:
        assert sum(first <= at < first + WINDOW for at in lost) <= LIMIT + RESERVE


@settings(deadline=None)
@given(paths=st.lists(st.integers(0, 400), max_size=400), allowed=st.sets(st.integers(0, 400)))
def test_paths_that_are_always_closed_cost_two_tokens_in_a_window(paths: list[int], allowed: set[int]) -> None:
    memory, serial, renewals, denied = RefusalMemory(), 1, 0, set()
    for path in paths:
        if path in allowed:
            memory.record_success(endpoint(f"/open/{path}"), serial)
        elif refuse(memory, endpoint(f"/closed/{path}"), serial):
            assert path not in denied
            serial, renewals = serial + 1, renewals + 1
            refuse(memory, endpoint(f"/closed/{path}"), serial, retried=True)
            denied.add(path)
    assert renewals <= UNKNOWN_LIMIT


@settings(deadline=None)
@given(
    known=st.sets(st.integers(0, 20), min_size=1), noise=st.lists(st.integers(0, 100)), which=st.randoms(use_true_random=False)
)
def test_a_path_that_answered_notices_a_revocation_through_any_noise(known: set[int], noise: list[int], which: object) -> None:
    memory, serial = RefusalMemory(), 1
    for path in known:
        memory.record_success(endpoint(f"/open/{path}"), serial)
    for path in noise:
        if refuse(memory, endpoint(f"/closed/{path}"), serial):
            serial += 1
            refuse(memory, endpoint(f"/closed/{path}"), serial, retried=True)
    for path in known:
        assert refuse(memory, endpoint(f"/open/{path}"), serial, 1.0)

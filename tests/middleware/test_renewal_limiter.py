from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest

from prio_middleware import ClientCredentialsProvider, ClientSecretBasic, Secret, StaticTokenProvider, TokenEndpoint
from prio_middleware.middleware.revocation import renewal_limiter
from prio_middleware.middleware.revocation.renewal_limiter import (
    LIKELY_PROOF,
    LIMIT,
    LIMITERS_LIMIT,
    ORIGIN_LIMIT,
    PROOF,
    RENEWALS_KEPT,
    REPEATED_LIMIT,
    RESERVE,
    UNKNOWN_LIMIT,
    WINDOW,
    Candidate,
    Confidence,
    ProcessLimiter,
    RenewalLimiter,
    limiter_of,
    limiter_of_provider,
)

from .references import References


class Kind:
    """A kind of tokens."""


def known(serial: int, **changes: Any) -> Candidate:
    """Return a candidate that was refused by a known endpoint, at an origin where it works."""
    candidate = Candidate("k", serial, "o", "e", Confidence.KNOWN, token_works=True, origin_works=True)
    return candidate._replace(**changes)


def unknown(serial: int, **changes: Any) -> Candidate:
    return known(serial, **{"confidence": Confidence.UNKNOWN, **changes})


@pytest.fixture
def limiter() -> RenewalLimiter:
    return RenewalLimiter()


def allowed(limiter: RenewalLimiter, *candidates: Candidate, now: float = 0.0) -> list[bool]:
    return [limiter.allow(candidate, now) for candidate in candidates]


def test_three_renewals_may_be_unsuccessful_and_more_in_the_next_window(limiter: RenewalLimiter) -> None:
    assert allowed(limiter, *map(known, range(1, 9))) == [True] * LIMIT + [False] * (8 - LIMIT)
    assert allowed(limiter, known(4), now=WINDOW - 1) == [False]
    assert allowed(limiter, known(4), now=WINDOW) == [True]


@pytest.mark.parametrize("proof", [{"evidence": PROOF}, {"succeeds_often": True, "evidence": PROOF - 0.1}])
def test_the_reserve_takes_an_endpoint_that_succeeds_often_and_proof(limiter: RenewalLimiter, proof: dict[str, Any]) -> None:
    allowed(limiter, *map(known, range(1, 4)))
    assert allowed(limiter, known(4, **proof)) == [False]
    often = {"succeeds_often": True, "evidence": PROOF}
    assert allowed(limiter, known(4, **often), known(5, **often)) == [True, False]
    assert RESERVE == 1


@pytest.mark.parametrize("confidence", [Confidence.LIKELY, Confidence.EXPLICIT])
def test_unknown_paths_leave_one_renewal_for_known_ones(limiter: RenewalLimiter, confidence: Confidence) -> None:
    strong = [known(serial, confidence=confidence) for serial in range(1, 5)]
    assert allowed(limiter, *strong) == [True] * UNKNOWN_LIMIT + [False] * (4 - UNKNOWN_LIMIT)
    assert allowed(limiter, known(3)) == [True]


def test_the_first_refusal_at_an_unknown_endpoint_is_worth_a_renewal_and_the_next_when_answers_are_overdue(
    limiter: RenewalLimiter,
) -> None:
    assert allowed(limiter, unknown(1), unknown(2), unknown(2, evidence=PROOF - 0.1)) == [True, False, False]
    assert allowed(limiter, unknown(2, evidence=PROOF), unknown(3, evidence=PROOF)) == [True, False]


@pytest.mark.parametrize("other", [{"kind": "other"}, {"origin": "other"}])
def test_the_first_refusal_of_another_kind_or_origin_is_worth_a_renewal(limiter: RenewalLimiter, other: dict[str, Any]) -> None:
    assert allowed(limiter, unknown(1), unknown(2, **other), unknown(3, kind="third")) == [True, True, False]


@pytest.mark.parametrize(
    "strong",
    [
        {"confidence": Confidence.EXPLICIT},
        {"confidence": Confidence.LIKELY},
        {"confidence": Confidence.UNKNOWN, "succeeds_often": True},
        {"confidence": Confidence.DISTRUSTED, "succeeds_often": True},
    ],
)
def test_with_proof_an_unknown_path_has_the_third_if_something_speaks_for_it(
    limiter: RenewalLimiter, strong: dict[str, Any]
) -> None:
    allowed(limiter, unknown(1), unknown(2, evidence=PROOF))
    candidate = known(3, **strong)
    assert allowed(limiter, candidate, unknown(3, evidence=PROOF)) == [False, False]
    assert allowed(limiter, candidate._replace(evidence=PROOF)) == [True]


def test_a_template_that_succeeds_often_has_the_third_with_less_evidence(limiter: RenewalLimiter) -> None:
    allowed(limiter, unknown(1), unknown(2, evidence=PROOF))
    likely = known(3, confidence=Confidence.LIKELY, succeeds_often=True, evidence=LIKELY_PROOF)
    others: list[dict[str, Any]] = [
        {"evidence": LIKELY_PROOF - 0.1},
        {"succeeds_often": False},
        {"confidence": Confidence.EXPLICIT},
        {"confidence": Confidence.DISTRUSTED},
    ]
    assert allowed(limiter, *(likely._replace(**other) for other in others)) == [False] * len(others)
    assert allowed(limiter, likely, likely._replace(serial=4)) == [True, False]


def test_a_distrusted_endpoint_is_worth_one_only_when_answers_are_overdue(limiter: RenewalLimiter) -> None:
    distrusted = known(1, confidence=Confidence.DISTRUSTED)
    assert allowed(limiter, distrusted, distrusted._replace(evidence=PROOF)) == [False, True]


def test_an_origin_that_never_answered_has_two(limiter: RenewalLimiter) -> None:
    odd = [known(n, origin="odd", origin_works=False, token_works=False) for n in range(1, 5)]
    assert allowed(limiter, *odd) == [True] * ORIGIN_LIMIT + [False] * (4 - ORIGIN_LIMIT)
    assert allowed(limiter, known(3)) == [True]


def test_an_origin_that_refuses_tokens_which_answer_elsewhere_has_two_in_all(limiter: RenewalLimiter) -> None:
    worked = known(1, origin="odd")
    refused = [known(n, origin="odd", origin_works=False) for n in (2, 3)]
    assert allowed(limiter, worked, *refused) == [True, True, False]


def test_a_token_that_was_dead_when_it_came_is_not_held_against_the_origin(limiter: RenewalLimiter) -> None:
    worked = [known(n) for n in (1, 2)]
    dead = known(3, origin_works=False, token_works=False)
    assert allowed(limiter, *worked, dead) == [True] * 3


def test_a_successful_renewal_does_not_count(limiter: RenewalLimiter) -> None:
    for serial in range(1, 2 * LIMIT):
        assert limiter.allow(known(serial, endpoint=serial), 0.0)
        assert limiter.record_help("k", serial + 1) == serial
    assert not limiter.allow(known(9, confidence=Confidence.DISTRUSTED), 0.0)


def test_a_server_that_refuses_at_random_causes_few_renewals(limiter: RenewalLimiter) -> None:
    outcomes = []
    for serial in range(1, 2 * REPEATED_LIMIT):
        outcomes.append(limiter.allow(known(serial), 0.0))
        limiter.record_help("k", serial + 1)
    assert outcomes == [True] * (1 + REPEATED_LIMIT) + [False] * (REPEATED_LIMIT - 2)
    assert limiter.allow(known(1, kind="other"), 0.0)


@pytest.mark.parametrize("serial", [1, 2])
def test_an_answer_to_the_token_that_was_given_up_or_an_older_one_is_no_help(limiter: RenewalLimiter, serial: int) -> None:
    limiter.allow(unknown(2), 0.0)
    assert limiter.record_help("k", serial) is None
    assert not limiter.allow(unknown(3), 0.0)


def test_an_answer_to_a_token_of_another_kind_is_no_help(limiter: RenewalLimiter) -> None:
    limiter.allow(unknown(1), 0.0)
    assert limiter.record_help("other", 2) is None


def test_only_the_newest_renewal_can_be_successful(limiter: RenewalLimiter) -> None:
    allowed(limiter, unknown(1), known(2))
    for _ in range(3):
        limiter.record_help("k", 3)
    assert not limiter.allow(unknown(3), 0.0)


def test_when_all_kinds_were_revoked_each_successful_renewal_allows_another_kind(limiter: RenewalLimiter) -> None:
    waiting = set(range(100))
    rounds = []
    while waiting:
        renewed = {kind for kind in waiting if limiter.allow(known(1, kind=kind), 0.0)}
        waiting -= renewed
        rounds.append(len(renewed))
        for kind in renewed:
            limiter.record_help(kind, 2)
    assert rounds[0] == LIMIT
    assert len(rounds) < 7


def test_a_successful_renewal_is_no_credit_for_a_kind_that_was_renewed_already(limiter: RenewalLimiter) -> None:
    for kind in range(LIMIT):
        limiter.allow(known(1, kind=kind), 0.0)
        limiter.record_help(kind, 2)
    assert allowed(limiter, *(known(n, kind=0) for n in range(2, 7))) == [True] * LIMIT + [False] * 2


def test_the_reserve_is_counted_after_the_credit_of_renewals_that_helped(limiter: RenewalLimiter) -> None:
    allowed(limiter, known(1, kind="helped"))
    limiter.record_help("helped", 2)
    assert allowed(limiter, *(known(1, kind=kind) for kind in range(LIMIT + 2))) == [True] * (LIMIT + 1) + [False]
    assert allowed(limiter, known(1, kind="proven", succeeds_often=True, evidence=PROOF)) == [True]


def test_the_memory_is_bounded_and_denials_are_kept_longest(limiter: RenewalLimiter) -> None:
    limiter.allow(unknown(1, kind="spent"), 0.0)
    kinds, counts = References(), []
    for _ in range(RENEWALS_KEPT + 50):
        kind = kinds.add(Kind())
        limiter.allow(known(1, kind=kind), 0.0)
        limiter.record_help(kind, 2)
        counts.append(kinds.count())
    assert max(counts) == RENEWALS_KEPT - 1, "one is the spent one"
    assert not limiter.allow(unknown(2, kind="spent"), 0.0)


def test_the_same_credentials_share_a_limiter() -> None:
    one = limiter_of("https://a.example/token", "shop")
    assert limiter_of("https://a.example/token", "shop") is one
    assert limiter_of("https://a.example/token", "other") is not one
    assert limiter_of("https://b.example/token", "shop") is not one
    limiters = References()
    for n in range(LIMITERS_LIMIT + 10):
        limiters.add(limiter_of("https://a.example/token", str(n)))
    assert limiters.count() == LIMITERS_LIMIT
    oldest = limiter_of("https://a.example/token", "10")
    assert limiter_of("https://a.example/token", "10") is oldest
    assert limiters.count() == LIMITERS_LIMIT, "a known one takes no place"
    assert limiter_of("https://a.example/token", "shop") is not one
    assert limiter_of("https://a.example/token", "10") is not oldest
    del oldest
    renewal_limiter.forget()
    assert limiters.count() == 0


def test_a_provider_shares_the_limiter_of_its_credentials() -> None:
    provider = ClientCredentialsProvider(TokenEndpoint("https://a.example/token", ClientSecretBasic("shop", Secret("secret"))))
    assert limiter_of_provider(provider) is limiter_of("https://a.example/token", "shop")


def test_a_provider_without_known_credentials_has_no_limiter(subtests: pytest.Subtests) -> None:
    auth = SimpleNamespace(client_id="shop")
    for provider in [
        StaticTokenProvider("token"),
        SimpleNamespace(endpoint=None),
        SimpleNamespace(endpoint=SimpleNamespace(url="https://a.example/token")),
        SimpleNamespace(endpoint=SimpleNamespace(url="https://a.example/token", auth=None)),
        SimpleNamespace(endpoint=SimpleNamespace(url="https://a.example/token", auth=SimpleNamespace(client_id=7))),
        SimpleNamespace(endpoint=SimpleNamespace(auth=auth)),
        SimpleNamespace(endpoint=SimpleNamespace(url=None, auth=auth)),
    ]:
        with subtests.test(f"{provider}"):
            assert limiter_of_provider(provider) is None


def test_a_forked_process_has_one_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = ProcessLimiter()
    lock, limiter = shared.of_this_process()
    assert shared.of_this_process() == (lock, limiter)
    pid = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: pid + 1)
    assert shared.of_this_process()[0] is not lock
    assert shared.of_this_process()[1] is not limiter

from __future__ import annotations

import pytest

from prio_middleware.middleware.revocation.rules import PRIO_REFUSALS, RFC6749_REFUSALS, RefusalRules

REFUSALS: list[tuple[RefusalRules, int, str | None, str | None, bool]] = [
    (PRIO_REFUSALS, 401, None, None, True),
    (PRIO_REFUSALS, 401, "ANYTHING", None, True),
    (PRIO_REFUSALS, 403, None, None, True),
    (PRIO_REFUSALS, 403, "AUTHORIZATION_FAILURE", None, True),
    (PRIO_REFUSALS, 403, "insufficient_scope", None, False),
    (PRIO_REFUSALS, 403, "AUTHORIZATION_FAILURE", "insufficient_scope", False),
    (PRIO_REFUSALS, 400, None, None, False),
    (PRIO_REFUSALS, 400, "INVALID_REQUEST", None, False),
    (PRIO_REFUSALS, 400, "INVALID_TOKEN", None, True),
    (PRIO_REFUSALS, 400, "Token_Expired", None, True),
    (PRIO_REFUSALS, 400, "MISSING_TOKEN", None, True),
    (PRIO_REFUSALS, 400, "INVALID_REQUEST", "invalid_token", True),
    (PRIO_REFUSALS, 400, "INVALID_TOKEN", "insufficient_scope", False),
    (PRIO_REFUSALS, 404, "INVALID_TOKEN", "invalid_token", False),
    (PRIO_REFUSALS, 500, None, None, False),
    (RFC6749_REFUSALS, 401, None, None, True),
    (RFC6749_REFUSALS, 401, None, "invalid_token", True),
    (RFC6749_REFUSALS, 401, None, "insufficient_scope", False),
    (RFC6749_REFUSALS, 403, None, None, False),
    (RFC6749_REFUSALS, 403, "access_denied", None, False),
    (RFC6749_REFUSALS, 403, None, "INVALID_TOKEN", True),
    (RFC6749_REFUSALS, 403, "invalid_token", None, True),
    (RFC6749_REFUSALS, 403, "invalid_token", "insufficient_scope", False),
    (RFC6749_REFUSALS, 400, None, None, False),
    (RFC6749_REFUSALS, 400, "invalid_request", None, False),
    (RFC6749_REFUSALS, 400, None, "invalid_token", True),
]


@pytest.mark.pitfall(id="insufficient-scope")
def test_which_refusals_may_be_about_the_token(subtests: pytest.Subtests) -> None:
    for rules, status, code, challenge, about_token in REFUSALS:
        with subtests.test(f"{rules}, {status}, {code}, {challenge}"):
            assert rules.may_reject_token(status, code, challenge) is about_token


def test_custom_rules_ignore_case() -> None:
    rules = RefusalRules({419: frozenset({"Session_Over"})}, never=frozenset({"BANNED"}), always=frozenset({"Stale"}))
    assert rules.may_reject_token(419, "SESSION_OVER")
    assert rules.may_reject_token(419, "stale")
    assert not rules.may_reject_token(419, "stale", "banned")
    assert not rules.may_reject_token(401, "stale")


def test_rules_do_not_change_with_what_they_were_made_from() -> None:
    statuses: dict[int, frozenset[str] | None] = {401: None}
    rules = RefusalRules(statuses)
    statuses[403] = None
    assert rules == RefusalRules({401: None})
    assert not rules.may_reject_token(403)


@pytest.mark.pitfall(id="bare-403")
def test_statuses_may_be_put_over_the_rules_of_a_preset() -> None:
    rules = RFC6749_REFUSALS.over({403: frozenset({"TOKEN_REVOKED"}), 498: None})
    assert rules.may_reject_token(403, "token_revoked")
    assert rules.may_reject_token(403, "invalid_token")
    assert rules.may_reject_token(498)
    assert rules.may_reject_token(401)
    assert not rules.may_reject_token(403)
    assert not rules.may_reject_token(403, "token_revoked", "insufficient_scope")
    assert not RFC6749_REFUSALS.may_reject_token(403, "token_revoked")


def test_codes_that_speak_of_the_token(subtests: pytest.Subtests) -> None:
    for status, codes, speaks in [
        (401, (None, "invalid_token"), True),
        (401, ("INVALID_TOKEN", None), True),
        (401, (None, None), False),
        (401, ("expired", None), False),
        (400, ("token_expired", None), True),
        (404, ("token_expired", None), False),
    ]:
        with subtests.test(f"{status}, {codes}"):
            assert PRIO_REFUSALS.names_token(status, *codes) is speaks


@pytest.mark.pitfall(id="other-schemes")
def test_a_refusal_that_asks_for_other_schemes_is_about_something_else(subtests: pytest.Subtests) -> None:
    for schemes, own, others in [
        (set(), "Bearer", False),
        ({"bearer"}, "Bearer", False),
        ({"basic", "bearer"}, "MAC", False),
        ({"dpop"}, "DPoP", False),
        ({"basic"}, "Bearer", True),
        ({"digest", "negotiate"}, "bearer", True),
    ]:
        with subtests.test(f"{schemes}, {own}"):
            assert RFC6749_REFUSALS.wants_other_scheme(401, frozenset(schemes), own) is others
            assert not RFC6749_REFUSALS.over({401: None}).wants_other_scheme(401, frozenset(schemes), own)

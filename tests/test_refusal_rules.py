from __future__ import annotations

import pytest

from prio_middleware.refusal_rules import PRIO_REFUSALS, RFC6749_REFUSALS, RefusalRules


@pytest.mark.pitfall(id="insufficient-scope")
@pytest.mark.parametrize(
    ("rules", "status", "code", "challenge", "about_token"),
    [
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
    ],
)
def test_which_refusals_may_be_about_the_token(
    rules: RefusalRules, status: int, code: str | None, challenge: str | None, about_token: bool
) -> None:
    assert rules.may_be_about_token(status, code, challenge) is about_token


def test_rules_of_ones_own_are_read_without_regard_to_case() -> None:
    rules = RefusalRules({419: frozenset({"Session_Over"})}, never=frozenset({"BANNED"}), always=frozenset({"Stale"}))
    assert rules.may_be_about_token(419, "SESSION_OVER")
    assert rules.may_be_about_token(419, "stale")
    assert not rules.may_be_about_token(419, "stale", "banned")
    assert not rules.may_be_about_token(401, "stale")


def test_rules_do_not_change_with_what_they_were_made_from() -> None:
    statuses: dict[int, frozenset[str] | None] = {401: None}
    rules = RefusalRules(statuses)
    statuses[403] = None
    assert rules == RefusalRules({401: None})
    assert not rules.may_be_about_token(403)

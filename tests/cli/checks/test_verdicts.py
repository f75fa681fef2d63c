from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from prio_middleware import AccessToken, PrioError, ReauthenticationError, Secret
from prio_middleware.cli.check_probes import CheckStatus, FirstResponse
from prio_middleware.cli.check_verdicts import judge_call, judge_clock, judge_error, judge_settings, judge_tls, judge_token
from prio_middleware.cli.response import ApiMessage
from prio_middleware.cli.settings_shown import Row

NOON = 1_900_000_000.0
DAY = 86_400.0


def response(**values: Any) -> FirstResponse:
    usual = FirstResponse(tls="TLSv1.3", http="HTTP/1.1", expires=NOON + 90 * DAY, date=NOON, local=NOON)
    return dataclasses.replace(usual, **values)


GREETINGS: list[tuple[FirstResponse, CheckStatus, str]] = [
    (response(), CheckStatus.OK, "TLSv1.3, HTTP/1.1; the certificate is valid until 2030-06-15 (90 days)."),
    (response(expires=NOON + 13.5 * DAY), CheckStatus.WARN, "(14 days)"),
    (response(expires=None, http="HTTP/2"), CheckStatus.OK, "TLSv1.3, HTTP/2."),
    (response(tls=None), CheckStatus.WARN, "Plain HTTP"),
]


def test_tls(subtests: pytest.Subtests) -> None:
    for seen, status, words in GREETINGS:
        with subtests.test(words):
            finding = judge_tls(seen)

            assert (finding.status, words in finding.summary) == (status, True)
            assert (finding.remedy is not None) == (status is CheckStatus.WARN)


CLOCKS: list[tuple[float, bool, CheckStatus, str]] = [
    (0, True, CheckStatus.OK, "agree"),
    (-4, True, CheckStatus.OK, "agree"),
    (75, False, CheckStatus.WARN, "1 min 15 s ahead of the server's"),
    (-3600, False, CheckStatus.WARN, "1 h behind the server's"),
    (20, True, CheckStatus.WARN, "20 s ahead"),
    (75, True, CheckStatus.FAIL, "1 min 15 s ahead"),
]


def test_the_clock(subtests: pytest.Subtests) -> None:
    for ahead, signs, status, words in CLOCKS:
        with subtests.test(str((ahead, signs, status, words))):
            finding = judge_clock(response(local=NOON + 0.5 + ahead), signs=signs)

            assert (finding.status, words in finding.summary) == (status, True)
            assert finding.facts == {"ahead_seconds": ahead}


def test_a_missing_date_of_the_server() -> None:
    assert judge_clock(response(date=None), signs=True).status is CheckStatus.SKIP


TOKENS: list[tuple[dict[str, Any], str | None, CheckStatus, str]] = [
    ({"lifetime": 3600.0}, None, CheckStatus.OK, "A Bearer token that is valid for 1 h."),
    ({"lifetime": math.inf}, None, CheckStatus.OK, "A Bearer token that does not expire."),
    ({"lifetime": 60.0, "scope": "a b c"}, "a b", CheckStatus.OK, "valid for 1 min."),
    ({"lifetime": 60.0}, "a b", CheckStatus.OK, "valid for 1 min."),
    ({"lifetime": 60.0, "scope": "b"}, "a b c", CheckStatus.WARN, "Scopes not granted: a, c."),
]


def test_the_token(subtests: pytest.Subtests) -> None:
    for token, asked, status, words in TOKENS:
        with subtests.test(f"{token} {asked}"):
            finding = judge_token(AccessToken(Secret("t0ken-canary"), **token), asked)

            assert (finding.status, words in finding.summary) == (status, True)
            assert "canary" not in repr(finding)


ANSWERS: list[tuple[int, CheckStatus, str]] = [
    (200, CheckStatus.OK, ""),
    (204, CheckStatus.OK, ""),
    (302, CheckStatus.WARN, "base_url"),
    (400, CheckStatus.FAIL, "if this client may make it"),
    (403, CheckStatus.FAIL, "if this client may make it"),
    (404, CheckStatus.FAIL, "--path"),
    (409, CheckStatus.FAIL, "quote the reference"),
    (429, CheckStatus.FAIL, "wait"),
    (503, CheckStatus.FAIL, "try again later"),
]


def test_the_call(subtests: pytest.Subtests) -> None:
    for status_code, status, remedy in ANSWERS:
        with subtests.test(str(status_code)):
            finding = judge_call(ApiMessage(status_code))

            assert finding.status is status
            assert remedy in (finding.remedy or "")


def test_a_rejected_call_tells_code_and_reference() -> None:
    finding = judge_call(
        ApiMessage(403, code="AUTHORIZATION_FAILURE", message="Not yours.", error_reference="AB12", retry_after=5)
    )

    assert finding.summary == "403 Forbidden: AUTHORIZATION_FAILURE, Not yours, error_reference AB12, retry in 5 s."
    assert finding.facts["error_reference"] == "AB12"


def test_a_call_whose_token_was_rejected_again_tells_why() -> None:
    finding = judge_call(ApiMessage(401, reason=ReauthenticationError("The server rejected the new token, too.")))

    assert finding.facts == {"status_code": 401, "reason": "The server rejected the new token, too."}


def test_an_error_of_the_tree() -> None:
    finding = judge_error(PrioError("It failed.", remedy="Mend it.", code="invalid_client", error_reference="AB12"))

    assert (finding.summary, finding.remedy) == ("It failed. (error_reference AB12)", "Mend it.")
    assert finding.facts == {"code": "invalid_client", "error_reference": "AB12"}


def test_settings() -> None:
    rows = [Row("scope", "a", "PRIO_SCOPE"), Row("base_url", "https://api.example", "default")]

    assert judge_settings(rows, []).status is CheckStatus.OK
    assert judge_settings(rows, []).summary == "1 set, all others are defaults."
    assert judge_settings(rows, ["The file may be read by others."]).status is CheckStatus.WARN

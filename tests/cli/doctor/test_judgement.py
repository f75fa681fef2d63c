from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from prio_middleware import AccessToken, PrioError, Secret
from prio_middleware.cli.answer import Said
from prio_middleware.cli.doctor.greeting import Greeting
from prio_middleware.cli.doctor.judgement import (
    judge_call,
    judge_clock,
    judge_error,
    judge_settings,
    judge_tls,
    judge_token,
)
from prio_middleware.cli.doctor.steps import Status
from prio_middleware.cli.settings_shown import Row

NOON = 1_900_000_000.0
DAY = 86_400.0


def greeting(**values: Any) -> Greeting:
    usual = Greeting(tls="TLSv1.3", http="HTTP/1.1", expires=NOON + 90 * DAY, date=NOON, local=NOON)
    return dataclasses.replace(usual, **values)


@pytest.mark.parametrize(
    ("seen", "status", "words"),
    [
        (greeting(), Status.OK, "TLSv1.3, HTTP/1.1; the certificate is good until 2030-06-15 (90 days)."),
        (greeting(expires=NOON + 13.5 * DAY), Status.WARN, "(14 days)"),
        (greeting(expires=None, http="HTTP/2"), Status.OK, "TLSv1.3, HTTP/2."),
        (greeting(tls=None), Status.WARN, "Plain HTTP"),
    ],
)
def test_tls(seen: Greeting, status: Status, words: str) -> None:
    finding = judge_tls(seen)

    assert (finding.status, words in finding.summary) == (status, True)
    assert (finding.remedy is not None) == (status is Status.WARN)


@pytest.mark.parametrize(
    ("ahead", "signs", "status", "words"),
    [
        (0, True, Status.OK, "agree"),
        (-4, True, Status.OK, "agree"),
        (75, False, Status.WARN, "1 min 15 s ahead of the server's"),
        (-3600, False, Status.WARN, "1 h behind the server's"),
        (20, True, Status.WARN, "20 s ahead"),
        (75, True, Status.FAIL, "1 min 15 s ahead"),
    ],
)
def test_the_clock(ahead: float, signs: bool, status: Status, words: str) -> None:
    finding = judge_clock(greeting(local=NOON + 0.5 + ahead), signs=signs)

    assert (finding.status, words in finding.summary) == (status, True)
    assert finding.facts == {"ahead_seconds": ahead}


def test_a_clock_that_is_not_told() -> None:
    assert judge_clock(greeting(date=None), signs=True).status is Status.SKIP


@pytest.mark.parametrize(
    ("token", "asked", "status", "words"),
    [
        ({"lifetime": 3600.0}, None, Status.OK, "A Bearer token that is good for 1 h."),
        ({"lifetime": math.inf}, None, Status.OK, "A Bearer token that does not expire."),
        ({"lifetime": 60.0, "scope": "a b c"}, "a b", Status.OK, "good for 1 min."),
        ({"lifetime": 60.0}, "a b", Status.OK, "good for 1 min."),
        ({"lifetime": 60.0, "scope": "b"}, "a b c", Status.WARN, "These scopes were not granted: a, c."),
    ],
)
def test_the_token(token: dict[str, Any], asked: str | None, status: Status, words: str) -> None:
    finding = judge_token(AccessToken(Secret("t0ken-canary"), **token), asked)

    assert (finding.status, words in finding.summary) == (status, True)
    assert "canary" not in repr(finding)


@pytest.mark.parametrize(
    ("status_code", "status", "remedy"),
    [
        (200, Status.OK, ""),
        (204, Status.OK, ""),
        (302, Status.WARN, "base_url"),
        (400, Status.FAIL, "whether this client may make it"),
        (403, Status.FAIL, "whether this client may make it"),
        (404, Status.FAIL, "--path"),
        (409, Status.FAIL, "quote the reference"),
        (429, Status.FAIL, "wait"),
        (503, Status.FAIL, "try again later"),
    ],
)
def test_the_call(status_code: int, status: Status, remedy: str) -> None:
    finding = judge_call(Said(status_code))

    assert finding.status is status
    assert remedy in (finding.remedy or "")


def test_a_refused_call_tells_code_and_reference() -> None:
    finding = judge_call(Said(403, code="AUTHORIZATION_FAILURE", message="Not yours.", error_reference="AB12", retry_after=5))

    assert finding.summary == "403 Forbidden: AUTHORIZATION_FAILURE, Not yours, error_reference AB12, try again in 5 s."
    assert finding.facts["error_reference"] == "AB12"


def test_an_error_of_the_tree() -> None:
    finding = judge_error(PrioError("It failed.", remedy="Mend it.", code="invalid_client", error_reference="AB12"))

    assert (finding.summary, finding.remedy) == ("It failed. (error_reference AB12)", "Mend it.")
    assert finding.facts == {"code": "invalid_client", "error_reference": "AB12"}


def test_settings() -> None:
    rows = [Row("scope", "a", "PRIO_SCOPE"), Row("base_url", "https://api.example", "default")]

    assert judge_settings(rows, []).status is Status.OK
    assert judge_settings(rows, []).summary == "1 given, the others are defaults."
    assert judge_settings(rows, ["The file may be read by others."]).status is Status.WARN

"""Memory of failed fetches: its duration, its keys and its bound."""

from __future__ import annotations

import pytest

from prio_middleware import CredentialsRefusedError, TokenEndpointUnavailableError, TokenError, TokenOptions
from prio_middleware.oauth.decision import Failure
from prio_middleware.oauth.failures import Failures

READ, WRITE = TokenOptions(scope="read"), TokenOptions(scope="write")


def test_how_long_a_failure_counts(subtests: pytest.Subtests) -> None:
    rows: list[tuple[TokenError, float, float]] = [
        (TokenError("no"), 1010.0, 0),
        (CredentialsRefusedError("no"), 1010.0, 0),
        (TokenEndpointUnavailableError("no"), 1001.0, 1),
        (TokenEndpointUnavailableError("no", retry_after=0.0), 1001.0, 1),
        (TokenEndpointUnavailableError("no", retry_after=25.0), 1025.0, 1),
        (TokenEndpointUnavailableError("no", retry_after=61.0), 1060.0, 1),
        (TokenError("no", retry_after=25.0), 1010.0, 0),
    ]
    for error, until, pause in rows:
        with subtests.test(error=error, until=until, pause=pause):
            failures = Failures(10.0)
            failures.record(READ, error, 1000.0)

            assert failures.get(READ) == Failure(error, 1000.0, until, pause)
            assert failures.may_retry == (pause == 0)


@pytest.mark.pitfall(id="outage-waits")
def test_the_pause_after_transient_failures_doubles_up_to_ten_seconds_and_a_success_ends_that() -> None:
    failures, pauses = Failures(10.0), []
    for _ in range(40):
        failures.record(READ, TokenEndpointUnavailableError("no"), 0.0)
        failure = failures.get(READ)
        assert failure is not None
        pauses.append(failure.retry_at)
    assert pauses == [1, 2, 4, 8] + [10] * 36
    failures.forget(READ)
    assert failures.may_retry
    failures.record(READ, TokenEndpointUnavailableError("no"), 0.0)

    again = failures.get(READ)
    assert again is not None
    assert again.retry_at == 1


def test_a_fetch_that_ended_early_paces_those_of_its_key_until_one_succeeds() -> None:
    failures = Failures(10.0)
    failures.record_interruption(READ, 1000.0)

    assert [failures.not_before(key) for key in (READ, WRITE)] == [1001.0, 0.0]
    assert failures.get(READ) is None
    failures.forget(READ)
    assert failures.not_before(READ) == 0.0


def test_only_the_first_fetch_in_a_row_that_ran_out_of_time_is_made_again_at_once() -> None:
    failures, first, second = Failures(10.0), object(), object()

    assert [failures.record_lost(fetch) for fetch in (first, first, second)] == [True, True, False]
    failures.forget(READ)
    assert failures.record_lost(second)


def test_refused_credentials_count_for_every_key_and_everything_else_for_its_own() -> None:
    failures = Failures(10.0)
    failures.record(READ, TokenError("no such scope"), 0.0)
    assert failures.get(WRITE) is None
    assert [failures.has(key) for key in (READ, WRITE)] == [True, False]
    failures.record(WRITE, refused := CredentialsRefusedError("wrong"), 5.0)

    assert [failures.get(key) for key in (READ, WRITE)] == [Failure(refused, 5.0, 15.0)] * 2


def test_what_counts_longer_goes_first() -> None:
    failures = Failures(10.0)
    failures.record(READ, CredentialsRefusedError("wrong"), 0.0)
    failures.record(READ, later := TokenEndpointUnavailableError("busy", retry_after=30.0), 0.0)

    assert failures.get(READ) == Failure(later, 0.0, 30.0, pause=1.0)


def test_a_success_says_that_the_credentials_are_right_but_nothing_of_other_keys() -> None:
    failures = Failures(10.0)
    failures.record(READ, other := TokenError("no"), 0.0)
    failures.record(WRITE, TokenError("no"), 0.0)
    failures.record(WRITE, CredentialsRefusedError("wrong"), 0.0)
    failures.forget(WRITE)
    failures.forget(WRITE)  # there may be nothing to forget

    assert failures.get(READ) == Failure(other, 0.0, 10.0)
    assert failures.get(WRITE) is None


def test_new_credentials_end_it_all() -> None:
    failures = Failures(10.0)
    failures.record(READ, TokenError("no"), 0.0)
    failures.record(READ, CredentialsRefusedError("wrong"), 0.0)
    failures.clear()

    assert failures.get(READ) is None


def test_the_number_that_is_remembered_is_bounded() -> None:
    failures, keys = Failures(10.0), [TokenOptions(scope=str(number)) for number in range(1025)]
    for key in keys[:-1]:
        failures.record(key, TokenError("no"), 0.0)
        failures.record_interruption(key, 0.0)
    assert all(failures.get(key) and failures.not_before(key) for key in keys[:-1])

    failures.record(keys[-1], TokenError("no"), 0.0)
    failures.record_interruption(keys[-1], 0.0)
    assert [key for key in keys if failures.get(key)] == [key for key in keys if failures.not_before(key)] == keys[-1:]

"""What is remembered of failed fetches: for how long, for whom, and how much at most."""

from __future__ import annotations

import pytest

from prio_middleware import CredentialsRefusedError, TokenEndpointUnavailableError, TokenError, TokenOptions
from prio_middleware.tokens.decision import Failure
from prio_middleware.tokens.failures import Failures

READ, WRITE = TokenOptions(scope="read"), TokenOptions(scope="write")


@pytest.mark.parametrize(
    ("error", "until", "holds_back"),
    [
        (TokenError("no"), 1010.0, True),
        (CredentialsRefusedError("no"), 1010.0, True),
        (TokenEndpointUnavailableError("no"), 1010.0, False),
        (TokenEndpointUnavailableError("no", retry_after=0.0), 1010.0, False),
        (TokenEndpointUnavailableError("no", retry_after=25.0), 1025.0, True),
        (TokenEndpointUnavailableError("no", retry_after=61.0), 1060.0, True),
        (TokenError("no", retry_after=25.0), 1010.0, True),
    ],
)
def test_how_long_a_failure_counts(error: TokenError, until: float, holds_back: bool) -> None:
    failures = Failures(10.0)
    failures.record(READ, error, 1000.0)

    assert failures.get(READ) == Failure(error, 1000.0, until, holds_back)


def test_refused_credentials_count_for_every_key_and_everything_else_for_its_own() -> None:
    failures = Failures(10.0)
    failures.record(READ, TokenError("no such scope"), 0.0)
    assert failures.get(WRITE) is None
    assert [failures.knows(key) for key in (READ, WRITE)] == [True, False]
    failures.record(WRITE, refused := CredentialsRefusedError("wrong"), 5.0)

    assert [failures.get(key) for key in (READ, WRITE)] == [Failure(refused, 5.0, 15.0, holds_back=True)] * 2


def test_what_counts_longer_goes_first() -> None:
    failures = Failures(10.0)
    failures.record(READ, CredentialsRefusedError("wrong"), 0.0)
    failures.record(READ, later := TokenEndpointUnavailableError("busy", retry_after=30.0), 0.0)

    assert failures.get(READ) == Failure(later, 0.0, 30.0, holds_back=True)


def test_a_success_says_that_the_credentials_are_right_but_nothing_of_other_keys() -> None:
    failures = Failures(10.0)
    failures.record(READ, other := TokenError("no"), 0.0)
    failures.record(WRITE, TokenError("no"), 0.0)
    failures.record(WRITE, CredentialsRefusedError("wrong"), 0.0)
    failures.forget(WRITE)
    failures.forget(WRITE)  # there may be nothing to forget

    assert failures.get(READ) == Failure(other, 0.0, 10.0, holds_back=True)
    assert failures.get(WRITE) is None


def test_new_credentials_end_it_all() -> None:
    failures = Failures(10.0)
    failures.record(READ, TokenError("no"), 0.0)
    failures.record(READ, CredentialsRefusedError("wrong"), 0.0)
    failures.clear()

    assert failures.get(READ) is None


def test_the_number_that_is_remembered_is_bounded() -> None:
    failures, keys = Failures(10.0, limit=5), [TokenOptions(scope=str(number)) for number in range(20)]
    kept: list[int] = []
    for key in keys:
        failures.record(key, TokenError("no"), 0.0)
        kept.append(sum(failures.get(known) is not None for known in keys))

    assert max(kept) == 5
    assert min(kept) == 1


def test_by_default_about_a_thousand_are() -> None:
    failures, keys = Failures(10.0), [TokenOptions(scope=str(number)) for number in range(1025)]
    for key in keys:
        failures.record(key, TokenError("no"), 0.0)

    assert [key for key in keys if failures.get(key)] == keys[-1:]

"""Public response to a token failure, for frameworks that have no module here."""

from __future__ import annotations

import pytest

from prio_middleware import BudgetExceededError, ConfigurationError, TokenEndpointUnavailableError, TokenError
from prio_middleware.web import unavailable

BODY = b"Service Unavailable\n"


@pytest.mark.parametrize(
    ("error", "retry_after"),
    [
        (TokenError("No token."), "10"),
        (TokenEndpointUnavailableError("Down.", retry_after=41.2), "42"),
        (BudgetExceededError("Used up.", retry_after=0.0), "1"),
        (ExceptionGroup("two", [TokenError("No."), ExceptionGroup("in", [TokenError("No.", retry_after=20.0)])]), "20"),
    ],
)
def test_a_token_failure_becomes_503_without_the_reason(
    error: Exception, retry_after: str, caplog: pytest.LogCaptureFixture
) -> None:
    response = unavailable(error)
    assert response is not None
    assert (response.status, response.body) == (503, BODY)
    assert response.headers == {
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": str(len(BODY)),
        "Retry-After": retry_after,
    }
    assert "Answered 503: " in caplog.text


def test_the_application_may_choose_the_seconds() -> None:
    assert unavailable(TokenError("No."), retry_after=3).headers["Retry-After"] == "3"
    assert unavailable(TokenError("No.", retry_after=7.0), retry_after=3).headers["Retry-After"] == "7"


@pytest.mark.parametrize(
    "error", [ValueError("no"), ConfigurationError("No."), ExceptionGroup("mixed", [TokenError("No."), ValueError("no")])]
)
def test_any_other_error_is_left_to_the_application(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    assert unavailable(error) is None
    assert caplog.text == ""

from __future__ import annotations

import pytest

from prio_middleware.readiness import ClientReadiness
from prio_middleware.status.condition import condition
from prio_middleware.status.model import ClientErrors, Store

SOURCE = "https://login.example/token"
QUIET = ClientErrors(0, 60)
BUSY = ClientErrors(48, 60)


@pytest.mark.parametrize(
    ("state", "errors", "level", "says"),
    [
        pytest.param(
            ClientReadiness(ready=False, failure="invalid_client", held_back=7.0),
            QUIET,
            "bad",
            "No token can be had: invalid_client. No other fetch is made for the moment.",
            id="held back",
        ),
        pytest.param(
            ClientReadiness(ready=False, failure="TokenEndpointUnavailableError"),
            BUSY,
            "bad",
            "No token can be had: TokenEndpointUnavailableError. The next call tries again.",
            id="without a token, whatever else there is",
        ),
        pytest.param(
            ClientReadiness(ready=True, expires_in=9.0, failure="unavailable"),
            QUIET,
            "warn",
            "The token is still good, and the last fetch failed: unavailable.",
            id="failing while the token is still good",
        ),
        pytest.param(
            ClientReadiness(ready=True, expires_in=-9.0, failure="unavailable"),
            QUIET,
            "warn",
            "There is no token, and the last fetch failed: unavailable.",
            id="failed long ago, and not tried since",
        ),
        pytest.param(
            ClientReadiness(ready=True, expires_in=9.0),
            BUSY,
            "warn",
            "48 of 60 answers 4xx in the last minute.",
            id="nearly shut out",
        ),
        pytest.param(
            ClientReadiness(ready=True, expires_in=9.0, source=SOURCE),
            ClientErrors(47, 60),
            "good",
            "A token is there.",
            id="a token, and budget enough",
        ),
        pytest.param(
            ClientReadiness(ready=True, expires_in=9.0, source=SOURCE),
            ClientErrors(1000, None),
            "good",
            "A token is there.",
            id="no budget is set",
        ),
        pytest.param(
            ClientReadiness(ready=True, expires_in=0.0, source=SOURCE),
            QUIET,
            "idle",
            "The token has expired, and nobody has needed another.",
            id="idle since it expired",
        ),
        pytest.param(
            ClientReadiness(ready=True, source=SOURCE),
            QUIET,
            "idle",
            "No token yet: the first call fetches one.",
            id="never used",
        ),
        pytest.param(
            ClientReadiness(ready=True),
            QUIET,
            "idle",
            "Its tokens come from a provider that says nothing of them.",
            id="somebody else's provider",
        ),
    ],
)
def test_the_worst_there_is_to_say(state: ClientReadiness, errors: ClientErrors, level: str, says: str) -> None:
    found = condition(state, errors)
    assert (found.level, found.says) == (level, says)


@pytest.mark.parametrize(
    ("store", "level"),
    [
        (Store("redis"), "good"),
        (Store("redis", reachable=True, failures=1, last_failure="timeout"), "good"),
        (Store("redis", reachable=False, failures=1, last_failure="timeout"), "warn"),
    ],
)
def test_a_shared_store_that_does_not_answer_is_worth_a_look(store: Store, level: str) -> None:
    found = condition(ClientReadiness(ready=True, expires_in=9.0, source=SOURCE), QUIET, store)
    assert found.level == level
    assert ("does not answer: timeout" in found.says) is (level == "warn")

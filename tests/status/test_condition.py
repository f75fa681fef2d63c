from __future__ import annotations

import pytest

from prio_middleware.telemetry.providers import StoreReport
from prio_middleware.web.readiness import ClientReadiness
from prio_middleware.web.status.report import ClientErrors, condition

SOURCE = "https://login.example/token"
QUIET = ClientErrors(0, 60)
BUSY = ClientErrors(48, 60)


ROWS = [
    # name, readiness, 4xx responses, level, word of the summary
    ("cooldown", ClientReadiness(ready=False, failure="invalid_client", cooldown_seconds=7.0), QUIET, "bad", "invalid_client"),
    ("no token", ClientReadiness(ready=False, failure="unavailable"), BUSY, "bad", "unavailable"),
    ("failing, token good", ClientReadiness(ready=True, expires_in=9.0, failure="unavailable"), QUIET, "warn", "still valid"),
    ("failed long ago", ClientReadiness(ready=True, expires_in=-9.0, failure="unavailable"), QUIET, "warn", "no token"),
    ("budget nearly used", ClientReadiness(ready=True, expires_in=9.0), BUSY, "warn", "48 of 60"),
    ("budget enough", ClientReadiness(ready=True, expires_in=9.0, source=SOURCE), ClientErrors(47, 60), "good", "token"),
    ("no budget", ClientReadiness(ready=True, expires_in=9.0, source=SOURCE), ClientErrors(1000, None), "good", "token"),
    ("idle since it expired", ClientReadiness(ready=True, expires_in=0.0, source=SOURCE), QUIET, "idle", "expired"),
    ("never used", ClientReadiness(ready=True, source=SOURCE), QUIET, "idle", "No token yet"),
    ("a provider without reports", ClientReadiness(ready=True), QUIET, "idle", "provider"),
]


def test_the_worst_condition_is_shown(subtests: pytest.Subtests) -> None:
    summaries = set()
    for name, state, errors, level, word in ROWS:
        with subtests.test(name):
            found = condition(state, errors)
            assert found.level == level
            assert word in found.summary
            summaries.add(found.summary)
    assert len(summaries) == len(ROWS) - 1  # Two rows are the same good condition.


def test_a_client_in_cooldown_reads_differently_from_one_that_tries_again() -> None:
    cooling_down, trying = (condition(state, QUIET).summary for _, state, *_ in ROWS[:2])
    assert cooling_down.split(".")[1:] != trying.split(".")[1:]


def test_a_failing_shared_store_is_a_warning(subtests: pytest.Subtests) -> None:
    for store, level in [
        (StoreReport("redis"), "good"),
        (StoreReport("redis", reachable=True, failures=1, last_failure="timeout"), "good"),
        (StoreReport("redis", reachable=False, failures=1, last_failure="timeout"), "warn"),
    ]:
        with subtests.test(str(store)):
            found = condition(ClientReadiness(ready=True, expires_in=9.0, source=SOURCE), QUIET, store)
            assert found.level == level
            assert ("store" in found.summary) is ("timeout" in found.summary) is (level == "warn")

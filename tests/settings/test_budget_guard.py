from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prio_middleware import BudgetGuard, ClientSettings, ConfigurationError, Settings
from prio_middleware.build import build_pipeline
from prio_middleware.middleware.budget_guard import Allowance

OWN: dict[str, Any] = {"client_id": "shop", "client_secret": "s"}
OTHER: dict[str, Any] = {**OWN, "preset": "rfc6749", "base_url": "https://a.example", "token_url": "https://a.example/token"}


def guards(settings: ClientSettings) -> list[BudgetGuard]:
    return [component for component in build_pipeline(settings).components if isinstance(component, BudgetGuard)]


def names(settings: ClientSettings) -> list[str]:
    return [type(component).__name__ for component in build_pipeline(settings).components]


def test_the_budget_guard_is_off_without_settings() -> None:
    assert guards(ClientSettings(**OWN)) == []


def test_a_line_of_a_file_switches_it_on(write: Callable[[str, str], Path]) -> None:
    write("prio.toml", 'client_id = "shop"\nclient_secret = "s"\nbudget_guard = {enforce = true, share = 0.25}\n')
    [guard] = guards(Settings().client())

    assert guard.enforce
    assert guard.allowance == Allowance(client_errors=15, requests=250, in_flight=True)


def test_a_variable_switches_it_on(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIO_BUDGET_GUARD__ENFORCE", "true")
    monkeypatch.setenv("PRIO_BUDGET_GUARD__IN_FLIGHT", "false")
    [guard] = guards(Settings(**OWN).client())

    assert guard.enforce
    assert guard.allowance == Allowance(client_errors=60, requests=1000, in_flight=False)


def test_a_named_client_inherits_it_and_may_change_part_of_it() -> None:
    clients = {"berlin": {**OWN, "budget_guard": {"share": 0.5}}}
    berlin = Settings(budget_guard={"enforce": True}, clients=clients, **OWN).client("berlin")
    [guard] = guards(berlin)

    assert (guard.client, guard.enforce, guard.allowance.client_errors) == ("berlin", True, 30)


def test_without_enforce_it_counts_also_where_no_limit_is_known() -> None:
    [guard] = guards(ClientSettings(**OTHER, budget_guard={}))
    assert not guard.enforce
    assert guard.allowance == Allowance(None, None)


def test_other_servers_have_limits_of_their_own() -> None:
    [guard] = guards(ClientSettings(**OTHER, budget_guard={"enforce": True, "requests": 30}))
    assert guard.allowance == Allowance(None, 30)


LIMITS: list[tuple[dict[str, Any], int | None]] = [
    (OWN, 60),
    ({**OWN, "budget_guard": {"client_errors": 40, "share": 0.5}}, 40),
    (OTHER, None),
]


def test_telemetry_knows_what_the_server_takes_from_all(subtests: pytest.Subtests) -> None:
    for values, limit in LIMITS:
        with subtests.test(f"{limit}"):
            assert build_pipeline(ClientSettings(**values)).counters.client_error_limit == limit


def test_the_budget_guard_stands_after_the_https_enforcer() -> None:
    assert names(ClientSettings(**OWN, budget_guard={}))[:3] == ["HTTPSEnforcer", "BudgetGuard", "OriginGuard"]


def test_a_declared_pipeline_has_it_where_it_says() -> None:
    pipeline = ["https_enforcer", "origin_guard", "budget_guard", "token_provider", "header_injector"]
    assert names(ClientSettings(**OWN, pipeline=pipeline))[2] == "BudgetGuard"


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({**OWN, "budget_guard": True}, "budget_guard: expected a table"),
    ({**OWN, "budget_guard": {"enforced": True}}, "budget_guard.enforced: no such setting; did you mean 'enforce'?"),
    ({**OWN, "budget_guard": {"share": 0}}, "budget_guard.share: expected a number greater than 0"),
    ({**OWN, "budget_guard": {"share": 1.5}}, "budget_guard.share: expected a number less than or equal to 1"),
    ({**OWN, "budget_guard": {"share": True}}, "budget_guard.share: expected a number"),
    ({**OWN, "budget_guard": {"share": 0.01}}, "budget_guard.share: allows less than one of client_errors per minute"),
    ({**OWN, "budget_guard": {"share": 0.01}}, "expected at least 0.0167"),
    ({**OWN, "budget_guard": {"requests": 0}}, "budget_guard.requests: expected a number greater than or equal to 1"),
    ({**OWN, "budget_guard": {"enforce": "perhaps"}}, "budget_guard.enforce: expected a valid boolean"),
    (
        {**OWN, "budget_guard": {"enforce": True}, "pipeline": ["token_provider", "header_injector"]},
        "budget_guard: the pipeline does not contain it: add budget_guard",
    ),
    (
        {**OTHER, "budget_guard": {"enforce": True}},
        "budget_guard.enforce: preset 'rfc6749' has no limits: set client_errors or requests",
    ),
]


def test_what_will_not_do(subtests: pytest.Subtests) -> None:
    for values, expected in MISTAKES:
        with subtests.test(expected):
            with pytest.raises(ConfigurationError) as caught:
                ClientSettings(**values)
            assert expected in str(caught.value)

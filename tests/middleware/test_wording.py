"""Wording of the messages of the pipeline and its components. Other tests check types, fields and remedies only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from prio_middleware import (
    ConfigurationError,
    Exchange,
    ForeignOriginError,
    HeaderInjector,
    OriginGuard,
    Pipeline,
    PrioError,
    StaticTokenProvider,
    Verdict,
)
from prio_middleware.errors import BudgetExceededError
from prio_middleware.middleware import ApplicationInfo, BudgetGuard
from prio_middleware.middleware.budget_guard import Allowance, Budget

PROVIDER = StaticTokenProvider("fixed")
ONE_PROVIDER = "Put exactly one token provider into the list, before the header injector."
FUNCTIONS = (
    "A component is an instance with on_request(exchange), on_response(exchange, response), or both; "
    "or with before_send() and after_send()."
)
LARGER = "Increase the share: each process may have 1 divided by the number of processes."
UNCHANGED = ConfigurationError.default_remedy


class Judge:
    refusal_statuses = frozenset({403})

    def on_response(self, exchange: Exchange, response: object) -> Verdict:
        return Verdict.REAUTHENTICATE


class Nothing:
    """Object without any hook."""

    def __repr__(self) -> str:
        return "Nothing()"


def pipeline(*components: Any) -> Callable[[], object]:
    return lambda: Pipeline(components)


def guard(**options: Any) -> Callable[[], object]:
    return lambda: BudgetGuard("https://api.example.com", **options)


def leave_origins() -> None:
    exchange = Exchange(httpx.Request("GET", "https://other.example"), {})
    OriginGuard("https://api.example.com", "refuse").on_request(exchange)


def exceed_budget() -> None:
    spent = BudgetGuard("https://api.example.com", requests=1, enforce=True, budget=Budget(lambda: 0.0))
    request = httpx.Request("GET", "https://api.example.com")
    for _ in range(2):
        spent.before_send(request, for_token=False)


MESSAGES: list[tuple[Callable[[], object], str, str | None]] = [
    (pipeline(HeaderInjector()), "A pipeline has one token provider; this one has 0.", ONE_PROVIDER),
    (
        pipeline(PROVIDER),
        "No component after the token provider presents the token.",
        "Put HeaderInjector() after the token provider.",
    ),
    (
        pipeline(PROVIDER, HeaderInjector(), Judge(), Judge()),
        "Judge, Judge asks for re-authentication from inside the token provider.",
        "Move it before the token provider: components after it run again for each attempt.",
    ),
    (pipeline(Nothing(), PROVIDER, HeaderInjector()), "Nothing() is not a pipeline component.", FUNCTIONS),
    (guard(client_errors=2, share=1.01), "share is 1.01; expected more than 0 and at most 1.", UNCHANGED),
    (guard(client_errors=2, share=0.4), "A share of 0.4 of 2 client_errors per minute is less than one.", LARGER),
    (
        guard(enforce=True),
        "The budget guard has no limit to enforce.",
        "Set client_errors, requests or both to the limits of the server per minute.",
    ),
    (
        lambda: ApplicationInfo(extra={"Channel": ""}),
        ("The request header 'App-Channel' has an invalid value: give one line of printable ASCII, without spaces around it."),
        UNCHANGED,
    ),
    (
        lambda: ApplicationInfo(extra={"a b": "x"}),
        "The request header 'App-a b' has an invalid name: give the part after 'App-', in letters, digits and hyphens.",
        UNCHANGED,
    ),
    (lambda: OriginGuard([]), "No origin is allowed to get the token.", None),
    (leave_origins, "Blocked: the request, or its redirect chain, leaves the client's origins.", None),
    (exceed_budget, "Blocked: of the limit of this process per minute, all of 1 requests are used.", None),
]


def test_messages(subtests: pytest.Subtests) -> None:
    for fail, message, remedy in MESSAGES:
        with subtests.test(message):
            with pytest.raises(PrioError) as caught:
                fail()
            assert caught.value.message == message
            assert remedy in {None, caught.value.remedy}
            assert isinstance(caught.value, ConfigurationError | ForeignOriginError | BudgetExceededError)


def test_shortages() -> None:
    spent = Budget(lambda: 0.0)
    for status in (403, 403):
        spent.spend(None)
        spent.settle(status)
    spent.spend(None)

    for allowance, message in {
        Allowance(2, None, in_flight=False): "2 of 2 4xx responses are used",
        Allowance(3, None): "2 of 3 4xx responses are used, and 1 requests in flight may get a 4xx response",
        Allowance(None, 3): "all of 3 requests are used",
    }.items():
        shortage = spent.shortage(allowance)
        assert shortage
        assert shortage.message == message

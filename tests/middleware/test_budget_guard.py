from __future__ import annotations

from typing import Any

import pytest

from prio_middleware.errors import BudgetExceededError, ConfigurationError, PolicyError
from prio_middleware.middleware import BudgetGuard
from prio_middleware.middleware.budget import Allowance, Budget, Usage, budget_of, forget
from prio_middleware.origins import Origin
from tests.tokens.kit import Clock

from .conftest import MakeExchange

API = "https://api.example.com/v1"
PRODUCT = f"{API}/products?key=canary"


def guard(**options: Any) -> BudgetGuard:
    given: dict[str, Any] = {"client_errors": 2, "enforce": True, "client": "berlin", "budget": Budget(Clock()), **options}
    return BudgetGuard(API, **given)


def answer(guard: BudgetGuard, request: Any, *statuses: int | None, for_token: bool = False) -> None:
    for status in statuses:
        guard.on_send(request, for_token=for_token)
        guard.on_sent(request, status)


def test_it_counts_without_being_asked_to_refuse(exchange_for: MakeExchange) -> None:
    watching = guard(enforce=False)
    exchange = exchange_for(PRODUCT)
    for _ in range(5):
        watching.on_request(exchange)
        answer(watching, exchange.request, 403)

    assert watching.usage == Usage(client_errors=5, requests=5, in_flight=0)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429])
def test_whatever_the_cause_of_a_4xx_it_counts(exchange_for: MakeExchange, status: int) -> None:
    enforcing = guard()
    exchange = exchange_for(PRODUCT)
    answer(enforcing, exchange.request, status, 200, 500, None, status)

    with pytest.raises(BudgetExceededError) as caught:
        enforcing.on_request(exchange)
    error = caught.value
    assert (error.client, error.url, error.reason) == ("berlin", f"{API}/products", "budget")
    assert error.retry_after
    assert "2 of 2 answers 4xx are spent" in error.message
    assert "canary" not in str(error) + repr(caught.traceback[-1].frame.f_locals)
    assert isinstance(error, PolicyError)


def test_what_was_left_when_the_call_began_may_be_spent_when_it_is_sent(exchange_for: MakeExchange) -> None:
    enforcing = guard()
    exchange = exchange_for(PRODUCT)
    enforcing.on_request(exchange)
    answer(enforcing, exchange.request, 403, 403)

    with pytest.raises(BudgetExceededError) as caught:
        enforcing.on_send(exchange.request, for_token=False)
    assert caught.value.message == "Refused here: of what this process may spend in a minute, 2 of 2 answers 4xx are spent."
    assert caught.value.retry_after
    assert enforcing.usage.requests == 2


def test_a_token_request_is_counted_and_not_refused(exchange_for: MakeExchange) -> None:
    enforcing = guard()
    request = exchange_for(f"{API}/token").request
    answer(enforcing, request, 401, 401, 401, for_token=True)

    assert enforcing.usage == Usage(client_errors=3, requests=3, in_flight=0)


@pytest.mark.parametrize("url", ["https://other.example.com", "http://api.example.com", "https://api.example.com:8443"])
def test_another_server_has_nothing_to_do_with_it(exchange_for: MakeExchange, url: str) -> None:
    enforcing = guard()
    answer(enforcing, exchange_for(PRODUCT).request, 403, 403)
    elsewhere = exchange_for(url)
    enforcing.on_request(elsewhere)
    answer(enforcing, elsewhere.request, 403)

    assert enforcing.usage == Usage(client_errors=2, requests=2, in_flight=0)


def test_all_guards_of_a_server_count_together(exchange_for: MakeExchange) -> None:
    forget()
    first, second = (guard(budget=None, client=name) for name in ("berlin", "vienna"))
    exchange = exchange_for(PRODUCT)
    answer(first, exchange.request, 403)
    answer(second, exchange.request, 403)

    for one in (first, second):
        with pytest.raises(BudgetExceededError):
            one.on_request(exchange)
    forget()


@pytest.mark.parametrize(
    ("share", "expected"), [(1, (60, 1000)), (1.0, (60, 1000)), (0.25, (15, 250)), (0.29, (17, 290)), (1 / 60, (1, 16))]
)
def test_a_share_is_rounded_down(share: float, expected: tuple[int, int]) -> None:
    assert guard(client_errors=60, requests=1000, share=share).allowance == Allowance(*expected, in_flight=True)


def test_a_limit_that_the_server_does_not_have_is_none() -> None:
    assert guard(client_errors=None, requests=10, in_flight=False).allowance == Allowance(None, 10, in_flight=False)


LARGER = "Make the share larger: one divided by the number of processes is what each may have."


@pytest.mark.parametrize(
    ("options", "message", "remedy"),
    [
        *(
            ({"share": share}, f"A share is more than 0 and at most 1; {share!r} is not.", ConfigurationError.default_remedy)
            for share in (0, -0.5, 1.01, float("nan"))
        ),
        ({"share": 0.4}, "A share of 0.4 of 2 leaves not one of client_errors in a minute.", LARGER),
        ({"requests": 0}, "A share of 1.0 of 0 leaves not one of requests in a minute.", LARGER),
        ({"client_errors": -3}, "A share of 1.0 of -3 leaves not one of client_errors in a minute.", LARGER),
        (
            {"client_errors": None},
            "The budget guard has no limit to enforce.",
            "Give it client_errors, requests or both: how many the server takes in a minute.",
        ),
    ],
)
def test_bad_input_is_told_when_it_is_made(options: dict[str, Any], message: str, remedy: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        guard(**options)
    assert (caught.value.message, caught.value.remedy) == (message, remedy)


def test_by_default_it_counts_with_all_others_of_that_server_and_refuses_nothing() -> None:
    plain = BudgetGuard(API)
    assert (plain.client, plain.enforce, plain.allowance) == ("default", False, Allowance(None, None))
    assert plain.budget is budget_of(Origin("https", "api.example.com", None))
    assert guard().enforce is True


@pytest.mark.parametrize("origin", ["", "api.example.com", "https://user:canary@api.example.com", "https://"])
def test_what_is_no_origin_is_not_repeated(origin: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        BudgetGuard(origin)
    assert "canary" not in str(caught.value) + repr(caught.traceback[-1].frame.f_locals)

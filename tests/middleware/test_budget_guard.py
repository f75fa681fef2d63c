from __future__ import annotations

from typing import Any

import pytest

from prio_middleware._util.origins import Origin
from prio_middleware.errors import BudgetExceededError, ConfigurationError, PolicyError
from prio_middleware.middleware import BudgetGuard
from prio_middleware.middleware.budget_guard import Allowance, Budget, Usage, budget_of
from tests.oauth.helpers import Clock

from .conftest import MakeExchange

API = "https://api.example.com/v1"
PRODUCT = f"{API}/products?key=canary"


def guard(origin: str = API, **options: Any) -> BudgetGuard:
    given: dict[str, Any] = {"client_errors": 2, "enforce": True, "client": "berlin", "budget": Budget(Clock()), **options}
    return BudgetGuard(origin, **given)


def answer(guard: BudgetGuard, request: Any, *statuses: int | None, for_token: bool = False) -> None:
    for status in statuses:
        guard.before_send(request, for_token=for_token)
        guard.after_send(request, status)


def test_the_guard_counts_without_a_limit(exchange_for: MakeExchange) -> None:
    watching = guard(enforce=False)
    exchange = exchange_for(PRODUCT)
    for _ in range(5):
        watching.on_request(exchange)
        answer(watching, exchange.request, 403)

    assert watching.usage == Usage(client_errors=5, requests=5, in_flight=0)


def test_whatever_the_cause_of_a_4xx_it_counts(subtests: pytest.Subtests, exchange_for: MakeExchange) -> None:
    for status in [400, 401, 403, 404, 409, 422, 429]:
        with subtests.test(f"{status}"):
            enforcing = guard()
            exchange = exchange_for(PRODUCT)
            answer(enforcing, exchange.request, status, 200, 500, None, status)

            with pytest.raises(BudgetExceededError) as caught:
                enforcing.on_request(exchange)
            error = caught.value
            assert (error.client, error.url, error.reason) == ("berlin", f"{API}/products", "budget")
            assert error.retry_after
            assert "2 of 2" in error.message
            assert "canary" not in str(error) + repr(caught.traceback[-1].frame.f_locals)
            assert isinstance(error, PolicyError)


def test_what_was_left_when_the_call_began_may_be_spent_when_it_is_sent(exchange_for: MakeExchange) -> None:
    enforcing = guard()
    exchange = exchange_for(PRODUCT)
    enforcing.on_request(exchange)
    answer(enforcing, exchange.request, 403, 403)

    with pytest.raises(BudgetExceededError) as caught:
        enforcing.before_send(exchange.request, for_token=False)
    assert "2 of 2" in caught.value.message
    assert caught.value.retry_after
    assert enforcing.usage.requests == 2


def test_a_token_request_is_counted_and_not_blocked(exchange_for: MakeExchange) -> None:
    enforcing = guard()
    request = exchange_for(f"{API}/token").request
    answer(enforcing, request, 401, 401, 401, for_token=True)

    assert enforcing.usage == Usage(client_errors=3, requests=3, in_flight=0)


def test_another_server_has_nothing_to_do_with_it(subtests: pytest.Subtests, exchange_for: MakeExchange) -> None:
    for url in ["https://other.example.com", "http://api.example.com", "https://api.example.com:8443"]:
        with subtests.test(f"{url}"):
            enforcing = guard()
            answer(enforcing, exchange_for(PRODUCT).request, 403, 403)
            elsewhere = exchange_for(url)
            enforcing.on_request(elsewhere)
            answer(enforcing, elsewhere.request, 403)

            assert enforcing.usage == Usage(client_errors=2, requests=2, in_flight=0)


@pytest.mark.pitfall(id="origin-spellings")
def test_no_spelling_of_the_origin_passes_the_guard(subtests: pytest.Subtests, exchange_for: MakeExchange) -> None:
    """The HTTP libraries do not normalise every spelling of an origin."""
    spellings = [
        (API, "HTTPS://API.EXAMPLE.COM:443/products"),
        (API, "WSS://api.example.com:443/live"),
        ("https://[::1]", "httpS://[0:0:0:0:0:0:0:1]:443/"),
        ("https://[2001:DB8::1]:8443", "https://[2001:0db8::0001]:8443/"),
    ]
    for origin, url in spellings:
        with subtests.test(f"{origin}, {url}"):
            enforcing = guard(origin)
            answer(enforcing, exchange_for(url).request, 403, 403)

            assert enforcing.usage == Usage(client_errors=2, requests=2, in_flight=0)
            with pytest.raises(BudgetExceededError):
                enforcing.on_request(exchange_for(url))


def test_a_websocket_to_the_server_is_a_request_of_it(exchange_for: MakeExchange) -> None:
    enforcing = guard()
    answer(enforcing, exchange_for("wss://api.example.com/live").request, 403, 403)

    with pytest.raises(BudgetExceededError):
        enforcing.on_request(exchange_for("https://api.example.com/products"))
    assert BudgetGuard("wss://api.example.com").budget is budget_of(Origin("https", "api.example.com", None))


def test_all_guards_of_a_server_count_together(exchange_for: MakeExchange) -> None:
    first, second = (guard(budget=None, client=name) for name in ("berlin", "vienna"))
    exchange = exchange_for(PRODUCT)
    answer(first, exchange.request, 403)
    answer(second, exchange.request, 403)

    for one in (first, second):
        with pytest.raises(BudgetExceededError):
            one.on_request(exchange)


def test_a_share_is_rounded_down(subtests: pytest.Subtests) -> None:
    for share, expected in [(1, (60, 1000)), (1.0, (60, 1000)), (0.25, (15, 250)), (0.29, (17, 290)), (1 / 60, (1, 16))]:
        with subtests.test(f"{share}"):
            assert guard(client_errors=60, requests=1000, share=share).allowance == Allowance(*expected, in_flight=True)


def test_a_limit_that_the_server_does_not_have_is_none() -> None:
    assert guard(client_errors=None, requests=10, in_flight=False).allowance == Allowance(None, 10, in_flight=False)


WRONG: list[tuple[dict[str, Any], str]] = [
    *(({"share": share}, repr(share)) for share in (0, -0.5, 1.01, float("nan"))),
    ({"share": 0, "client_errors": None, "enforce": False}, "share"),
    ({"share": 0.4}, "0.4 of 2 client_errors"),
    ({"requests": 0}, "1.0 of 0 requests"),
    ({"client_errors": -3}, "1.0 of -3 client_errors"),
    ({"client_errors": None}, "no limit"),
]


def test_bad_input_is_told_when_it_is_made(subtests: pytest.Subtests) -> None:
    for options, about in WRONG:
        with subtests.test(f"{options}"):
            with pytest.raises(ConfigurationError) as caught:
                guard(**options)
            assert about in caught.value.message


def test_by_default_it_counts_with_all_others_of_that_server_and_blocks_nothing() -> None:
    plain = BudgetGuard(API)
    assert (plain.client, plain.enforce, plain.allowance) == ("default", False, Allowance(None, None))
    assert plain.budget is budget_of(Origin("https", "api.example.com", None))
    assert guard().enforce is True


def test_what_is_no_origin_is_not_repeated(subtests: pytest.Subtests) -> None:
    for origin in ["", "api.example.com", "https://user:canary@api.example.com", "https://"]:
        with subtests.test(f"{origin!r}"):
            with pytest.raises(ConfigurationError) as caught:
                BudgetGuard(origin)
            assert "canary" not in str(caught.value) + repr(caught.traceback[-1].frame.f_locals)

from __future__ import annotations

import httpx
import pytest

from prio_middleware.demo.naive import NaiveAuth

TOKEN_URL = "https://api.example.com/token"


def sent(*statuses: int, calls: int = 1) -> list[str]:
    """What the naive client sends when the answers to everything are ``statuses``, one after another."""
    answers, seen = iter(statuses), list[str]()

    def answer(request: httpx.Request) -> httpx.Response:
        token = str(request.url) == TOKEN_URL
        seen.append("token" if token else request.headers["authorization"])
        return httpx.Response(next(answers), json={"access_token": f"t{seen.count('token')}"})

    auth = NaiveAuth(TOKEN_URL, "me", "my-secret")
    with httpx.Client(transport=httpx.MockTransport(answer), auth=auth) as client:
        for _ in range(calls):
            client.get("https://api.example.com/products")
    return seen


def test_it_keeps_its_token_while_calls_are_answered() -> None:
    assert sent(200, 200, 200, calls=2) == ["token", "Bearer t1", "Bearer t1"]


def test_it_meets_a_403_with_a_new_token_and_a_second_try() -> None:
    assert sent(200, 403, 200, 403) == ["token", "Bearer t1", "token", "Bearer t2"]


@pytest.mark.parametrize("blocked", [429, 503])
def test_it_goes_on_with_the_old_token_where_it_gets_no_new_one(blocked: int) -> None:
    assert sent(200, 403, blocked, blocked) == ["token", "Bearer t1", "token", "Bearer t1"]

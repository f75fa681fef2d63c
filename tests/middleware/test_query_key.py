"""API key in the query: its encoding, its file, and parameters of the caller."""

from __future__ import annotations

from typing import Any

import pytest

from prio_middleware import ConfigurationError, QueryKey, Secret
from prio_middleware.oauth.static_token import LOOK_SECONDS
from tests.oauth.helpers import Clock

from .conftest import MakeExchange

URL = "https://api.example.com/products"


def added(component: QueryKey, exchange_for: MakeExchange, url: str = URL) -> str | None:
    """Return the query that ``component`` adds to a request to ``url``."""
    exchange = exchange_for(url)
    component.on_request(exchange)
    return None if exchange.further_query is None else exchange.further_query.reveal()


def test_name_and_key_are_encoded(subtests: pytest.Subtests, exchange_for: MakeExchange) -> None:
    given: list[tuple[dict[str, Any], str]] = [
        ({"key": "a/b"}, "key=a%2Fb"),
        ({"key": "a&b=c #ü"}, "key=a%26b%3Dc%20%23%C3%BC"),
        ({"key": "X", "parameter": "api/key"}, "api%2Fkey=X"),
        ({"key": Secret("X"), "parameter": "api-key"}, "api-key=X"),
    ]
    for options, expected in given:
        with subtests.test(expected):
            assert added(QueryKey(**options), exchange_for) == expected


def test_a_parameter_of_the_caller_is_kept(subtests: pytest.Subtests, exchange_for: MakeExchange) -> None:
    component = QueryKey("canary")
    for query, is_kept in [
        ("key=own", True),
        ("a=b&key=own&c=d", True),
        ("key=own=more", True),
        ("key=", True),
        ("key", True),
        ("keys=own", False),
        ("a=key", False),
        ("a=b=key", False),
        ("Key=own", False),
    ]:
        with subtests.test(query):
            assert added(component, exchange_for, f"{URL}?{query}") == (None if is_kept else "key=canary")


def test_an_error_names_the_client(subtests: pytest.Subtests) -> None:
    given: list[tuple[dict[str, Any], str]] = [({}, "default"), ({"client": "berlin"}, "berlin")]
    for options, client in given:
        with subtests.test(client):
            with pytest.raises(ConfigurationError) as caught:
                QueryKey("", **options)
            assert caught.value.client == client


def test_the_file_is_looked_at_once_in_a_second(exchange_for: MakeExchange) -> None:
    clock, looks = Clock(), list[float]()

    def changed() -> Secret:
        looks.append(clock.now)
        return Secret(f"{len(looks)}")

    component, sent, start = QueryKey("first", changed=changed, clock=clock), [], clock.now
    for passed in (0.0, LOOK_SECONDS / 2, LOOK_SECONDS, LOOK_SECONDS, 1.5 * LOOK_SECONDS, 2 * LOOK_SECONDS):
        clock.now = start + passed
        sent.append(added(component, exchange_for))
    assert sent == ["key=first", "key=first", "key=1", "key=1", "key=1", "key=2"]
    assert looks == [start + LOOK_SECONDS, start + 2 * LOOK_SECONDS]


def test_a_key_without_a_file_stays(exchange_for: MakeExchange) -> None:
    clock = Clock()
    component = QueryKey("canary", clock=clock)
    clock.now += 2 * LOOK_SECONDS
    assert added(component, exchange_for) == "key=canary"

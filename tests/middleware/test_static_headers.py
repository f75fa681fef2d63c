"""Headers with static credentials: the rules of their names and values, their file, and secrecy."""

from __future__ import annotations

import re
from typing import Any

import pytest

from prio_middleware import ConfigurationError, Secret, StaticHeaders
from prio_middleware.middleware.static_headers import RESERVED, HeaderPairs, parse_headers
from prio_middleware.oauth.static_token import LOOK_SECONDS
from prio_middleware.oauth.token_request import SHORTEST_SECRET_PARAM, TOKEN_RESERVED
from tests.oauth.helpers import Clock

from .conftest import MakeExchange

URL = "https://api.example.com/products"
FREE = sorted({*TOKEN_RESERVED} - {*RESERVED})  # Names that only a token request reserves.


def values(text: str) -> dict[str, str] | str:
    """Return the headers in ``text`` with their values, or the problem."""
    parsed = parse_headers(text)
    return parsed if isinstance(parsed, str) else {name: value.reveal() for name, value in parsed}


def test_headers_of_the_connection_cannot_be_set(subtests: pytest.Subtests) -> None:
    for name in RESERVED:
        with subtests.test(name):
            with pytest.raises(ConfigurationError) as caught:
                StaticHeaders({name: "canary"})
            assert name in caught.value.message
            assert "canary" not in str(caught.value)
            problem = values(f"{name}: canary")
            assert isinstance(problem, str)
            assert name in problem


def test_headers_that_a_token_request_reserves_can_be_set(subtests: pytest.Subtests, exchange_for: MakeExchange) -> None:
    assert FREE
    for name in FREE:
        with subtests.test(name):
            exchange = exchange_for(URL)
            exchange.headers.pop(name, None)
            StaticHeaders(parse_headers(f"{name}: canary")).on_request(exchange)  # type: ignore[arg-type]  # no problem here
            assert exchange.headers[name] == "canary"


def test_an_error_names_the_client() -> None:
    given: list[tuple[dict[str, Any], str]] = [({}, "default"), ({"client": "berlin"}, "berlin")]
    for options, client in given:
        with pytest.raises(ConfigurationError) as caught:
            StaticHeaders({"X-Key": ""}, **options)
        assert caught.value.client == client


def test_the_file_is_looked_at_once_in_a_second(exchange_for: MakeExchange) -> None:
    clock, looks = Clock(), list[float]()

    def changed() -> HeaderPairs:
        looks.append(clock.now)
        return (("X-Key", Secret(f"value {len(looks)}")),)

    headers, sent, start = StaticHeaders({"X-Key": "first"}, changed=changed, clock=clock), [], clock.now
    for passed in (0.0, LOOK_SECONDS / 2, LOOK_SECONDS, LOOK_SECONDS, 1.5 * LOOK_SECONDS, 2 * LOOK_SECONDS):
        clock.now = start + passed
        exchange = exchange_for(URL)
        headers.on_request(exchange)
        sent.append(exchange.headers["X-Key"])
    assert sent == ["first", "first", "value 1", "value 1", "value 1", "value 2"]
    assert looks == [start + LOOK_SECONDS, start + 2 * LOOK_SECONDS]


def test_values_are_secrets_from_a_certain_length() -> None:
    short, long = "s" * (SHORTEST_SECRET_PARAM - 1), "s" * SHORTEST_SECRET_PARAM
    headers = StaticHeaders({"X-Short": short, "X-Long": long})
    assert headers.recent_secrets == (Secret(long),)


def test_the_repr_shows_the_names_only() -> None:
    shown = repr(StaticHeaders({"X-One": "canary 1", "X-Two": "canary 2"}))
    assert "X-One, X-Two" in shown
    assert "canary" not in shown


def test_lines_of_a_file(subtests: pytest.Subtests) -> None:
    for text, expected in [
        ("X-Key: a\n\n# comment: no header\nX-Other:b", {"X-Key": "a", "X-Other": "b"}),
        ("X-Url: https://a.example:8443/", {"X-Url": "https://a.example:8443/"}),
        (" X-Key \t: \ta b \t", {"X-Key": "a b"}),
        ("X-Key: XenoniX", {"X-Key": "XenoniX"}),
    ]:
        with subtests.test(text):
            assert values(text) == expected


def test_whitespace_other_than_blanks_and_tabs_is_part_of_the_value(subtests: pytest.Subtests) -> None:
    for end in ("\x1f", "\xa0", "\u3000"):
        with subtests.test(f"{end!r}"):
            assert isinstance(values(f"X-Key: canary{end}"), str)


def test_a_line_without_a_colon_is_told_by_its_number() -> None:
    problem = values("X-Key: a\n\ncanary\n")
    assert isinstance(problem, str)
    assert re.findall(r"\d+", problem) == ["3"]
    assert "canary" not in problem

"""What a request may ask of its token."""

from __future__ import annotations

from typing import Any

import pytest
from rich.pretty import pretty_repr

from prio_middleware import ConfigurationError, TokenOptions
from prio_middleware.tokens.options import request_options
from prio_middleware.tokens.token import DEFAULT_OPTIONS

URL = "https://api.example/products"


def test_without_options_it_asks_for_what_the_client_does() -> None:
    assert request_options({"timeout": {}}, "shop", URL) is DEFAULT_OPTIONS


def test_every_option_is_taken() -> None:
    given = {"scope": "a b", "audience": "api", "resource": "https://r", "params": {"z": "1", "a": "2"}}

    assert request_options({"prio": given}, "shop", URL) == TokenOptions("a b", "api", "https://r", (("a", "2"), ("z", "1")))


@pytest.mark.parametrize(
    ("given", "options"),
    [
        ({}, TokenOptions()),
        ({"scope": "a"}, TokenOptions(scope="a")),
        ({"audience": "a"}, TokenOptions(audience="a")),
        ({"resource": "a"}, TokenOptions(resource="a")),
        ({"params": {"a": "1"}}, TokenOptions(params=(("a", "1"),))),
    ],
)
def test_what_is_not_named_is_left_open(given: dict[str, Any], options: TokenOptions) -> None:
    assert request_options({"prio": given}, "shop", URL) == options


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("scope", "expected a dict of options, got str"),
        ({"scop": "a"}, "there is no option 'scop'. Did you mean 'scope'?"),
        ({"zzz": "a"}, "There are scope, audience, resource, params"),
        ({7: "a"}, "there is no option 7"),
        ({"scope": ["a", "b"]}, "'scope' is a text, not list"),
        ({"scope": None}, "'scope' is a text, not NoneType"),
        ({"params": [("a", "b")]}, "'params' is a dict of texts, not list"),
        ({"params": {"a": 1}}, "'params' is a dict of texts, not dict"),
    ],
)
def test_what_is_wrong_is_said(given: Any, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        request_options({"prio": given}, "shop", URL)

    assert message in str(caught.value)
    assert caught.value.client == "shop"
    assert caught.value.url == URL
    assert caught.value.remedy == "Correct the options of this request."


def test_values_that_may_be_secrets_are_not_printed() -> None:
    options = TokenOptions(scope="read", params=(("tenant", "s3cret-value"), ("tier", "s3cret-value")))
    assert repr(options) == "TokenOptions(scope='read', audience=None, resource=None, params=(tenant=**, tier=**))"
    assert "s3cret-value" not in f"{options} {pretty_repr(options)}"

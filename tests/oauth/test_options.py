"""Token options of a request."""

from __future__ import annotations

from typing import Any

import pytest
from rich.pretty import pretty_repr

from prio_middleware import ConfigurationError, TokenOptions, token_extensions
from prio_middleware.oauth.access_token import DEFAULT_OPTIONS
from prio_middleware.oauth.token_request import request_options

URL = "https://api.example/products"


def test_without_options_it_asks_for_what_the_client_does() -> None:
    assert request_options({"timeout": {}}, "shop", URL) is DEFAULT_OPTIONS


def test_every_option_is_taken() -> None:
    given = {"scope": "a b", "audience": "api", "resource": "https://r", "params": {"z": "1", "a": "2"}}

    assert request_options({"prio": given}, "shop", URL) == TokenOptions("a b", "api", "https://r", (("a", "2"), ("z", "1")))


def test_what_is_not_named_is_left_open(subtests: pytest.Subtests) -> None:
    rows: list[tuple[dict[str, Any], TokenOptions]] = [
        ({}, TokenOptions()),
        ({"scope": "a"}, TokenOptions(scope="a")),
        ({"audience": "a"}, TokenOptions(audience="a")),
        ({"resource": "a"}, TokenOptions(resource="a")),
        ({"params": {"a": "1"}}, TokenOptions(params=(("a", "1"),))),
    ]
    for given, options in rows:
        with subtests.test(given=given, options=options):
            assert request_options({"prio": given}, "shop", URL) == options
            assert request_options({"prio": given}, "shop", URL, "berlin") == options._replace(account="berlin")
    assert request_options({}, "shop", URL, "berlin") == TokenOptions(account="berlin")


def test_a_call_names_its_options_by_function() -> None:
    given = token_extensions(account="berlin", scope="a", audience="b", resource="c", params={"d": "e"})

    assert request_options(given, "shop", URL, "paris") == TokenOptions("a", "b", "c", (("d", "e"),), "berlin")
    assert request_options(token_extensions(account="berlin"), "shop", URL) == TokenOptions(account="berlin")
    assert request_options(token_extensions(token=False), "shop", URL) is None


def test_options_without_the_account_keep_the_others(subtests: pytest.Subtests) -> None:
    for options in (
        TokenOptions(scope="a"),
        TokenOptions(audience="a"),
        TokenOptions(resource="a"),
        TokenOptions(params=(("a", "b"),)),
    ):
        with subtests.test(options=options):
            assert options._replace(account="berlin").without_account() == options
    assert TokenOptions(account="berlin").without_account() is DEFAULT_OPTIONS


def test_an_invalid_option_is_described(subtests: pytest.Subtests) -> None:
    rows: list[tuple[Any, str]] = [
        ("scope", "expected a dict of options, got str"),
        ({"scop": "a"}, "there is no option 'scop'. Did you mean 'scope'?"),
        ({"zzz": "a"}, "There are scope, audience, resource, params, account, token"),
        ({7: "a"}, "there is no option 7"),
        ({"scope": ["a", "b"]}, "'scope' is a text, not list"),
        ({"scope": None}, "'scope' is a text, not NoneType"),
        ({"params": [("a", "b")]}, "'params' is a dict of texts, not list"),
        ({"params": {"a": 1}}, "'params' is a dict of texts, not dict"),
        ({"token": 0}, "'token' is True or False, not int"),
        ({"token": "no"}, "'token' is True or False, not str"),
        (
            {"scope": "a", "token": False, "audience": "b"},
            "'token' is False, so these options have no effect: 'scope', 'audience'",
        ),
    ]
    for given, message in rows:
        with subtests.test(given=given, message=message):
            with pytest.raises(ConfigurationError) as caught:
                request_options({"prio": given}, "shop", URL)

            assert message in str(caught.value)
            assert caught.value.client == "shop"
            assert caught.value.url == URL
            assert caught.value.remedy == "Correct the options of this request."


def test_a_request_can_go_without_a_token(subtests: pytest.Subtests) -> None:
    rows: list[tuple[dict[str, Any], TokenOptions | None]] = [
        ({"token": False}, None),
        ({"token": True}, TokenOptions()),
        ({"token": True, "scope": "a"}, TokenOptions(scope="a")),
    ]
    for given, options in rows:
        with subtests.test(given=given, options=options):
            assert request_options({"prio": given}, "shop", URL) == options


def test_values_that_may_be_secrets_are_not_printed() -> None:
    options = TokenOptions(scope="read", params=(("tenant", "s3cret-value"), ("tier", "s3cret-value")))
    assert repr(options) == "TokenOptions(scope='read', audience=None, resource=None, params=(tenant=**, tier=**))"
    assert "s3cret-value" not in f"{options} {pretty_repr(options)}"
    assert "account='berlin'" in repr(TokenOptions(account="berlin"))

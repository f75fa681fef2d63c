"""Options over defaults, and what a token says of itself."""

from __future__ import annotations

import pytest

from prio_middleware import AccessToken, ConfigurationError, Secret, TokenOptions
from prio_middleware.oauth.access_token import DEFAULT_OPTIONS

DEFAULTS = TokenOptions("read", "api", "https://r.example", (("tenant", "1"), ("x", "1")))


def test_defaults_stand_for_what_is_left_open(subtests: pytest.Subtests) -> None:
    rows: list[tuple[TokenOptions, TokenOptions]] = [
        (DEFAULT_OPTIONS, DEFAULTS),
        (TokenOptions(), DEFAULTS),
        (TokenOptions(scope="write"), DEFAULTS._replace(scope="write")),
        (TokenOptions(audience="other"), DEFAULTS._replace(audience="other")),
        (TokenOptions(resource="https://o.example"), DEFAULTS._replace(resource="https://o.example")),
        (TokenOptions(scope="", audience="", resource=""), TokenOptions("", "", "", DEFAULTS.params)),
        (TokenOptions(params=(("x", "2"), ("a", "3"))), DEFAULTS._replace(params=(("a", "3"), ("tenant", "1"), ("x", "2")))),
    ]
    for options, expected in rows:
        with subtests.test(options=options, expected=expected):
            assert options.over(DEFAULTS) == expected


def test_a_later_token_has_a_larger_serial() -> None:
    first, second = AccessToken(Secret("a")), AccessToken(Secret("b"))

    assert second.serial > first.serial


def test_a_token_shows_its_type_and_not_its_value() -> None:
    token = AccessToken(Secret("canary"), "DPoP")

    assert token.authorization() == "DPoP canary"
    assert repr(token) == f"<AccessToken #{token.serial} DPoP **>"


def test_a_token_that_no_header_can_hold_is_an_error_that_says_what_to_correct() -> None:
    with pytest.raises(ConfigurationError) as caught:
        AccessToken(Secret("canary\n"))

    assert "token" in caught.value.remedy
    assert "canary" not in str(caught.value)

"""A fixed token: used as it is, and never replaced."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from prio_middleware import AccessToken, Secret, StaticTokenProvider, TokenError
from prio_middleware.tokens.token import DEFAULT_OPTIONS


def no_request(_: object) -> Any:
    pytest.fail("a fixed token is not asked for")


@pytest.mark.parametrize(
    ("given", "header"),
    [(("fixed",), "Bearer fixed"), ((Secret("fixed"),), "Bearer fixed"), (("fixed", "DPoP"), "DPoP fixed")],
)
def test_the_token_is_there_from_the_start(given: tuple[Any, ...], header: str) -> None:
    current = StaticTokenProvider(*given).current(DEFAULT_OPTIONS, None)

    assert current is not None
    assert current.authorization() == header


def test_once_refused_there_is_no_other() -> None:
    tokens = StaticTokenProvider("fixed")
    refused = tokens.current(DEFAULT_OPTIONS, None)
    assert refused is not None
    tokens.invalidate(refused)

    assert tokens.current(DEFAULT_OPTIONS, refused) is None
    with pytest.raises(TokenError) as blocking:
        tokens.get_token(DEFAULT_OPTIONS, refused, no_request)
    with pytest.raises(TokenError) as awaiting:
        anyio.run(aget, tokens, refused)

    for error in (blocking.value, awaiting.value):
        assert error.message == "The fixed token was refused, and there is no other."
        assert error.remedy == "Give the client a new token, or credentials to fetch one."


async def aget(tokens: StaticTokenProvider, refused: AccessToken) -> AccessToken:
    return await tokens.aget_token(DEFAULT_OPTIONS, refused, no_request)

"""A fixed token: used as it is, and never replaced."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from prio_middleware import AccessToken, ConfigurationError, Secret, StaticTokenProvider, TokenError
from prio_middleware.oauth.access_token import DEFAULT_OPTIONS
from prio_middleware.oauth.static_token import NoTokenProvider
from tests.oauth.helpers import Clock


def no_request(_: object) -> Any:
    pytest.fail("a fixed token is not asked for")


def test_the_token_is_there_from_the_start(subtests: pytest.Subtests) -> None:
    rows: list[tuple[tuple[Any, ...], str]] = [
        (("fixed",), "Bearer fixed"),
        ((Secret("fixed"),), "Bearer fixed"),
        (("fixed", "DPoP"), "DPoP fixed"),
    ]
    for given, header in rows:
        with subtests.test(given=given, header=header):
            current = StaticTokenProvider(*given).current(DEFAULT_OPTIONS, None)

            assert current is not None
            assert current.authorization() == header


def test_after_a_rejection_there_is_no_other_token() -> None:
    tokens = StaticTokenProvider("fixed", client="shop")
    refused = tokens.current(DEFAULT_OPTIONS, None)
    assert refused is not None
    tokens.invalidate(refused)

    assert tokens.current(DEFAULT_OPTIONS, refused) is None
    with pytest.raises(TokenError) as blocking:
        tokens.get_token(DEFAULT_OPTIONS, refused, no_request)
    with pytest.raises(TokenError) as awaiting:
        anyio.run(aget, tokens, refused)

    for error in (blocking.value, awaiting.value):
        assert error.client == "shop"
        assert error.message == "The API rejected the fixed token, and there is no other."
        assert error.remedy == "Give the client a new token, or credentials to fetch one."


def test_a_file_is_checked_once_in_a_second_and_keeps_the_type() -> None:
    clock, values, looks = Clock(), [Secret("second"), None], list[float]()

    def changed() -> Secret | None:
        looks.append(clock.now)
        return values.pop(0)

    tokens = StaticTokenProvider("first", "DPoP", changed=changed, clock=clock)
    found = []
    for _ in range(5):
        current = tokens.current(DEFAULT_OPTIONS, None)
        assert current is not None
        found.append(current.authorization())
        clock.now += 0.5

    assert found == ["DPoP first"] * 2 + ["DPoP second"] * 3
    assert looks == [1001.0, 1002.0]
    assert tokens.recent_secrets == (Secret("first"),)


def test_a_provider_is_named_after_its_client() -> None:
    assert StaticTokenProvider("fixed").client == NoTokenProvider().client == "default"
    assert NoTokenProvider(client="shop").client == "shop"


async def aget(tokens: StaticTokenProvider, refused: AccessToken) -> AccessToken:
    return await tokens.aget_token(DEFAULT_OPTIONS, refused, no_request)


@pytest.mark.pitfall(id="foreign-text")
def test_a_token_that_no_header_holds_is_refused_without_being_named(subtests: pytest.Subtests) -> None:
    wrong: list[Any] = ["canary\n", "canary ", "canary\u00e9", "", b"canary", None]
    for token in wrong:
        with subtests.test(repr(token)):
            with pytest.raises(ConfigurationError, match="The token") as caught:
                StaticTokenProvider(token)
            ours = [entry.frame for entry in caught.traceback if "prio_middleware" in str(entry.path)]
            assert "canary" not in f"{caught.value} {[frame.f_locals for frame in ours]}"
            assert ours
            with pytest.raises(ConfigurationError):
                AccessToken(Secret(token) if isinstance(token, str) else token)
    for kind in ("", "Bearer ", "Bearer\n", None):
        with subtests.test(kind=kind), pytest.raises(ConfigurationError, match="authentication scheme"):
            AccessToken(Secret("fixed"), kind)  # type: ignore[arg-type] # what is tested

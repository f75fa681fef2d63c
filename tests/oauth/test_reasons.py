"""Reasons of fetches: dropped tokens and rejections."""

from __future__ import annotations

import pytest

from prio_middleware import AccessToken, Secret
from prio_middleware.oauth.access_token import DEFAULT_OPTIONS, TokenOptions
from prio_middleware.oauth.decision import Reason, RemovedTokens, is_after_rejection

TOKEN = AccessToken(Secret("t"))


def test_a_fetch_after_a_rejection(subtests: pytest.Subtests) -> None:
    rows: list[tuple[Reason | None, AccessToken | None, AccessToken | None, bool]] = [
        (None, None, None, False),
        (None, TOKEN, None, False),
        (None, None, TOKEN, True),
        (None, TOKEN, TOKEN, True),
        ("rejected", None, None, True),
        ("rejected", TOKEN, None, False),
        ("forced", None, None, False),
        ("forced", TOKEN, None, False),
    ]
    for dropped, cached, rejected, after_rejection in rows:
        with subtests.test(dropped=dropped, cached=cached, rejected=rejected):
            assert is_after_rejection(dropped, cached, rejected) is after_rejection


def test_a_dropped_token_is_remembered_once() -> None:
    dropped = RemovedTokens()
    dropped.record([DEFAULT_OPTIONS], "forced")

    assert [dropped.pop(DEFAULT_OPTIONS) for _ in range(2)] == ["forced", None]


def test_the_memory_is_bounded() -> None:
    assert [remembered(RemovedTokens(), count) for count in (1024, 1025)] == [1024, 1]


def remembered(dropped: RemovedTokens, count: int) -> int:
    """Return the number of keys that are remembered after the tokens of ``count`` keys were dropped."""
    keys = [TokenOptions(scope=str(number)) for number in range(count)]
    for key in keys:
        dropped.record([key], "rejected")
    return sum(dropped.pop(key) == "rejected" for key in keys)

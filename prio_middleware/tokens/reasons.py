"""Why a token is fetched."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from .token import AccessToken, TokenOptions

Reason = Literal["initial", "expiring", "rejected", "forced"]


class Reasons:
    """Remembers, for each key of one provider, what became of a token that is not there any more.

    Args:
        limit: how many are kept.
    """

    def __init__(self, limit: int = 1024) -> None:
        self._limit = limit
        self._lost: dict[TokenOptions, Reason] = {}

    def lost(self, keys: Iterable[TokenOptions], reason: Reason) -> None:
        """The tokens of these keys were dropped."""
        if len(self._lost) >= self._limit:
            self._lost.clear()
        self._lost.update(dict.fromkeys(keys, reason))

    def of(self, key: TokenOptions, kept: AccessToken | None, stale: AccessToken | None) -> Reason:
        """Why a token for ``key`` is fetched now, where ``kept`` is there already, and ``stale`` was refused."""
        lost = self._lost.pop(key, "initial")
        if stale is not None:
            return "rejected"
        return lost if kept is None else "expiring"

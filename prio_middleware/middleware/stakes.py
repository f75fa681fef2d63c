"""How many new tokens may be had in vain."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

WINDOW: Final = 90.0
"""Seconds for which a bet counts: a minute, and so much more that no minute of traffic sees a bet and its successor."""

SURE: Final = 3
"""Lost bets that a window may see for places that have answered before."""

DOUBTFUL: Final = 2
"""Lost bets that a window may see for all other refusals together."""

TOTAL: Final = 20
"""Bets that a window may see, the won ones included: for servers that refuse now and then without a reason."""

MISSING: Final = 10
"""So many successes must have been due, and none have come, to make the token itself suspect."""

HISTORY: Final = 1024
"""Answers after which older ones count half."""


class Evidence(Enum):
    """What a refusal says about the token."""

    STRONG = auto()
    """The place has answered before."""

    WEAK = auto()
    """The place never answered."""

    SPENT = auto()
    """The place has answered before, but new tokens did not help there of late."""


@dataclass(slots=True)
class _Bet:
    serial: int
    at: float
    sure: bool
    won: bool = False


class Stakes:
    """Bets: new tokens that were asked for because the current one was refused.

    A bet counts as lost until a call that was refused with the old token is answered with the new one. In a window, the first
    doubtful bet is made at once. The second is kept for a run of doubtful refusals in which, at the rate seen so far, several
    successes should have come and none did: then the token is dead, or the world has changed.
    """

    def __init__(self) -> None:
        self._bets: list[_Bet] = []
        self._successes = 0
        self._doubtful = 0
        self._run = 0

    def token_works(self) -> None:
        """A call with the current token was answered."""
        self._run = 0
        self._successes += 1
        self._age()

    def won(self, serial: int) -> None:
        """A call that had been refused before was answered with the token ``serial``."""
        if self._bets and self._bets[-1].serial < serial:
            self._bets[-1].won = True

    def bet(self, serial: int, now: float, evidence: Evidence) -> bool:
        """Whether to give the token ``serial`` up, and if so, count it."""
        self._bets = [bet for bet in self._bets if now - bet.at < WINDOW]
        sure = evidence is Evidence.STRONG and self._lost(sure=True) < SURE
        if len(self._bets) >= TOTAL or not (sure or self._dares(evidence)):
            return False
        self._bets.append(_Bet(serial, now, sure))
        self._run = 0
        return True

    def _dares(self, evidence: Evidence) -> bool:
        self._run += 1
        self._doubtful += 1
        self._age()
        lost = self._lost(sure=False)
        return (evidence is Evidence.WEAK and lost == 0) or (lost < DOUBTFUL and self._missing() >= MISSING)

    def _missing(self) -> float:
        """How many successes were due in the present run of refusals."""
        return self._run * self._successes / (self._successes + self._doubtful)

    def _lost(self, *, sure: bool) -> int:
        return sum(bet.sure is sure and not bet.won for bet in self._bets)

    def _age(self) -> None:
        if self._successes + self._doubtful > HISTORY:
            self._successes //= 2
            self._doubtful //= 2

"""What happened in a round of chaos: plain data, so that checks can be pure, and be tested with doctored histories."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

Ended = Literal["response", "error", "cancelled", "stray"]
"""A stray error is none of our tree."""


LEAPER = 0.5
"""Seconds after a leap in which a fetch that it found under way may still go on."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call as the caller saw it.

    Attributes:
        name: what it was tagged with.
        began: seconds of a monotonic clock.
        ended: the same.
        how: how it ended.
        status: of the response.
        said: the error's class and text; of a refusal, why it was handed on.
        allowed: the account may do this, so that a refusal is about the token.
        provider: whose token it took: there are several where they share a store.
    """

    name: str
    began: float
    ended: float
    how: Ended
    status: int | None = None
    said: str = ""
    allowed: bool = True
    provider: str = ""

    @property
    def is_refused(self) -> bool:
        """It had an answer, and not the one that was due."""
        return self.how == "response" and self.allowed and self.status != 200

    def __str__(self) -> str:
        answer = f"{self.how} {self.status or ''}".rstrip()
        return f"{self.name} ({self.began:.3f} to {self.ended:.3f} s, {answer}{f', {self.said}' if self.said else ''})"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request as the server saw it, in the order of arrival.

    Attributes:
        call: what it was tagged with.
        token: which token it carried, numbered in the order of their first use; None: it carried none.
        status: what it was answered; None: it went away before.
    """

    call: str
    token: int | None
    status: int | None


@dataclass(frozen=True, slots=True)
class Span:
    """Something that was so for a while."""

    what: str
    began: float
    ended: float

    def overlaps(self, began: float, ended: float) -> bool:
        """Whether some of it lies between two moments."""
        return self.began <= ended and began <= self.ended


@dataclass(slots=True)
class History:
    """One round.

    Attributes:
        calls: as the callers saw them.
        arrivals: as the server saw them.
        outages: when no new token could be had.
        deaths: when tokens died before the client could know.
        leaps: when the client's clock leapt.
        left: what the round left behind: connections, tasks, threads, descriptors.
        limit: seconds within which a call has to end.
        margin: seconds after an outage in which it may still be felt: pauses between tries, and what is held back.
    """

    calls: list[Call] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    outages: list[Span] = field(default_factory=list)
    deaths: list[Span] = field(default_factory=list)
    leaps: list[Span] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    limit: float = 10.0
    margin: float = 1.5

    def sent(self) -> dict[str, list[Arrival]]:
        """The arrivals of each call."""
        found: dict[str, list[Arrival]] = {call.name: [] for call in self.calls}
        for arrival in self.arrivals:
            found.setdefault(arrival.call, []).append(arrival)
        return found

    def outage_at(self, moment: float) -> bool:
        """Whether no token could be had at ``moment``, or shortly before."""
        return any(span.overlaps(moment - self.margin, moment) for span in self.outages)

    def death_within(self, call: Call) -> bool:
        """Whether tokens died while ``call`` was under way."""
        return any(span.overlaps(call.began, call.ended) for span in self.deaths)

    def deadline_leapt_over(self, call: Call) -> bool:
        """Whether the client's clock leapt while ``call`` was under way, or while somebody was whom it then waited for."""
        return any(span.overlaps(call.began - LEAPER, call.ended) for span in self.leaps)

    def died_unnoticed(self, call: Call, token: int | None) -> bool:
        """Whether ``token`` had worked for another provider, died before ``call`` ended, and never worked again.

        A store hands on what nobody was refused yet: that may be as dead as the token which it replaces.
        """
        calls = {each.name: each for each in self.calls}
        names = [seen.call for seen in self.arrivals if seen.token == token and seen.status == 200]
        worked = [calls[name] for name in names if name in calls]
        if all(each.provider == call.provider for each in worked) or any(each.began > call.ended for each in worked):
            return False
        since = min(each.ended for each in worked)
        return any(span.overlaps(since, call.ended) for span in self.deaths)


def numbered(tokens: Iterable[str | None]) -> list[int | None]:
    """Tokens by the order of their first use: no token needs to be kept, or printed."""
    known: dict[str, int] = {}
    return [None if token is None else known.setdefault(token, len(known) + 1) for token in tokens]

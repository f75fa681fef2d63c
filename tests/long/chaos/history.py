"""History of a round: plain data, so that checks are pure and can be tested with altered histories."""

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
        account: the account that it named; empty for the client's own.
    """

    name: str
    began: float
    ended: float
    how: Ended
    status: int | None = None
    said: str = ""
    allowed: bool = True
    provider: str = ""
    account: str = ""

    @property
    def is_refused(self) -> bool:
        """True if the response was not the expected one."""
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
        account: whose token that was; empty for the client's own.
    """

    call: str
    token: int | None
    status: int | None
    account: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """Something that was so for a while. ``account`` is the only one that it concerned; empty for all."""

    what: str
    began: float
    ended: float
    account: str = ""

    @property
    def seconds(self) -> float:
        """Duration, in seconds."""
        return self.ended - self.began

    def overlaps(self, began: float, ended: float) -> bool:
        """Return True if some of it lies between two times."""
        return self.began <= ended and began <= self.ended

    def concerns(self, call: Call) -> bool:
        """Return True if it concerned the account of ``call``."""
        return self.account in {"", call.account}


@dataclass(slots=True)
class History:
    """One round.

    Attributes:
        calls: as the callers saw them.
        arrivals: as the server saw them.
        outages: times without a new token.
        deaths: times at which tokens died before the client could know.
        leaps: leaps of the client's clock.
        left: connections, tasks, threads and descriptors left after the round.
        limit: longest duration of a call, in seconds.
        margin: seconds after an outage in which calls may still fail. The cool-down after a failed fetch doubles, so it may
            last as long as the outage.
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

    def outage_for(self, call: Call) -> bool:
        """Return whether there was no token to be had when ``call`` ended, or shortly before."""
        ended = call.ended
        return any(span.concerns(call) and span.overlaps(ended - self.margin - span.seconds, ended) for span in self.outages)

    def death_within(self, call: Call) -> bool:
        """Return True if tokens died during ``call``."""
        return any(span.concerns(call) and span.overlaps(call.began, call.ended) for span in self.deaths)

    def deadline_leapt_over(self, call: Call) -> bool:
        """Return True if the client's clock leapt during ``call``, or during an earlier call whose fetch it waited for."""
        return any(span.overlaps(call.began - LEAPER, call.ended) for span in self.leaps)

    def died_unnoticed(self, call: Call, token: int | None) -> bool:
        """Return True if ``token`` had worked for another provider, died before ``call`` ended, and never worked again.

        A store returns tokens that were not rejected yet, which may be as dead as the token that they replace.
        """
        calls = {each.name: each for each in self.calls}
        names = [seen.call for seen in self.arrivals if seen.token == token and seen.status == 200]
        worked = [calls[name] for name in names if name in calls]
        if all(each.provider == call.provider for each in worked) or any(each.began > call.ended for each in worked):
            return False
        since = min(each.ended for each in worked)
        return any(span.concerns(call) and span.overlaps(since, call.ended) for span in self.deaths)


def numbered(tokens: Iterable[str | None]) -> list[int | None]:
    """Tokens by the order of their first use: no token needs to be kept, or printed."""
    known: dict[str, int] = {}
    return [None if token is None else known.setdefault(token, len(known) + 1) for token in tokens]

"""Limits on renewals: token requests that follow a refusal, for one set of credentials at one token endpoint."""

from __future__ import annotations

import os
import threading
from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, NamedTuple

WINDOW: Final = 90.0
"""Seconds for which a renewal counts. More than 60 s, so that delayed requests stay within the limit of any minute."""

LIMIT: Final = 3
"""Maximum renewals that did not help, per window."""

RESERVE: Final = 1
"""Further renewals for an endpoint that answers often, once its refusals are proof."""

UNKNOWN_LIMIT: Final = 2
"""Part of ``LIMIT`` for paths that never answered, or where renewals did not help recently."""

ORIGIN_LIMIT: Final = 2
"""Part of ``LIMIT`` for one origin that has not answered the present token."""

PROOF: Final = 14.0
"""Evidence in nats that allows the reserve, or a renewal for an unknown path. By chance, once in a million calls."""

LIKELY_PROOF: Final = 10.0
"""Evidence in nats that allows one of the remaining renewals for a template that answers often: two refusals without an
answer between them."""

REPEATED_LIMIT: Final = 20
"""Maximum renewals per window after the first of each kind of token, helpful ones included: a server may refuse at random."""

RENEWALS_KEPT: Final = 1024
"""Number of renewals at which those that helped are dropped early."""

LIMITERS_LIMIT: Final = 1024
"""Maximum sets of credentials whose limiters are kept for later handlers. Each handler keeps its own."""


class Confidence(Enum):
    """Confidence that a refusal means a dead token, by its endpoint."""

    KNOWN = auto()
    """The path has answered before."""

    LIKELY = auto()
    """The path never answered, but other paths of its template did."""

    EXPLICIT = auto()
    """The path never answered, and the refusal's code names the token, such as ``invalid_token``."""

    UNKNOWN = auto()
    """The path never answered."""

    DISTRUSTED = auto()
    """The path has answered before, but renewals did not help there recently."""


_STRONG: Final = frozenset({Confidence.LIKELY, Confidence.EXPLICIT})


class Candidate(NamedTuple):
    """Token that may be renewed, and the refusal that suggests it.

    Attributes:
        kind: equal for tokens that replace each other.
        serial: the token's serial.
        origin: the origin that refused it.
        endpoint: the endpoint that refused it.
        confidence: confidence that the token is dead, by the endpoint alone.
        evidence: evidence against the token from all refusals, in nats.
        token_works: True if an endpoint has answered the token.
        origin_works: True if an endpoint of this origin has answered it.
        answers_often: True if this endpoint answers often, this token included.
    """

    kind: Hashable
    serial: int
    origin: Hashable
    endpoint: Hashable
    confidence: Confidence
    evidence: float = 0.0
    token_works: bool = False
    origin_works: bool = False
    answers_often: bool = False


@dataclass(slots=True)
class _Renewal:
    candidate: Candidate
    at: float
    helped: bool = False


class RenewalLimiter:
    """Limiter of renewals that do not help. Not thread-safe.

    A renewal counts until it has helped: until a call that was refused with the old token is answered with the new one. All
    kinds of tokens (scopes, audiences) and all API origins share the limits.

    If all tokens of the credentials were revoked, each kind needs a renewal. So each kind whose renewal helped allows one more
    for a kind that was not renewed yet.
    """

    def __init__(self) -> None:
        self._renewals: list[_Renewal] = []

    def allow(self, candidate: Candidate, now: float) -> bool:
        """Return True if the token may be renewed, and count the renewal."""
        self._renewals = [renewal for renewal in self._renewals if now - renewal.at < WINDOW]
        if not self._within_limits(candidate):
            return False
        if len(self._renewals) >= RENEWALS_KEPT:
            self._renewals = [renewal for renewal in self._renewals if not renewal.helped]
        self._renewals.append(_Renewal(candidate, now))
        return True

    def has_renewed(self, serial: int) -> bool:
        """Return True if any handler renewed the token ``serial`` within the window: a newer one exists or is being fetched."""
        return any(renewal.candidate.serial == serial for renewal in self._renewals)

    def record_help(self, kind: Hashable, serial: int) -> Hashable:
        """Record that a refused call was answered with the token ``serial``.

        Returns:
            The endpoint whose refusal led to that token; None if the token was fetched for another reason.
        """
        renewal = next((one for one in reversed(self._renewals) if one.candidate.kind == kind), None)
        if renewal is None or renewal.candidate.serial >= serial:
            return None
        renewal.helped = True
        return renewal.candidate.endpoint

    def _within_limits(self, candidate: Candidate) -> bool:
        kinds = [renewal.candidate.kind for renewal in self._renewals]
        renewed = candidate.kind in kinds
        if renewed and len(kinds) - len(set(kinds)) >= REPEATED_LIMIT:
            return False
        spent = [renewal.candidate for renewal in self._renewals if not renewal.helped]
        if not _origin_may_spend(candidate, spent):
            return False
        credit = 0 if renewed else len({renewal.candidate.kind for renewal in self._renewals if renewal.helped})
        if len(spent) - credit >= LIMIT:
            proven = candidate.answers_often and candidate.evidence >= PROOF
            return proven and len(spent) - credit < LIMIT + RESERVE
        return candidate.confidence is Confidence.KNOWN or _worth_a_try(candidate, spent)


def _origin_may_spend(candidate: Candidate, spent: list[Candidate]) -> bool:
    """Return True if one more renewal may be spent on the origin.

    A token that works elsewhere is alive, so all renewals for an origin that refuses it count. A token that never worked may
    have been dead from the start; then only renewals of such tokens count.
    """
    if candidate.origin_works:
        return True
    here = [one for one in spent if one.origin == candidate.origin and (candidate.token_works or not one.origin_works)]
    return len(here) < ORIGIN_LIMIT


def _worth_a_try(candidate: Candidate, spent: list[Candidate]) -> bool:
    """Return True to renew for a path that never answered, or is distrusted.

    The first refusal of a kind at an origin deserves a renewal. Later ones do if the evidence reaches ``PROOF``, or the
    confidence is LIKELY or EXPLICIT. After ``UNKNOWN_LIMIT`` renewals, these need ``LIKELY_PROOF`` or ``PROOF`` too.
    """
    unknown = [one for one in spent if one.confidence is not Confidence.KNOWN]
    proven, strong = candidate.evidence >= PROOF, candidate.confidence in _STRONG
    if len(unknown) >= UNKNOWN_LIMIT:
        is_likely = candidate.confidence is Confidence.LIKELY and candidate.answers_often
        return candidate.evidence >= (LIKELY_PROOF if is_likely else PROOF) and (strong or candidate.answers_often)
    tried = any((one.kind, one.origin) == (candidate.kind, candidate.origin) for one in unknown)
    return proven or strong or (candidate.confidence is Confidence.UNKNOWN and not tried)


class ProcessLimiter:
    """Limiter of this process, with its lock. Handlers of the same credentials share one.

    A forked process starts with an empty one: it may copy a held lock, and not every server runs Python's fork hooks.
    """

    def __init__(self) -> None:
        self._start()

    def own(self) -> tuple[threading.Lock, RenewalLimiter]:
        """Return the lock and the limiter of this process."""
        if self._pid != os.getpid():
            self._start()
        return self._own

    def _start(self) -> None:
        self._own = threading.Lock(), RenewalLimiter()
        self._pid = os.getpid()


_limiters: dict[Hashable, ProcessLimiter] = {}


def limiter_of(token_url: str, client_id: str) -> ProcessLimiter:
    """Return the limiter of these credentials at this token endpoint, for all scopes: one per process."""
    key = token_url, client_id
    known = _limiters.get(key)
    if known is None:
        if len(_limiters) >= LIMITERS_LIMIT:
            _limiters.pop(next(iter(_limiters)), None)
        known = _limiters.setdefault(key, ProcessLimiter())
    return known


def limiter_around(provider: object) -> ProcessLimiter | None:
    """Return the limiter of the credentials of ``provider``; None if they are unknown."""
    endpoint = getattr(provider, "endpoint", None)
    token_url, client_id = getattr(endpoint, "url", None), getattr(getattr(endpoint, "auth", None), "client_id", None)
    return limiter_of(token_url, client_id) if isinstance(token_url, str) and isinstance(client_id, str) else None


def forget() -> None:
    """Drop the kept limiters, for tests."""
    _limiters.clear()

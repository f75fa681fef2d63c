"""Limits on renewals: token requests because of a refusal, for one set of credentials at one token endpoint."""

from __future__ import annotations

import os
import threading
from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, NamedTuple

WINDOW: Final = 90.0  # Seconds for which a renewal counts. Over 60, so that no minute has more than the limit despite delays.
LIMIT: Final = 3  # Maximum renewals that did not help, per window.
RESERVE: Final = 1  # Further renewals for an endpoint that succeeds often, once the evidence reaches PROOF.
UNKNOWN_LIMIT: Final = 2  # Renewals for paths that are not KNOWN, after which further ones need proof.
ORIGIN_LIMIT: Final = 2  # Part of LIMIT for one origin that has not succeeded with the token in use.
PROOF: Final = 14.0  # Evidence in nats that allows the reserve, or an unknown path. By chance, once in a million calls.
# Evidence in nats that allows one of the remaining renewals for a template that succeeds often: two refusals without a success
# between them.
LIKELY_PROOF: Final = 10.0
# Maximum renewals per window after the first of each kind of token, helpful ones included: a server may refuse at random.
REPEATED_LIMIT: Final = 20
RENEWALS_KEPT: Final = 1024  # Number of renewals from which those that helped are dropped early.
LIMITERS_LIMIT: Final = 1024  # Maximum sets of credentials whose limiters are kept for later handlers. Handlers keep their own.


class Confidence(Enum):
    """Confidence that a refusal rejects the token, by its endpoint."""

    KNOWN = auto()  # The path has succeeded before.
    LIKELY = auto()  # The path never succeeded; its template did, rarely refusing.
    EXPLICIT = auto()  # The path never succeeded, and the refusal's code names the token, such as ``invalid_token``.
    UNKNOWN = auto()  # The path never succeeded, and nothing else suggests a rejected token.
    DISTRUSTED = auto()  # The path has succeeded before, but renewals did not help there recently.


class Candidate(NamedTuple):
    """Token that may be renewed, and the refusal that suggests it."""

    kind: Hashable  # Equal for tokens that replace each other.
    serial: int
    origin: Hashable
    endpoint: Hashable
    confidence: Confidence  # By the endpoint alone.
    evidence: float = 0.0  # Against the token, from all refusals, in nats.
    token_works: bool = False  # An endpoint has succeeded with the token.
    origin_works: bool = False  # An endpoint of this origin has succeeded with the token.
    succeeds_often: bool = False  # The template does, with this token too if any did.


@dataclass(slots=True)
class _Renewal:
    candidate: Candidate
    at: float
    helped: bool = False


class RenewalLimiter:
    """Limiter of renewals that do not help. Not thread-safe.

    A renewal counts until it has helped: until the new token proves valid for a call that was refused with the old one. All
    kinds of tokens (scopes, audiences) and all API origins share the limits.

    If all tokens of the credentials were revoked, each kind needs a renewal. So each kind whose renewal helped allows one more
    for a kind that was not renewed yet.
    """

    def __init__(self) -> None:
        self._renewals: list[_Renewal] = []

    def allow(self, candidate: Candidate, now: float) -> bool:
        """Return True if the token may be renewed, and count the renewal."""
        self._renewals = [renewal for renewal in self._renewals if now - renewal.at < WINDOW]
        if not self._is_within_limits(candidate):
            return False
        if len(self._renewals) >= RENEWALS_KEPT:
            self._renewals = [renewal for renewal in self._renewals if not renewal.helped]
        self._renewals.append(_Renewal(candidate, now))
        return True

    def has_replaced(self, serial: int) -> bool:
        """Return True if any handler renewed the token ``serial`` within the window: a newer one exists or is being fetched."""
        return any(renewal.candidate.serial == serial for renewal in self._renewals)

    def record_help(self, kind: Hashable, serial: int) -> Hashable:
        """Record that the token ``serial`` helped: it is valid, unlike the one before.

        Returns:
            The endpoint whose refusal led to that token; None if the token was fetched for another reason.
        """
        renewal = next((renewal for renewal in reversed(self._renewals) if renewal.candidate.kind == kind), None)
        if renewal is None or renewal.candidate.serial >= serial:
            return None
        renewal.helped = True
        return renewal.candidate.endpoint

    def _is_within_limits(self, candidate: Candidate) -> bool:
        kinds = [renewal.candidate.kind for renewal in self._renewals]
        renewed = candidate.kind in kinds
        if renewed and len(kinds) - len(set(kinds)) >= REPEATED_LIMIT:
            return False
        unhelpful = [renewal.candidate for renewal in self._renewals if not renewal.helped]
        if not _origin_allows(candidate, unhelpful):
            return False
        credit = 0 if renewed else len({renewal.candidate.kind for renewal in self._renewals if renewal.helped})
        if len(unhelpful) - credit >= LIMIT:
            proven = candidate.succeeds_often and candidate.evidence >= PROOF
            return proven and len(unhelpful) - credit < LIMIT + RESERVE
        return candidate.confidence is Confidence.KNOWN or _unknown_path_allows(candidate, unhelpful)


def _origin_allows(candidate: Candidate, unhelpful: list[Candidate]) -> bool:
    """Return True if the origin may cause one more renewal.

    A token that works elsewhere is valid, so each unhelpful renewal for this origin counts. A token that never worked may have
    been invalid from the start: then only renewals count whose token had not worked at this origin either.
    """
    if candidate.origin_works:
        return True
    here = [
        other for other in unhelpful if other.origin == candidate.origin and (candidate.token_works or not other.origin_works)
    ]
    return len(here) < ORIGIN_LIMIT


def _unknown_path_allows(candidate: Candidate, unhelpful: list[Candidate]) -> bool:
    """Return True to renew for a path that never succeeded, or is distrusted.

    The first refusal of a kind at an origin deserves a renewal. Later ones do if the evidence reaches ``PROOF``, or the
    confidence is LIKELY or EXPLICIT. Past ``UNKNOWN_LIMIT``, proof is needed, and either of these or many successes.
    """
    unknown = [other for other in unhelpful if other.confidence is not Confidence.KNOWN]
    proven, strong = candidate.evidence >= PROOF, candidate.confidence in {Confidence.LIKELY, Confidence.EXPLICIT}
    if len(unknown) >= UNKNOWN_LIMIT:
        is_likely = candidate.confidence is Confidence.LIKELY and candidate.succeeds_often
        return candidate.evidence >= (LIKELY_PROOF if is_likely else PROOF) and (strong or candidate.succeeds_often)
    tried = any((other.kind, other.origin) == (candidate.kind, candidate.origin) for other in unknown)
    return proven or strong or (candidate.confidence is Confidence.UNKNOWN and not tried)


class ProcessLimiter:
    """Limiter of this process, with its lock. Handlers of the same credentials share one.

    A forked process starts with an empty one: it may copy a held lock, and not every server runs Python's fork hooks.
    """

    def __init__(self) -> None:
        self._start()

    def of_this_process(self) -> tuple[threading.Lock, RenewalLimiter]:
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
    credentials = token_url, client_id
    known = _limiters.get(credentials)
    if known is None:
        if len(_limiters) >= LIMITERS_LIMIT:
            _limiters.pop(next(iter(_limiters)), None)
        known = _limiters.setdefault(credentials, ProcessLimiter())
    return known


def limiter_of_provider(provider: object) -> ProcessLimiter | None:
    """Return the limiter of the credentials of ``provider``; None if they are unknown."""
    endpoint = getattr(provider, "endpoint", None)
    token_url, client_id = getattr(endpoint, "url", None), getattr(getattr(endpoint, "auth", None), "client_id", None)
    return limiter_of(token_url, client_id) if isinstance(token_url, str) and isinstance(client_id, str) else None


def forget() -> None:
    """Drop the kept limiters, for tests."""
    _limiters.clear()

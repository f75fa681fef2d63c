"""How long a lease lasts, how long a fetch under it may take, and how long others wait. Pure; all in seconds."""

from __future__ import annotations

LONGEST_LEASE = 10.0
"""After this time at most, a leader who died is replaced."""

MARGIN = 1.0
"""What is kept of a lease for publishing: a fetch that used all of its time still finds its lease held."""

RESERVE = 10.0
"""What a waiter keeps of its time at most, to ask for a token itself if nobody brings one."""

_FIRST_POLL = 0.05
_LONGEST_POLL = 0.5


def lease_seconds(left: float, longest: float = LONGEST_LEASE) -> float:
    """The lease for a fetch that may take ``left``: no longer than it needs, so that a dead leader is replaced soon."""
    return min(left + MARGIN, longest)


def fetch_until(asked_at: float, lease: float, until: float) -> float:
    """When a fetch under a lease has to be over: always before the lease is.

    Args:
        asked_at: the moment before the lease was asked for, which is not after it began.
        lease: how long it lasts.
        until: when the fetch would be given up without one.
    """
    return min(until, asked_at + max(lease - MARGIN, lease / 2))


def patience_until(now: float, until: float) -> float:
    """When a waiter stops waiting for other processes, and asks for itself."""
    return until - min(RESERVE, (until - now) / 2)


def poll_pause(polls: int, lease_left: float, draw: float) -> float:
    """How long to wait before looking again: more each time, jittered, and not much beyond the end of the lease.

    Args:
        polls: how often the caller has waited already.
        lease_left: until the lease in the way runs out.
        draw: a random number from 0 to below 1.
    """
    jitter = 0.5 + draw / 2
    pause = min(_FIRST_POLL * 1.5 ** min(polls, 10), _LONGEST_POLL) * jitter
    return min(pause, lease_left + _FIRST_POLL * jitter)

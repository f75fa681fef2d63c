"""Size of the measurements."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effort:
    """The sizes of everything.

    Attributes:
        rounds: interleaved rounds of steady calls in memory.
        calls: calls of a batch in memory.
        https_rounds: the same over HTTPS.
        https_calls: the same over HTTPS.
        tasks: numbers of tasks that find no token.
        threads: numbers of threads that do.
        patience: seconds of a burst after which larger ones are not tried.
        bursts: how often each burst is made.
        revoked: numbers of callers under whom a token is revoked.
        revocations: how often for each number.
        forbidden: numbers of calls to forbidden paths within a minute.
        lifetime: seconds that a token is good for that expires under load.
        expiries: how often a token expires under load.
        credentials: numbers of credentials that are held.
        imports: rounds of imports.
    """

    rounds: int = 240
    calls: int = 50
    https_rounds: int = 300
    https_calls: int = 10
    tasks: tuple[int, ...] = (1, 10, 100, 1_000, 10_000)
    threads: tuple[int, ...] = (1, 10, 100, 1_000)
    patience: float = 5.0
    bursts: int = 5
    revoked: tuple[int, ...] = (1, 10, 100, 1_000)
    revocations: int = 3
    forbidden: tuple[int, ...] = (100, 1_000, 10_000)
    lifetime: int = 2
    expiries: int = 4
    credentials: tuple[int, ...] = (1, 10, 100, 1_000, 10_000, 100_000)
    imports: int = 15


FULL = Effort()
QUICK = Effort(
    rounds=60,
    calls=20,
    https_rounds=40,
    https_calls=4,
    tasks=(1, 100, 1_000),
    threads=(1, 10),
    patience=0.9,
    bursts=1,
    revoked=(10,),
    revocations=1,
    forbidden=(400,),
    lifetime=1,
    expiries=1,
    credentials=(1, 100),
    imports=1,
)
TINY = Effort(
    rounds=2,
    calls=2,
    https_rounds=2,
    https_calls=2,
    tasks=(1, 3),
    threads=(1, 3),
    patience=0.9,
    bursts=2,
    revoked=(3,),
    revocations=1,
    forbidden=(10,),
    lifetime=1,
    expiries=1,
    credentials=(1, 3),
    imports=1,
)
"""Shows nothing but that everything still runs."""

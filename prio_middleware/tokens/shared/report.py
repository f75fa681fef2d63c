"""What is known of a shared store, for whoever looks at its health."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from .circuit import State

Operation = Literal["look", "lead", "publish", "refuse", "release"]


@dataclass(frozen=True, slots=True)
class StoreReport:
    """One look at where tokens are kept, without I/O. Counts are those of one provider in this process.

    Attributes:
        kind: ``memory``, or what the shared store is: ``redis``.
        reachable: its last answer came; None: it was not asked yet, or there is none to be asked.
        circuit: ``closed``; ``open`` while nobody asks it because it failed; ``half_open`` when somebody may try again.
        helped: tokens that were taken from it, each of which saved a token request.
        published: tokens that it took from here.
        kept_back: tokens that it did not take: the lease was lost, or they were refused meanwhile.
        refusals: refusals of the token endpoint that were learnt from it, each of which saved one as well.
        alone: fetches that were made without it, because it did not answer, or nobody else brought a token in time.
        failures: operations that failed.
        last_failure: a word for the last of them.
    """

    kind: str = "memory"
    reachable: bool | None = None
    circuit: State = "closed"
    helped: int = 0
    published: int = 0
    kept_back: int = 0
    refusals: int = 0
    alone: int = 0
    failures: int = 0
    last_failure: str | None = None


@dataclass(slots=True)
class Counts:
    """What :class:`StoreReport` counts, counted."""

    reachable: bool | None = None
    helped: int = 0
    published: int = 0
    kept_back: int = 0
    refusals: int = 0
    alone: int = 0
    failures: int = 0
    last_failure: str | None = None


@dataclass(frozen=True, slots=True)
class OperationSeen:
    """One operation of a shared store.

    Attributes:
        operation: what was asked of it.
        seconds: how long it took.
        failure: a word for why it failed; None: it did not.
        circuit: what became of the circuit.
    """

    operation: Operation
    seconds: float
    failure: str | None
    circuit: State


Observer = Callable[[OperationSeen], None]
"""Is told of every operation, in the thread that asked for it, and does not raise."""

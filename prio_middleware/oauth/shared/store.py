"""Shared stores: the protocol, and observation of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from ...telemetry import metrics, names
from ...telemetry.counters import ClientCounters
from ...telemetry.metrics import telemetry
from .circuit_breaker import State

LONGEST_LEASE = 10.0
"""Longest lease in seconds: a leader that died is replaced after it."""

ID_LENGTH = 32
"""Characters of a token id. It stands in the clear before the ciphertext, for scripts to compare."""


@dataclass(frozen=True, slots=True)
class Unreachable:
    """Failure of a store operation.

    Attributes:
        reason: one word, without any text of the store or the network.
    """

    reason: str


class StoreEntry(NamedTuple):
    """The entry of one token. All times are the store's own, in seconds from now.

    Attributes:
        record: token id and sealed token; None if there is none, or it was dropped.
        record_seconds: remaining life of the record.
        error: a sealed error of the token endpoint, if there is one.
        error_seconds: remaining life of the error.
    """

    record: bytes | None = None
    record_seconds: float = 0.0
    error: bytes | None = None
    error_seconds: float = 0.0

    @property
    def token_id(self) -> str:
        """Return the id of the token, or an empty string if there is none."""
        return "" if self.record is None else self.record[:ID_LENGTH].decode("latin-1")


class LeaseReply(NamedTuple):
    """Reply to a request for a lease.

    Attributes:
        granted: the caller holds the lease, and sends the token request.
        wait_seconds: seconds after which another owner's lease ends; 0: the entry has changed, read it again.
    """

    granted: bool
    wait_seconds: float = 0.0


class Lease(NamedTuple):
    """A lease that is requested or held.

    Attributes:
        owner_id: one provider of one process. It may take over its own lease from a fetch that was cancelled.
        lease_id: identifies the fetch of the owner.
        seconds: length of the lease.
    """

    owner_id: str
    lease_id: str
    seconds: float

    @property
    def holder(self) -> str:
        """Return the stored value of the lease."""
        return f"{self.owner_id}:{self.lease_id}"


class SharedStore(Protocol):
    """Store of tokens that processes share. ``name`` is the token's; each operation changes one token's entry atomically."""

    def read(self, name: str, rejected: Mapping[str, float]) -> StoreEntry | Unreachable:
        """Return the entry, after dropping the ``rejected`` token ids, each of which stays dropped for its seconds."""
        ...

    def acquire_lease(self, name: str, entry: StoreEntry, lease: Lease) -> LeaseReply | Unreachable:
        """Take the lease, unless another owner holds it or ``entry`` is no longer current."""
        ...

    def publish_token(self, name: str, lease: Lease, token_id: str, sealed: bytes, seconds: float) -> bool | Unreachable:
        """Store a token for all, and release the lease. Return False if the lease was lost or the token id was dropped.

        ``seconds`` is the remaining life of the token at the start of the lease. The store subtracts the time since.
        """
        ...

    def publish_error(self, name: str, lease: Lease, sealed: bytes, seconds: float) -> bool | Unreachable:
        """Store an error for all, and release the lease. Return False if the lease was lost."""
        ...

    def release_lease(self, name: str, lease: Lease) -> bool | Unreachable:
        """Release the lease. Return False if it was lost."""
        ...

    def listen(self, dropped: Callable[[str], None]) -> None:
        """Call ``dropped`` with each token id that is dropped, as long as its object lives. Best effort."""
        ...


OperationName = Literal["read", "acquire_lease", "publish_token", "publish_error", "release_lease"]


@dataclass(frozen=True, slots=True)
class StoreOperation:
    """A completed operation of a shared store.

    Attributes:
        operation: its name.
        seconds: its duration.
        failure: one word for its failure, or None.
        circuit: state of the circuit breaker after it.
    """

    operation: OperationName
    seconds: float
    failure: str | None
    circuit: State


_ERROR_TYPES = {
    "TimeoutError": "timeout",
    "ConnectionError": "connection_error",
    "ConnectionRefusedError": "connection_refused",
}

StoreObserver = Callable[[StoreOperation], None]
"""Called after every operation, in the thread of its caller. It does not raise."""


def store_observer(counters: ClientCounters) -> StoreObserver:
    """Return an observer that records the duration and the failure of each operation for the client of ``counters``."""

    def observe(operation: StoreOperation) -> None:
        # The type alone: a server may make up any code that follows it.
        kind = None if operation.failure is None else operation.failure.partition(" ")[0]
        failed = {} if kind is None else {names.ERROR_TYPE: _ERROR_TYPES.get(kind, names.OTHER_ERROR)}
        labels = {names.STORE_OPERATION: operation.operation, **failed}
        metrics.instruments_for(telemetry(), counters).record(names.STORE_DURATION, operation.seconds, labels)

    return observe

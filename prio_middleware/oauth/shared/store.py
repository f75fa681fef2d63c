"""Shared stores: the protocol, and observation of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from ...telemetry import metrics, names
from ...telemetry.counters import ClientCounters
from ...telemetry.metrics import telemetry

LONGEST_LEASE = 10.0  # Seconds. When the lease of a leader that died ends, another process replaces it.
ID_LENGTH = 32  # Characters of a token id. It stands in the clear before the sealed token, for scripts to compare.


@dataclass(frozen=True, slots=True)
class StoreFailure:
    """Failure of a store operation."""

    reason: str  # The type of the error, and Redis's code if there is one. No text of the store or the network.


class StoreEntry(NamedTuple):
    """Entry of one token. Times are seconds from now, by the clock of the store; negative without expiry."""

    record: bytes | None = None  # Token id and sealed token.
    record_seconds: float = 0.0  # Remaining life of the record.
    error: bytes | None = None  # Sealed error of the token endpoint.
    error_seconds: float = 0.0  # Remaining life of the error.

    @property
    def token_id(self) -> str:
        """Id of the token, or an empty string if there is none."""
        return "" if self.record is None else self.record[:ID_LENGTH].decode("latin-1")


class LeaseReply(NamedTuple):
    """Reply to a request for a lease."""

    granted: bool  # The caller holds the lease, and sends the token request.
    wait_seconds: float = 0.0  # Seconds until another owner's lease ends; 0 if the entry has changed: read it again.


class Lease(NamedTuple):
    """A lease that is requested or held."""

    owner_id: str  # Identifies one provider of one process. It may take over its own lease from a fetch that was cancelled.
    lease_id: str  # Identifies the fetch of the owner.
    seconds: float

    @property
    def holder(self) -> str:
        """Stored value of the lease."""
        return f"{self.owner_id}:{self.lease_id}"


class SharedStore(Protocol):
    """Store of tokens that processes share. Each operation changes the entry of the token ``name`` atomically.

    No operation raises, and none is retried: the caller can do without the store.
    """

    def drop_and_read(self, name: str, rejected: Mapping[str, float]) -> StoreEntry | StoreFailure:
        """Drop the ``rejected`` token ids, each for its seconds. Return the entry that is left."""
        ...

    def acquire_lease(self, name: str, entry: StoreEntry, lease: Lease) -> LeaseReply | StoreFailure:
        """Take the lease, unless another owner holds it or ``entry`` is no longer current."""
        ...

    def publish_token(self, name: str, lease: Lease, token_id: str, sealed: bytes, seconds: float) -> bool | StoreFailure:
        """Store a token for all processes, and release the lease. Return False if the lease was lost or the token dropped.

        ``seconds`` is the remaining life of the token at the start of the lease. The store subtracts the time since then.
        """
        ...

    def publish_error(self, name: str, lease: Lease, sealed: bytes, seconds: float) -> bool | StoreFailure:
        """Store an error of the token endpoint for all processes, and release the lease. Return False if the lease was lost."""
        ...

    def release_lease(self, name: str, lease: Lease) -> bool | StoreFailure:
        """Release the lease. Return False if it was lost."""
        ...

    def listen(self, dropped: Callable[[str], None]) -> None:
        """Call ``dropped``, a bound method, with each token id that is dropped, as long as its object lives. Best effort."""


OperationName = Literal["read", "acquire_lease", "publish_token", "publish_error", "release_lease"]


_ERROR_TYPES = {
    "TimeoutError": "timeout",
    "ConnectionError": "connection_error",
    "ConnectionRefusedError": "connection_refused",
}

StoreObserver = Callable[[OperationName, float, str | None], None]
"""Called after every operation with its seconds and ``StoreFailure.reason``, in the fetch's thread or task. Never raises."""


def store_observer(counters: ClientCounters) -> StoreObserver:
    """Return an observer that records the duration and the failure of each operation for the client of ``counters``."""

    def observe(operation: OperationName, seconds: float, failure: str | None) -> None:
        # Only the type of the error: a server may invent any code that follows it.
        kind = None if failure is None else failure.partition(" ")[0]
        failed = {} if kind is None else {names.ERROR_TYPE: _ERROR_TYPES.get(kind, names.OTHER_ERROR)}
        labels = {names.STORE_OPERATION: operation, **failed}
        metrics.instruments_for(telemetry(), counters).record(names.STORE_DURATION, seconds, labels)

    return observe

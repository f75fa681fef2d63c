"""The shared store's scripts (``prio_middleware/oauth/shared/redis_store.py``) in Python, without Redis and I/O.

``tests/long/benchmarks/test_fleet_store.py`` runs the same operations here and on a real Redis, and compares the results.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from prio_middleware.oauth.shared.store import ID_LENGTH, Lease, LeaseReply, StoreEntry


class StoredValue(NamedTuple):
    """A value, and the time of its expiry."""

    value: bytes
    until: float


@dataclass(slots=True)
class Slot:
    """Records of one token: its value, the stored error, the lease, and the dropped token ids."""

    record: StoredValue | None = None
    error: StoredValue | None = None
    lease: StoredValue | None = None
    dropped: dict[str, float] = field(default_factory=dict)


class VirtualStore:
    """A store that always answers, at once.

    Args:
        clock: seconds.
        publish: called with each token id that is dropped.
    """

    def __init__(self, clock: Callable[[], float], publish: Callable[[str], None]) -> None:
        self._clock = clock
        self._publish = publish
        self._slots: dict[str, Slot] = {}

    def clear(self) -> None:
        """Delete all records, as a restart does."""
        self._slots.clear()

    def drop_and_read(self, name: str, rejected: Mapping[str, float]) -> StoreEntry:
        """Read the record, after the ``rejected`` token ids were dropped."""
        slot, now = self._slot(name), self._clock()
        for token_id, life in rejected.items():
            is_new = token_id not in slot.dropped
            is_stored = slot.record is not None and _token_id(slot.record) == token_id
            if is_stored:
                slot.record = None
            if is_new:
                slot.dropped[token_id] = now + life
            if is_new or is_stored:
                self._publish(token_id)
        if slot.record and slot.dropped.get(_token_id(slot.record), 0.0) > now:
            slot.record = None
        record, error = slot.record, slot.error
        return StoreEntry(
            record.value if record else None,
            record.until - now if record else 0.0,
            error.value if error else None,
            error.until - now if error else 0.0,
        )

    def acquire_lease(self, name: str, seen: StoreEntry, lease: Lease) -> LeaseReply:
        """Take the lease, unless another owner holds it, or the record has changed since it was ``seen``."""
        slot, now = self._slot(name), self._clock()
        if (_token_id(slot.record) if slot.record else "") != seen.token_id:
            return LeaseReply(granted=False)
        if (slot.error.value if slot.error else None) != seen.error:
            return LeaseReply(granted=False)
        if slot.lease and not slot.lease.value.startswith(f"{lease.owner_id}:".encode()):
            return LeaseReply(granted=False, wait_seconds=slot.lease.until - now)
        slot.lease = StoredValue(lease.holder.encode(), now + lease.seconds)
        return LeaseReply(granted=True)

    def publish_token(self, name: str, lease: Lease, token_id: str, sealed: bytes, life: float) -> bool:
        """Store a token and release the lease. Return False if the lease was lost or the token id dropped."""
        slot, now = self._slot(name), self._clock()
        ends = slot.lease.until if slot.lease else now
        if not self.release_lease(name, lease):
            return False
        left = life - max(0.0, lease.seconds - (ends - now))
        if left <= 0 or slot.dropped.get(token_id, 0.0) > now:
            return False
        slot.record, slot.error = StoredValue(token_id.encode() + sealed, now + left), None
        return True

    def publish_error(self, name: str, lease: Lease, sealed: bytes, life: float) -> bool:
        """Store an error and release the lease. Return False if the lease was lost."""
        if not self.release_lease(name, lease):
            return False
        self._slot(name).error = StoredValue(sealed, self._clock() + life)
        return True

    def release_lease(self, name: str, lease: Lease) -> bool:
        """Release the lease. Return False if it was lost."""
        slot = self._slot(name)
        if slot.lease is None or slot.lease.value != lease.holder.encode():
            return False
        slot.lease = None
        return True

    def _slot(self, name: str) -> Slot:
        slot, now = self._slots.setdefault(name, Slot()), self._clock()
        slot.record, slot.error, slot.lease = (
            stored if stored and stored.until > now else None for stored in (slot.record, slot.error, slot.lease)
        )
        slot.dropped = {token_id: until for token_id, until in slot.dropped.items() if until > now}
        return slot


def _token_id(stored: StoredValue) -> str:
    return stored.value[:ID_LENGTH].decode()

"""What the shared store's scripts do (``prio_middleware/tokens/shared/lua.py``), as functions of a clock: no Redis, no I/O.

``tests/benchmarks/test_fleet_store.py`` plays the same operations here and on a real one, and compares the answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from prio_middleware.tokens.shared.store import GENERATION_LENGTH, Lease, Seen, Turn


class Kept(NamedTuple):
    """A value, and the moment at which it goes."""

    value: bytes
    until: float


@dataclass(slots=True)
class Slot:
    """What is kept for one token."""

    record: Kept | None = None
    refusal: Kept | None = None
    lease: Kept | None = None
    dropped: dict[str, float] = field(default_factory=dict)


class VirtualStore:
    """A store that always answers, at once.

    Args:
        clock: seconds.
        tell: hears of each generation that somebody drops.
    """

    def __init__(self, clock: Callable[[], float], tell: Callable[[str], None]) -> None:
        self._clock = clock
        self._tell = tell
        self._slots: dict[str, Slot] = {}

    def forget(self) -> None:
        """It was restarted, and is empty."""
        self._slots.clear()

    def look(self, name: str, refused: Mapping[str, float]) -> Seen:
        """What there is, after the ``refused`` generations were dropped."""
        slot, now = self._slot(name), self._clock()
        for generation, life in refused.items():
            is_new = generation not in slot.dropped
            is_kept = slot.record is not None and _generation(slot.record) == generation
            if is_kept:
                slot.record = None
            if is_new:
                slot.dropped[generation] = now + life
            if is_new or is_kept:
                self._tell(generation)
        if slot.record and slot.dropped.get(_generation(slot.record), 0.0) > now:
            slot.record = None
        record, refusal = slot.record, slot.refusal
        return Seen(
            record.value if record else None,
            record.until - now if record else 0.0,
            refusal.value if refusal else None,
            refusal.until - now if refusal else 0.0,
        )

    def lead(self, name: str, seen: Seen, lease: Lease) -> Turn:
        """Take the lease, unless another owner holds it, or there is something else by now than was ``seen``."""
        slot, now = self._slot(name), self._clock()
        if (_generation(slot.record) if slot.record else "") != seen.generation:
            return Turn(granted=False)
        if (slot.refusal.value if slot.refusal else None) != seen.refusal:
            return Turn(granted=False)
        if slot.lease and not slot.lease.value.startswith(f"{lease.owner}:".encode()):
            return Turn(granted=False, wait=slot.lease.until - now)
        slot.lease = Kept(lease.holder.encode(), now + lease.seconds)
        return Turn(granted=True)

    def publish(self, name: str, lease: Lease, generation: str, sealed: bytes, life: float) -> bool:
        """Keep a token for all, and give the lease back; False: the lease was lost, or the generation dropped."""
        slot, now = self._slot(name), self._clock()
        ends = slot.lease.until if slot.lease else now
        if not self.release(name, lease):
            return False
        left = life - max(0.0, lease.seconds - (ends - now))
        if left <= 0 or slot.dropped.get(generation, 0.0) > now:
            return False
        slot.record, slot.refusal = Kept(generation.encode() + sealed, now + left), None
        return True

    def refuse(self, name: str, lease: Lease, sealed: bytes, life: float) -> bool:
        """Keep a refusal for all, and give the lease back; False: the lease was lost."""
        if not self.release(name, lease):
            return False
        self._slot(name).refusal = Kept(sealed, self._clock() + life)
        return True

    def release(self, name: str, lease: Lease) -> bool:
        """Give the lease back; False: it was lost."""
        slot = self._slot(name)
        if slot.lease is None or slot.lease.value != lease.holder.encode():
            return False
        slot.lease = None
        return True

    def _slot(self, name: str) -> Slot:
        slot, now = self._slots.setdefault(name, Slot()), self._clock()
        slot.record, slot.refusal, slot.lease = (
            kept if kept and kept.until > now else None for kept in (slot.record, slot.refusal, slot.lease)
        )
        slot.dropped = {generation: until for generation, until in slot.dropped.items() if until > now}
        return slot


def _generation(kept: Kept) -> str:
    return kept.value[:GENERATION_LENGTH].decode()

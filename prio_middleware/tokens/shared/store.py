"""What a shared store can do, and what it answers. No operation raises: a store that cannot answer is :class:`Unreachable`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

GENERATION_LENGTH = 32
"""Characters of a generation id. It stands in the clear before the ciphertext, for scripts to compare."""


@dataclass(frozen=True, slots=True)
class Unreachable:
    """The store did not do it.

    Attributes:
        reason: a word for it, without anything that the store or the network said.
    """

    reason: str


class Seen(NamedTuple):
    """What is kept for one token. All times are the store's own, in seconds from now.

    Attributes:
        record: generation id and sealed token; None: there is none, or it was dropped.
        life: for which the record is kept.
        refusal: a sealed refusal of the token endpoint, where there is one.
        refusal_life: for which that is kept.
    """

    record: bytes | None = None
    life: float = 0.0
    refusal: bytes | None = None
    refusal_life: float = 0.0

    @property
    def generation(self) -> str:
        """Which token it is; empty: none."""
        return "" if self.record is None else self.record[:GENERATION_LENGTH].decode("latin-1")


class Turn(NamedTuple):
    """Whether the caller is the one who asks the token endpoint.

    Attributes:
        granted: it is: the lease is held.
        wait: seconds after which somebody else's lease runs out; 0: something has changed, look again.
    """

    granted: bool
    wait: float = 0.0


class Lease(NamedTuple):
    """A lease to be had, or held.

    Attributes:
        owner: who holds it: one provider of one process, which may take its own lease over from a fetch that was cancelled.
        fetch: which of the owner's fetches it is for.
        seconds: after which it runs out.
    """

    owner: str
    fetch: str
    seconds: float

    @property
    def holder(self) -> str:
        """As it is kept."""
        return f"{self.owner}:{self.fetch}"


class SharedStore(Protocol):
    """Where processes meet. ``name`` is the token's; whatever belongs to one token is changed in one step."""

    def look(self, name: str, refused: Mapping[str, float]) -> Seen | Unreachable:
        """What there is, after the ``refused`` generations were dropped, never to come back for so many seconds."""
        ...

    def lead(self, name: str, seen: Seen, lease: Lease) -> Turn | Unreachable:
        """Take the lease, unless another owner holds it, or there is something else by now than was ``seen``."""
        ...

    def publish(self, name: str, lease: Lease, generation: str, sealed: bytes, life: float) -> bool | Unreachable:
        """Keep a token for all, and give the lease back; False: the lease was lost, or the generation dropped.

        ``life`` is what was left of the token's when the lease began. What has passed since is counted by the store.
        """
        ...

    def refuse(self, name: str, lease: Lease, sealed: bytes, life: float) -> bool | Unreachable:
        """Keep a refusal for all, and give the lease back; False: the lease was lost."""
        ...

    def release(self, name: str, lease: Lease) -> bool | Unreachable:
        """Give the lease back; False: it was lost."""
        ...

    def listen(self, dropped: Callable[[str], None]) -> None:
        """Have ``dropped`` called with each generation that somebody drops, as long as its object lives. Best effort."""
        ...

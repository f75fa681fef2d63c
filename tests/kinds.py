"""Kinds of client: HTTP library, sync or async, event loop, protocol. Each test runs with representatives, or with all."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Sequence

LIBRARIES = ("httpx", "httpx2")
EVENT_LOOPS = ("asyncio", "trio")
PROTOCOLS = ("HTTP/1.1", "HTTP/2")
CLIENT_KINDS = tuple(f"{library}-{loop}" for loop in ("sync", *EVENT_LOOPS) for library in LIBRARIES)

KINDS = {"client_kind": CLIENT_KINDS, "library_name": LIBRARIES, "event_loop": EVENT_LOOPS, "protocol": PROTOCOLS}
"""By the fixture that a test asks for."""


def representatives(fixture: str, test: str) -> Sequence[str]:
    """Return the kinds that ``test`` runs with by default. They differ from test to test, so that all have their turn.

    Of clients: a sync one, one on asyncio and one on trio, of both libraries. Of anything else: one kind.
    """
    turn = crc32(test.encode()) % 2
    if fixture == "client_kind":
        return [f"{LIBRARIES[(turn + place) % 2]}-{loop}" for place, loop in enumerate(("sync", *EVENT_LOOPS))]
    return [KINDS[fixture][turn]]

"""One file for each scenario: ``run`` takes an :class:`Effort` and returns tables."""

from __future__ import annotations

from collections.abc import Callable

from ..effort import Effort
from ..table import Table
from . import burst, expiry, forbidden, imports, memory, revocation, steady

SCENARIOS: dict[str, Callable[[Effort], list[Table]]] = {
    "steady": steady.run_in_memory,
    "https": steady.run_over_https,
    "burst": burst.run,
    "revocation": revocation.run,
    "forbidden": forbidden.run,
    "expiry": expiry.run,
    "memory": memory.run,
    "imports": imports.run,
}

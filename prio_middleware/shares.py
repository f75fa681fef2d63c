"""One process's part of what a server allows to all."""

from __future__ import annotations

import math


def part_of(limit: int, share: float) -> int:
    """How much of ``limit`` a process may spend whose share is ``share``: whole ones only, rounded down."""
    return math.floor(limit * share + 1e-9)  # 1,000 times 0.29 is a little less than 290.

"""Makes more and more credentials of one subject, and prints the bytes they take: a process of its own for ``memory``."""

from __future__ import annotations

import gc
import json
import sys
import time
import tracemalloc
from typing import Any

from ..adapters import SUBJECTS


def held(number: int, patience: float, sizes: list[int]) -> dict[int, int]:
    """Bytes that the credentials take, by how many there are."""
    hold = SUBJECTS[number].hold
    assert not isinstance(hold, str)
    kept: list[Any] = [hold(-1)]  # What is loaded on first use is no credential's.
    until = time.monotonic() + patience
    taken: dict[int, int] = {}
    tracemalloc.start()
    for size in sizes:
        while len(kept) <= size:
            kept.append(hold(len(kept)))
            if time.monotonic() > until:
                return taken
        gc.collect()
        taken[size] = tracemalloc.get_traced_memory()[0]
    return taken


if __name__ == "__main__":
    print(json.dumps(held(int(sys.argv[1]), float(sys.argv[2]), [int(size) for size in sys.argv[3:]])))

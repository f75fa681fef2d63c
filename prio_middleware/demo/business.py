"""A busy application: customers who call without end, whatever becomes of their calls."""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from .scenarios.forbidden import REPORTS
from .stage import PRODUCT

if TYPE_CHECKING:
    from ..clients import Clients

PATHS = (*[PRODUCT, "/products"] * 12, REPORTS[0])
"""What customers ask for: mostly what there is, now and then what this client may not see."""


@dataclass(frozen=True, slots=True)
class Customers:
    """Those of one client.

    Attributes:
        client: its name.
        rate: calls a second that they make together.
    """

    client: str
    rate: float


class Business:
    """Customers at work, from threads of this process, until the block is left.

    Args:
        clients: what they call with.
        crowd: who they are.
    """

    def __init__(self, clients: Clients, crowd: Iterable[Customers]) -> None:
        self._clients = clients
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(customers,)) for customers in crowd]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _work(self, customers: Customers) -> None:
        # Not for secrets: customers come at odd times, each crowd at its own.
        times = random.Random(customers.client)  # noqa: S311
        paths = itertools.cycle(PATHS)
        while not self._over.wait(times.uniform(0.5, 1.5) / customers.rate):
            self._call(customers.client, next(paths))

    def _call(self, client: str, path: str) -> None:
        with contextlib.suppress(Exception):  # The status page shows what came of it, and the next customer calls.
            self._clients[client].get(path)

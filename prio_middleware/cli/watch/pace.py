"""Requests per second: from what two answers of the same process differ in."""

from __future__ import annotations

from collections.abc import Mapping

from ...status.model import Process, Status

PROCESSES = 64
"""Processes that are remembered: those that answered last."""


class Pace:
    """Remembers what each process said last: several may answer at one address, in turn."""

    def __init__(self) -> None:
        self._before: dict[Process, Status] = {}

    @property
    def processes(self) -> list[int]:
        """The pids of those that answered so far."""
        return sorted(process.pid for process in self._before)

    def of(self, status: Status) -> Mapping[str, float]:
        """Requests per second of each client since the same process spoke last; of those that are new, nothing is known."""
        before = self._before.pop(status.process, None)
        if len(self._before) >= PROCESSES:
            self._before.pop(next(iter(self._before)))
        self._before[status.process] = status
        if before is None or status.at <= before.at:
            return {}
        told = {client.name: sum(client.responses.values()) for client in before.clients}
        return {
            client.name: max(sum(client.responses.values()) - told[client.name], 0) / (status.at - before.at)
            for client in status.clients
            if client.name in told
        }

"""Simulated day of a fleet: deployments, revocations, killed processes and outages of the store."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from .context import Conditions, SimulationContext
from .process import SimulatedProcess
from .stats import HOUR, Stats

Progress = Callable[[float], None]
"""Receives the time of the day, in seconds."""

STEP = 300.0
"""Seconds of the day between two progress reports."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Events of a day, beside calls and expiries. Times are in hours.

    Attributes:
        hours: length of the day.
        deployments: times at which all processes are replaced, in batches.
        batches: batches of a deployment.
        batch_every: seconds from one batch to the next.
        revocations: times at which every token granted so far is revoked.
        outages: start and end of each outage of the store, which returns empty.
        killed: times after which the next process to request a token is killed before it receives the response.
    """

    hours: int = 24
    deployments: tuple[float, ...] = (9.5, 16.5)
    batches: int = 20
    batch_every: float = 30.0
    revocations: tuple[float, ...] = (11.25, 14.25, 20.25)
    outages: tuple[tuple[float, float], ...] = ((14.0, 14.5), (18.0, 18.2))
    killed: tuple[float, ...] = (3.0, 20.25)


@contextmanager
def silence() -> Generator[None]:
    """Disable the log: each of ten thousand simulated processes would log that the store is down."""
    logger = logging.getLogger("prio_middleware")
    was, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = was


class Day:
    """One run.

    Args:
        processes: number of processes at any time.
        context: state that the processes share.
        plan: events of the day.
    """

    def __init__(self, processes: int, context: SimulationContext, plan: Plan) -> None:
        self._context = context
        self._plan = plan
        self._kills_due = 0
        self._processes = [self._new_process() for _ in range(processes)]
        context.on_dropped = self._on_dropped

    def run(self, progress: Progress = lambda _now: None) -> Stats:
        """Run the day, and return its counts."""
        self._schedule()
        end, now = self._plan.hours * float(HOUR), 0.0
        with silence():
            while now < end:
                now = min(now + STEP, end)
                self._context.timeline.run(now)
                progress(now)
        return self._context.stats

    def _schedule(self) -> None:
        context, plan, at = self._context, self._plan, self._context.timeline.at
        for process in self._processes:
            process.start()
        for hour in plan.deployments:
            for batch in range(plan.batches):
                at(hour * HOUR + batch * plan.batch_every, partial(self._replace, batch))
        for hour in plan.killed:
            at(hour * HOUR, self._kill_next)
        for hour in plan.revocations:
            at(hour * HOUR, self._revoke)
        for gone, back in plan.outages:
            at(gone * HOUR, context.stop_store)
            at(back * HOUR, context.start_store)

    def _new_process(self) -> SimulatedProcess:
        process = SimulatedProcess(self._context)
        process.is_killed = self._is_killed
        return process

    def _replace(self, batch: int) -> None:
        for index in range(batch, len(self._processes), self._plan.batches):
            self._replace_one(index)

    def _replace_one(self, index: int) -> None:
        self._processes[index].kill()
        self._processes[index] = self._new_process()
        self._processes[index].start()

    def _kill_next(self) -> None:
        self._kills_due += 1

    def _is_killed(self, process: SimulatedProcess) -> bool:
        if not self._kills_due:
            return False
        self._kills_due -= 1
        index = self._processes.index(process)
        self._context.timeline.after(0.0, lambda: self._replace_one(index))
        return True

    def _revoke(self) -> None:
        revocation = self._context.server.revoke()
        for process in self._processes:
            process.on_revocation(revocation)

    def _on_dropped(self, token_id: str) -> None:
        for process in self._processes:
            process.on_dropped(token_id)


def simulate(
    processes: int,
    conditions: Conditions,
    plan: Plan,
    *,
    sharing: bool,
    jitter: bool,
    seed: int,
    progress: Progress = lambda _: None,
) -> Stats:
    """Simulate a whole day of a fleet."""
    context = SimulationContext(conditions, sharing=sharing, jitter=jitter, seed=seed)
    return Day(processes, context, plan).run(progress)

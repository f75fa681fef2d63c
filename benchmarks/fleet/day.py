"""A day of a fleet: when processes are replaced, tokens revoked, leaders killed, and the store is away."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from .ledger import HOUR, Ledger
from .pod import Pod
from .world import Conditions, World

Progress = Callable[[float], None]
"""Told the moment of the day, in seconds."""

STEP = 300.0
"""Seconds of the day between two reports of progress."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Events of a day, beside calls and expiries. Times are hours.

    Attributes:
        hours: how long the day is.
        deployments: when all processes are replaced, a part of them at a time.
        batches: how many parts.
        batch_every: seconds from one part to the next.
        revocations: when every token so far is revoked.
        outages: from when to when the store is away; it comes back empty.
        killed: when the next process to ask the token endpoint is killed before it hears the answer.
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
    """Ten thousand processes in one would each log that the store is away."""
    logger = logging.getLogger("prio_middleware")
    was, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = was


class Day:
    """One run.

    Args:
        pods: how many processes there are at any time.
        world: what they have in common.
        plan: what happens.
    """

    def __init__(self, pods: int, world: World, plan: Plan) -> None:
        self._world = world
        self._plan = plan
        self._doomed = 0
        self._pods = [self._new_pod() for _ in range(pods)]
        world.heard = self._heard

    def run(self, progress: Progress = lambda _now: None) -> Ledger:
        """Play it."""
        self._arrange()
        end, now = self._plan.hours * float(HOUR), 0.0
        with silence():
            while now < end:
                now = min(now + STEP, end)
                self._world.timeline.run(now)
                progress(now)
        return self._world.ledger

    def _arrange(self) -> None:
        world, plan, at = self._world, self._plan, self._world.timeline.at
        for pod in self._pods:
            pod.start()
        for hour in plan.deployments:
            for batch in range(plan.batches):
                at(hour * HOUR + batch * plan.batch_every, partial(self._replace, batch))
        for hour in plan.killed:
            at(hour * HOUR, self._doom_next)
        for hour in plan.revocations:
            at(hour * HOUR, self._revoke)
        for gone, back in plan.outages:
            at(gone * HOUR, world.stop_store)
            at(back * HOUR, world.start_store)

    def _new_pod(self) -> Pod:
        pod = Pod(self._world)
        pod.mourn = self._is_doomed
        return pod

    def _replace(self, batch: int) -> None:
        for place in range(batch, len(self._pods), self._plan.batches):
            self._replace_one(place)

    def _replace_one(self, place: int) -> None:
        self._pods[place].kill()
        self._pods[place] = self._new_pod()
        self._pods[place].start()

    def _doom_next(self) -> None:
        self._doomed += 1

    def _is_doomed(self, pod: Pod) -> bool:
        if not self._doomed:
            return False
        self._doomed -= 1
        place = self._pods.index(pod)
        self._world.timeline.after(0.0, lambda: self._replace_one(place))
        return True

    def _revoke(self) -> None:
        revocation = self._world.vendor.revoke()
        for pod in self._pods:
            pod.token_died(revocation)

    def _heard(self, generation: str) -> None:
        for pod in self._pods:
            pod.hear(generation)


def simulate(
    pods: int,
    conditions: Conditions,
    plan: Plan,
    *,
    sharing: bool,
    jitter: bool,
    seed: int,
    progress: Progress = lambda _: None,
) -> Ledger:
    """Simulate a whole day of a fleet."""
    world = World(conditions, sharing=sharing, jitter=jitter, seed=seed)
    return Day(pods, world, plan).run(progress)

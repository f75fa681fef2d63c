"""Simulations of the four variants of a day, in parallel processes, with their progress."""

from __future__ import annotations

import multiprocessing
import queue
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import Any, NamedTuple

from .context import Conditions
from .day import Plan, simulate
from .stats import HOUR, Summary, summarise

OnProgress = Callable[["Variant", float], None]
"""Receives the part of a variant's day that has passed, from 0 to 1."""


class Variant(NamedTuple):
    """With or without a shared store, and with or without ``leeway_jitter``."""

    sharing: bool
    jitter: bool

    def __str__(self) -> str:
        return f"{'shared' if self.sharing else 'each its own'}, {'jitter' if self.jitter else 'no jitter'}"


VARIANTS = tuple(Variant(sharing=sharing, jitter=jitter) for sharing in (False, True) for jitter in (False, True))


class Task(NamedTuple):
    """Arguments of one simulation."""

    variant: Variant
    processes: int
    conditions: Conditions
    plan: Plan
    seed: int


def run(task: Task, on_progress: OnProgress = lambda _variant, _part: None) -> Summary:
    """Simulate one variant of the day."""
    (sharing, jitter), length = task.variant, task.plan.hours * HOUR
    stats = simulate(
        task.processes,
        task.conditions,
        task.plan,
        sharing=sharing,
        jitter=jitter,
        seed=task.seed,
        progress=lambda now: on_progress(task.variant, now / length),
    )
    return summarise(stats, task.plan.hours)


def run_all(tasks: list[Task], jobs: int, on_progress: OnProgress) -> dict[Variant, Summary]:
    """Simulate all tasks, ``jobs`` at a time, each in its own process."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(jobs, context) as pool:
        updates: Any = manager.Queue()
        running = {task.variant: pool.submit(_run_in_process, task, updates) for task in tasks}
        _report_progress(list(running.values()), updates, on_progress)
        return {variant: future.result() for variant, future in running.items()}


def _run_in_process(task: Task, updates: Any) -> Summary:
    return run(task, lambda variant, part: updates.put((variant, part)))


def _report_progress(running: list[Future[Summary]], updates: Any, on_progress: OnProgress) -> None:
    while left := [future for future in running if not future.done()]:
        wait(left, 0.2, FIRST_COMPLETED)
        _report_updates(updates, on_progress)
    _report_updates(updates, on_progress)


def _report_updates(updates: Any, on_progress: OnProgress) -> None:
    while True:
        try:
            variant, part = updates.get_nowait()
        except queue.Empty:
            return
        on_progress(Variant(*variant), part)

"""The four variants of a day, several at a time, and how far they are."""

from __future__ import annotations

import multiprocessing
import queue
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import Any, NamedTuple

from .day import Plan, simulate
from .ledger import HOUR, Summary, summarise
from .world import Conditions

Told = Callable[["Variant", float], None]
"""Told how much of a variant's day has passed, from 0 to 1."""


class Variant(NamedTuple):
    """With one token for all or not, and with or without a share of the leeway for each."""

    sharing: bool
    jitter: bool

    def __str__(self) -> str:
        return f"{'shared' if self.sharing else 'each its own'}, {'jitter' if self.jitter else 'no jitter'}"


VARIANTS = tuple(Variant(sharing=sharing, jitter=jitter) for sharing in (False, True) for jitter in (False, True))


class Task(NamedTuple):
    """One variant to be played."""

    variant: Variant
    pods: int
    conditions: Conditions
    plan: Plan
    seed: int


def play(task: Task, told: Told = lambda _variant, _part: None) -> Summary:
    """One variant of the day."""
    (sharing, jitter), length = task.variant, task.plan.hours * HOUR
    ledger = simulate(
        task.pods,
        task.conditions,
        task.plan,
        sharing=sharing,
        jitter=jitter,
        seed=task.seed,
        progress=lambda now: told(task.variant, now / length),
    )
    return summarise(ledger, task.plan.hours)


def play_all(tasks: list[Task], jobs: int, told: Told) -> dict[Variant, Summary]:
    """All of them, ``jobs`` at a time, each in a process of its own."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(jobs, context) as pool:
        news: Any = manager.Queue()
        running = {task.variant: pool.submit(_play_there, task, news) for task in tasks}
        _follow(list(running.values()), news, told)
        return {variant: future.result() for variant, future in running.items()}


def _play_there(task: Task, news: Any) -> Summary:
    return play(task, lambda variant, part: news.put((variant, part)))


def _follow(running: list[Future[Summary]], news: Any, told: Told) -> None:
    while left := [future for future in running if not future.done()]:
        wait(left, 0.2, FIRST_COMPLETED)
        _pass_on(news, told)
    _pass_on(news, told)


def _pass_on(news: Any, told: Told) -> None:
    while True:
        try:
            variant, part = news.get_nowait()
        except queue.Empty:
            return
        told(Variant(*variant), part)

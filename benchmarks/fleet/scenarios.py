"""Scenarios with real processes, the sandbox over TLS, and a private redis-server."""

from __future__ import annotations

import importlib
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from prio_middleware.sandbox import Sandbox, SandboxOptions

from .assertions import (
    Assertion,
    Outage,
    check_leader_killed,
    check_outage,
    check_revocation,
    check_start,
    check_steady,
    check_store,
)
from .redis_server import RedisServer
from .worker_process import Load
from .workers import KEY, WorkerHandle, call_all, reset_workers, start_workers, store_reports

TIMEOUT = 60.0
LIFETIME = 4.0
"""Seconds of a token in the scenario with an outage, so that several tokens expire during it."""


@dataclass(frozen=True, slots=True)
class Size:
    """Size of the scenarios.

    Attributes:
        processes: worker processes.
        threads: threads of each process in the first scenario.
        calls: calls of all processes in the scenario with an outage.
        rounds: pairs of batches in the steady state.
    """

    processes: int = 50
    threads: int = 20
    calls: int = 20_000
    rounds: int = 60

    def simultaneous_load(self) -> Load:
        """Return a load of one call from every thread of every process, all at the same moment."""
        return Load(self.threads, begin_at=time.monotonic() + 0.2 + 0.02 * self.processes)


@dataclass(frozen=True, slots=True)
class ScenarioContext:
    """Servers and workers of a scenario."""

    sandbox: Sandbox
    redis: RedisServer
    workers: list[WorkerHandle]
    size: Size


def start(context: ScenarioContext) -> Iterable[Assertion]:
    """Start all processes at the same moment, with a store and without."""
    for shared in (True, False):
        reset_workers(context.workers, context.sandbox, context.redis if shared else None)
        logs = call_all(context.workers, context.size.simultaneous_load())
        name = f"{context.size.processes} processes x {context.size.threads} threads"
        scenario = f"{name}, {'shared' if shared else 'each its own'}"
        yield from check_start(scenario, logs, shared=shared)
        if shared:
            yield check_store(scenario, store_reports(context.workers))


def revocation(context: ScenarioContext) -> Iterable[Assertion]:
    """Let all processes call steadily, and revoke the token half-way."""
    reset_workers(context.workers, context.sandbox, context.redis)
    call_all(context.workers, Load())
    load = Load(threads=2, calls=20, pause=context.size.processes / 100)
    for worker in context.workers:
        worker.send("call", load)
    time.sleep(load.calls * load.pause / 2)
    context.sandbox.admin.revoke()
    yield from check_revocation("revocation under load", [worker.result() for worker in context.workers])


def leader_killed(context: ScenarioContext) -> Iterable[Assertion]:
    """Kill the first process that requests a token with SIGKILL, while the others wait for its token."""
    reset_workers(context.workers, context.sandbox, context.redis)
    admin = context.sandbox.admin
    admin.configure(token_delay=TIMEOUT)
    admin.reset_counts()
    leader, others = context.workers[0], context.workers[1:]
    leader.send("call", Load())
    _wait_until(lambda: admin.counts().token_requests == 1, "the leader's token request")
    for worker in others:
        worker.send("call", Load(threads=2))
    time.sleep(1)
    admin.configure(token_delay=0)
    leader.kill()
    killed_at = time.monotonic()
    logs = [worker.result() for worker in others]
    admin.release()
    context.workers.pop(0)
    yield from check_leader_killed("leader killed mid-fetch", logs, killed_at, admin.counts().token_requests)


def outage(context: ScenarioContext) -> Iterable[Assertion]:
    """Kill the store after a third of the calls, and start it empty after two thirds. Every fifth process has no store."""
    workers, threads = context.workers[:25], 4
    controls = workers[4::5]
    sharing = [worker for worker in workers if worker not in controls]
    context.sandbox.admin.configure(lifetime=LIFETIME)
    reset_workers(sharing, context.sandbox, context.redis)
    reset_workers(controls, context.sandbox, None)
    call_all(workers, Load(threads=threads))
    calls = -(-context.size.calls // (len(sharing) * threads))
    pause = max(0.3, LIFETIME * 21 / calls)  # Long enough for about six tokens to expire in a third of it.
    for worker in workers:
        worker.send("call", Load(threads, calls, pause))
    time.sleep(calls * pause / 3)
    context.redis.stop()
    gone = time.monotonic()
    time.sleep(calls * pause / 3)
    context.redis.start()
    back = time.monotonic()
    logs, control_logs = ([worker.result() for worker in group] for group in (sharing, controls))
    context.sandbox.admin.configure(lifetime=3600)
    scenario = f"store killed amid {calls * threads * len(sharing):,} calls"
    yield from check_outage(scenario, logs, control_logs, Outage(gone, back))


def steady(context: ScenarioContext) -> Iterable[Assertion]:
    """Compare calls with a fresh token with and without a store, in interleaved batches on a transport in memory."""
    import httpx

    import prio_middleware.httpx as public_module
    from benchmarks.overhead import PATH, Timed, answer, interval, ratios
    from benchmarks.overhead import settings as plain

    def timed(**changes: object) -> Timed:
        client = public_module.client(settings=plain(**changes), transport=httpx.MockTransport(answer(httpx)))

        def batch(calls: int) -> float:
            began = time.perf_counter()
            for _ in range(calls):
                client.get(PATH)
            return time.perf_counter() - began

        return batch

    store = {"url": context.redis.url, "encryption_key": KEY}
    shared, alone = timed(name="shared", token_store=store), timed(name="alone")
    for batch in (shared, alone):
        batch(200)
    measured, _, _ = ratios(shared, alone, context.size.rounds, 200)
    yield from check_steady("steady state", statistics.median(measured), *interval(measured))


Scenario = Callable[[ScenarioContext], Iterable[Assertion]]

SCENARIOS: tuple[Scenario, ...] = (start, revocation, outage, leader_killed, steady)


def run_scenarios(size: Size, on_progress: Callable[[str], None], scenarios: Iterable[Scenario] = SCENARIOS) -> list[Assertion]:
    """Run the scenarios. Call ``on_progress`` with the description of each."""
    importlib.import_module("redis")  # So that the forked processes have it loaded.
    assertions: list[Assertion] = []
    with Sandbox(SandboxOptions(limits=False), process=True) as sandbox, RedisServer() as server:
        assert sandbox.ca_file
        with start_workers(size.processes, sandbox.ca_file.read_bytes()) as workers:
            for scenario in scenarios:
                on_progress((scenario.__doc__ or "").splitlines()[0])
                assertions += scenario(ScenarioContext(sandbox, server, workers, size))
    return assertions


def _wait_until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + TIMEOUT
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"Not within {TIMEOUT:.0f} s: {what}.")
        time.sleep(0.02)
